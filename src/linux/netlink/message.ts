import { assert } from "../../lib/index.js";

/**
 * Netlink's wire form (RFC 3549): messages of a 16-byte header, a body, and attributes that are aligned to 4 bytes and may nest. Numbers are in the
 * machine's byte order, which is little-endian wherever this runs; what belongs to the network (addresses, ports, nftables) is big-endian.
 */
export const flagRequest = 0x1, flagAck = 0x4, flagReplace = 0x100, flagExcl = 0x200, flagCreate = 0x400, flagAppend = 0x800, flagDump = 0x300;
export const typeError = 2, typeDone = 3;

const headerSize = 16;
const aligned = (size: number): number => (size + 3) & ~3;

export interface Message { readonly type: number; readonly flags: number; readonly body: Buffer }
export interface Received extends Message { readonly sequence: number }

/** One attribute. `nested` marks a container of attributes (NLA_F_NESTED), which strict parsers ask for. */
export function attribute(type: number, value: Buffer): Buffer {
  const size = 4 + value.length;
  assert(size <= 0xffff, "an attribute is shorter than 64 KiB");
  const bytes = Buffer.alloc(aligned(size));
  bytes.writeUInt16LE(size, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

export const nested = (type: number, children: readonly Buffer[]): Buffer => attribute(type | 0x8000, Buffer.concat(children));
export const text = (type: number, value: string): Buffer => attribute(type, Buffer.from(`${value}\0`));
export const flag = (type: number): Buffer => attribute(type, Buffer.alloc(0));
export const byte = (type: number, value: number): Buffer => attribute(type, Buffer.from([value]));

export function uint16(type: number, value: number): Buffer { const bytes = Buffer.alloc(2); bytes.writeUInt16LE(value); return attribute(type, bytes); }
export function uint32(type: number, value: number): Buffer { const bytes = Buffer.alloc(4); bytes.writeUInt32LE(value >>> 0); return attribute(type, bytes); }
export function uint32be(type: number, value: number): Buffer { const bytes = Buffer.alloc(4); bytes.writeUInt32BE(value >>> 0); return attribute(type, bytes); }

/** Messages as they go into one datagram, numbered from `sequence` on. */
export function encodeMessages(messages: readonly Message[], sequence: number): Buffer {
  const bytes = Buffer.alloc(messages.reduce((size, message) => size + aligned(headerSize + message.body.length), 0));
  let at = 0;
  messages.forEach((message, index) => {
    const size = headerSize + message.body.length;
    bytes.writeUInt32LE(size, at);
    bytes.writeUInt16LE(message.type, at + 4);
    bytes.writeUInt16LE(message.flags, at + 6);
    bytes.writeUInt32LE((sequence + index) >>> 0, at + 8);
    message.body.copy(bytes, at + headerSize);
    at += aligned(size);
  });
  return bytes;
}

/** What a datagram holds; a message that claims more bytes than there are ends it. */
export function decodeMessages(datagram: Buffer): Received[] {
  const found: Received[] = [];
  for (let at = 0; at + headerSize <= datagram.length;) {
    const size = datagram.readUInt32LE(at);
    if (size < headerSize || at + size > datagram.length) break;
    found.push({ type: datagram.readUInt16LE(at + 4), flags: datagram.readUInt16LE(at + 6), sequence: datagram.readUInt32LE(at + 8), body: datagram.subarray(at + headerSize, at + size) });
    at += aligned(size);
  }
  return found;
}

/** Attributes by type, the last of a type; nesting marks removed. */
export function decodeAttributes(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length;) {
    const size = bytes.readUInt16LE(at);
    if (size < 4 || at + size > bytes.length) break;
    found.set(bytes.readUInt16LE(at + 2) & 0x3fff, bytes.subarray(at + 4, at + size));
    at += aligned(size);
  }
  return found;
}

export const textOf = (bytes: Buffer | undefined): string => (bytes ? bytes.toString("utf8").replace(/\0.*$/s, "") : "");
