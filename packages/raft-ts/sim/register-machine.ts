// The replicated state of the simulation: registers that are written, compared and swapped. Every write has an id of its own, and is the value that it writes, so that whatever is read
// names the write that it saw.
import type { StateMachine } from "../src/api.js";
import { Reader, Writer } from "../src/core/bytes.js";

/** compare-and-swap writes only if the register holds `expected`. */
export interface RegisterWrite { readonly id: number; readonly key: number; readonly kind: "write" | "compare-and-swap"; readonly expected: number }

const headerBytes = 11;

/** `paddingBytes` more than needed, so that windows, messages and segments fill. */
export function encodeWrite(write: RegisterWrite, paddingBytes: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(headerBytes + paddingBytes).fill(0x2e, headerBytes);
  bytes.writeUInt32LE(write.id, 0);
  bytes[4] = write.kind === "write" ? 1 : 2;
  bytes.writeUInt16LE(write.key, 5);
  bytes.writeUInt32LE(write.expected, 7);
  return bytes;
}

export const idOf = (data: Uint8Array): number => (data[0]! | (data[1]! << 8) | (data[2]! << 16) | (data[3]! << 24)) >>> 0;
const keyOf = (data: Uint8Array): number => data[5]! | (data[6]! << 8);
const expectedOf = (data: Uint8Array): number => (data[7]! | (data[8]! << 8) | (data[9]! << 16) | (data[10]! << 24)) >>> 0;

export interface MachineObserver {
  applied(index: number, data: Uint8Array, digest: number): void;
  restored(index: number, digest: number): void;
}

export class RegisterMachine implements StateMachine {
  registers: number[];
  lastIndex = 0;
  /** Of everything applied so far, in order. */
  digest = 0;
  /** id of a write that somebody here waits for → what the register held before it. */
  readonly awaited = new Map<number, number | undefined>();

  constructor(private readonly keys: number, private readonly chunkBytes: number, private readonly observer: MachineObserver) { this.registers = new Array<number>(keys).fill(0); }

  apply(entries: readonly { readonly index: number; readonly data: Uint8Array }[]): void {
    for (const { index, data } of entries) {
      if (index <= this.lastIndex) throw new Error(`entry ${index} is applied after entry ${this.lastIndex}`);
      this.lastIndex = index;
      const id = idOf(data), key = keyOf(data);
      const before = this.registers[key]!;
      if (data[4] === 1 || before === expectedOf(data)) this.registers[key] = id;
      if (this.awaited.has(id)) this.awaited.set(id, before);
      this.digest = Math.imul(Math.imul(this.digest ^ index, 0x01000193) ^ id, 0x01000193);
      this.observer.applied(index, data, this.digest);
    }
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    const writer = new Writer().int(this.lastIndex).int(this.digest >>> 0).int(this.keys);
    for (const value of this.registers) writer.int(value);
    const bytes = writer.finish();
    for (let at = 0; at < bytes.length; at += this.chunkBytes) yield bytes.slice(at, at + this.chunkBytes);
  }

  async restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void> {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(chunk);
    const reader = new Reader(Buffer.concat(parts));
    const lastIndex = reader.int();
    if (lastIndex > index) throw new Error(`a snapshot at ${index} holds entry ${lastIndex}`);
    this.digest = reader.int() | 0;
    this.registers = Array.from({ length: reader.int() }, () => reader.int());
    this.lastIndex = lastIndex;
    this.observer.restored(index, this.digest);
  }
}
