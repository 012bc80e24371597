import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { FileChange } from "../api/index.js";
import { unmount } from "../runtime/mounts.js";
import { runProgram } from "../runtime/program.js";
import type { OverlayMount } from "../runtime/spawner-frames.js";
import { backingFileSystem } from "./backing.js";
import type { LayerTarStore, SnapshotDriver } from "./driver.js";
import { OverlayDriver } from "./overlay.js";
import { listChanges } from "./tree-program.js";

/**
 * Overlays by a process each (containers/fuse-overlayfs), for state directories on which the kernel mounts none. Layers keep their deletions as
 * ".wh." files, since such file systems refuse overlayfs's devices and attributes.
 */
export class FuseOverlayDriver extends OverlayDriver {
  override readonly name: SnapshotDriver["name"] = "fuse-overlayfs";
  protected override readonly upperOptions = ["--upper", "--markers"];

  override status(): readonly (readonly [string, string])[] { return [["Backing Filesystem", backingFileSystem(this.layerDirectory.directory)]]; }

  override async changes(id: string, chain: readonly string[]): Promise<FileChange[]> {
    const lower = await this.lower(chain);
    return this.layerDirectory.temporary(async (temporary) => {
      const view = join(temporary, "fs");
      try {
        await this.mountOverlay({ target: view, directory: this.layerDirectory.directory, lower, upper: "", work: "" });
        return await listChanges(this.monitorPath, [...this.upperOptions, this.upper(id), view]);
      } finally { await unmount(view); }
    });
  }

  override commit(id: string, chain: readonly string[], store: LayerTarStore): Promise<{ diffId: string; sizeBytes: number }> {
    return this.layerDirectory.adoptUnpacked(this.diff(id, chain), store);
  }

  protected override async mountOverlay({ target, directory, lower, upper, work }: OverlayMount): Promise<void> {
    const options = [`lowerdir=${lower.join(":")}`, ...(upper ? [`upperdir=${upper}`, `workdir=${work}`] : [])].join(",");
    const refuse = (what: string, why: string): never => { throw new SwarmError("INTERNAL", `cannot mount its root filesystem: ${what}: ${why.trim().split("\n")[0]}`); };
    const mounted = await runProgram("fuse-overlayfs", ["-o", options, target], { cwd: directory });
    if (mounted.code !== 0) refuse("fuse-overlayfs", mounted.stderr);
    // What is mounted inside must not appear anywhere else.
    const isolated = await runProgram("mount", ["--make-rprivate", target]);
    if (isolated.code !== 0) { await unmount(target); refuse("mount --make-rprivate", isolated.stderr); }
  }

  protected override async makeInit(layers: readonly string[], temporary: string): Promise<void> {
    const { directory } = this.layerDirectory;
    const root = join(temporary, "root");
    await mkdir(root);
    try {
      await this.mountOverlay({ target: root, directory, lower: layers, upper: relative(directory, join(temporary, "fs")), work: relative(directory, join(temporary, "work")) });
      const made = await runProgram(this.monitorPath, ["init-layer", root]);
      if (made.code !== 0) throw new SwarmError("INTERNAL", `cannot prepare the image's root: ${made.stderr.trim()}`);
    } finally { await unmount(root); }
  }
}
