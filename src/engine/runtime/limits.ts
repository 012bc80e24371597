import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, ResourceLimits } from "../api/index.js";
import type { HostAbilities } from "./host-abilities.js";

const mebibyte = 1024 * 1024;
const leastMemoryBytes = 6 * mebibyte;

const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };

/**
 * A container's limits as this host can hold them: refused where Docker refuses (with the numbers), and without what Docker drops with a
 * warning. Pure.
 */
export function checkLimits(config: ContainerConfig, host: HostAbilities): { readonly config: ContainerConfig; readonly warnings: readonly string[] } {
  const warnings: string[] = [];
  let { limits, reservations, oomKillDisable } = config;
  let resources: ResourceLimits | undefined = config.resources;
  const discard = (isWanted: boolean, isThere: boolean, warning: string): boolean => {
    if (!isWanted || isThere) return false;
    warnings.push(warning);
    return true;
  };
  const without = (...names: (keyof ResourceLimits)[]): void => { resources = Object.fromEntries(Object.entries(resources ?? {}).filter(([name]) => !names.includes(name as keyof ResourceLimits))); };
  const amounts: Record<string, number | undefined> = {
    "memory limit": limits.memoryBytes, "CPU limit": limits.cpuMillis, "memory reservation": reservations.memoryBytes, "CPU shares": resources?.cpuShares, "CPU period": resources?.cpuPeriodUs,
    "kernel memory limit": resources?.kernelMemoryBytes,
  };
  for (const [name, value] of Object.entries(amounts)) if (value !== undefined && !(value >= 0)) refuse(`the ${name} is ${value}; give a number that is not negative`);

  if (discard(limits.memoryBytes > 0, host.hasMemoryLimit, "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.")) { limits = { ...limits, memoryBytes: 0 }; without("memorySwapBytes"); }
  const { memoryBytes } = limits;
  const swap = resources?.memorySwapBytes ?? 0;
  if (memoryBytes > 0 && memoryBytes < leastMemoryBytes) refuse(`the memory limit is ${memoryBytes} bytes; the least is ${leastMemoryBytes} bytes (6 MiB)`);
  if (swap > 0 && memoryBytes === 0) refuse(`memory plus swap is limited to ${swap} bytes and memory is not; give a memory limit as well`);
  if (swap > 0 && swap < memoryBytes) refuse(`the limit of memory plus swap, ${swap} bytes, is below the memory limit, ${memoryBytes} bytes; it includes the memory, so give at least that`);
  if (swap < -1) refuse(`the limit of memory plus swap is ${swap}; give a number of bytes, or -1 for no limit`);
  if (discard(memoryBytes > 0 && swap !== -1 && resources !== undefined, host.hasSwapLimit, "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.")) without("memorySwapBytes");
  const swappiness = resources?.memorySwappiness;
  if (swappiness !== undefined && swappiness !== -1) {
    if (swappiness < 0 || swappiness > 100) refuse(`the memory swappiness is ${swappiness}; give a number from 0 to 100`);
    if (discard(true, host.hasSwappiness, "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.")) without("memorySwappiness");
  }
  if (reservations.memoryBytes > 0 && resources !== undefined) {
    if (reservations.memoryBytes < leastMemoryBytes) refuse(`the memory reservation is ${reservations.memoryBytes} bytes; the least is ${leastMemoryBytes} bytes (6 MiB)`);
    if (memoryBytes > 0 && reservations.memoryBytes > memoryBytes) refuse(`the memory reservation, ${reservations.memoryBytes} bytes, is above the memory limit, ${memoryBytes} bytes; give less than that`);
  }
  if (discard((resources?.kernelMemoryBytes ?? 0) > 0, false, "Kernel memory limits are no longer supported by the kernel. Limitation discarded.")) without("kernelMemoryBytes");
  if (discard(oomKillDisable === true, host.hasOomKillDisable, "Your kernel does not support OomKillDisable. OomKillDisable discarded.")) oomKillDisable = undefined;
  if (oomKillDisable && memoryBytes === 0) warnings.push("OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.");

  if (discard(limits.pids > 0, host.hasPidsLimit, "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.")) limits = { ...limits, pids: 0 };

  const { cpuPeriodUs = 0, cpuQuotaUs = 0, cpuRtPeriodUs = 0, cpuRtRuntimeUs = 0, blkioWeight = 0 } = resources ?? {};
  if (limits.cpuMillis > 0 && (cpuPeriodUs > 0 || cpuQuotaUs > 0)) refuse("both a number of CPUs and a CPU period or quota are given; give one of the two");
  // A task's limit that is above this host's processors is merely no limit.
  if (resources !== undefined && limits.cpuMillis > host.cpus * 1000) refuse(`${limits.cpuMillis / 1000} CPUs are asked for; give from 0.01 to ${host.cpus}.00, as this host has ${host.cpus}`);
  if (cpuPeriodUs !== 0 && (cpuPeriodUs < 1000 || cpuPeriodUs > 1_000_000)) refuse(`the CPU period is ${cpuPeriodUs} µs; give from 1000 (1 ms) to 1000000 (1 s)`);
  if (cpuQuotaUs > 0 && cpuQuotaUs < 1000) refuse(`the CPU quota is ${cpuQuotaUs} µs; the least is 1000 (1 ms)`);
  if (discard(limits.cpuMillis > 0 || cpuPeriodUs > 0 || cpuQuotaUs > 0, host.hasCpuQuota, "Your kernel does not support CPU CFS scheduler or the cgroup is not mounted. CPU limit discarded.")) { limits = { ...limits, cpuMillis: 0 }; without("cpuPeriodUs", "cpuQuotaUs"); }
  if (discard((resources?.cpuShares ?? 0) > 0 || reservations.cpuMillis > 0, host.hasCpuShares, "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.")) { reservations = { ...reservations, cpuMillis: 0 }; without("cpuShares"); }
  if ((cpuRtPeriodUs !== 0 || cpuRtRuntimeUs !== 0) && !host.hasCpuRealtime) refuse("a real-time CPU share is asked for, which this kernel's scheduler does not give to groups; leave it out");
  if (cpuRtPeriodUs !== 0 && cpuRtRuntimeUs > cpuRtPeriodUs) refuse(`the real-time CPU runtime, ${cpuRtRuntimeUs} µs, is above its period, ${cpuRtPeriodUs} µs; give less than that`);

  const { cpusetCpus = "", cpusetMems = "" } = resources ?? {};
  for (const [name, asked, there] of [["CPUs", cpusetCpus, host.cpuList], ["memory nodes", cpusetMems, host.memoryNodes]] as const) {
    if (asked === "") continue;
    const wanted = parseSet(asked) ?? refuse(`"${asked}" names no ${name}; write them like 0-2,4`);
    const available = parseSet(there);
    const missing = available ? [...wanted].filter((n) => !available.has(n)) : [];
    if (missing.length > 0) refuse(`${name} ${asked} are asked for, and ${missing.slice(0, 8).join(", ")} ${missing.length > 1 ? "are" : "is"} not there; this host has ${there}`);
  }
  if (discard(cpusetCpus !== "" || cpusetMems !== "", host.hasCpuset, "Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.")) without("cpusetCpus", "cpusetMems");

  if (blkioWeight !== 0 && (blkioWeight < 10 || blkioWeight > 1000)) refuse(`the block I/O weight is ${blkioWeight}; give from 10 to 1000`);
  for (const { path, weight } of resources?.blkioWeightDevices ?? []) if (weight < 10 || weight > 1000) refuse(`the block I/O weight for "${path}" is ${weight}; give from 10 to 1000`);
  for (const { path, rate } of resources?.blkioThrottle ?? []) if (!(rate >= 0)) refuse(`the block I/O rate for "${path}" is ${rate}; give a number that is not negative`);
  if (discard(blkioWeight > 0, host.hasBlkioWeight, "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.")) without("blkioWeight");
  if (discard((resources?.blkioWeightDevices?.length ?? 0) > 0, host.hasBlkioWeight, "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.")) without("blkioWeightDevices");
  if (discard((resources?.blkioThrottle?.length ?? 0) > 0, host.hasBlkioThrottle, "Your kernel does not support Block I/O throttling or the cgroup is not mounted. Throttling discarded.")) without("blkioThrottle");
  return { config: { ...config, limits, reservations, resources, oomKillDisable }, warnings };
}

/** "0-2,4": the numbers; undefined when it is not written so. */
export function parseSet(text: string): ReadonlySet<number> | undefined {
  const numbers = new Set<number>();
  for (const part of text.trim().split(",")) {
    const [, from, to = from] = /^\s*(\d{1,4})(?:-(\d{1,4}))?\s*$/.exec(part) ?? [];
    if (from === undefined || Number(to) < Number(from)) return undefined;
    for (let n = Number(from); n <= Number(to); n++) numbers.add(n);
  }
  return numbers;
}
