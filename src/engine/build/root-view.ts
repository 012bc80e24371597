import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { readInRoot, resolveInRoot } from "../containers/root-path.js";
import { resolveUser } from "../containers/user.js";

export type Seen = { readonly kind: "missing" } | { readonly kind: "directory"; readonly mode: number; readonly uid: number; readonly gid: number; readonly mtimeSeconds: number } | { readonly kind: "link" } | { readonly kind: "other" };

/** The root that a step starts from, mounted and looked at only. */
export class RootView {
  constructor(readonly root: string) {}

  /** The path with all links in it followed; what is missing stays as it is. Without a slash at either end; "" is the root. */
  async resolve(path: string): Promise<string> { return (await resolveInRoot(this.root, path)).slice(this.root.length).replace(/^\/+|\/+$/g, ""); }

  /** The path itself, no link followed at its end. */
  async see(path: string): Promise<Seen> {
    const status = await lstat(join(this.root, path)).catch(() => undefined);
    if (!status) return { kind: "missing" };
    if (status.isDirectory()) return { kind: "directory", mode: status.mode & 0o7777, uid: status.uid, gid: status.gid, mtimeSeconds: Math.floor(status.mtimeMs / 1000) };
    return { kind: status.isSymbolicLink() ? "link" : "other" };
  }

  async user(user: string): Promise<{ uid: number; gid: number }> { return resolveUser(user, [], await readInRoot(this.root, "/etc/passwd"), await readInRoot(this.root, "/etc/group")); }

  /** `--chown`: a user, or user:group; names are the image's. A user alone brings the group of its name, else its own; a number brings itself. */
  async owner(text: string): Promise<{ uid: number; gid: number }> {
    try {
      if (text.includes(":")) return await this.user(text);
      if (/^\d+$/.test(text)) return await this.user(`${text}:${text}`);
      return await this.user(`${text}:${text}`).catch(() => this.user(text));
    } catch (error) {
      if (error instanceof SwarmError) throw new SwarmError(error.code, `unable to convert uid/gid chown string to host mapping: ${error.message}`, { cause: error });
      throw error;
    }
  }
}
