import { spawn } from "node:child_process";
import { messageOf } from "../../lib/index.js";
import { run, type RunOptions, type RunResult } from "../../linux/index.js";
import { maxFrameBytes } from "./spawner-frames.js";
import { Spawner, type SpawnAnswer } from "./spawner.js";

export interface ProgramResult { readonly code: number; readonly stdout: string; readonly stderr: string; readonly output: string; readonly isTimedOut: boolean }
export interface ProgramOptions {
  readonly cwd?: string;
  /** Undefined: the daemon's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array;
  readonly timeoutMs?: number;
  /** How much of each output is kept; 64 KiB. */
  readonly outputLimitBytes?: number;
  readonly signal?: AbortSignal;
  /** What it leaves behind is meant to hold its output: it is over when it has exited. */
  readonly leavesChildren?: boolean;
  /** It is about to be killed, for time or by the signal. */
  readonly onTimeout?: () => void;
}

/**
 * Runs a program to its end and collects the beginning (64 KiB) of each output, and of both as they came. Never rejects for an exit code; a program that cannot be
 * started has code 127 and the reason as its stderr. It runs under the engine's spawn helper where there is an engine.
 */
export async function runProgram(command: string, args: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const outputLimitBytes = options.outputLimitBytes ?? 65_536;
  const outputs = { stdout: [] as Buffer[], stderr: [] as Buffer[], output: [] as Buffer[] };
  const sizes = { stdout: 0, stderr: 0, output: 0 };
  const collect = (name: "stdout" | "stderr") => (bytes: Buffer) => {
    for (const into of [name, "output"] as const) {
      const room = outputLimitBytes - sizes[into];
      if (room <= 0) continue;
      const part = bytes.subarray(0, room);
      outputs[into].push(part);
      sizes[into] += part.length;
    }
  };
  let isTimedOut = false;
  let kill: (() => void) | undefined;
  const stop = () => { isTimedOut = true; options.onTimeout?.(); kill?.(); };
  const timer = options.timeoutMs ? setTimeout(stop, options.timeoutMs) : undefined;
  options.signal?.addEventListener("abort", stop, { once: true });
  try {
    const spawner = Spawner.current();
    const code = spawner ? await throughHelper(spawner, [command, ...args], options, collect, (how) => { kill = how; }) : await directly(command, args, options, collect, (how) => { kill = how; });
    const textOf = (name: keyof typeof outputs) => Buffer.concat(outputs[name]).toString();
    return { code, stdout: textOf("stdout"), stderr: textOf("stderr"), output: textOf("output"), isTimedOut };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", stop);
  }
}

/** The same in the words of src/linux, for its programs: from a daemon of some size each fork would hold up everything for ten milliseconds. */
export async function runByHelper(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { stdin, timeoutMs = 60_000, signal } = options;
  if (stdin && stdin.length > maxFrameBytes / 4) return run(argv, options);
  const result = await runProgram(argv[0]!, argv.slice(1), { timeoutMs, outputLimitBytes: 256 * 1024 * 1024, ...(stdin ? { stdin } : {}), ...(signal ? { signal } : {}) });
  return { exitCode: result.code, stdout: result.stdout, stderr: result.isTimedOut ? `${result.stderr}out of time` : result.stderr };
}

type Collect = (name: "stdout" | "stderr") => (bytes: Buffer) => void;

async function throughHelper(spawner: Spawner, argv: readonly string[], { cwd, env, stdin, outputLimitBytes = 65_536, leavesChildren = false }: ProgramOptions, collect: Collect, onStarted: (kill: () => void) => void): Promise<number> {
  const to = { 1: collect("stdout"), 2: collect("stderr"), 3: () => {} };
  const answer: SpawnAnswer = await spawner.run({ argv, outputLimitBytes, leavesChildren, ...(cwd ? { cwd } : {}), ...(env ? { env } : {}), ...(stdin ? { stdin } : {}) }, {
    onOutput: (stream, bytes) => to[stream](bytes),
    onStarted: (signal) => onStarted(() => signal(9)),
  }).catch((error: unknown) => ({ code: -1, why: messageOf(error), isLost: false }));
  if (answer.code >= 0) return answer.code;
  collect("stderr")(Buffer.from(answer.isLost ? answer.why : `cannot run ${argv[0]}: ${answer.why}`));
  return 127;
}

function directly(command: string, args: readonly string[], { cwd, env, stdin, leavesChildren = false }: ProgramOptions, collect: Collect, onStarted: (kill: () => void) => void): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: [stdin ? "pipe" : "ignore", "pipe", "pipe"], cwd, env });
    child.stdout!.on("data", collect("stdout"));
    child.stderr!.on("data", collect("stderr"));
    child.stdin?.on("error", () => {}).end(stdin);   // EPIPE: the program ended before it read all; its exit code says why
    onStarted(() => child.kill("SIGKILL"));
    child.on("error", (error) => { collect("stderr")(Buffer.from(error.message)); resolve(127); });
    child.on(leavesChildren ? "exit" : "close", (code, signal) => resolve(code ?? (signal ? 137 : 1)));
  });
}
