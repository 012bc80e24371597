import { spawn, type ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { SwarmError } from "../../lib/index.js";
import { AnswerReader, encodeKill, encodeMountOverlay, encodePaths, encodeRun, maxFrameBytes, requestKind, type OverlayMount, type RunRequest } from "./spawner-frames.js";

/** What the helper did: `code` -1 with the reason when it could not do it at all. */
export interface SpawnAnswer { readonly code: number; readonly why: string; /** The helper itself ended meanwhile: nobody knows how far it came. */ readonly isLost: boolean }
export interface SpawnOptions { readonly onOutput?: (stream: 1 | 2 | 3, bytes: Buffer) => void; /** Receives what kills the program. */ readonly onStarted?: (kill: (signal: number) => void) => void }

interface Waiting { answer(answer: SpawnAnswer): void; readonly onOutput: SpawnOptions["onOutput"] }

/**
 * The helper process that starts programs for the engine (monitor/spawner.c), so that this large process never forks. It is started with the first engine,
 * started again when it dies, and ends with the last engine of this process, however that ends.
 */
export class Spawner {
  static #open: Spawner | undefined;
  #users = 0;
  #helper: Helper | undefined;

  private constructor(readonly monitorPath: string) {}

  /** One for the whole process: what it does depends on nothing of the engine. `close` it once. */
  static async open(monitorPath: string): Promise<{ close(): Promise<void> }> {
    const spawner = (Spawner.#open ??= new Spawner(monitorPath));
    spawner.#users++;
    let isClosed = false;
    const handle = {
      async close() {
        if (isClosed) return;
        isClosed = true;
        if (--spawner.#users > 0) return;
        if (Spawner.#open === spawner) Spawner.#open = undefined;
        await spawner.#helper?.end();
      },
    };
    const answer = await spawner.removeDirectories([]);
    if (answer.code === 0) return handle;
    await handle.close();
    throw new SwarmError("FAILED_PRECONDITION", `Cannot start the engine: ${answer.why}`);
  }

  /** The open one; undefined in a process without an engine. */
  static current(): Spawner | undefined { return Spawner.#open; }

  get pid(): number | undefined { return this.#helper?.pid; }

  async run(request: RunRequest, options: SpawnOptions = {}): Promise<SpawnAnswer> { return this.#alive().send((id) => encodeRun(id, request), options); }
  async mountOverlay(mount: OverlayMount): Promise<SpawnAnswer> { return this.#alive().send((id) => encodeMountOverlay(id, mount), {}); }
  unmount(paths: readonly string[]): Promise<SpawnAnswer> { return this.#again((id) => encodePaths(id, requestKind.unmount, paths)); }
  /** Empty directories, deepest first: control groups. */
  removeDirectories(paths: readonly string[]): Promise<SpawnAnswer> { return this.#again((id) => encodePaths(id, requestKind.removeDirectories, paths)); }

  #alive(): Helper {
    if (!this.#helper?.isAlive) this.#helper = new Helper(this.monitorPath);
    return this.#helper;
  }

  /** What bears repetition does not notice that the helper died. */
  async #again(encode: (id: number) => Buffer): Promise<SpawnAnswer> {
    const answer = await this.#alive().send(encode, {});
    return answer.isLost ? this.#alive().send(encode, {}) : answer;
  }
}

/** One life of the helper. */
class Helper {
  #child: ChildProcess;
  #requests: Socket;
  #answers: Socket;
  #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #gone: Promise<void>;
  isAlive = true;

  constructor(monitorPath: string) {
    // A session of its own: a Ctrl-C at the daemon's terminal is for the daemon.
    this.#child = spawn(monitorPath, ["spawner"], { stdio: ["pipe", "pipe", "ignore"], detached: true });
    if (!this.#child.stdin) throw new SwarmError("RESOURCE_EXHAUSTED", "cannot start the process that starts programs for the engine: this process has too many open files; raise its limit (LimitNOFILE)");
    this.#requests = this.#child.stdin as Socket;
    this.#answers = this.#child.stdout as Socket;
    const reader = new AnswerReader({
      output: (id, stream, bytes) => this.#waiting.get(id)?.onOutput?.(stream, bytes),
      end: (id, code, why) => this.#settle(id, { code, why, isLost: false }),
    });
    this.#gone = new Promise((resolve) => {
      const lost = (why: string) => {
        this.isAlive = false;
        for (const id of [...this.#waiting.keys()]) this.#settle(id, { code: -1, why, isLost: true });
        resolve();
      };
      this.#child.on("error", (error) => lost(`the spawn helper "${monitorPath}" cannot be run: ${error.message}; run npm run build`));
      this.#answers.on("data", (bytes: Buffer) => { try { reader.feed(bytes); } catch { this.#child.kill("SIGKILL"); } });
      // All that it answered has been read by then.
      this.#answers.on("close", () => lost("the process that starts programs for the engine was killed meanwhile; it is started again, so try again"));
      this.#answers.on("error", () => {});
    });
    this.#requests.on("error", () => { this.isAlive = false; });
    this.#child.unref();
    this.#hold();
  }

  get pid(): number | undefined { return this.isAlive ? this.#child.pid : undefined; }

  send(encode: (id: number) => Buffer, options: SpawnOptions): Promise<SpawnAnswer> {
    const id = this.#nextId;
    this.#nextId = this.#nextId === 0xffff_ffff ? 1 : this.#nextId + 1;
    const frame = encode(id);
    if (frame.length > maxFrameBytes) return Promise.resolve({ code: -1, why: `its arguments and input are too large: ${frame.length} bytes of at most ${maxFrameBytes}`, isLost: false });
    return new Promise((resolve) => {
      this.#waiting.set(id, { answer: resolve, onOutput: options.onOutput });
      this.#hold();
      this.#requests.write(frame);
      options.onStarted?.((signal) => { if (this.#waiting.has(id) && this.isAlive) { this.#requests.write(encodeKill(0, id, signal)); } });
    });
  }

  /** What is still running is killed with it; monitors go on. */
  async end(): Promise<void> {
    this.#requests.end();
    this.#answers.ref();
    await this.#gone;
  }

  #settle(id: number, answer: SpawnAnswer): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    this.#waiting.delete(id);
    this.#hold();
    waiting.answer(answer);
  }

  /** Only somebody who waits keeps this process from ending. */
  #hold(): void {
    for (const socket of [this.#requests, this.#answers]) if (this.#waiting.size > 0) socket.ref(); else socket.unref();
  }
}

/** The open helper; to work on mounts there must be one. */
export function requireSpawner(): Spawner {
  const spawner = Spawner.current();
  if (!spawner) throw new SwarmError("FAILED_PRECONDITION", "the engine is closed");
  return spawner;
}
