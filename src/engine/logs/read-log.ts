import { watch } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../lib/index.js";
import type { LogLine, LogReadOptions } from "../api/index.js";
import { LogFiles } from "./log-files.js";

const pollMs = 100;
const joinedLineMaxBytes = 1024 * 1024;

/**
 * Lines of a json-file log. With follow, until `hasEnded` says that nothing more will be written and all of it has been read.
 * A line that was recorded in pieces (more than 16 KiB) comes out whole, up to 1 MiB.
 */
export async function* readLog(path: string, options: LogReadOptions, hasEnded: () => boolean, clock: Clock): AsyncGenerator<LogLine> {
  const files = LogFiles.oldest(path);
  const parser = new LineParser();
  const { sinceMs, untilMs, signal, follow = false, tail } = options;
  const isWanted = (line: LogLine) => (sinceMs === undefined || Date.parse(line.timestamp) >= sinceMs) && (untilMs === undefined || Date.parse(line.timestamp) <= untilMs);
  const changes = follow ? changeSignal(dirname(path), clock, signal) : undefined;
  // Docker's tail counts the lines that are there now; those that come later are all shown.
  let kept: LogLine[] | undefined = tail === undefined || tail < 0 ? undefined : [];
  try {
    for (;;) {
      // Asked before reading: what was written before the end is then read for sure.
      const isEnd = !follow || hasEnded();
      for (let bytes = await files.read(); bytes && !signal?.aborted; bytes = await files.read()) {
        for (const line of parser.feed(bytes)) {
          if (!isWanted(line)) continue;
          if (kept) { kept.push(line); if (kept.length > 2 * tail! + 100) kept = kept.slice(kept.length - tail!); } else yield line;
        }
      }
      if (signal?.aborted) return;
      const rest = isEnd ? parser.finish().filter(isWanted) : [];
      if (kept) { kept.push(...rest); yield* tail! > 0 ? kept.slice(-tail!) : []; kept = undefined; } else yield* rest;
      if (isEnd || (untilMs !== undefined && clock.now() > untilMs)) return;
      await changes!.next();
    }
  } finally {
    changes?.close();
    await files.close();
  }
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

interface Piece { readonly timestamp: string; readonly parts: Buffer[]; size: number }

class LineParser {
  #rest: Buffer = Buffer.alloc(0);
  #pieces = new Map<"stdout" | "stderr", Piece>();

  *feed(bytes: Buffer): Generator<LogLine> {
    const all = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : Buffer.from(bytes);
    let start = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, start)) {
      const line = this.#record(all.subarray(start, end));
      start = end + 1;
      if (line) yield line;
    }
    this.#rest = all.subarray(start);
  }

  /** What has no newline yet, in the order in which it began. */
  finish(): LogLine[] {
    const left = [...this.#pieces].map(([stream, piece]) => ({ stream, timestamp: piece.timestamp, line: Buffer.concat(piece.parts) }));
    this.#pieces.clear();
    return left.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
  }

  #record(bytes: Buffer): LogLine | undefined {
    let json: { log?: unknown; stream?: unknown; time?: unknown };
    try { json = JSON.parse(bytes.toString("utf8")) as typeof json; } catch { return undefined; }   // a torn record, after a power cut
    if (typeof json.log !== "string" || typeof json.time !== "string") return undefined;
    const stream = json.stream === "stderr" ? "stderr" : "stdout";
    const ends = json.log.endsWith("\n");
    const text = Buffer.from(ends ? json.log.slice(0, -1) : json.log, "utf8");
    const begun = this.#pieces.get(stream);
    if (!begun && ends) return { stream, timestamp: json.time, line: text };
    const piece: Piece = begun ?? { timestamp: json.time, parts: [], size: 0 };
    piece.parts.push(text);
    piece.size += text.length;
    if (!ends && piece.size < joinedLineMaxBytes) { this.#pieces.set(stream, piece); return undefined; }
    this.#pieces.delete(stream);
    return { stream, timestamp: piece.timestamp, line: Buffer.concat(piece.parts) };
  }
}
