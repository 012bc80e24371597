import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, type Logger } from "../../lib/index.js";
import type { AttachOptions, OutputChunk, ProcessStreams, TerminalSize } from "../api/index.js";
import type { ContainerAccess } from "../containers/ports.js";
import type { Paths } from "../paths.js";
import { sizeFrame } from "./frames.js";
import { MonitorConnection, isGone, type Greeting } from "./monitor-connection.js";
import { processStreams } from "./process-streams.js";

export interface AttachParts {
  readonly containers: ContainerAccess;
  readonly paths: Paths;
  readonly log: Logger;
  /** What the log holds up to a position; all of it without one. */
  readonly replay: (id: string, until: Greeting | undefined, options: AttachOptions) => AsyncIterable<OutputChunk>;
}

interface Waiting {
  readonly options: AttachOptions;
  /** The monitor was told to wait for it. */
  isCounted: boolean;
  hasLeft: boolean;
  connect(connection: MonitorConnection | undefined): void;
}

const atOnce = 256;

/** Clients attached to containers: those of running ones are connected to its monitor; the others wait for the start, which waits for them. */
export class Attachments {
  #waiting = new Map<string, Set<Waiting>>();
  #sizes = new Map<string, TerminalSize>();
  #open = new Set<ProcessStreams>();
  #isClosed = false;

  constructor(private readonly parts: AttachParts) {}

  /** To a container that does not run: until its next life ends. */
  async attach(id: string, options: AttachOptions): Promise<ProcessStreams> {
    const record = this.parts.containers.require(id, "attach to");
    const { config, phase } = record;
    const refuse = (code: "FAILED_PRECONDITION" | "RESOURCE_EXHAUSTED", why: string): never => { throw new SwarmError(code, `Cannot attach to container "${config.name}": ${why}`); };
    if (this.#isClosed) refuse("FAILED_PRECONDITION", "the engine is closing");
    if (phase === "removing") refuse("FAILED_PRECONDITION", "it is being removed");
    let connecting: Promise<MonitorConnection | undefined>;
    let leave: () => void = () => {};
    if (phase === "running") {
      connecting = this.#connect(id, options, false);
      await connecting;
    } else {
      const waiting = this.#waiting.get(id) ?? new Set();
      if (waiting.size >= atOnce) refuse("RESOURCE_EXHAUSTED", `${atOnce} clients wait for its start already`);
      this.#waiting.set(id, waiting);
      connecting = new Promise((resolve) => {
        const mine: Waiting = { options, isCounted: false, hasLeft: false, connect: resolve };
        waiting.add(mine);
        leave = () => { if (!mine.isCounted) this.#remove(id, mine); mine.hasLeft = true; };
      });
    }
    const streams: ProcessStreams = processStreams(connecting, {
      isTty: config.tty ?? false, hasStdin: options.stdin && (config.openStdin ?? false), ...(options.signal ? { signal: options.signal } : {}),
      ...(options.logs ? { replay: (connection) => this.#replay(id, connection, options) } : {}),
      onClosed: () => { leave(); this.#open.delete(streams); },
    });
    this.#open.add(streams);
    this.parts.containers.publish(record, "attach");
    return streams;
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    const record = this.parts.containers.require(id, "resize the terminal of");
    const { config, phase } = record;
    sizeFrame(size);
    if (phase === "creating" || phase === "created" || phase === "starting" || phase === "exited") { this.#sizes.set(id, size); if (phase !== "starting") return; }
    if (phase !== "running" || !config.tty) return;
    let connection: MonitorConnection;
    try { connection = await MonitorConnection.open(this.parts.paths.container(id).bundle, {}); } catch (error) { if (isGone(error)) return; throw error; }
    connection.resize(size);
    connection.close();
    this.parts.containers.publish(record, "resize", { height: String(size.rows), width: String(size.columns) });
  }

  // ---- what a start asks (ContainerStreams) ----

  /** Arguments for the monitor: whom it waits for, and the terminal's size. The bundle is written. */
  async launching(id: string): Promise<readonly string[]> {
    const size = this.#sizes.get(id);
    this.#sizes.delete(id);
    // By the runtime too: the monitor gets the terminal when the process may run already and have asked for its size.
    if (size) await writeConsoleSize(join(this.parts.paths.container(id).bundle, "config.json"), size);
    const waiting = [...(this.#waiting.get(id) ?? [])];
    for (const each of waiting) each.isCounted = true;
    return [...(waiting.length > 0 ? ["--await", String(waiting.length)] : []), ...(size ? ["--size", `${size.rows}x${size.columns}`] : [])];
  }

  /** It runs: its monitor listens. */
  launched(id: string): void {
    const waiting = this.#take(id);
    for (const each of waiting) {
      void this.#connect(id, each.hasLeft ? { stdin: false, stdout: false, stderr: false } : each.options, each.isCounted).catch((error: unknown) => {
        this.parts.log.warn("a client that waited for a container's start could not be attached", { container: id, error });
        return undefined;
      }).then((connection) => { each.connect(connection); if (each.hasLeft) connection?.close(); });
    }
  }

  /** The start failed, or the container is gone: who waits sees an end. */
  notLaunched(id: string): void {
    this.#sizes.delete(id);
    for (const each of this.#take(id)) each.connect(undefined);
  }

  close(): void {
    this.#isClosed = true;
    for (const id of [...this.#waiting.keys()]) this.notLaunched(id);
    for (const streams of [...this.#open]) streams.close();
  }

  /** Undefined: it has just ended. */
  async #connect(id: string, { stdin, stdout, stderr, logs }: AttachOptions, isAwaited: boolean): Promise<MonitorConnection | undefined> {
    try { return await MonitorConnection.open(this.parts.paths.container(id).bundle, { stdin, stdout, stderr, logPosition: logs ?? false, isAwaited }); } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async *#replay(id: string, connection: MonitorConnection | undefined, options: AttachOptions): AsyncGenerator<OutputChunk> {
    yield* this.parts.replay(id, connection?.greeting, options);
  }

  #take(id: string): Waiting[] {
    const waiting = [...(this.#waiting.get(id) ?? [])];
    this.#waiting.delete(id);
    return waiting;
  }

  #remove(id: string, mine: Waiting): void {
    const waiting = this.#waiting.get(id);
    if (!waiting?.delete(mine)) return;
    if (waiting.size === 0) this.#waiting.delete(id);
    mine.connect(undefined);
  }
}

async function writeConsoleSize(path: string, { rows, columns }: TerminalSize): Promise<void> {
  const config = JSON.parse(await readFile(path, "utf8")) as { process: object };
  await writeFile(path, JSON.stringify({ ...config, process: { ...config.process, consoleSize: { height: rows, width: columns } } }));
}
