import { access, mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock, SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";
import { backingFileSystem } from "./backing.js";
import { keyOf, topOf } from "./chain-key.js";
import type { LayerTarStore, SnapshotDriver } from "./driver.js";
import type { LayerDirectory } from "./layer-directory.js";
import { listChanges, packDirectory, unpackLayer } from "./tree-program.js";

/**
 * Plain directories: trees/<chain> has all layers of an image put together, writable/<id>/fs is a container's own copy of it (sharing blocks where
 * the file system can). Slow and large, and works everywhere.
 */
export class VfsDriver implements SnapshotDriver {
  #lock = new KeyedLock();
  readonly name = "vfs";

  constructor(private readonly layerDirectory: LayerDirectory, private readonly monitorPath: string) {}

  status(): readonly (readonly [string, string])[] { return [["Backing Filesystem", backingFileSystem(this.layerDirectory.directory)]]; }

  layerSize(chain: readonly string[]): Promise<number | undefined> { return this.layerDirectory.sizeBytes(topOf(chain)); }
  unpack(chain: readonly string[], source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number> { return this.layerDirectory.unpack(topOf(chain), source, onProgress); }
  layers(): Promise<string[]> { return this.layerDirectory.list(); }

  async keepOnly(chains: readonly (readonly string[])[]): Promise<void> {
    const layers = new Set(chains.flat());
    const trees = new Set(chains.map(keyOf));
    for (const key of await readdir(this.#path("trees")).catch(() => [] as string[])) if (!trees.has(key)) await this.#lock.run(key, () => this.layerDirectory.discard(this.#path("trees", key)));
    for (const diffId of await this.layers()) if (!layers.has(diffId)) await this.layerDirectory.delete(diffId);
  }

  async mount(id: string, chain: readonly string[], target: string): Promise<void> {
    await mkdir(target, { recursive: true });
    const own = this.#path("writable", id);
    if (!(await exists(own))) {
      const tree = await this.#tree(chain);
      await this.layerDirectory.temporary(async (temporary) => {
        await copy(tree, join(temporary, "fs"));
        await writeFile(join(temporary, "made"), "");   // its time tells which files were touched since
        await rename(temporary, own);
      });
    }
    // A bind mount, so that it is a mount as with every driver. On one file system device numbers cannot tell that it is there.
    const [mountedThere, wanted] = await Promise.all([stat(target), stat(join(own, "fs"))]);
    if (mountedThere.dev === wanted.dev && mountedThere.ino === wanted.ino) return;
    const mounted = await runProgram("mount", ["--bind", "--make-private", join(own, "fs"), target]);
    if (mounted.code !== 0) throw new SwarmError("INTERNAL", `cannot mount its root filesystem: ${mounted.stderr.trim()}`);
  }

  unmount(_id: string, target: string): Promise<void> { return unmount(target); }
  remove(id: string): Promise<void> { return this.layerDirectory.discard(this.#path("writable", id)); }
  writable(): Promise<string[]> { return readdir(this.#path("writable")); }

  async writableSize(id: string): Promise<number> {
    const measured = await runProgram(this.monitorPath, ["pack", "--size", this.#path("writable", id, "fs")]);
    if (measured.code !== 0) throw new SwarmError("INTERNAL", `cannot measure the container's files: ${measured.stderr.trim()}`);
    return Number(measured.stdout);
  }

  async changes(id: string, chain: readonly string[]): Promise<FileChange[]> { return listChanges(this.monitorPath, await this.#comparison(id, chain)); }

  async *diff(id: string, chain: readonly string[]): AsyncGenerator<Uint8Array> { yield* packDirectory(this.monitorPath, await this.#comparison(id, chain)); }

  commit(id: string, chain: readonly string[], store: LayerTarStore): Promise<{ diffId: string; sizeBytes: number }> { return this.layerDirectory.adoptUnpacked(this.diff(id, chain), store); }

  describe(id: string, _chain: readonly string[]): Readonly<Record<string, string>> { return { Dir: this.#path("writable", id, "fs") }; }
  describeImage(chain: readonly string[]): Readonly<Record<string, string>> { return { Dir: this.#path("trees", keyOf(chain), "fs") }; }

  #path(...names: string[]): string { return join(this.layerDirectory.directory, ...names); }

  async #comparison(id: string, chain: readonly string[]): Promise<string[]> {
    const { mtimeNs } = await stat(this.#path("writable", id, "made"), { bigint: true });
    const since = `${mtimeNs / 1_000_000_000n}.${mtimeNs % 1_000_000_000n}`;
    return ["--since", since, this.#path("writable", id, "fs"), await this.#tree(chain)];
  }

  #tree(chain: readonly string[]): Promise<string> {
    const key = keyOf(chain);
    return this.#lock.run(key, async () => {
      const tree = this.#path("trees", key, "fs");
      if (await exists(tree)) return tree;
      await this.layerDirectory.temporary(async (temporary) => {
        const files = join(temporary, "fs");
        for (const diffId of chain) await unpackLayer(this.monitorPath, packDirectory(this.monitorPath, [this.layerDirectory.files(diffId)]), files, { markers: "delete" });
        const prepared = await runProgram(this.monitorPath, ["init-layer", files]);
        if (prepared.code !== 0) throw new SwarmError("INTERNAL", `cannot prepare the image's root: ${prepared.stderr.trim()}`);
        await mkdir(this.#path("trees"), { recursive: true, mode: 0o711 });
        await rename(temporary, this.#path("trees", key));
      });
      return tree;
    });
  }
}

async function copy(from: string, to: string): Promise<void> {
  const copied = await runProgram("cp", ["--archive", "--reflink=auto", "--", `${from}/.`, to]);
  if (copied.code !== 0) throw new SwarmError("INTERNAL", `cannot copy the image's files: ${copied.stderr.trim().split("\n")[0]}`);
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
