import { open, type FileHandle } from "node:fs/promises";
import { filesOf, openFile, unpack, type HeldPosition, type LogFile, type LogPosition } from "./log-files.js";
import { scannerOf, type LogForm, type RecordScanner } from "./record-scanner.js";
import type { Wanted } from "./wanted.js";

const blockBytes = 256 * 1024;
const recordMaxBytes = 16 * 1024 * 1024;
const attempts = 10;

/** The end of the log as it is now, its file held open; a compressed one is not. */
export async function endPosition(path: string, form: LogForm): Promise<HeldPosition | undefined> {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const newest: LogFile | undefined = (await filesOf(path, form)).at(-1);
    if (!newest) return undefined;
    if (newest.isCompressed) return { file: newest.key, offset: Number.MAX_SAFE_INTEGER };
    const handle = await open(newest.path, "r").catch(() => undefined);
    if (!handle) continue;       // rotated away just now
    // The path may name a newer file by now; what was opened is what counts.
    const { ino, size } = await handle.stat({ bigint: true });
    return { file: form === "json" ? String(ino) : newest.key, offset: Number(size), handle };
  }
  return undefined;
}

/** Where the last `count` wanted lines before `end` begin, read from there backwards; undefined: at the very beginning. */
export async function tailPosition(path: string, form: LogForm, count: number, wanted: Wanted, end: HeldPosition): Promise<HeldPosition | undefined> {
  let oldest: LogPosition | undefined;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const counter = new LineCounter(count, wanted);
    if (end.handle) {
      const offset = await backwards(end.handle, form, counter, end.offset);
      if (offset !== undefined) return { ...end, offset };
    }
    oldest = { file: end.file, offset: 0 };
    const files = await filesOf(path, form);
    const newest = files.findIndex((file) => file.key === end.file);
    let isRotated = false;
    for (const file of files.slice(0, end.handle ? Math.max(0, newest) : newest + 1).reverse()) {
      const handle = await openFile(file, form);
      if (!handle) { isRotated = true; break; }
      const offset = await (file.isCompressed ? inCompressed(handle, form, counter) : backwards(handle, form, counter)).catch(async (error: unknown) => { await handle.close(); throw error; });
      if (offset !== undefined && !file.isCompressed) return { file: file.key, offset, handle };
      await handle.close();
      if (offset !== undefined) return { file: file.key, offset };
      oldest = { file: file.key, offset: 0 };
    }
    if (!isRotated) return undefined;
  }
  return oldest;
}

/** Counts lines from the last to the first: a record that ends its line begins another, and so does a stream's very last that does not. */
class LineCounter {
  #lines = 0;
  #open = new Set<string>();
  constructor(readonly count: number, private readonly wanted: Wanted) {}

  get left(): number { return this.count - this.#lines; }

  /** True: this record is of a line too many. */
  isTooMany(record: RecordScanner): boolean {
    if (!record.isWhole || !this.wanted.matches(record)) return false;
    const begins = record.endsLine || !this.#open.has(record.stream);
    if (begins && this.#lines === this.count) return true;
    if (begins) this.#lines++;
    this.#open.add(record.stream);
    return false;
  }

  add(lines: number): void { this.#lines += lines; }
  isCounted(record: RecordScanner): boolean { return record.isWhole && record.endsLine && this.wanted.matches(record); }
}

async function backwards(handle: FileHandle, form: LogForm, counter: LineCounter, from?: number): Promise<number | undefined> {
  const scanner = scannerOf(form);
  let block = Buffer.alloc(0);           // the file from `at` on, as far as it is not yet looked at
  let at = from ?? (await handle.stat()).size;
  for (;;) {
    let end = block.length;
    for (;;) {
      const start = end > 0 ? scanner.previous(block, 0, end, at === 0) : -1;
      if (start < 0) break;
      if (scanner.next(block, start, end) === end && counter.isTooMany(scanner)) return at + end;
      end = start;
    }
    if (at === 0) return undefined;
    if (end > recordMaxBytes) return at + end;   // no record is so long: damage, before which nothing is read
    const size = Math.min(at, Math.max(blockBytes, end));
    const grown = Buffer.allocUnsafe(size + end);
    const { bytesRead } = await handle.read(grown, 0, size, at - size);
    if (bytesRead < size) return undefined;      // cut off meanwhile
    block.copy(grown, size, 0, end);
    block = grown;
    at -= size;
  }
}

/** It can be read forwards only: once to count, and once more if not all of it is wanted. */
async function inCompressed(handle: FileHandle, form: LogForm, counter: LineCounter): Promise<number | undefined> {
  const path = `/proc/self/fd/${handle.fd}`;
  let lines = 0;
  await forwards(path, form, (record) => { if (counter.isCounted(record)) lines++; return false; });
  if (lines <= counter.left) { counter.add(lines); return undefined; }
  let surplus = lines - counter.left;
  return forwards(path, form, (record) => counter.isCounted(record) && --surplus === 0);
}

/** The offset behind the record at which `isLast` says so. */
async function forwards(path: string, form: LogForm, isLast: (record: RecordScanner) => boolean): Promise<number | undefined> {
  const scanner = scannerOf(form);
  const { iterator } = unpack(await open(path, "r"));
  let offset = 0;
  let rest: Buffer = Buffer.alloc(0);
  try {
    for (let chunk = await iterator.next(); !chunk.done; chunk = await iterator.next()) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk.value]) : chunk.value;
      let from = 0;
      for (let next = scanner.next(bytes, from, bytes.length); next >= 0; next = scanner.next(bytes, from, bytes.length)) {
        from = next;
        if (isLast(scanner)) return offset + from;
      }
      offset += from;
      rest = bytes.subarray(from);
    }
    return undefined;
  } finally { await iterator.return?.(); }
}
