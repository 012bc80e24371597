import type { Writable } from "node:stream";

/**
 * A running process's standard streams. With a terminal there is only `stdout`, raw bytes. `stdin` can be ended alone (half-close).
 * `output` ends when the process's output has ended; destroying it detaches and leaves the process alone.
 */
export interface ProcessStreams {
  readonly isTty: boolean;
  /** Chunks in the order in which the process wrote them; a slow reader slows nothing but itself (see its implementation for the bound). */
  readonly output: AsyncIterable<OutputChunk>;
  readonly stdin: Pick<Writable, "write" | "end" | "once" | "destroy"> | undefined;
  close(): void;
}
export interface OutputChunk { readonly stream: "stdout" | "stderr"; readonly bytes: Buffer }

export interface AttachOptions { readonly stdin: boolean; readonly stdout: boolean; readonly stderr: boolean; /** What was printed before comes first. */ readonly logs?: boolean; readonly signal?: AbortSignal }
export interface TerminalSize { readonly rows: number; readonly columns: number }

export interface ExecConfig {
  readonly containerId: string;
  readonly command: readonly string[];
  readonly env?: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly privileged?: boolean;
  readonly tty: boolean;
  readonly attachStdin: boolean;
  readonly attachStdout: boolean;
  readonly attachStderr: boolean;
  readonly detachKeys?: string;
}

export interface ExecState {
  readonly id: string;
  readonly config: ExecConfig;
  readonly isRunning: boolean;
  readonly exitCode: number | undefined;   // undefined until it has ended
  readonly pid: number;
}

/** Commands in running containers. Those of containers that ended are forgotten with their container's life, finished ones after five minutes. */
export interface Execs {
  create(config: ExecConfig): Promise<string>;
  /** Runs it; without attachments or with isDetached there are no streams. */
  start(id: string, options: { tty: boolean; isDetached: boolean; size?: TerminalSize }): Promise<ProcessStreams | undefined>;
  /** NOT_FOUND when there is none. */
  inspect(id: string): ExecState;
  resize(id: string, size: TerminalSize): Promise<void>;
  /** Ids of a container's execs that are running. */
  of(containerId: string): string[];
}

export interface LogReadOptions {
  readonly follow?: boolean; readonly tail?: number; readonly sinceMs?: number; readonly untilMs?: number; readonly signal?: AbortSignal;
  readonly stdout?: boolean; readonly stderr?: boolean;   // default: both
  /** As sinceMs and untilMs, but nanoseconds since 1970; they win. */
  readonly sinceNs?: bigint; readonly untilNs?: bigint;
}
/** For `logFrames`: each line begins with its time ("2026-01-01T00:00:00.000000001Z "), then what the log options say of the container ("label=value,NAME=value "). */
export interface LogFrameOptions extends LogReadOptions { readonly timestamps?: boolean; readonly details?: boolean }
export interface LogLine { readonly stream: "stdout" | "stderr"; readonly timestamp: string; readonly line: Buffer }

export interface ExecOptions { readonly command: readonly string[]; readonly user?: string; readonly env?: readonly string[]; readonly timeoutMs: number }
export interface ExecResult { readonly exitCode: number; readonly output: string; readonly isTimedOut: boolean }
