import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, rename, rm, stat, access } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { KeyedLock } from "../keyed-lock.js";
import { mountOverlay, unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";
import type { OverlayMount } from "../runtime/spawner-frames.js";
import type { CommitOptions, LayerTarStore, SnapshotDriver } from "./driver.js";
import { LayerDirectory } from "./layer-directory.js";
import { listChanges, packDirectory } from "./tree-program.js";

/**
 * The kernel's overlayfs: layers below, writable/<id>/upper on top. Between the two lies init/<chain>, what every container has in its root
 * whatever the image holds (places for /proc, /etc/hosts …), so that it is no change of the container's.
 */
export class OverlayDriver implements SnapshotDriver {
  #lock = new KeyedLock();
  readonly name: SnapshotDriver["name"] = "overlay";
  /** Options of `skein-monitor pack` for its upper directories. */
  protected readonly upperOptions: readonly string[] = ["--upper"];

  constructor(protected readonly layerDirectory: LayerDirectory, protected readonly monitorPath: string) {}

  status(): readonly (readonly [string, string])[] {
    return [["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"], ["userxattr", "false"]];
  }

  layerSize(chain: readonly string[]): Promise<number | undefined> { return this.layerDirectory.sizeBytes(topOf(chain)); }
  unpack(chain: readonly string[], source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number> { return this.layerDirectory.unpack(topOf(chain), source, onProgress); }
  layers(): Promise<string[]> { return this.layerDirectory.list(); }

  async keepOnly(chains: readonly (readonly string[])[]): Promise<void> {
    const layers = new Set(chains.flat());
    const inits = new Set(chains.map(keyOf));
    for (const key of await readdir(this.#path("init"))) if (!inits.has(key)) await this.#lock.run(key, () => this.layerDirectory.discard(this.#path("init", key)));
    for (const diffId of await this.layers()) if (!layers.has(diffId)) await this.layerDirectory.delete(diffId);
  }

  async mount(id: string, chain: readonly string[], target: string): Promise<void> {
    await mkdir(target, { recursive: true });
    if (await isMountPoint(target)) return;
    await this.#makeWritable(id);
    const init = await this.#init(chain);
    await this.mountOverlay({ target, directory: this.layerDirectory.directory, lower: [init, ...this.#lower(chain)], upper: `writable/${id}/upper`, work: `writable/${id}/work` });
  }

  unmount(_id: string, target: string): Promise<void> { return unmount(target); }

  remove(id: string): Promise<void> { return this.layerDirectory.discard(this.#path("writable", id)); }
  writable(): Promise<string[]> { return readdir(this.#path("writable")); }

  async writableSize(id: string): Promise<number> {
    const measured = await runProgram(this.monitorPath, ["pack", "--size", ...this.upperOptions, this.upper(id)]);
    if (measured.code !== 0) throw new SwarmError("INTERNAL", `cannot measure the container's files: ${measured.stderr.trim()}`);
    return Number(measured.stdout);
  }

  async changes(id: string, chain: readonly string[]): Promise<FileChange[]> {
    const { directory } = this.layerDirectory;
    return listChanges(this.monitorPath, [...this.upperOptions, "--layers", directory, [await this.#init(chain), ...this.#lower(chain)].join(":"), this.upper(id)]);
  }

  diff(id: string, _chain: readonly string[]): AsyncIterable<Uint8Array> { return packDirectory(this.monitorPath, [...this.upperOptions, this.upper(id)]); }

  commit(id: string, _chain: readonly string[], store: LayerTarStore, options: CommitOptions = {}): Promise<{ diffId: string; sizeBytes: number }> {
    // The archive is made of the layer's own files, not of the container's: whatever the container does meanwhile, the two are equal.
    return this.layerDirectory.temporary(async (temporary) => {
      const files = join(temporary, "fs");
      if (options.isConsumed) await rename(this.upper(id), files);
      else {
        const copied = await runProgram("cp", ["--archive", "--reflink=auto", "--", `${this.upper(id)}/.`, files]);
        if (copied.code !== 0) throw new SwarmError("INTERNAL", `cannot copy the container's files: ${copied.stderr.trim().split("\n")[0]}`);
      }
      return this.layerDirectory.adopt(temporary, store);
    });
  }

  describe(id: string, chain: readonly string[]): Readonly<Record<string, string>> {
    const work = this.#path("writable", id, "work");
    return { LowerDir: [this.#path("init", keyOf(chain), "fs"), ...[...chain].reverse().map((diffId) => this.layerDirectory.files(diffId))].join(":"), UpperDir: this.upper(id), WorkDir: work };
  }

  describeImage(chain: readonly string[]): Readonly<Record<string, string>> {
    const [top, ...rest] = [...chain].reverse().map((diffId) => this.layerDirectory.files(diffId));
    return { ...(rest.length > 0 ? { LowerDir: rest.join(":") } : {}), ...(top ? { UpperDir: top } : {}) };
  }

  protected upper(id: string): string { return this.#path("writable", id, "upper"); }

  protected mountOverlay(mount: OverlayMount): Promise<void> { return mountOverlay(mount); }

  #path(...names: string[]): string { return join(this.layerDirectory.directory, ...names); }
  #lower(chain: readonly string[]): string[] { return chain.length === 0 ? ["empty"] : this.layerDirectory.lowerDirs(chain); }

  async #makeWritable(id: string): Promise<void> {
    const own = this.#path("writable", id);
    await mkdir(join(own, "upper"), { recursive: true });
    await mkdir(join(own, "work"), { recursive: true });
    await chmod(join(own, "upper"), 0o755);   // the container's "/", whatever this process's umask
  }

  /** init/<chain>/fs, made once for each chain. */
  #init(chain: readonly string[]): Promise<string> {
    const key = keyOf(chain);
    const files = `init/${key}/fs`;
    return this.#lock.run(key, async () => {
      if (await access(this.#path(files)).then(() => true, () => false)) return files;
      await this.layerDirectory.temporary(async (temporary) => {
        await mkdir(join(temporary, "work"));
        const from = `${this.layerDirectory.directory}/`;
        const relative = temporary.slice(from.length);
        const made = await runProgram(this.monitorPath, ["init-layer", this.layerDirectory.directory, this.#lower(chain).join(":"), `${relative}/fs`, `${relative}/work`]);
        if (made.code !== 0) throw new SwarmError("INTERNAL", `cannot prepare the image's root: ${made.stderr.trim()}`);
        await rm(join(temporary, "work"), { recursive: true, force: true });
        await rename(temporary, this.#path("init", key));
      });
      return files;
    });
  }
}

const topOf = (chain: readonly string[]): string => {
  const top = chain.at(-1);
  if (top === undefined) throw new SwarmError("INVALID_ARGUMENT", "a layer's chain names at least the layer");
  return top;
};

/** Short, because mount options are limited to one page. */
export const keyOf = (chain: readonly string[]): string => createHash("sha256").update(chain.join(" ")).digest("hex").slice(0, 24);

export async function isMountPoint(path: string): Promise<boolean> {
  const [own, above] = await Promise.all([stat(path), stat(dirname(path))]);
  return own.dev !== above.dev;
}
