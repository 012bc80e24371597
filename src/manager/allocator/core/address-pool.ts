import { assert } from "../../../lib/index.js";
import { contains, formatIpv4, parseIpv4, sizeOf, type Cidr } from "../../../model/index.js";

/**
 * The addresses of one network: a bitmap over the subnet and who owns what. Network address, broadcast address and gateway are never
 * given out. The cursor moves on with each allocation (next-fit), so that a freed address rests as long as possible before it is used
 * again: peers may still remember its last owner.
 */
export class AddressPool {
  readonly #bits: Uint32Array;
  readonly #owners = new Map<number, string>();   // offset → owner
  readonly #reserved: number;
  #cursor = 0;

  constructor(readonly subnet: Cidr, gateway: string) {
    const size = sizeOf(subnet);
    // One bit an address; a /8 takes 2 MiB. What is wider is cut: nobody fills it.
    this.#size = Math.min(size, 2 ** 24);
    this.#bits = new Uint32Array(Math.ceil(this.#size / 32));
    const gatewayIp = parseIpv4(gateway);
    const reserved = new Set([0, size - 1, ...(gatewayIp !== undefined && contains(subnet, gatewayIp) ? [gatewayIp - subnet.base] : [])]);
    let count = 0;
    for (const offset of reserved) if (offset >= 0 && offset < this.#size) { this.#set(offset); count++; }
    this.#reserved = count;
  }
  readonly #size: number;

  /** How many can be owned at once. */
  get capacity(): number { return this.#size - this.#reserved; }
  get used(): number { return this.#owners.size; }

  /** undefined: used up. */
  take(owner: string): string | undefined {
    const offset = this.#nextFree(this.#cursor) ?? this.#nextFree(0);
    if (offset === undefined) return undefined;
    this.#set(offset);
    this.#owners.set(offset, owner);
    this.#cursor = (offset + 1) % this.#size;
    return formatIpv4((this.subnet.base + offset) >>> 0);
  }

  /** Notes that `owner` has `addr`; false if it is another's, reserved, or not of this subnet. The cursor moves past it. */
  claim(addr: string, owner: string): boolean {
    const offset = this.#offsetOf(addr);
    if (offset === undefined) return false;
    const present = this.#owners.get(offset);
    if (present !== undefined || this.#has(offset)) return present === owner;
    this.#set(offset);
    this.#owners.set(offset, owner);
    return true;
  }

  /** Continues after `addr` when nothing was allocated yet: what a new leader knows of the last owner's cursor. */
  resumeAfter(addr: string): void {
    const offset = this.#offsetOf(addr);
    if (offset !== undefined) this.#cursor = (offset + 1) % this.#size;
  }

  /** Only the owner frees; true if something was freed. */
  free(addr: string, owner: string): boolean {
    const offset = this.#offsetOf(addr);
    if (offset === undefined || this.#owners.get(offset) !== owner) return false;
    this.#owners.delete(offset);
    this.#bits[offset >>> 5]! &= ~(1 << (offset & 31));
    return true;
  }

  ownerOf(addr: string): string | undefined {
    const offset = this.#offsetOf(addr);
    return offset === undefined ? undefined : this.#owners.get(offset);
  }

  #offsetOf(addr: string): number | undefined {
    const ip = parseIpv4(addr);
    if (ip === undefined || !contains(this.subnet, ip)) return undefined;
    const offset = ip - this.subnet.base;
    return offset < this.#size ? offset : undefined;
  }

  #has(offset: number): boolean { return (this.#bits[offset >>> 5]! & (1 << (offset & 31))) !== 0; }
  #set(offset: number): void {
    assert(!this.#has(offset), "an address is given out once");
    this.#bits[offset >>> 5]! |= 1 << (offset & 31);
  }

  #nextFree(from: number): number | undefined {
    for (let offset = from; offset < this.#size;) {
      const word = this.#bits[offset >>> 5]!;
      if (word === 0xffffffff) { offset = (offset & ~31) + 32; continue; }
      if (!this.#has(offset)) return offset;
      offset++;
    }
    return undefined;
  }
}
