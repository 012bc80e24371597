import { randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock } from "../../lib/index.js";
import { hexOf } from "../content/blob-store.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { unmount } from "../runtime/mounts.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { LayerTarStore } from "./driver.js";
import { packDirectory, unpackLayer } from "./tree-program.js";

/**
 * Image layers, each unpacked once: <diff id>/fs, with what they delete as overlayfs takes it (devices 0/0 and opaque directories), or as
 * ".wh." files, which every file system can hold. A layer's files do not depend on the layers below it, so images that put one layer on different bases share it. l/ holds short links,
 * because mount options are limited to one page. What is half made is called new-…, and deleted at the next start.
 */
export class LayerDirectory {
  #lock = new KeyedLock();
  private constructor(readonly directory: string, private readonly monitorPath: string, private readonly markers: "overlay" | "files") {}

  static async open(directory: string, monitorPath: string, markers: "overlay" | "files"): Promise<LayerDirectory> {
    await mkdir(join(directory, "l"), { recursive: true, mode: 0o700 });
    for (const name of ["empty", "writable"]) await mkdir(join(directory, name), { recursive: true, mode: 0o711 });
    await unmount(...mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), directory).filter((path) => path.startsWith(join(directory, "new-"))));
    await removeTree(...(await readdir(directory)).filter((name) => name.startsWith("new-")).map((name) => join(directory, name)));
    return new LayerDirectory(directory, monitorPath, markers);
  }

  files(diffId: string): string { return join(this.directory, hexOf(diffId), "fs"); }

  /** Bytes of the layer's tar, or undefined if it is not here. */
  async sizeBytes(diffId: string): Promise<number | undefined> {
    const text = await readFile(join(this.directory, hexOf(diffId), "size"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : Number(text);
  }

  unpack(diffId: string, source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number> {
    return this.#lock.run(diffId, async () => {
      const present = await this.sizeBytes(diffId);
      if (present !== undefined) { await this.#link(diffId); return present; }
      return this.temporary(async (temporary) => {
        const { size } = await unpackLayer(this.monitorPath, source(), join(temporary, "fs"), { diffId, onProgress, markers: this.markers });
        await this.#install(temporary, diffId, size);
        return size;
      });
    });
  }

  /** `temporary`/fs, in the layers' own form, becomes a layer; its tar goes to `store`, which tells the digest. */
  async adopt(temporary: string, store: LayerTarStore): Promise<{ diffId: string; sizeBytes: number }> {
    const { digest, sizeBytes } = await store(packDirectory(this.monitorPath, [...(this.markers === "overlay" ? ["--upper", "--settle"] : []), join(temporary, "fs")]));
    await this.#lock.run(digest, async () => {
      if (await this.sizeBytes(digest) === undefined) await this.#install(temporary, digest, sizeBytes);
    });
    return { diffId: digest, sizeBytes };
  }

  /** What a writable layer holds becomes a layer by way of an archive: for drivers whose writable layers look different. */
  adoptUnpacked(diff: AsyncIterable<Uint8Array>, store: LayerTarStore): Promise<{ diffId: string; sizeBytes: number }> {
    return this.temporary(async (temporary) => {
      await unpackLayer(this.monitorPath, diff, join(temporary, "fs"), { markers: this.markers });
      // The archive is made of the layer's own files: whatever the container does meanwhile, the two are equal.
      return this.adopt(temporary, store);
    });
  }

  /** A directory on the same file system that is gone when `work` has ended, unless it was renamed. */
  async temporary<T>(work: (directory: string) => Promise<T>): Promise<T> {
    const directory = join(this.directory, `new-${randomUUID()}`);
    await mkdir(join(directory, "fs"), { recursive: true, mode: 0o755 });
    try { return await work(directory); } finally { await removeTree(directory); }
  }

  /** Topmost first, relative to `directory`. */
  lowerDirs(diffIds: readonly string[]): string[] { return [...new Set([...diffIds].reverse())].map((id) => `l/${shortOf(id)}`); }

  async list(): Promise<string[]> {
    return (await readdir(this.directory)).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((hex) => `sha256:${hex}`);
  }

  async delete(diffId: string): Promise<void> {
    await this.#lock.run(diffId, async () => {
      await rm(join(this.directory, "l", shortOf(diffId)), { force: true });
      await this.discard(join(this.directory, hexOf(diffId)));
    });
  }

  /** Gone at once under its name; what a crash leaves of it is deleted at the next start. */
  async discard(path: string): Promise<void> {
    const doomed = join(this.directory, `new-${randomUUID()}`);
    await rename(path, doomed).catch((error: NodeJS.ErrnoException) => { if (error.code !== "ENOENT") throw error; });
    await removeTree(doomed);
  }

  async #install(temporary: string, diffId: string, size: number): Promise<void> {
    await writeFile(join(temporary, "size"), String(size));
    await rename(temporary, join(this.directory, hexOf(diffId)));
    await this.#link(diffId);
  }

  async #link(diffId: string): Promise<void> {
    await symlink(join("..", hexOf(diffId), "fs"), join(this.directory, "l", shortOf(diffId))).catch((error: NodeJS.ErrnoException) => { if (error.code !== "EEXIST") throw error; });
  }
}

const shortOf = (diffId: string): string => hexOf(diffId).slice(0, 12);
