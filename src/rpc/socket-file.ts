import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import type { Server } from "node:net";
import { dirname } from "node:path";
import { SwarmError } from "../lib/index.js";

/**
 * Listens on a Unix socket that only its owner may open. A socket file that is there already is removed: the caller holds the
 * state directory's lock, so nobody can be behind it. `flag` is the option that a path too long comes from.
 */
export async function listenOnSocketFile(server: Server, { path, flag }: { path: string; flag: string }): Promise<void> {
  if (Buffer.byteLength(path) > 107) throw new SwarmError("INVALID_ARGUMENT", `Cannot listen on "${path}": the kernel takes socket paths of at most 107 bytes; choose a shorter ${flag}`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  removeStale(path);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // The file is made within listen(), so no moment exists in which others could open it.
    const mask = process.umask(0o177);
    try { server.listen(path, () => { server.off("error", reject); resolve(); }); } finally { process.umask(mask); }
  });
}

function removeStale(path: string): void {
  let isSocket: boolean;
  try { isSocket = lstatSync(path).isSocket(); } catch { return; }
  if (!isSocket) throw new SwarmError("FAILED_PRECONDITION", `Cannot listen on "${path}": a file that is not a socket is there; remove it`);
  unlinkSync(path);
}
