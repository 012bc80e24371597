import { constants } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { join } from "node:path";

/**
 * The host path of `path` inside a container's root, links followed as the container would see them: none leads outside.
 * What does not exist is appended as it is. Only for roots in which nothing runs.
 */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  let rest = path.split("/").filter((part) => part !== "" && part !== ".");
  let resolved: string[] = [];
  for (let links = 0; rest.length > 0;) {
    const part = rest.shift()!;
    if (part === "..") { resolved.pop(); continue; }
    const status = await lstat(join(root, ...resolved, part)).catch(() => undefined);
    if (!status?.isSymbolicLink()) { resolved.push(part); continue; }
    if (++links > 40) throw Object.assign(new Error(`too many symbolic links in "${path}"`), { code: "ELOOP" });
    const target = await readlink(join(root, ...resolved, part));
    if (target.startsWith("/")) resolved = [];
    rest = [...target.split("/").filter((p) => p !== "" && p !== "."), ...rest];
  }
  return join(root, ...resolved);
}

const maxFileBytes = 4 * 1024 * 1024;

/** A file inside a container's root as text; "" for what is missing, no plain file (a FIFO would be waited on for ever) or larger than any honest one. */
export async function readInRoot(root: string, path: string): Promise<string> {
  try {
    const file = await open(await resolveInRoot(root, path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const status = await file.stat();
      return status.isFile() && status.size <= maxFileBytes ? await file.readFile("utf8") : "";
    } finally { await file.close(); }
  } catch { return ""; }
}
