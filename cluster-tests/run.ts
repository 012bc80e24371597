import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../src/rpc/index.js";

export const root = packageRoot(fileURLToPath(import.meta.url));

export interface Result { readonly code: number; readonly stdout: string; readonly stderr: string }

export interface RunOptions { readonly input?: string; readonly timeoutMs?: number; readonly env?: Record<string, string> }

/** Runs a program to its end; a program that outlives its bound is killed and counts as failed with code 124. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, ...options.env } });
    let stdout = "", stderr = "", isLate = false;
    const bound = setTimeout(() => { isLate = true; child.kill("SIGKILL"); }, options.timeoutMs ?? 60_000);
    child.stdout.on("data", (chunk) => { stdout += chunk; });
    child.stderr.on("data", (chunk) => { stderr += chunk; });
    child.on("error", (error) => { clearTimeout(bound); reject(error); });
    child.on("close", (code) => { clearTimeout(bound); resolve({ code: isLate ? 124 : code ?? 1, stdout, stderr }); });
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** One home directory for a test process: contexts written by stories never meet the user's own. */
export const home = mkdtempSync(join(tmpdir(), "skein-stories-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));

export const swarmctl = (args: readonly string[], options: RunOptions = {}): Promise<Result> =>
  run(join(root, "bin/swarmctl"), args, { ...options, env: { HOME: home, NO_COLOR: "1", ...options.env } });
