import { randomBytes } from "node:crypto";
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { mountsBelow } from "../runtime/mountinfo.js";
import { unmount } from "../runtime/mounts.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { SnapshotDriver } from "../snapshots/driver.js";

const prefix = "build-";

/** Roots that are mounted for a step to look into or to lend out. What is written into them is thrown away. */
export class ScratchRoots {
  constructor(private readonly driver: SnapshotDriver, private readonly directory: string) {}

  async mount(chain: readonly string[]): Promise<{ readonly path: string; release(): Promise<void> }> {
    const id = prefix + randomBytes(8).toString("hex");
    const path = join(this.directory, id);
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const release = async () => {
      await this.driver.unmount(id, path);
      await rmdir(path).catch(() => {});
      await this.driver.remove(id);
    };
    try { await this.driver.mount(id, chain, path); } catch (error) { await release().catch(() => {}); throw error; }
    return { path, release };
  }

  async with<T>(chain: readonly string[], work: (path: string) => Promise<T>): Promise<T> {
    const root = await this.mount(chain);
    try { return await work(root.path); } finally { await root.release(); }
  }

  /** What a killed daemon left. */
  async sweep(): Promise<void> {
    const mounts = mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), this.directory);
    for (const mount of mounts.reverse()) await unmount(mount);
    await removeTree(this.directory);
    for (const id of await this.driver.writable()) if (id.startsWith(prefix)) await this.driver.remove(id);
  }
}

