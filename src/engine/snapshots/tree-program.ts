import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import type { Readable, Writable } from "node:stream";
import { SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { decompress } from "../content/decompress.js";

// Trees of files are read and written by a small program of our own (monitor/pack.c and others): devices, links, holes and attributes are the kernel's
// matters, and a program that ends frees all that it held.

/** A tar as `skein-monitor pack` makes it of a directory; see monitor/pack.c. Ending the iteration early ends the program. */
export async function* packDirectory(monitorPath: string, args: readonly string[]): AsyncGenerator<Uint8Array> {
  yield* outputOf(spawn(monitorPath, ["pack", ...args], { stdio: ["ignore", "pipe", "pipe"] }), "cannot archive the files");
}

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

const kinds = { A: "added", C: "modified", D: "deleted" } as const;

export async function listChanges(monitorPath: string, args: readonly string[]): Promise<FileChange[]> {
  const parts: Uint8Array[] = [];
  for await (const chunk of packDirectory(monitorPath, ["--list", ...args])) parts.push(chunk);
  return Buffer.concat(parts).toString().split("\0").filter((line) => line !== "").map((line) => ({ kind: kinds[line[0] as keyof typeof kinds], path: line.slice(1) }));
}

/** What a layer's ".wh." names become: overlayfs's devices and attributes, plain files as they are, or the deletion of what is there. */
export type Markers = "overlay" | "files" | "delete";

/** Unpacks a layer's tar, plain or compressed, and verifies its digest, if that is known; synced. */
export async function unpackLayer(monitorPath: string, source: AsyncIterable<Uint8Array>, target: string, options: { diffId?: string; markers: Markers; onProgress?: (bytes: number) => void }): Promise<{ digest: string; size: number }> {
  const program = spawn(monitorPath, ["unpack", options.markers, target], { stdio: ["pipe", "ignore", "pipe"] });
  const ended = endOf(program, "cannot unpack a layer");
  const hash = createHash("sha256");
  let size = 0;
  const counted = (async function* () {
    for await (const chunk of decompress(source)) { hash.update(chunk); size += chunk.length; options.onProgress?.(size); yield chunk; }
  })();
  await feedProgram(program, counted, ended);
  const digest = `sha256:${hash.digest("hex")}`;
  // A layer that is not what it should be is told as that, whatever the program thought of it.
  if (options.diffId && digest !== options.diffId) { await ended.catch(() => {}); throw new SwarmError("DATA_LOSS", `a layer does not match its digest: the image's config says ${options.diffId}, its unpacked contents are ${digest}`); }
  await ended;
  return { digest, size };
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

/** A program's own words, and its exit code (-1: it was killed). */
export class ProgramFailure extends SwarmError {
  constructor(what: string, readonly exitCode: number, readonly complaint: string) { super(exitCode === 2 || exitCode < 0 ? "INTERNAL" : "INVALID_ARGUMENT", what ? `${what}: ${complaint}` : complaint); }
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
