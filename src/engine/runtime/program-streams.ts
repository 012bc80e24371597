import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { SwarmError } from "../../lib/index.js";

// Programs that are fed or read as long as they run; one whose output is small is run by runProgram (program.ts).

/** What the program writes, until its end; a failure is thrown after the last bytes. */
export async function* outputOf(child: ChildProcess & { stdout: Readable; stderr: Readable }, what: string): AsyncGenerator<Uint8Array> {
  const ended = endOf(child, what);
  ended.catch(() => {});
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    await ended;
  } finally {
    if (child.exitCode === null) child.kill("SIGKILL");
    await ended.catch(() => {});
  }
}

/** Gives all of `source` to the program; one that stops reading says why at its end, and the rest is read past it. A source that fails ends the program. */
export async function feedProgram(child: ChildProcess & { stdin: Writable }, source: AsyncIterable<Uint8Array>, ended: Promise<void>): Promise<void> {
  ended.catch(() => {});
  let wake: (() => void) | undefined;
  let isOpen = true;
  const onWake = () => wake?.();
  const onGone = () => { isOpen = false; wake?.(); };
  child.stdin.on("error", onGone).on("drain", onWake).on("close", onGone);
  try {
    for await (const chunk of source) {
      if (!isOpen || child.stdin.write(chunk)) continue;
      await new Promise<void>((resolve) => { wake = resolve; if (!isOpen) resolve(); });
      wake = undefined;
    }
  } catch (error) { child.kill("SIGKILL"); await ended.catch(() => {}); throw error; }
  child.stdin.end();
}

/** Rejects with a ProgramFailure if it fails. */
export function endOf(child: ChildProcess & { stderr: Readable }, what: string): Promise<void> {
  let complaint = "";
  child.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 2000); });
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new SwarmError("FAILED_PRECONDITION", `${what}: ${error.message}`, { cause: error })));
    child.on("close", (code, signal) => {
      if (code === 0) return resolve();
      const why = complaint.trim().split("\n").slice(0, 3).join("; ") || (signal ? `its program was ended by ${signal}` : `its program failed with code ${code}`);
      reject(new ProgramFailure(what, code ?? -1, why));
    });
  });
}

/** A program's own words, and its exit code (-1: it was killed). */
export class ProgramFailure extends SwarmError {
  constructor(what: string, readonly exitCode: number, readonly complaint: string) { super(exitCode === 2 || exitCode < 0 ? "INTERNAL" : "INVALID_ARGUMENT", what ? `${what}: ${complaint}` : complaint); }
}
