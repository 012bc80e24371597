import { SwarmError } from "../../lib/index.js";

/** What goes over a monitor's attach socket, in both directions: [type, 0, 0, 0, length as u32 big-endian] and the payload (monitor/monitor.h). */
const fromMonitor = { greeting: 0, stdout: 1, stderr: 2, end: 3 } as const;
export const toMonitor = { input: 0, inputEnd: 1, size: 2, hello: 3 } as const;
export const helloFlags = { stdin: 1, stdout: 2, stderr: 4, logPosition: 8, awaited: 16 } as const;

const headBytes = 8;
const textMaxBytes = 4_096;

export function head(type: number, length: number): Buffer {
  const bytes = Buffer.alloc(headBytes);
  bytes[0] = type;
  bytes.writeUInt32BE(length, 4);
  return bytes;
}

export const helloFrame = (flags: number): Buffer => Buffer.concat([head(toMonitor.hello, 1), Buffer.of(flags)]);

export function sizeFrame({ rows, columns }: { rows: number; columns: number }): Buffer {
  for (const value of [rows, columns]) if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new SwarmError("INVALID_ARGUMENT", `Terminal size ${columns}x${rows} is not valid; rows and columns are numbers up to 65535`);
  const payload = Buffer.alloc(4);
  payload.writeUInt16BE(rows, 0);
  payload.writeUInt16BE(columns, 2);
  return Buffer.concat([head(toMonitor.size, 4), payload]);
}

export interface FrameListener {
  /** Part of a frame or the whole: output is passed on as it comes. A view of what was fed. */
  output(stream: "stdout" | "stderr", bytes: Buffer): void;
  greeting(text: string): void;
  end(text: string): void;
}

/** Takes a monitor's bytes apart, however they were cut on the way. */
export class FrameReader {
  #head = Buffer.alloc(headBytes);
  #headUsed = 0;
  #left = 0;
  #text: Buffer[] = [];
  constructor(private readonly listener: FrameListener) {}

  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#headUsed < headBytes) {
        const taken = bytes.copy(this.#head, this.#headUsed, at, at + headBytes - this.#headUsed);
        this.#headUsed += taken;
        at += taken;
        if (this.#headUsed < headBytes) return;
        this.#left = this.#head.readUInt32BE(4);
        if (this.#head[0]! > fromMonitor.end || (this.#isText() && this.#left > textMaxBytes)) throw new SwarmError("DATA_LOSS", "a container's monitor sent what is no frame");
      }
      const part = bytes.subarray(at, at + this.#left);
      at += part.length;
      this.#left -= part.length;
      if (this.#isText()) this.#text.push(part); else if (part.length > 0) this.listener.output(this.#head[0] === fromMonitor.stdout ? "stdout" : "stderr", part);
      if (this.#left > 0) return;
      this.#headUsed = 0;
      if (!this.#isText()) continue;
      const text = Buffer.concat(this.#text).toString();
      this.#text = [];
      if (this.#head[0] === fromMonitor.greeting) this.listener.greeting(text); else this.listener.end(text);
    }
  }

  #isText(): boolean { return this.#head[0] === fromMonitor.greeting || this.#head[0] === fromMonitor.end; }
}
