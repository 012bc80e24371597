import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { decompress } from "../content/decompress.js";
import { endOf, feedProgram, outputOf } from "../runtime/program-streams.js";

// Trees of files are read and written by a small program of our own (monitor/pack.c and others): devices, links, holes and attributes are the kernel's
// matters, and a program that ends frees all that it held.

/** A tar as `skein-monitor pack` makes it of a directory; see monitor/pack.c. Ending the iteration early ends the program. */
export async function* packDirectory(monitorPath: string, args: readonly string[]): AsyncGenerator<Uint8Array> {
  yield* outputOf(spawn(monitorPath, ["pack", ...args], { stdio: ["ignore", "pipe", "pipe"] }), "cannot archive the files");
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
