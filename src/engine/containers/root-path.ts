import { lstat, readlink } from "node:fs/promises";
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
