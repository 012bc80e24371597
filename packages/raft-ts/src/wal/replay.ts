// Reads the log back: every record verified, in order, up to the first that does not check. Says what was found; deciding what it means is storage.ts.
import { join } from "node:path";
import type { Sealer } from "../api.js";
import type { Entry, HardState } from "../core/types.js";
import type { Disk } from "./disk.js";
import { decodeRecord, readFrame, type LogRecord, type Marker } from "./record.js";
import { isSegmentHeader, segmentHeaderBytes, segmentName, segmentNumber } from "./segment.js";

export interface Position { readonly segment: number; readonly offset: number }
export const isBefore = (a: Position, b: Position): boolean => a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset);

export interface SegmentInfo { readonly number: number; /** highest entry index in it; 0: none */ lastIndex: number }

export interface Replayed {
  hardState: HardState;
  marker: Marker | undefined;
  /** Without a gap among themselves; all above the marker's base. */
  entries: Entry[];
  /** Where the next record belongs. */
  end: Position;
  segments: SegmentInfo[];
  /** clean: zeros follow. torn: something that is no record follows at the very end. broken: a record in the middle, or a file, is bad. */
  ending: "clean" | "torn" | "broken";
}

export async function replay(disk: Disk, directory: string, sealer: Sealer | undefined): Promise<Replayed> {
  const numbers = (await disk.list(directory)).map(segmentNumber).filter((n) => n !== undefined).sort((a, b) => a - b);
  const state: Replayed = { hardState: { term: 0, vote: 0, commit: 0 }, marker: undefined, entries: [], end: { segment: 0, offset: 0 }, segments: [], ending: "clean" };
  for (const [position, number] of numbers.entries()) {
    const isLast = position === numbers.length - 1;
    if (position > 0 && number !== numbers[position - 1]! + 1) {
      // A rewritten log (see rewrite in log-writer.ts) leaves a gap and begins with a reset; else a file is missing.
      if (!await beginsAnew(disk, directory, number, sealer)) return broken(state, numbers.slice(position));
    }
    const ending = await replaySegment(disk, directory, number, sealer, state);
    if (ending === "clean") continue;
    // Segments are synced before the next one is begun, so only the very last may end torn. A rewrite that was cut off before it had removed
    // what it replaces is the exception.
    const next = numbers[position + 1];
    if (!isLast && next !== undefined && await beginsAnew(disk, directory, next, sealer)) continue;
    if (!isLast) return broken(state, numbers.slice(position + 1));
    state.ending = ending;
    return state;
  }
  return state;
}

/** What comes behind the break is not read, but it is there: whoever writes the log anew has to begin behind it and remove it. */
function broken(state: Replayed, unread: readonly number[]): Replayed {
  state.ending = "broken";
  for (const number of unread) state.segments.push({ number, lastIndex: 0 });
  return state;
}

async function beginsAnew(disk: Disk, directory: string, number: number, sealer: Sealer | undefined): Promise<boolean> {
  const file = await disk.open(join(directory, segmentName(number)), "read");
  try {
    const bytes = await file.read(await file.size(), 0);
    if (!isSegmentHeader(bytes, number)) return false;
    const frame = readFrame(bytes, number, segmentHeaderBytes);
    return frame.kind === "record" && decodeRecord(frame.payload, sealer).isReset === true;
  } finally { await file.close(); }
}

async function replaySegment(disk: Disk, directory: string, number: number, sealer: Sealer | undefined, state: Replayed): Promise<Replayed["ending"]> {
  const file = await disk.open(join(directory, segmentName(number)), "read");
  try {
    const bytes = await file.read(await file.size(), 0);
    state.end = { segment: number, offset: 0 };
    const info: SegmentInfo = { number, lastIndex: 0 };
    state.segments.push(info);
    if (!isSegmentHeader(bytes, number)) return "broken";
    let offset = segmentHeaderBytes;
    for (;;) {
      state.end = { segment: number, offset };
      const frame = readFrame(bytes, number, offset);
      if (frame.kind === "end") return "clean";
      if (frame.kind === "damaged") return "torn";
      // Not caught: a checksum that fits over a payload that does not open is a wrong key, not a damaged disk.
      const record = decodeRecord(frame.payload, sealer);
      if (!applyRecord(state, record)) return "broken";
      for (const entry of record.entries) info.lastIndex = Math.max(info.lastIndex, entry.index);
      offset = frame.end;
    }
  } finally { await file.close(); }
}

/** False: the record does not follow from those before. */
function applyRecord(state: Replayed, record: LogRecord): boolean {
  if (record.isReset) state.entries = [];
  if (record.hardState) state.hardState = record.hardState;
  if (record.marker) {
    state.marker = record.marker;
    dropThrough(state.entries, record.marker.base.index);
  }
  const base = state.marker?.base.index ?? 0;
  const { entries } = state;
  for (const entry of record.entries) {
    if (entry.index <= base) continue;
    // The first segment that is left may begin in the middle; a later marker then says that what is missing was compacted.
    const at = entries.length === 0 ? 0 : entry.index - entries[0]!.index;
    if (at > entries.length) return false;
    if (at < entries.length) entries.length = Math.max(0, at);
    entries.push(entry);
  }
  return true;
}

function dropThrough(entries: Entry[], index: number): void {
  const count = entries.findIndex((entry) => entry.index > index);
  entries.splice(0, count === -1 ? entries.length : count);
}
