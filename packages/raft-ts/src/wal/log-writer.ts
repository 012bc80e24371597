// Appends records to segments, one batch at a time: one write and one sync for all records of a batch, unless a segment ends within it.
import { join } from "node:path";
import type { Sealer } from "../api.js";
import { entryBytes } from "../core/log.js";
import type { Entry, HardState } from "../core/types.js";
import type { Disk, DiskFile } from "./disk.js";
import { encodeRecord, fillHeader, type LogRecord, type Marker } from "./record.js";
import { isBefore, type Position, type SegmentInfo } from "./replay.js";
import { segmentHeaderBytes, SegmentMaker, segmentName } from "./segment.js";

/** Entries are spread over records of about this size: what one flipped bit can take away is bounded, and so are buffers. */
const recordBytes = 1024 * 1024;

export interface LogWriterOptions { readonly disk: Disk; readonly directory: string; readonly segmentBytes: number; readonly sealer: Sealer | undefined }

export class LogWriter {
  private file: DiskFile | undefined;
  private fileBytes = 0;
  private position: Position = { segment: 0, offset: 0 };
  private hasUnsynced = false;
  private readonly maker: SegmentMaker;
  /** Everything before this position is on stable storage. */
  synced: Position = { segment: 0, offset: 0 };
  /** Counted since the start. */
  syncs = 0;
  bytesWritten = 0;
  /** As of the last record written: what the next segment begins with. */
  private hardState: HardState = { term: 0, vote: 0, commit: 0 };
  private marker: Marker | undefined;
  private segments: SegmentInfo[] = [];

  constructor(private readonly options: LogWriterOptions) {
    this.maker = new SegmentMaker(options.disk, options.directory, options.segmentBytes);
  }

  /** Goes on behind what was replayed. */
  async resume(end: Position, segments: SegmentInfo[], hardState: HardState, marker: Marker | undefined): Promise<void> {
    this.file = await this.options.disk.open(join(this.options.directory, segmentName(end.segment)), "edit");
    this.fileBytes = await this.file.size();
    this.position = end;
    this.segments = segments;
    this.hardState = hardState;
    this.marker = marker;
    // What was read may be in the page cache only, and a sync alone need not change that: one that failed before this start marked its pages clean all the same (Linux), and then the next
    // has nothing to write. So it is written again. Segments before the last one were synced before this one was begun.
    await this.file.write(await this.file.read(end.offset, 0), 0);
    await this.file.sync();
    // The same goes for its name: the process may have died between the rename and the sync of the directory.
    await this.options.disk.syncDirectory(this.options.directory);
    this.synced = end;
  }

  /** Begins the log anew in segment `number` with this content, then removes all segments before it. In place at once or not at all. */
  async rewrite(number: number, hardState: HardState, marker: Marker, entries: readonly Entry[], old: readonly SegmentInfo[]): Promise<void> {
    await this.file?.close();
    this.hardState = hardState;
    this.marker = marker;
    const records: LogRecord[] = [{ isCheckpoint: true, isReset: true, hardState, marker, entries: [] }, ...splitEntries({ entries })];
    const frames = records.map((record) => encodeRecord(record, this.options.sealer));
    const bytes = frames.reduce((sum, frame) => sum + frame.length, 0);
    const made = await this.maker.take(number, segmentHeaderBytes + bytes, () => placed(frames, bytes, number, segmentHeaderBytes));
    this.adopt(made, number, entries.at(-1)?.index ?? 0);
    this.segments = this.segments.slice(-1);
    for (const segment of old) await this.remove(segment);
  }

  /** Records are in the page cache when it resolves; with `mustSync` they and all before them are on stable storage. */
  append(records: readonly LogRecord[], mustSync: boolean): Promise<void> {
    const split = records.some(isLarge) ? records.flatMap(splitEntries) : records;
    const frames: Uint8Array[] = [];
    let bytes = 0;
    for (let i = 0; i < split.length; i++) {
      const frame = encodeRecord(split[i]!, this.options.sealer);
      frames.push(frame);
      bytes += frame.length;
    }
    if (this.position.offset + bytes > this.fileBytes) return this.appendRolling(split, frames, mustSync);
    for (let i = 0; i < split.length; i++) this.note(split[i]!);
    // Nearly always it fits, and then one promise is enough: what is awaited layer by layer is resumed layer by layer, too.
    if (bytes > 0 && mustSync && !this.hasUnsynced && this.file!.writeSynced !== undefined) return this.flushSynced(frames, bytes);
    return this.flushAndSync(frames, bytes, mustSync);
  }

  private flushSynced(frames: readonly Uint8Array[], bytes: number): Promise<void> {
    const { segment, offset } = this.position;
    // Only these bytes are synced so: what lies before them is already.
    return this.file!.writeSynced!(placed(frames, bytes, segment, offset), offset).then(() => {
      this.position = this.synced = { segment, offset: offset + bytes };
      this.bytesWritten += bytes;
      this.syncs++;
      this.prepareWhenHalfFull();
    });
  }

