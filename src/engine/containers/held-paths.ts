import { constants } from "node:fs";
import { mkdir, open, readdir, readlink, rmdir, unlink, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";

/** open(2)'s O_PATH, which Node does not name: a place in a tree, without the file's contents. */
const pathOnly = 0o10000000;
const linksMax = 40;

/**
 * Paths inside volumes, each mounted in a directory that nobody else reaches until the runtime has them: whoever runs in another container of the volume can put a
 * link in a path's place meanwhile, and the runtime would follow it.
 */
export class HeldPaths {
  #count = 0;

  constructor(private readonly directory: string) {}

  /** Where what `path` leads to is mounted, as if `root` were "/"; undefined where nothing is. It ends with `close`. */
  async hold(root: string, path: string): Promise<string | undefined> {
    const found = await openInRoot(root, path);
    if (!found) return undefined;
    try {
      if (this.#count === 0) await this.clear();
      const target = join(this.directory, String(this.#count++));
      if ((await found.stat()).isDirectory()) await mkdir(target, { recursive: true, mode: 0o700 });
      else { await mkdir(this.directory, { recursive: true, mode: 0o700 }); await writeFile(target, ""); }
      // By the descriptor, whatever the path is by now. Private: that it is unmounted here is nothing to the container.
      const mounted = await runProgram("mount", ["--no-canonicalize", "--rbind", "--make-rprivate", `/proc/${process.pid}/fd/${found.fd}`, target]);
      if (mounted.code !== 0) throw new SwarmError("INTERNAL", `the path "${path}" of a volume cannot be mounted: ${mounted.stderr.trim()}`);
      return target;
    } finally { await found.close(); }
  }

  async close(): Promise<void> { if (this.#count > 0) await this.clear(); }

  /** Also what a killed daemon left. Before the directory is deleted: what is mounted in it is a volume's. */
  async clear(): Promise<void> {
    const names = await readdir(this.directory).catch(() => []);
    await unmount(...names.map((name) => join(this.directory, name)));
    for (const name of names) await remove(join(this.directory, name));
  }
}

/** Step by step from an open directory to the next, so that what was looked at is what is opened. */
async function openInRoot(root: string, path: string): Promise<FileHandle | undefined> {
  const step = (from: string) => open(from, pathOnly | constants.O_NOFOLLOW);
  const within = (directory: FileHandle, name: string) => `/proc/self/fd/${directory.fd}/${name}`;
  const partsOf = (text: string) => text.split("/").filter((part) => part !== "" && part !== ".");
  const opened: FileHandle[] = [await step(root)];
  const leave = async (count: number) => { for (const handle of opened.splice(count)) await handle.close(); };
  try {
    let rest = partsOf(path);
    for (let links = 0; rest.length > 0;) {
      const [part, ...others] = rest as [string, ...string[]];
      rest = others;
      if (part === "..") { await leave(Math.max(1, opened.length - 1)); continue; }
      const next = await step(within(opened.at(-1)!, part));
      opened.push(next);
      if (!(await next.stat()).isSymbolicLink()) continue;
      await leave(opened.length - 1);
      if (++links > linksMax) return undefined;
      const target = await readlink(within(opened.at(-1)!, part));
      if (target.startsWith("/")) await leave(1);
      rest = [...partsOf(target), ...rest];
    }
    return opened.pop();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "EINVAL"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;   // EINVAL: no link any more
    throw error;
  } finally { await leave(0); }
}

/** A directory or a file that nothing is mounted on; another one's files would not be deleted. */
const remove = (path: string): Promise<void> => rmdir(path).catch((error: NodeJS.ErrnoException) => { if (error.code !== "ENOTDIR") throw error; return unlink(path); });
