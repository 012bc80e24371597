import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, ContainerUpdate } from "../api/index.js";
import type { Paths } from "../paths.js";
import { ociJson } from "../runtime/bundle.js";
import { cgroupFile, type CgroupLayout } from "../runtime/cgroups.js";
import { findDevices } from "../runtime/devices.js";
import type { HostAbilities } from "../runtime/host-abilities.js";
import { checkLimits } from "../runtime/limits.js";
import { ociResources } from "../runtime/resources.js";
import type { Runtimes } from "../runtime/runtimes.js";
import { checkRestart } from "./check-config.js";
import { applyLimits } from "./launch.js";
import { lowerFirst } from "./lifecycle.js";
import type { ContainerTable, Entry } from "./table.js";

/** Other limits, at once if it runs, and another restart policy. All of it or nothing. */
export async function updateContainer(entry: Entry, change: ContainerUpdate, parts: { table: ContainerTable; paths: Paths; runtimes: Runtimes; host: HostAbilities; cgroups: CgroupLayout; cgroupPathOf: (id: string, parent?: string) => string }): Promise<{ warnings: readonly string[] }> {
  const { table, runtimes, host } = parts;
  const { config: before } = entry.record;
  try {
    if (entry.record.phase === "removing") throw new SwarmError("FAILED_PRECONDITION", "it is being removed");
    checkRestart(change.restart, before.autoRemove ?? false);
    const { config: after, warnings } = checkLimits(changed(before, change), host);
    if (entry.record.phase === "running" && hasLimits(change)) {
      const devices = await findDevices({ ...after, devices: [], privileged: false });
      const file = join(parts.paths.container(before.id).bundle, "update.json");
      await writeFile(file, ociJson(liveResources(before, after, ociResources(after, host.hasSwapLimit, devices))));
      try { await applyLimits(before.id, file, runtimes); } finally { await rm(file, { force: true }); }
      const pidsFile = cgroupFile(parts.cgroups, parts.cgroupPathOf(before.id, before.cgroupParent), "pids", "pids.max");
      if (isPidsLimitLifted(before, after) && pidsFile) await writeFile(pidsFile, "max");
    }
    await table.save(entry, { config: { ...entry.record.config, limits: after.limits, reservations: after.reservations, resources: after.resources, restart: after.restart } });
    table.publish(entry.record, "update");
    return { warnings };
  } catch (error) {
    if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot update container "${before.name}": ${lowerFirst(error.message)}`, { cause: error });
    throw error;
  }
}

const hasLimits = (change: ContainerUpdate): boolean => change.limits !== undefined || change.reservations !== undefined || change.resources !== undefined;

/** What is not said stays as it is. */
export function changed(config: ContainerConfig, change: ContainerUpdate): ContainerConfig {
  return {
    ...config,
    limits: { ...config.limits, ...present(change.limits) }, reservations: { ...config.reservations, ...present(change.reservations) },
    ...(change.resources ? { resources: { ...config.resources, ...present(change.resources) } } : {}),
    ...(change.restart ? { restart: change.restart } : {}),
  };
}

const present = <T extends object>(fields: T | undefined): Partial<T> => Object.fromEntries(Object.entries(fields ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;

/** crun writes a limit of -1 as it stands, which the kernel refuses: it is lifted beside the runtime. */
const isPidsLimitLifted = (before: ContainerConfig, after: ContainerConfig): boolean => before.limits.pids > 0 && after.limits.pids === 0;

/** The runtime leaves as it is what it is not told: a limit that is no more must be lifted in words. */
export function liveResources(before: ContainerConfig, after: ContainerConfig, resources: object): object {
  const { memory = {}, cpu = {}, pids, blockIO } = resources as { memory?: object; cpu?: object; pids?: object; blockIO?: object };
  const isLifted = (limit: "memoryBytes" | "cpuMillis") => before.limits[limit] > 0 && after.limits[limit] === 0;
  const sharesOf = (config: ContainerConfig) => config.resources?.cpuShares || config.reservations.cpuMillis;
  const isQuotaLifted = (isLifted("cpuMillis") || (before.resources?.cpuQuotaUs ?? 0) > 0) && !("quota" in cpu);
  return {
    memory: { ...(isLifted("memoryBytes") ? { limit: -1, swap: -1 } : {}), ...(before.reservations.memoryBytes > 0 && after.reservations.memoryBytes === 0 ? { reservation: -1 } : {}), ...memory },
    cpu: { ...(isQuotaLifted ? { quota: -1 } : {}), ...(sharesOf(before) && !sharesOf(after) ? { shares: 1024 } : {}), ...cpu },
    ...(pids ? { pids } : {}),
    ...(blockIO ? { blockIO } : {}),
  };
}
