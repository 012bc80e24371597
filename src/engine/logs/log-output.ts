import type { LogLine } from "../api/index.js";
import { timeBytes, type RecordScanner } from "./record-scanner.js";

const joinedLineMaxBytes = 1024 * 1024;
const newline = 0x0a;

interface Begun { readonly timestamp: string; readonly parts: Buffer[]; size: number }

/** Records to whole lines, per stream. */
export class LineJoiner {
  #lines: LogLine[] = [];
  #begun = new Map<"stdout" | "stderr", Begun>();

  add(record: RecordScanner): void {
    const room = Buffer.allocUnsafe(record.maxBytes);
    const part = room.subarray(0, record.copyTo(room, 0));
    const { stream } = record;
    const begun = this.#begun.get(stream);
    if (!begun && record.endsLine) { this.#lines.push({ stream, timestamp: record.time(), line: part }); return; }
    const line: Begun = begun ?? { timestamp: record.time(), parts: [], size: 0 };
    line.parts.push(part);
    line.size += part.length;
    if (!record.endsLine && line.size < joinedLineMaxBytes) { this.#begun.set(stream, line); return; }
    this.#begun.delete(stream);
    this.#lines.push({ stream, timestamp: line.timestamp, line: Buffer.concat(line.parts) });
  }

  take(): LogLine[] {
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  /** What has no newline yet, in the order in which it began. */
  finish(): LogLine[] {
    const left = [...this.#begun].map(([stream, { timestamp, parts }]) => ({ stream, timestamp, line: Buffer.concat(parts) }));
    this.#begun.clear();
    return left.sort((a, b) => (a.timestamp < b.timestamp ? -1 : 1));
  }
}

/** Records to the Docker API's bytes. Only a line's first piece has its time and the details. */
export class FrameWriter {
  #out: Buffer = Buffer.alloc(0);
  #used = 0;
  #isInLine = { stdout: false, stderr: false };
  constructor(private readonly isTty: boolean, private readonly hasTimestamps: boolean, private readonly details: Buffer = Buffer.alloc(0)) {}

  add(record: RecordScanner): void {
    const most = 8 + timeBytes + 1 + this.details.length + record.maxBytes + 1;
    if (this.#used + most > this.#out.length) this.#grow(most);
    const out = this.#out;
    const start = this.#used;
    let at = this.isTty ? start : start + 8;
    const { stream } = record;
    if (this.hasTimestamps && !this.#isInLine[stream]) { at = record.copyTimeTo(out, at); out[at++] = 0x20; }
    if (this.details.length > 0 && !this.#isInLine[stream]) at += this.details.copy(out, at);
    at = record.copyTo(out, at);
    if (record.endsLine) out[at++] = newline;
    this.#isInLine[stream] = !record.endsLine;
    if (!this.isTty) {
      const length = at - start - 8;
      out[start] = stream === "stdout" ? 1 : 2;
      out[start + 1] = out[start + 2] = out[start + 3] = 0;
      out[start + 4] = length >>> 24;
      out[start + 5] = length >>> 16;
      out[start + 6] = length >>> 8;
      out[start + 7] = length;
    }
    this.#used = at;
  }

  take(): Buffer | undefined {
    if (this.#used === 0) return undefined;
    const taken = this.#out.subarray(0, this.#used);
    // A reader may hold on to what it was given: never written again. What is left of the buffer is used for what comes next.
    this.#out = this.#out.subarray(this.#used);
    this.#used = 0;
    return taken;
  }

  #grow(most: number): void {
    const grown = Buffer.allocUnsafe(Math.max(1024 * 1024 + most, 2 * this.#used + most));
    this.#out.copy(grown, 0, 0, this.#used);
    this.#out = grown;
  }
}
