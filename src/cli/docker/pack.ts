import { createReadStream } from "node:fs";
import { lstat, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack, type Header } from "tar-stream";
import { SwarmError, messageOf } from "../../lib/index.js";

/**
 * A tar of a file or a directory of this host, streamed. `name` is what it is called inside; "" packs a directory's contents. `isWanted` is asked
 * with each path below, "src/main.c"; a directory that is not wanted is still looked into where `mayHoldWanted` says so.
 */
export function packPath(path: string, name: string, options: { isWanted?: (inside: string) => boolean } = {}): AsyncIterable<Uint8Array> {
  const archive = pack();
  const isWanted = options.isWanted ?? (() => true);
  const add = async (from: string, inside: string, relative: string): Promise<void> => {
    const status = await lstat(from);
    const header: Partial<Header> & { name: string } = { name: inside, mode: status.mode & 0o7777, mtime: status.mtime, uid: status.uid, gid: status.gid };
    const isTaken = relative === "" || isWanted(relative);
    if (status.isDirectory()) {
      if (isTaken && inside !== "") archive.entry({ ...header, name: `${inside}/`, type: "directory" });
      for (const each of (await readdir(from)).sort()) await add(join(from, each), inside === "" ? each : `${inside}/${each}`, relative === "" ? each : `${relative}/${each}`);
    } else if (!isTaken) return;
    else if (status.isSymbolicLink()) archive.entry({ ...header, type: "symlink", linkname: await readlink(from) });
    else if (status.isFile()) await pipeline(createReadStream(from, { end: Math.max(0, status.size - 1) }), archive.entry({ ...header, size: status.size }));
    // Sockets, FIFOs and devices have no contents to send.
  };
  void add(path, name, "").then(() => archive.finalize(), (error: unknown) => archive.destroy(error instanceof SwarmError ? error : new SwarmError("FAILED_PRECONDITION", `Cannot read "${path}": ${messageOf(error)}.`, { cause: error })));
  return archive as unknown as AsyncIterable<Uint8Array>;
}