  private async flushAndSync(frames: readonly Uint8Array[], bytes: number, mustSync: boolean): Promise<void> {
    await this.flush(frames, bytes);
    if (mustSync) await this.sync();
    this.prepareWhenHalfFull();
  }

  private prepareWhenHalfFull(): void { if (this.position.offset > this.fileBytes / 2) this.maker.prepare(); }

  private async appendRolling(records: readonly LogRecord[], encoded: readonly Uint8Array[], mustSync: boolean): Promise<void> {
    let frames: Uint8Array[] = [];
    let bytes = 0;
    for (const [i, record] of records.entries()) {
      const frame = encoded[i]!;
      if (this.position.offset + bytes + frame.length > this.fileBytes) {
        await this.flush(frames, bytes);
        await this.sync();
        // The checkpoint sums up the records before this one; this one follows behind it.
        await this.roll(frame.length);
        frames = [];
        bytes = 0;
      }
      this.note(record);
      frames.push(frame);
      bytes += frame.length;
    }
    await this.flushAndSync(frames, bytes, mustSync);
  }

  private note(record: LogRecord): void {
    if (record.hardState) this.hardState = record.hardState;
    if (record.marker) this.marker = record.marker;
    const last = record.entries.at(-1);
    const segment = this.segments.at(-1)!;
    if (last && last.index > segment.lastIndex) segment.lastIndex = last.index;
  }

  private async flush(frames: readonly Uint8Array[], bytes: number): Promise<void> {
    if (bytes === 0) return;
    const { segment, offset } = this.position;
    await this.file!.write(placed(frames, bytes, segment, offset), offset);
    this.position = { segment, offset: offset + bytes };
    this.bytesWritten += bytes;
    this.hasUnsynced = true;
  }

  async sync(): Promise<void> {
    if (!this.hasUnsynced) return;
    const { position } = this;
    await this.file!.sync();
    this.syncs++;
    this.hasUnsynced = false;
    if (isBefore(this.synced, position)) this.synced = position;
  }

  private async roll(minBytes: number): Promise<void> {
    await this.file!.close();
    const number = this.position.segment + 1;
    const head = encodeRecord({ isCheckpoint: true, hardState: this.hardState, ...(this.marker && { marker: this.marker }), entries: [] }, this.options.sealer);
    const needed = segmentHeaderBytes + head.length + minBytes;
    const made = await this.maker.take(number, needed, () => placed([head], head.length, number, segmentHeaderBytes));
    this.adopt(made, number, 0);
  }

  private adopt(made: { file: DiskFile; size: number; used: number }, number: number, lastIndex: number): void {
    this.file = made.file;
    this.fileBytes = made.size;
    this.position = this.synced = { segment: number, offset: made.used };
    this.hasUnsynced = false;
    this.segments.push({ number, lastIndex });
  }

  /** Removes segments that hold nothing above `index`, from the oldest on. Only after the marker that says so is synced. */
  async removeThrough(index: number): Promise<void> {
    while (this.segments.length > 1 && this.segments[0]!.lastIndex <= index) {
      await this.remove(this.segments.shift()!);
    }
  }

  /** One after the other: a power failure that undid the removal of one and not of the one before it would leave a gap, which looks like damage. */
  private async remove(segment: SegmentInfo): Promise<void> {
    await this.options.disk.remove(join(this.options.directory, segmentName(segment.number)));
    await this.options.disk.syncDirectory(this.options.directory);
  }

  async close(): Promise<void> {
    await this.maker.close();
    await this.file?.close();
    this.file = undefined;
  }
}

/** The frames one behind the other (`bytes` in all), as they go to `offset` of `segment`. One alone stays where it is. */
function placed(frames: readonly Uint8Array[], bytes: number, segment: number, offset: number): Uint8Array {
  const buffer = frames.length === 1 ? frames[0]! : Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    if (frame !== buffer) buffer.set(frame, at);
    fillHeader(buffer, at, at + frame.length, segment, offset + at);
    at += frame.length;
  }
  return buffer;
}

/** More than one record's worth. */
function isLarge({ entries }: LogRecord): boolean {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes > recordBytes;
}

/** The same record as several, each with a part of the entries. */
function splitEntries(record: LogRecord): LogRecord[] {
  const out: LogRecord[] = [];
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < record.entries.length; i++) {
    bytes += entryBytes(record.entries[i]!);
    if (bytes > recordBytes && i > start) {
      out.push({ ...(out.length === 0 ? record : {}), entries: record.entries.slice(start, i) });
      start = i;
      bytes = entryBytes(record.entries[i]!);
    }
  }
  if (out.length === 0) return [record];
  out.push({ entries: record.entries.slice(start) });
  return out;
}
