import { watch } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Clock } from "../../lib/index.js";
import type { LogFrameOptions, LogLine, LogReadOptions } from "../api/index.js";
import { LogReader, type HeldPosition, type LogFile, type LogPosition } from "./log-files.js";
import { FrameWriter, LineJoiner } from "./log-output.js";
import { scannerOf, type LogForm, type RecordScanner } from "./record-scanner.js";
import { endPosition, tailPosition } from "./tail.js";
import { wantedOf, type Wanted } from "./wanted.js";

export interface LogSource {
  readonly path: string;
  readonly form: LogForm;
  /** Nothing more will be written: then a follower ends once it has read all. */
  readonly hasEnded: () => boolean;
  readonly clock: Clock;
}

const pollMs = 100;
const bufferBytes = 1024 * 1024;
const recordMaxBytes = 16 * 1024 * 1024;

/** Lines, oldest first. A line that was recorded in pieces (more than 16 KiB) comes out whole, up to 1 MiB; with follow, one that is unfinished when its container ends comes last. */
export async function* readLines(source: LogSource, options: LogReadOptions): AsyncGenerator<LogLine> {
  const joiner = new LineJoiner();
  for await (const isEnd of batches(source, options, (record) => joiner.add(record))) {
    yield* joiner.take();
    if (isEnd) yield* joiner.finish();
  }
}

/** Docker's frames, one a record, or with a terminal the bytes alone; in buffers of about 1 MiB that are the reader's own. */
export async function* readFrames(source: LogSource, options: Omit<LogFrameOptions, "details"> & { readonly isTty: boolean; readonly until?: LogPosition | undefined; readonly details?: Buffer | undefined }): AsyncGenerator<Buffer> {
  const writer = new FrameWriter(options.isTty, options.timestamps ?? false, options.details);
  for await (const _ of batches(source, options, (record) => writer.add(record), options.until)) {
    const bytes = writer.take();
    if (bytes) yield bytes;
  }
}

/** Passes each wanted record to `visit` and yields after each part that was read; true: nothing comes after it. Memory does not grow with the log. */
async function* batches(source: LogSource, options: LogReadOptions, visit: (record: RecordScanner) => void, until?: LogPosition): AsyncGenerator<boolean> {
  const { path, form, clock } = source;
  const { signal, follow = false, tail } = options;
  const wanted = wantedOf(options);
  const scanner = scannerOf(form);
  // A file that was last written before `since` holds nothing of interest.
  const skip = wanted.sinceMs === undefined ? undefined : async (file: LogFile) => (await stat(file.path).then((s) => s.mtimeMs, () => Infinity)) < wanted.sinceMs! - 1;
  if (tail === 0 && !follow) return;
  const reader = new LogReader(path, form, { ...(await rangeOf(path, form, tail, wanted, follow, until)), ...(skip ? { skip } : {}) });
  const changes = follow ? changeSignal(dirname(path), clock, signal) : undefined;
  let buffer = Buffer.allocUnsafe(bufferBytes);
  let used = 0;
  try {
    while (!signal?.aborted) {
      // Asked before reading: what was written before the end is then read for sure.
      const isEnd = !follow || source.hasEnded();
      for (let count = await reader.read(buffer, used); count > 0 && !signal?.aborted; count = await reader.read(buffer, used)) {
        used += count;
        let from = 0;
        for (let next = scanner.next(buffer, 0, used); next >= 0; next = scanner.next(buffer, from, used)) {
          if (scanner.isWhole && wanted.matches(scanner)) visit(scanner);
          from = next;
        }
        buffer.copyWithin(0, from, used);
        used -= from;
        if (used === buffer.length) {
          if (used >= recordMaxBytes) used = 0;    // no record is so long: damage
          else { const grown = Buffer.allocUnsafe(used * 2); buffer.copy(grown, 0, 0, used); buffer = grown; }
        }
        yield false;
      }
      if (signal?.aborted) return;
      if (isEnd || (wanted.untilMs !== undefined && clock.now() > wanted.untilMs)) { yield true; return; }
      await changes!.next();
    }
  } finally {
    changes?.close();
    await reader.close();
  }
}

/**
 * Docker's tail counts the lines that are there now; a follower is shown all that come later, and who does not follow none of them:
 * a container that writes as fast as it is read would never be read to its end.
 */
async function rangeOf(path: string, form: LogForm, tail: number | undefined, wanted: Wanted, follow: boolean, until: LogPosition | undefined): Promise<{ since?: HeldPosition | undefined; until?: HeldPosition | undefined }> {
  const counts = tail !== undefined && tail >= 0;
  if (until || (follow && !counts)) return { until };
  const end = await endPosition(path, form);
  if (!end || !counts) return { until: end };
  if (tail === 0) return { since: end };
  const since = await tailPosition(path, form, tail, wanted, end).catch(async (error: unknown) => { await end.handle?.close(); throw error; });
  if (!follow) return { since, until: end };
  if (since?.handle !== end.handle) await end.handle?.close();
  return { since };
}

/** Wakes a follower when the folder changes, at latest after 100 ms: a watch may be missing (inotify limits). */
function changeSignal(directory: string, clock: Clock, signal: AbortSignal | undefined): { next(): Promise<void>; close(): void } {
  let hasChanged = false;
  let wake: (() => void) | undefined;
  const onChange = () => { hasChanged = true; wake?.(); };
  let watcher: ReturnType<typeof watch> | undefined;
  try {
    watcher = watch(directory, { persistent: false }, onChange);
    watcher.on("error", () => {});
  } catch { /* polling is enough */ }
  signal?.addEventListener("abort", onChange, { once: true });
  return {
    async next() {
      if (!hasChanged) {
        await new Promise<void>((resolve) => {
          const timer = clock.after(pollMs, resolve);
          wake = () => { timer.cancel(); resolve(); };
        });
      }
      hasChanged = false;
      wake = undefined;
    },
    close() { watcher?.close(); signal?.removeEventListener("abort", onChange); },
  };
}
