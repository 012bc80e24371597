import { spawn } from "node:child_process";

export interface ProgramResult { readonly code: number; readonly stdout: string; readonly stderr: string; readonly output: string; readonly isTimedOut: boolean }

/**
 * Runs a program to its end and collects the first 64 KiB of each output, and of both as they came. Never rejects for an exit code; a program that cannot be
 * started has code 127 and the reason as its stderr.
 */
export function runProgram(command: string, args: readonly string[], options: { cwd?: string; timeoutMs?: number; signal?: AbortSignal; onTimeout?: () => void } = {}): Promise<ProgramResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], cwd: options.cwd });
    const outputs = { stdout: "", stderr: "", output: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        for (const into of [name, "output"] as const) if (outputs[into].length < 65_536) outputs[into] = (outputs[into] + text).slice(0, 65_536);
      });
    }
    let isTimedOut = false;
    const stop = () => { isTimedOut = true; options.onTimeout?.(); child.kill("SIGKILL"); };
    const timer = options.timeoutMs ? setTimeout(stop, options.timeoutMs) : undefined;
    options.signal?.addEventListener("abort", stop, { once: true });
    const done = (code: number) => {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", stop);
      resolve({ code, ...outputs, isTimedOut });
    };
    child.on("error", (error) => { outputs.stderr += error.message; done(127); });
    child.on("close", (code, signal) => done(code ?? (signal ? 137 : 1)));
  });
}
