import { SwarmError } from "../lib/index.js";

/**
 * Protobuf's wire format (protobuf.dev/programming-guides/encoding), written into one buffer that is kept. protobufjs links an object for
 * every tag and value and counts lengths first, which takes three times as long for a task.
 */
export class WireWriter {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #at = 0;

  /** What was written since the last call. */
  finish(): Uint8Array {
    // A copy of its own: what is kept for long must not hold a larger buffer.
    const message = Uint8Array.prototype.slice.call(this.#bytes, 0, this.#at);
    this.clear();
    return message;
  }

  clear(): void {
    this.#at = 0;
    if (this.#bytes.byteLength > keptBytes) this.#bytes = Buffer.allocUnsafe(keptBytes);
  }

  #reserve(count: number): void {
    if (this.#at + count <= this.#bytes.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.byteLength, this.#at + count));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  /** [0, 2^32): also of tags and lengths. */
  uint32(value: number): void {
    this.#reserve(10);
    const bytes = this.#bytes;
    let at = this.#at;
    while (value > 0x7f) { bytes[at++] = (value & 0x7f) | 0x80; value >>>= 7; }
    bytes[at++] = value;
    this.#at = at;
  }

  int32(value: number): void {
    if (value >= 0) this.uint32(value); else this.int64(value);
  }

  /** Whole numbers; those beyond 2^53 as exactly as a double holds them. */
  int64(value: number): void {
    if (value >= 0 && value <= 0xffffffff) return this.uint32(value);
    this.#reserve(10);
    const bytes = this.#bytes;
    let at = this.#at;
    const size = Math.abs(value);
    let low = size >>> 0;
    let high = ((size - low) / 0x100000000) >>> 0;
    if (value < 0) { low = (~low + 1) >>> 0; high = (~high + (low === 0 ? 1 : 0)) >>> 0; }
    while (high > 0 || low > 0x7f) {
      bytes[at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    bytes[at++] = low;
    this.#at = at;
  }

  bool(value: boolean): void { this.uint32(value ? 1 : 0); }

  double(value: number): void {
    this.#reserve(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  float(value: number): void {
    this.#reserve(4);
    this.#at = this.#bytes.writeFloatLE(value, this.#at);
  }

  bytes(value: Uint8Array): void {
    this.uint32(value.byteLength);
    this.#reserve(value.byteLength);
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }

  string(value: string): void {
    const { length } = value;
    if (length > 0x7f) return this.#longString(value);
    // One byte holds the length unless something is not ASCII.
    this.#reserve(length + 1);
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return this.#longString(value);
      bytes[at++] = code;
    }
    this.#at = at;
  }

  /** A half of a surrogate pair that stands alone is written as if it were a character, and read back: every string comes back as it was. */
  #longString(value: string): void {
    const { length } = value;
    this.#reserve(3 * length + 5);
    const content = this.begin(lengthSize(length));
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = 0; i < length; i++) {
      let code = value.charCodeAt(i);
      if (code < 0x80) { bytes[at++] = code; continue; }
      if (code < 0x800) { bytes[at++] = 0xc0 | (code >> 6); bytes[at++] = 0x80 | (code & 0x3f); continue; }
      if ((code & 0xfc00) === 0xd800 && i + 1 < length && (value.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
        code = 0x10000 + ((code & 0x3ff) << 10) + (value.charCodeAt(++i) & 0x3ff);
        bytes[at++] = 0xf0 | (code >> 18);
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
      } else bytes[at++] = 0xe0 | (code >> 12);
      bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
      bytes[at++] = 0x80 | (code & 0x3f);
    }
    this.#at = at;
    this.end(content, lengthSize(length));
  }

  /** Leaves `room` bytes for the length of what comes; returns where it begins, for `end`. */
  begin(room: number): number {
    this.#reserve(room);
    return this.#at += room;
  }

  /** Fills in the length. Returns the room that it needed: a good guess for the next of its kind, which need not be moved then. */
  end(content: number, room: number): number {
    const length = this.#at - content;
    const needed = lengthSize(length);
    if (needed !== room) {
      this.#reserve(5);
      this.#bytes.copyWithin(content - room + needed, content, this.#at);
    }
    const end = content - room + needed + length;
    this.#at = content - room;
    this.uint32(length);
    this.#at = end;
    return needed;
  }
}

/** A larger buffer, for a larger message, is let go. */
const keptBytes = 8 * 1024 * 1024;

const lengthSize = (length: number): number => (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : length < 0x10000000 ? 4 : 5);

/** Ids, names and messages occur again and again: a string read lately is given out again, which costs less than a new one and holds its memory once. */
const recentStrings = new Array<string>(32 * 1024).fill("");
const longestRecent = 48;

/** Reads what WireWriter (or any protobuf writer) wrote. Throws DATA_LOSS for bytes that are no message. */
export class WireReader {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Uint8Array) { this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength); }

  uint32(): number {
    const bytes = this.#bytes;
    let at = this.at;
    let byte = bytes[at++]!;
    let value = byte & 0x7f;
    for (let shift = 7; byte > 0x7f; shift += 7) {
      byte = bytes[at++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      else if (shift > 63) throw malformed();
    }
    if (at > bytes.byteLength) throw malformed();
    this.at = at;
    return value >>> 0;
  }

  int32(): number { return this.uint32() | 0; }
  bool(): boolean { return this.int64() !== 0; }
  int64(): number { return this.#varint(true); }
  uint64(): number { return this.#varint(false); }

  #varint(isSigned: boolean): number {
    const bytes = this.#bytes;
    let at = this.at;
    let low = 0, high = 0, byte = 0x80;
    for (let shift = 0; byte > 0x7f; shift += 7) {
      if (shift > 63) throw malformed();
      byte = bytes[at++]!;
      const part = byte & 0x7f;
      if (shift < 28) low |= part << shift;
      else if (shift === 28) { low |= part << 28; high = part >>> 4; } else high |= part << (shift - 32);
    }
    if (at > bytes.byteLength) throw malformed();
    this.at = at;
    return (isSigned ? high | 0 : high >>> 0) * 0x100000000 + (low >>> 0);
  }

  double(): number {
    this.#expect(8);
    return this.#bytes.readDoubleLE((this.at += 8) - 8);
  }

  float(): number {
    this.#expect(4);
    return this.#bytes.readFloatLE((this.at += 4) - 4);
  }

  /** Where the length-delimited value that begins here ends. */
  end(): number {
    const length = this.uint32();
    this.#expect(length);
    return this.at + length;
  }

  bytes(): Uint8Array {
    const end = this.end();
    return Buffer.from(this.#bytes.subarray(this.at, this.at = end));
  }

  string(): string {
    const end = this.end();
    const begin = this.at;
    this.at = end;
    const bytes = this.#bytes;
    const length = end - begin;
    if (length > longestRecent) {
      for (let at = begin; at < end; at++) if (bytes[at]! > 0x7f) return wideString(bytes, begin, end);
      return bytes.toString("latin1", begin, end);
    }
    let hash = length;
    for (let at = begin; at < end; at++) {
      const byte = bytes[at]!;
      if (byte > 0x7f) return wideString(bytes, begin, end);
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    const place = (hash ^ (hash >>> 15)) & (recentStrings.length - 1);
    const recent = recentStrings[place]!;
    if (recent.length === length) {
      let i = 0;
      while (i < length && recent.charCodeAt(i) === bytes[begin + i]) i++;
      if (i === length) return recent;
    }
    return recentStrings[place] = bytes.toString("latin1", begin, end);
  }

  /** Passes over a field that this version does not know. */
  skip(wireType: number): void {
    switch (wireType) {
      case 0: this.int64(); return;
      case 1: this.#expect(8); this.at += 8; return;
      case 2: this.at = this.end(); return;
      case 5: this.#expect(4); this.at += 4; return;
      default: throw malformed();
    }
  }

  #expect(count: number): void { if (this.at + count > this.#bytes.byteLength) throw malformed(); }
}

function wideString(bytes: Uint8Array, begin: number, end: number): string {
  let text = "";
  const units: number[] = [];
  for (let at = begin; at < end;) {
    const first = bytes[at++]!;
    if (first < 0x80) units.push(first);
    else if (first < 0xe0) units.push(((first & 0x1f) << 6) | (bytes[at++]! & 0x3f));
    else if (first < 0xf0) units.push(((first & 0x0f) << 12) | ((bytes[at++]! & 0x3f) << 6) | (bytes[at++]! & 0x3f));
    else {
      const code = (((first & 0x07) << 18) | ((bytes[at++]! & 0x3f) << 12) | ((bytes[at++]! & 0x3f) << 6) | (bytes[at++]! & 0x3f)) - 0x10000;
      units.push(0xd800 | ((code >> 10) & 0x3ff), 0xdc00 | (code & 0x3ff));
    }
    if (at > end) throw malformed();
    if (units.length > 8_000) { text += String.fromCharCode(...units); units.length = 0; }
  }
  return text + String.fromCharCode(...units);
}

export const malformed = (): SwarmError => new SwarmError("DATA_LOSS", "Cannot read a message: its bytes are damaged or end too early.");
