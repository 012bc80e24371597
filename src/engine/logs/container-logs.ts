import { SwarmError, type Clock } from "../../lib/index.js";
import type { AttachOptions, LogFrameOptions, LogLine, LogReadOptions, OutputChunk } from "../api/index.js";
import type { ContainerAccess } from "../containers/ports.js";
import type { ContainerRecord } from "../containers/record.js";
import type { Paths } from "../paths.js";
import { logDetails } from "./attributes.js";
import { resolveLogOptions } from "./drivers.js";
import type { LogPosition } from "./log-files.js";
import { logPath } from "./monitor-arguments.js";
import { readFrames, readLines, type LogSource } from "./read-log.js";

/** Reading what containers printed, whatever their driver. */
export class ContainerLogs {
  #isClosed = false;
  constructor(private readonly parts: { readonly containers: ContainerAccess; readonly paths: Paths; readonly clock: Clock }) {}

  async *lines(id: string, options: LogReadOptions): AsyncGenerator<LogLine> { yield* readLines(this.#source(id), options); }

  async *frames(id: string, options: LogFrameOptions): AsyncGenerator<Buffer> {
    const source = this.#source(id);
    const { config } = this.#require(id);
    yield* readFrames(source, { ...options, isTty: config.tty ?? false, details: options.details ? Buffer.from(`${logDetails(resolveLogOptions(config.logDriver).attributes, config)} `) : undefined });
  }

  /** What the log holds up to a position, for a client that attaches and sees the rest live. A container whose driver is none has nothing to show. */
  async *replay(id: string, until: LogPosition | undefined, { stdout, stderr }: AttachOptions): AsyncGenerator<OutputChunk> {
    const { config: { logDriver, tty } } = this.#require(id);
    if (resolveLogOptions(logDriver).form === "none" || (until?.offset === 0 && until.file === "0")) return;
    const source = this.#source(id);
    if (tty) { for await (const bytes of readFrames(source, { isTty: true, until })) yield { stream: "stdout", bytes }; return; }
    for await (const frames of readFrames(source, { isTty: false, until, stdout, stderr })) yield* chunksOf(frames);
  }

  /** Followers end. */
  close(): void { this.#isClosed = true; }

  #source(id: string): LogSource {
    const { config } = this.#require(id);
    const { form } = resolveLogOptions(config.logDriver);
    if (form === "none") throw new SwarmError("FAILED_PRECONDITION", `Container "${config.name}" keeps no logs: its log driver is none`);
    const hasEnded = () => {
      const phase = this.parts.containers.record(id)?.phase;
      return this.#isClosed || phase === undefined || phase === "exited" || phase === "removing";
    };
    return { path: logPath(form, this.parts.paths.container(id)), form, hasEnded, clock: this.parts.clock };
  }

  #require(id: string): ContainerRecord { return this.parts.containers.require(id, "read the logs of"); }
}

function* chunksOf(frames: Buffer): Generator<OutputChunk> {
  for (let at = 0; at < frames.length;) {
    const length = frames.readUInt32BE(at + 4);
    yield { stream: frames[at] === 2 ? "stderr" : "stdout", bytes: frames.subarray(at + 8, at + 8 + length) };
    at += 8 + length;
  }
}
