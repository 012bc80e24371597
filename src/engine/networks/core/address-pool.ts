import { addressAt, contains, sizeOf, type IpAddress, type Subnet } from "./ip-address.js";

// What is given out by itself lies among the first 2²⁴ addresses of a pool: a bitmap of 2 MiB at the very most, and grown only as far as it is used.
const dynamicLimit = 1n << 24n;

/** Which addresses of a subnet are in use: one bit each, the lowest free one is given out next. */
export class AddressPool {
  readonly #range: Subnet;
  #words = new Uint32Array(8);
  /** All below are taken. */
  #firstCandidate = 0;
  readonly #beyond = new Set<bigint>();

  /** `range`: the part of the subnet that is given out by itself. Network and broadcast address are never given out. */
  constructor(readonly subnet: Subnet, range: Subnet = subnet) {
    this.#range = range;
    if (subnet.prefix >= (subnet.family === 4 ? 31 : 127)) return;
    this.take(addressAt(subnet, 0n));
    if (subnet.family === 4) this.take(addressAt(subnet, sizeOf(subnet) - 1n));
  }

  isTaken(ip: IpAddress): boolean { const offset = this.#offsetOf(ip); return offset === undefined ? this.#beyond.has(ip.value) : this.#has(offset); }

  /** False when it is taken already. */
  take(ip: IpAddress): boolean {
    if (!contains(this.subnet, ip) || this.isTaken(ip)) return false;
    const offset = this.#offsetOf(ip);
    if (offset === undefined) { this.#beyond.add(ip.value); return true; }
    this.#grow(offset);
    this.#words[offset >>> 5]! |= 1 << (offset & 31);
    return true;
  }

  give(ip: IpAddress): void {
    const offset = this.#offsetOf(ip);
    if (offset === undefined) { this.#beyond.delete(ip.value); return; }
    if (offset >>> 5 >= this.#words.length) return;
    this.#words[offset >>> 5]! &= ~(1 << (offset & 31));
    if (offset < this.#firstCandidate) this.#firstCandidate = offset;
  }

  /** Undefined when all are taken. */
  takeNext(): IpAddress | undefined {
    const size = Number(this.#size());
    for (let offset = this.#firstCandidate; offset < size;) {
      const word = offset >>> 5 < this.#words.length ? this.#words[offset >>> 5]! : 0;
      if (word === -1 >>> 0) { offset = ((offset >>> 5) + 1) << 5; continue; }
      if ((word & (1 << (offset & 31))) === 0) {
        const ip = addressAt(this.#range, BigInt(offset));
        this.take(ip);
        this.#firstCandidate = offset + 1;
        return ip;
      }
      offset++;
    }
    return undefined;
  }

  /** How many can be given out by itself in all, used or not. */
  get capacity(): bigint { return this.#size(); }

  #size(): bigint { const size = sizeOf(this.#range); return size < dynamicLimit ? size : dynamicLimit; }
  #offsetOf(ip: IpAddress): number | undefined { const offset = ip.value - this.#range.base; return offset >= 0n && offset < this.#size() ? Number(offset) : undefined; }
  #has(offset: number): boolean { return offset >>> 5 < this.#words.length && (this.#words[offset >>> 5]! & (1 << (offset & 31))) !== 0; }

  #grow(offset: number): void {
    let length = this.#words.length;
    while (offset >>> 5 >= length) length *= 2;
    if (length === this.#words.length) return;
    const grown = new Uint32Array(length);
    grown.set(this.#words);
    this.#words = grown;
  }
}
