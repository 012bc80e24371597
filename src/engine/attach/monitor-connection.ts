import { open } from "node:fs/promises";
import { Socket } from "node:net";
import { SwarmError, codeOf } from "../../lib/index.js";
import type { OutputChunk, TerminalSize } from "../api/index.js";
import { FrameReader, head, helloFrame, helloFlags, sizeFrame, toMonitor } from "./frames.js";
import { OutputQueue } from "./output-queue.js";

export interface Hello { readonly stdin?: boolean; readonly stdout?: boolean; readonly stderr?: boolean; readonly logPosition?: boolean; /** The monitor copies nothing before this client has come. */ readonly isAwaited?: boolean }
/** Where in the log the output that follows begins: the file (json-file: its inode, local: its number) and the offset in it. */
export interface Greeting { readonly tty: boolean; readonly file: string; readonly offset: number }
export interface ProcessEnd { readonly exitCode: number; readonly finishedAtMs: number }

const greetingMs = 10_000;

/** One connection to the monitor of a container or of an exec. */
export class MonitorConnection {
  /** Undefined: the connection broke before the process ended, or nobody read its output to the end. */
  readonly ended: Promise<ProcessEnd | undefined>;
  greeting: Greeting = { tty: false, file: "0", offset: 0 };
  readonly #queue: OutputQueue;
  #end: ProcessEnd | undefined;
  #isClosed = false;

  private constructor(private readonly socket: Socket, onGreeting: (greeting: Greeting) => void) {
    this.#queue = new OutputQueue(socket);
    const reader = new FrameReader({
      output: (stream, bytes) => this.#queue.push({ stream, bytes }),
      greeting: (text) => { this.greeting = JSON.parse(text) as Greeting; onGreeting(this.greeting); },
      end: (text) => { this.#end = JSON.parse(text) as ProcessEnd; this.#queue.end(); },
    });
    socket.on("error", () => {});      // "close" follows, and means the same: the monitor has gone
    socket.on("data", (bytes: Buffer) => { try { reader.feed(bytes); } catch { socket.destroy(); } });
    this.ended = new Promise((resolve) => socket.once("close", () => { this.#isClosed = true; this.#queue.end(); resolve(this.#end); }));
  }

  /** NOT_FOUND: no monitor listens there (any more). Resolves when the monitor knows this client: what the process prints from then on comes. */
  static async open(directory: string, hello: Hello): Promise<MonitorConnection> {
    const socket = await connectIn(directory);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { reject(new SwarmError("UNAVAILABLE", `its monitor did not answer within ${greetingMs} ms`)); socket.destroy(); }, greetingMs);
      const connection = new MonitorConnection(socket, () => { clearTimeout(timer); resolve(connection); });
      void connection.ended.then(() => { clearTimeout(timer); reject(new SwarmError("NOT_FOUND", "its monitor has ended")); });
      socket.write(helloFrame((hello.stdin ? helloFlags.stdin : 0) | (hello.stdout ? helloFlags.stdout : 0) | (hello.stderr ? helloFlags.stderr : 0)
        | (hello.logPosition ? helloFlags.logPosition : 0) | (hello.isAwaited ? helloFlags.awaited : 0)));
    });
  }

  output(): AsyncGenerator<OutputChunk> { return this.#queue.read(); }

  /** `done` when there is room for more. Into a process that has ended it goes unseen. */
  write(bytes: Uint8Array, done: () => void): void {
    if (this.#isClosed || bytes.length === 0) { done(); return; }
    this.socket.cork();
    this.socket.write(head(toMonitor.input, bytes.length));
    this.socket.write(bytes, () => done());
    this.socket.uncork();
  }

  endInput(): void { if (!this.#isClosed) this.socket.write(head(toMonitor.inputEnd, 0)); }
  resize(size: TerminalSize): void { const frame = sizeFrame(size); if (!this.#isClosed) this.socket.write(frame); }

  /** Input that is on its way still arrives; output does not. */
  close(): void {
    this.#queue.discard();
    if (this.#isClosed || this.#end || this.socket.writableLength === 0) { this.socket.destroy(); return; }
    this.socket.end(() => this.socket.destroy());
    this.socket.resume();
  }

  /** At once. */
  destroy(): void { this.#queue.discard(); this.socket.destroy(); }
}

type Written = (error?: Error | null) => void;

/**
 * What cannot be written any more is dropped, as into a closed pipe. An error of writing would end the socket at once, and with it the last
 * output of a process that ended while its input came: that lies in the kernel still.
 */
class MonitorSocket extends Socket {
  override _write(chunk: unknown, encoding: BufferEncoding, done: Written): void { super._write(chunk, encoding, () => done()); }
  override _writev(chunks: { chunk: unknown; encoding: BufferEncoding }[], done: Written): void { super._writev!(chunks, () => done()); }
}

/** A socket's path holds 107 bytes, which a state directory may exceed: it is named through a descriptor of its directory. */
async function connectIn(directory: string): Promise<Socket> {
  const handle = await open(directory, "r").catch((error: unknown) => { throw new SwarmError("NOT_FOUND", `no monitor runs in "${directory}"`, { cause: error }); });
  try {
    return await new Promise<Socket>((resolve, reject) => {
      const socket = new MonitorSocket({ allowHalfOpen: false });
      socket.once("error", (error: NodeJS.ErrnoException) => reject(new SwarmError(["ENOENT", "ECONNREFUSED", "ECONNRESET"].includes(error.code ?? "") ? "NOT_FOUND" : "UNAVAILABLE", `its monitor cannot be reached: ${error.message}`, { cause: error })));
      socket.connect({ path: `/proc/self/fd/${handle.fd}/attach.sock` }, () => resolve(socket));
    });
  } finally { await handle.close(); }
}

export const isGone = (error: unknown): boolean => codeOf(error) === "NOT_FOUND";
