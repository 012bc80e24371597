import { existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sleep, systemClock } from "../lib/index.js";

/**
 * A lab's processes are held in cgroups named after it, in every hierarchy of the machine (v1, v2 or both): that is how they are found again whatever
 * else was lost, and how they are frozen.
 */
interface Hierarchy { readonly path: string; readonly version: 1 | 2; readonly controllers: readonly string[] }

function hierarchies(): Hierarchy[] {
  return readFileSync("/proc/self/mounts", "utf8").split("\n").map((line) => line.split(" ")).filter(([, path, type]) => path && (type === "cgroup" || type === "cgroup2"))
    .map(([, path, type, options]) => ({ path: path!.replaceAll("\\040", " "), version: type === "cgroup2" ? 2 : 1, controllers: options!.split(",") }));
}

/** Those where a process is placed: the unified one, and v1's freezer. The others keep it at their root. */
const placing = () => hierarchies().filter((h) => h.version === 2 || h.controllers.includes("freezer"));

/** Makes `<cgroup>/host` and returns the cgroup.procs files that a process writes itself into. A leaf of its own: v2 allows no processes beside children. */
export function prepareCgroups(cgroup: string): string[] {
  return placing().map(({ path }) => {
    const directory = join(path, cgroup, "host");
    mkdirSync(directory, { recursive: true });
    return join(directory, "cgroup.procs");
  });
}

/** Pids in the host's own leaf: all of its processes but those of containers. */
export function hostPids(cgroup: string): number[] {
  return [...new Set(placing().flatMap(({ path }) => pidsIn(join(path, cgroup, "host"))))];
}

/** Every pid below `cgroup`. */
export const allPids = (cgroup: string): number[] => [...new Set(hierarchies().flatMap(({ path }) => pidsBelow(join(path, cgroup))))];

export function setFrozen(cgroup: string, isFrozen: boolean): void {
  for (const { path, version, controllers } of hierarchies()) {
    const directory = join(path, cgroup);
    const [file, value] = version === 2 ? ["cgroup.freeze", isFrozen ? "1" : "0"] : ["freezer.state", isFrozen ? "FROZEN" : "THAWED"];
    if (version === 1 && !controllers.includes("freezer")) continue;
    try { writeFileSync(join(directory, file), value); } catch { /* not there */ }
  }
}

export function isFrozen(cgroup: string): boolean {
  return hierarchies().some(({ path, version }) => {
    try {
      return readFileSync(join(path, cgroup, version === 2 ? "cgroup.freeze" : "freezer.state"), "utf8").trim() === (version === 2 ? "1" : "FROZEN");
    } catch { return false; }
  });
}

/** Ends every process below `cgroup` and removes it in every hierarchy. Repeats, because processes take a moment to die. */
export async function removeCgroups(cgroup: string): Promise<boolean> {
  for (let round = 0; round < 100; round++) {
    const directories = hierarchies().map(({ path }) => join(path, cgroup)).filter((path) => existsSync(path));
    if (directories.length === 0) return true;
    // A frozen process dies only once thawed (v1).
    for (const directory of directories) for (const below of deepestFirst(directory)) thaw(below);
    for (const pid of directories.flatMap(pidsBelow)) try { process.kill(pid, "SIGKILL"); } catch { /* gone */ }
    for (const directory of directories) for (const below of deepestFirst(directory)) try { rmdirSync(below); } catch { /* in use for a moment more */ }
    if (!directories.some((path) => existsSync(path))) return true;
    await sleep(systemClock, Math.min(10 + round * 5, 100));
  }
  return false;
}

function thaw(directory: string): void {
  for (const [file, value] of [["freezer.state", "THAWED"], ["cgroup.freeze", "0"]] as const) {
    const path = join(directory, file);
    if (existsSync(path)) try { writeFileSync(path, value); } catch { /* going */ }
  }
}

function deepestFirst(directory: string): string[] {
  let names: string[];
  try { names = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name)); } catch { return []; }
  return [...names.flatMap(deepestFirst), directory];
}

const pidsBelow = (directory: string): number[] => deepestFirst(directory).flatMap(pidsIn);

function pidsIn(directory: string): number[] {
  // "0": a process of another pid namespace, which cannot be named here.
  try { return readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").map(Number).filter((pid) => pid > 0); } catch { return []; }
}
