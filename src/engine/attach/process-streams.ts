import { Writable } from "node:stream";
import type { OutputChunk, ProcessStreams } from "../api/index.js";
import type { MonitorConnection } from "./monitor-connection.js";

export interface StreamsOptions {
  readonly isTty: boolean;
  readonly hasStdin: boolean;
  readonly signal?: AbortSignal;
  /** Comes before the live output, which waits meanwhile. */
  readonly replay?: (connection: MonitorConnection | undefined) => AsyncIterable<OutputChunk>;
  /** The live output has ended: what has to be true before the reader learns of it. */
  readonly onDrained?: () => Promise<void>;
  readonly onClosed?: () => void;
}

/** Streams of a process whose monitor is connected now or later; `undefined`: it never will be, and the output is empty. */
export function processStreams(connecting: Promise<MonitorConnection | undefined>, options: StreamsOptions): ProcessStreams {
  let isClosed = false;
  let giveUp: () => void = () => {};
  const closed = new Promise<undefined>((resolve) => { giveUp = () => resolve(undefined); });
  const connection = Promise.race([connecting, closed]);
  connection.catch(() => {});
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    options.signal?.removeEventListener("abort", close);
    giveUp();
    options.onClosed?.();
    void connecting.then((made) => made?.close(), () => {});
  };
  if (options.signal?.aborted) close(); else options.signal?.addEventListener("abort", close, { once: true });

  async function* output(): AsyncGenerator<OutputChunk> {
    try {
      const made = await connection;
      if (isClosed) return;
      if (options.replay) for await (const chunk of options.replay(made)) { if (isClosed) return; yield chunk; }
      if (made) yield* made.output();
      if (!isClosed) await options.onDrained?.();
    } finally { close(); }
  }
  return { isTty: options.isTty, output: output(), stdin: options.hasStdin ? inputOf(connection) : undefined, close };
}

/** What is written before the process runs waits, 64 KiB of it; what is written after it has ended is dropped, as into a closed pipe. */
function inputOf(connection: Promise<MonitorConnection | undefined>): Writable {
  return new Writable({
    highWaterMark: 64 * 1024,
    write(chunk: Buffer, _encoding, done) { connection.then((made) => (made ? made.write(chunk, done) : done()), () => done()); },
    final(done) { connection.then((made) => { made?.endInput(); done(); }, () => done()); },
  });
}
