import { access, chmod, mkdir, readdir, rename } from "node:fs/promises";
import { join, relative } from "node:path";
import { KeyedLock, SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { mountOverlay, unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { OverlayMount } from "../runtime/spawner-frames.js";
import { backingFileSystem } from "./backing.js";
import { keyOf, topOf } from "./chain-key.js";
import type { CommitOptions, LayerTarStore, SnapshotDriver } from "./driver.js";
import type { LayerDirectory } from "./layer-directory.js";
import { isMountPoint } from "./mount-point.js";
import { listChanges, packDirectory } from "./tree-program.js";

/**
 * The kernel's overlayfs: layers below, writable/<id>/upper on top. Between the two lies init/<chain>, what every container has in its root
 * whatever the image holds (places for /proc, /etc/hosts …), so that it is no change of the container's.
 */
export class OverlayDriver implements SnapshotDriver {
  #lock = new KeyedLock();
  readonly name: SnapshotDriver["name"] = "overlay";
  /** How `skein-monitor pack` reads its upper directories. */
  protected readonly upperOptions: readonly string[] = ["--upper"];

  constructor(protected readonly layerDirectory: LayerDirectory, protected readonly monitorPath: string) {}

  status(): readonly (readonly [string, string])[] {
    return [["Backing Filesystem", backingFileSystem(this.layerDirectory.directory)], ["Supports d_type", "true"], ["Using metacopy", "false"], ["Native Overlay Diff", "true"], ["userxattr", "false"]];
  }

  layerSize(chain: readonly string[]): Promise<number | undefined> { return this.layerDirectory.sizeBytes(topOf(chain)); }
  unpack(chain: readonly string[], source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number> { return this.layerDirectory.unpack(topOf(chain), source, onProgress); }
  layers(): Promise<string[]> { return this.layerDirectory.list(); }

  async keepOnly(chains: readonly (readonly string[])[]): Promise<void> {
    const layers = new Set(chains.flat());
    const inits = new Set(chains.map(keyOf));
    for (const key of await readdir(this.path("init")).catch(() => [] as string[])) if (!inits.has(key)) await this.#lock.run(key, () => this.layerDirectory.discard(this.path("init", key)));
    for (const diffId of await this.layers()) if (!layers.has(diffId)) await this.layerDirectory.delete(diffId);
  }

  async mount(id: string, chain: readonly string[], target: string): Promise<void> {
    await mkdir(target, { recursive: true });
    if (await isMountPoint(target)) {
      if (await exists(this.upper(id))) return;
      await unmount(target);   // its files became a layer, and whoever wanted that was killed before he unmounted it
    }
    for (const name of ["upper", "work"]) await mkdir(this.path("writable", id, name), { recursive: true });
    await chmod(this.upper(id), 0o755);   // the container's "/", whatever this process's umask
    await this.mountOverlay({ target, directory: this.layerDirectory.directory, lower: await this.lower(chain), upper: `writable/${id}/upper`, work: `writable/${id}/work` });
  }

  unmount(_id: string, target: string): Promise<void> { return unmount(target); }
  remove(id: string): Promise<void> { return this.layerDirectory.discard(this.path("writable", id)); }
  writable(): Promise<string[]> { return readdir(this.path("writable")); }

  async writableSize(id: string): Promise<number> {
    const measured = await runProgram(this.monitorPath, ["pack", "--size", ...this.upperOptions, this.upper(id)]);
    if (measured.code !== 0) throw new SwarmError("INTERNAL", `cannot measure the container's files: ${measured.stderr.trim()}`);
    return Number(measured.stdout);
  }

  async changes(id: string, chain: readonly string[]): Promise<FileChange[]> {
    return listChanges(this.monitorPath, [...this.upperOptions, "--layers", this.layerDirectory.directory, (await this.lower(chain)).join(":"), this.upper(id)]);
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
    const lower = [this.path("init", keyOf(chain), "fs"), ...[...chain].reverse().map((diffId) => this.layerDirectory.files(diffId))];
    return { LowerDir: lower.join(":"), UpperDir: this.upper(id), WorkDir: this.path("writable", id, "work") };
  }

  describeImage(chain: readonly string[]): Readonly<Record<string, string>> {
    const [top, ...rest] = [...chain].reverse().map((diffId) => this.layerDirectory.files(diffId));
    return { ...(rest.length > 0 ? { LowerDir: rest.join(":") } : {}), ...(top ? { UpperDir: top } : {}) };
  }

  protected path(...names: string[]): string { return join(this.layerDirectory.directory, ...names); }
  protected upper(id: string): string { return this.path("writable", id, "upper"); }
  protected mountOverlay(mount: OverlayMount): Promise<void> { return mountOverlay(mount); }

  /** What lies below a container's own layer, topmost first, relative to the directory. The init layer is made once for each chain. */
  protected lower(chain: readonly string[]): Promise<string[]> {
    const key = keyOf(chain);
    const layers = chain.length === 0 ? ["empty"] : this.layerDirectory.lowerDirs(chain);
    return this.#lock.run(key, async () => {
      if (!(await exists(this.path("init", key, "fs")))) {
        await this.layerDirectory.temporary(async (temporary) => {
          await mkdir(join(temporary, "work"));
          await this.makeInit(layers, temporary);
          await removeTree(join(temporary, "work"));
          await mkdir(this.path("init"), { recursive: true, mode: 0o711 });
          await rename(temporary, this.path("init", key));
        });
      }
      return [`init/${key}/fs`, ...layers];
    });
  }

  /** Fills `temporary`/fs by way of an overlay with these layers below; `temporary`/work is there. */
  protected async makeInit(layers: readonly string[], temporary: string): Promise<void> {
    const { directory } = this.layerDirectory;
    const made = await runProgram(this.monitorPath, ["init-layer", directory, layers.join(":"), relative(directory, join(temporary, "fs")), relative(directory, join(temporary, "work"))]);
    if (made.code !== 0) throw new SwarmError("INTERNAL", `cannot prepare the image's root: ${made.stderr.trim()}`);
  }
}

const exists = (path: string): Promise<boolean> => access(path).then(() => true, () => false);
