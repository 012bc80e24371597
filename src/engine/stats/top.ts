import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerAccess } from "../containers/ports.js";
import { isRestarting } from "../containers/record.js";
import { cgroupFile, type CgroupLayout } from "../runtime/cgroups.js";
import { runProgram } from "../runtime/program.js";
import { checkPsArguments, processesOf } from "./core/ps-output.js";

export interface TopParts { readonly containers: ContainerAccess; readonly cgroups: CgroupLayout; readonly cgroupPathOf: (id: string, parent?: string) => string }

/** `ps` on the host with these arguments (-ef when there are none), only the container's processes. */
export async function topOf(id: string, psArguments: readonly string[], { containers, cgroups, cgroupPathOf }: TopParts): Promise<{ titles: readonly string[]; processes: readonly (readonly string[])[] }> {
  const record = containers.require(id, "list the processes of");
  const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string): never => { throw new SwarmError(code, `Cannot list the processes of container "${record.config.name}": ${why}`); };
  if (isRestarting(record)) refuse("FAILED_PRECONDITION", "it is restarting; wait until it runs");
  if (record.phase !== "running") refuse("FAILED_PRECONDITION", "it is not running");
  const args = psArguments.length > 0 ? psArguments : ["-ef"];
  try {
    checkPsArguments(args);
    const anyFile = ["pids", "memory", "freezer", "cpu"].map((controller) => cgroupFile(cgroups, cgroupPathOf(id, record.config.cgroupParent), controller, "")).find((path) => path !== undefined);
    const pids = await processesBelow(anyFile ?? refuse("INTERNAL", "no control group is mounted on this host"));
    // Only these, where ps can be told so beside its other arguments; some of those (BSD's) exclude that.
    const options = { timeoutMs: 10_000, outputLimitBytes: 16 * 1024 * 1024 };
    let result = await runProgram("ps", [...args, `-q${pids.slice(0, 4_000).join(",") || "0"}`], options);
    if (result.code !== 0 || pids.length > 4_000) result = await runProgram("ps", args, options);
    if (result.code !== 0) throw new SwarmError("INVALID_ARGUMENT", result.stderr.trim().split("\n").find((line) => line.trim() !== "") ?? `ps ended with code ${result.code}`);
    const table = processesOf(result.stdout, new Set(pids));
    containers.publish(record, "top");
    return table;
  } catch (error) {
    if (error instanceof SwarmError) return refuse(error.code, error.message);
    throw error;
  }
}

/** A group's processes, and those of the groups that the container made inside it. */
async function processesBelow(directory: string): Promise<number[]> {
  const own = (await readFile(join(directory, "cgroup.procs"), "utf8").catch(() => "")).split("\n").filter((line) => line !== "").map(Number);
  const inside = (await readdir(directory, { withFileTypes: true }).catch(() => [])).filter((entry) => entry.isDirectory());
  return [...own, ...(await Promise.all(inside.map((entry) => processesBelow(join(directory, entry.name))))).flat()];
}
