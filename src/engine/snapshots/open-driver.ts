import { mkdir, readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Paths } from "../paths.js";
import type { SnapshotDriver } from "./driver.js";
import { LayerDirectory } from "./layer-directory.js";
import { OverlayDriver } from "./overlay.js";

export async function openDriver(paths: Pick<Paths, "snapshots" | "containers">, monitorPath: string): Promise<SnapshotDriver> {
  const layers = await LayerDirectory.open(paths.snapshots, monitorPath);
  await adoptEarlier(paths);
  return new OverlayDriver(layers, monitorPath);
}

/** The first version kept writable layers with the container's other files. What is mounted stays mounted: the kernel holds the directories, not their names. */
async function adoptEarlier({ snapshots, containers }: Pick<Paths, "snapshots" | "containers">): Promise<void> {
  for (const id of await readdir(containers).catch(() => [] as string[])) {
    const names = await readdir(join(containers, id)).catch(() => [] as string[]);
    for (const name of ["upper", "work"]) {
      if (!names.includes(name)) continue;
      await mkdir(join(snapshots, "writable", id), { recursive: true });
      await rename(join(containers, id, name), join(snapshots, "writable", id, name)).catch((error: NodeJS.ErrnoException) => { if (error.code !== "ENOTEMPTY") throw error; });
    }
  }
}
