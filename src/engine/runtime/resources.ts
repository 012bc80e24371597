import type { Resources } from "../../model/index.js";

/** OCI's linux.resources (runtime spec, config-linux.md). `hasSwapLimit`: the kernel accounts swap, so that a limit can include it. */
export function ociResources(limits: Resources, reservations: Resources, hasSwapLimit: boolean): object {
  return {
    // Nothing but what the runtime itself always allows (null, zero, full, random, urandom, tty, ptmx, console).
    devices: [{ allow: false, access: "rwm" }],
    memory: {
      ...(limits.memoryBytes > 0 ? { limit: limits.memoryBytes, ...(hasSwapLimit ? { swap: limits.memoryBytes } : {}) } : {}),
      ...(reservations.memoryBytes > 0 ? { reservation: limits.memoryBytes > 0 ? Math.min(reservations.memoryBytes, limits.memoryBytes) : reservations.memoryBytes } : {}),
    },
    cpu: { ...(limits.cpuMillis > 0 ? cpuQuota(limits.cpuMillis) : {}), ...(reservations.cpuMillis > 0 ? { shares: Math.max(2, Math.round((reservations.cpuMillis * 1024) / 1000)) } : {}) },
    ...(limits.pids > 0 ? { pids: { limit: limits.pids } } : {}),
  };
}

/** The kernel refuses quotas under 1 ms, so a very small share is measured over a second instead of 100 ms. */
function cpuQuota(cpuMillis: number): { period: number; quota: number } {
  return cpuMillis >= 10 ? { period: 100_000, quota: cpuMillis * 100 } : { period: 1_000_000, quota: cpuMillis * 1000 };
}
