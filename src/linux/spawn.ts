import { spawn } from "node:child_process";

export interface RunOptions { readonly stdin?: string; readonly timeoutMs?: number; readonly signal?: AbortSignal }
export interface RunResult { readonly exitCode: number; readonly stdout: string; readonly stderr: string }

/** How programs are started: `run`, or by way of a smaller process, since forking a large one takes milliseconds of its event loop. */
export type ProgramRunner = (argv: readonly string[], options?: RunOptions) => Promise<RunResult>;

const outputLimit = 256 * 1024 * 1024;

/** Runs a system program to its end. A program that is missing, killed or out of time counts as exit code -1 with the reason in stderr. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(argv[0]!, argv.slice(1), {
      stdio: ["pipe", "pipe", "pipe"], ...(options.signal ? { signal: options.signal } : {}),
    });
    // Node's own `timeout` keeps the process alive for its whole length when the program cannot be started at all.
    const bound = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let size = 0;
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length;
      if (size <= outputLimit) into.push(chunk);
      else child.kill("SIGKILL");
    };
    child.stdout.on("data", collect(stdout));
    child.stderr.on("data", collect(stderr));
    child.stdin.on("error", () => {}); // EPIPE: the program ended before it read all; its exit code says why
    const end = (result: RunResult) => { clearTimeout(bound); resolve(result); };
    child.on("error", (error) => end({ exitCode: -1, stdout: "", stderr: error.message }));
    child.on("close", (code, signal) => end({
      exitCode: code ?? -1, stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString() + (signal ? `killed by ${signal}` : ""),
    }));
    child.stdin.end(options.stdin ?? "");
  });
}
