import { readFileSync } from "node:fs";
import { SwarmError } from "../lib/index.js";
import { allPids, removeCgroups } from "./cgroups.js";
import { killHost } from "./host.js";
import { removeNetwork } from "./network.js";
import { cgroupOf, checkLabName, labDir, readLab, releaseLab, runRoot } from "./state.js";
import { attempt, requireTools } from "./tools.js";

/**
 * Removes every trace of a lab. Works by names wherever lab.json is missing, so it also ends what a crash of this tool left half
 * made. Nothing there: nothing to do.
 */
export async function labDown(name: string): Promise<void> {
  checkLabName(name);
  requireTools();
  const lab = readLab(name);
  if (lab) await Promise.all(lab.hosts.map((host) => killHost(lab, host)));
  if (!await removeCgroups(`/${cgroupOf(name)}`)) {
    throw new SwarmError("INTERNAL", `Cannot remove lab "${name}": processes ${allPids(`/${cgroupOf(name)}`).join(", ")} do not end; wait, then run "swarmctl lab down --name ${name}" again`);
  }
  await removeNetwork(lab ?? { name });
  for (const path of mountsBelow([`${labDir(name)}/`, `${runRoot}/${name}/`])) await attempt(["umount", "-l", path]);
  releaseLab(name);
}

/** Mounts in this machine's namespace: hosts have their own, so there are none unless somebody made them by hand. Deepest first. */
function mountsBelow(prefixes: readonly string[]): string[] {
  return readFileSync("/proc/self/mounts", "utf8").split("\n").map((line) => line.split(" ")[1] ?? "").filter((path) => prefixes.some((prefix) => path.startsWith(prefix))).reverse();
}
