import { access, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, messageOf, type Logger } from "../../lib/index.js";
import type { Paths } from "../paths.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { SnapshotDriver } from "./driver.js";
import { FuseOverlayDriver } from "./fuse-overlayfs.js";
import { LayerDirectory } from "./layer-directory.js";
import { OverlayDriver } from "./overlay.js";
import { VfsDriver } from "./vfs.js";

export type StorageDriverName = "overlay" | "fuse-overlayfs" | "vfs";
/** Stands for a container while a driver is tried out. */
const trial = "trial";
/** In the order in which they are tried. */
export const storageDrivers: readonly StorageDriverName[] = ["overlay", "fuse-overlayfs", "vfs"];

export interface OpenDriverOptions {
  readonly paths: Pick<Paths, "snapshots" | "containers">;
  readonly monitorPath: string;
  /** Undefined: what this directory was used with before, else the first that works. */
  readonly wanted?: StorageDriverName;
  readonly log: Logger;
}

/** The storage of a state directory. Its file `driver` remembers who filled it: no driver reads what another one wrote. */
export async function openDriver({ paths, monitorPath, wanted, log }: OpenDriverOptions): Promise<SnapshotDriver> {
  const { snapshots } = paths;
  await mkdir(snapshots, { recursive: true, mode: 0o700 });
  const open = async (name: StorageDriverName) => createDriver(name, await LayerDirectory.open(snapshots, monitorPath, name === "overlay" ? "overlay" : "files"), monitorPath);
  await adoptEarlier(paths);
  const before = await usedBefore(snapshots);
  if (before) {
    if (wanted && wanted !== before) throw new SwarmError("FAILED_PRECONDITION", `Cannot use storage driver ${wanted} in "${snapshots}": what is there was stored with ${before}; ask for ${before}, choose another state directory, or remove all images and containers first`);
    return open(before);
  }
  const refusals: string[] = [];
  for (const name of wanted ? [wanted] : storageDrivers) {
    const driver = await open(name);
    try {
      await tryOut(driver, snapshots);
      await writeFile(join(snapshots, "driver"), `${name}\n`);
      if (refusals.length > 0) log.warn(`storage driver ${name} is used, which is slower`, { reason: refusals.join("; ") });
      return driver;
    } catch (error) { refusals.push(`${name} does not work here: ${messageOf(error)}`); }
  }
  throw new SwarmError("FAILED_PRECONDITION", `Cannot store images in "${snapshots}": ${refusals.join("; ")}`);
}

export function createDriver(name: StorageDriverName, layers: LayerDirectory, monitorPath: string): SnapshotDriver {
  switch (name) {
    case "overlay": return new OverlayDriver(layers, monitorPath);
    case "fuse-overlayfs": return new FuseOverlayDriver(layers, monitorPath);
    case "vfs": return new VfsDriver(layers, monitorPath);
  }
}

/** Undefined where nothing is stored yet, so that another one may be chosen. */
async function usedBefore(directory: string): Promise<StorageDriverName | undefined> {
  const names = await readdir(directory);
  const writable = (await readdir(join(directory, "writable")).catch(() => [] as string[])).filter((id) => id !== trial);
  if (writable.length === 0 && !names.some((name) => /^[0-9a-f]{64}$/.test(name))) {
    await removeTree(...["driver", "init", "trees", "writable"].map((name) => join(directory, name)));
    return undefined;
  }
  const text = (await readFile(join(directory, "driver"), "utf8").catch(() => "overlay")).trim();   // the first version had no other
  const name = storageDrivers.find((each) => each === text);
  if (!name) throw new SwarmError("FAILED_PRECONDITION", `Cannot use "${directory}": it was stored with storage driver "${text}", which this version does not have`);
  return name;
}

/** A whole life of a container's root that holds what layers hold. */
async function tryOut(driver: SnapshotDriver, directory: string): Promise<void> {
  const target = join(directory, `new-${trial}`);
  await mkdir(target, { recursive: true });
  try {
    await driver.mount(trial, [], target);
    await access(join(target, ".dockerenv"));
    await rm(join(target, ".dockerenv"));
    const [change] = await driver.changes(trial, []);
    if (change?.kind !== "deleted") throw new SwarmError("INTERNAL", "what is deleted is not noted");
  } finally {
    await driver.unmount(trial, target);
    await driver.remove(trial);
    await rm(target, { recursive: true, force: true });
    await driver.keepOnly([]);
  }
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
