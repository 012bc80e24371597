// What the log's records hold, and how they are framed. All three kinds of news (hard state, snapshot, entries) share one stream of records, so one sync covers them and
// their order is the order of writing.
//
//   record:  length of the payload u32 | CRC-32C of length and payload u32 | payload, as the sealer returned it
//   payload: flags byte | [hard state: term, vote, commit] | [snapshot: meta, then base index and base term] | [entries]   (codec.ts)
//
// The checksum is seeded with the segment's number and the record's offset, so that a block that comes back from a wrong place does not pass.
// A length of 0 ends a segment: it is filled with zeros beforehand.
import { RaftError, type Sealer } from "../api.js";
import { readEntries, readSnapshotMeta, writeEntries, writeSnapshotMeta } from "../codec.js";
import { Reader, Writer } from "../core/bytes.js";
import type { Entry, HardState, SnapshotMeta } from "../core/types.js";
import { crc32c } from "./crc32c.js";

export interface Base { readonly index: number; readonly term: number }

/** The snapshot that stands for everything up to its index; entries are kept from `base` on. */
export interface Marker { readonly meta: SnapshotMeta; readonly base: Base }

export interface LogRecord {
  readonly hardState?: HardState;
  readonly marker?: Marker;
  /** With `marker`: the log was replaced; entries before this record are void. */
  readonly isReset?: boolean;
  /** First record of a segment, which sums up the ones before. With `isReset` they are not needed at all. */
  readonly isCheckpoint?: boolean;
  readonly entries: readonly Entry[];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const recordHeaderBytes = 8;

const hasHardState = 1, hasMarker = 2, reset = 4, checkpoint = 8;

/** The record's frame, complete but for its header: that says where the frame is on disk (`fillHeader`). */
export function encodeRecord(record: LogRecord, sealer: Sealer | undefined): Uint8Array {
  let capacity = 128;
  for (const entry of record.entries) capacity += entry.data.length + 16;
  const w = new Writer(capacity);
  if (!sealer) w.skip(recordHeaderBytes);
  w.byte((record.hardState ? hasHardState : 0) | (record.marker ? hasMarker : 0) | (record.isReset ? reset : 0) | (record.isCheckpoint ? checkpoint : 0));
  if (record.hardState) w.int(record.hardState.term).int(record.hardState.vote).int(record.hardState.commit);
  if (record.marker) {
    writeSnapshotMeta(w, record.marker.meta);
    w.int(record.marker.base.index).int(record.marker.base.term);
  }
  writeEntries(w, record.entries);
  const written = w.finish();
  if (!sealer) return written;
  const sealed = sealer.seal(written);
  const frame = Buffer.allocUnsafe(recordHeaderBytes + sealed.length);
  frame.set(sealed, recordHeaderBytes);
  return frame;
}

/** Of a payload whose checksum fits: what cannot be understood then was not written by this version with this key. */
export function decodeRecord(payload: Uint8Array, sealer: Sealer | undefined): LogRecord {
  try { return decode(new Reader(unseal(payload, sealer))); } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new RaftError("corrupt", `Cannot read the Raft log: its records are whole and yet not understood; ${sealer ? "they were written without a key, or by a newer version: start with what wrote them" : "they were written with a key, or by a newer version: start with the key that they were written with"}`, { cause });
  }
}

function decode(r: Reader): LogRecord {
  const flags = r.byte();
  // No spreads: with small records they take longer than all the rest.
  const record: Mutable<LogRecord> = { isReset: (flags & reset) !== 0, isCheckpoint: (flags & checkpoint) !== 0, entries: [] };
  if (flags & hasHardState) record.hardState = { term: r.int(), vote: r.int(), commit: r.int() };
  if (flags & hasMarker) record.marker = { meta: readSnapshotMeta(r), base: { index: r.int(), term: r.int() } };
  record.entries = readEntries(r);
  return record;
}

/** For bytes whose checksum fits: if they do not open, it is the key that is wrong, not the disk. */
export function unseal(sealed: Uint8Array, sealer: Sealer | undefined): Uint8Array {
  if (!sealer) return sealed;
  try {
    return sealer.open(sealed);
  } catch (cause) {
    throw new RaftError("corrupt", "Cannot decrypt the Raft log: the key does not fit what is on disk; start with the key that it was written with", { cause });
  }
}

/** Of the frame that lies in `bytes` from `at` to `end`; `segment` and `offset` say where it will be on disk. */
export function fillHeader(bytes: Uint8Array, at: number, end: number, segment: number, offset: number): void {
  const length = end - at - recordHeaderBytes;
  writeUInt32(bytes, at, length);
  writeUInt32(bytes, at + 4, checksum(bytes, at, length, segment, offset));
}

function writeUInt32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}

export type Frame =
  | { readonly kind: "record"; readonly payload: Buffer; readonly end: number }
  | { readonly kind: "end" }
  | { readonly kind: "damaged" };

/** The frame at `offset` of a whole segment. */
export function readFrame(segmentBytes: Buffer, segment: number, offset: number): Frame {
  if (segmentBytes.length - offset < recordHeaderBytes) return { kind: "end" };
  const length = segmentBytes.readUInt32LE(offset);
  if (length === 0) return isZero(segmentBytes, offset) ? { kind: "end" } : { kind: "damaged" };
  const end = offset + recordHeaderBytes + length;
  if (end > segmentBytes.length || checksum(segmentBytes, offset, length, segment, offset) !== segmentBytes.readUInt32LE(offset + 4)) return { kind: "damaged" };
  return { kind: "record", payload: segmentBytes.subarray(offset + recordHeaderBytes, end), end };
}

function checksum(bytes: Uint8Array, at: number, length: number, segment: number, offset: number): number {
  const seed = (Math.imul(segment, 0x9e3779b1) ^ offset) >>> 0;
  return crc32c(bytes, crc32c(bytes, seed, at, at + 4), at + recordHeaderBytes, at + recordHeaderBytes + length);
}

const zeros = Buffer.alloc(64 * 1024);
function isZero(bytes: Buffer, from: number): boolean {
  for (let at = from; at < bytes.length; at += zeros.length) {
    const end = Math.min(bytes.length, at + zeros.length);
    if (bytes.compare(zeros, 0, end - at, at, end) !== 0) return false;
  }
  return true;
}
