import type { ContainerConfig } from "../api/index.js";
import type { DeviceNode } from "./devices.js";

/** Devices of the host that a container's limits and rules name, looked up. */
export interface ResourceDevices {
  /** By path, as blkioWeightDevices and blkioThrottle name them. */
  readonly block: ReadonlyMap<string, { readonly major: number; readonly minor: number }>;
  /** Those that are given to the container. */
  readonly given: readonly (DeviceNode & { readonly permissions: string })[];
}

export const noDevices: ResourceDevices = { block: new Map(), given: [] };

type Limited = Pick<ContainerConfig, "limits" | "reservations" | "resources" | "privileged" | "deviceCgroupRules" | "oomKillDisable">;

/** OCI's linux.resources (runtime spec, config-linux.md). `hasSwapLimit`: the kernel accounts swap, so that a limit can include it. */
export function ociResources(config: Limited, hasSwapLimit: boolean, devices: ResourceDevices = noDevices): object {
  const { limits, resources = {} } = config;
  return {
    devices: deviceRules(config, devices),
    memory: memory(config, hasSwapLimit),
    cpu: cpu(config),
    ...(limits.pids > 0 ? { pids: { limit: limits.pids } } : {}),
    ...blockIo(resources, devices.block),
  };
}

/** What memory plus swap is limited to; undefined: nothing is said. A task has no swap beside its memory, a person's container as much again (Docker's default). */
function swapLimit({ limits, resources }: Pick<ContainerConfig, "limits" | "resources">): number | undefined {
  if (limits.memoryBytes <= 0) return undefined;
  if (resources === undefined) return limits.memoryBytes;
  return resources.memorySwapBytes || limits.memoryBytes * 2;
}

function memory(config: Limited, hasSwapLimit: boolean): object {
  const { limits, reservations, resources } = config;
  const swap = swapLimit(config);
  const swappiness = resources?.memorySwappiness;
  return {
    ...(limits.memoryBytes > 0 ? { limit: limits.memoryBytes } : {}),
    ...(swap !== undefined && hasSwapLimit ? { swap } : {}),
    ...(reservations.memoryBytes > 0 ? { reservation: limits.memoryBytes > 0 ? Math.min(reservations.memoryBytes, limits.memoryBytes) : reservations.memoryBytes } : {}),
    ...(swappiness !== undefined && swappiness >= 0 ? { swappiness } : {}),
    ...(config.oomKillDisable ? { disableOOMKiller: true } : {}),
  };
}

function cpu({ limits, reservations, resources = {} }: Limited): object {
  const shares = resources.cpuShares || (reservations.cpuMillis > 0 ? Math.round((reservations.cpuMillis * 1024) / 1000) : 0);
  return {
    ...(limits.cpuMillis > 0 ? cpuQuota(limits.cpuMillis) : { ...(resources.cpuPeriodUs ? { period: resources.cpuPeriodUs } : {}), ...(resources.cpuQuotaUs ? { quota: resources.cpuQuotaUs } : {}) }),
    ...(shares > 0 ? { shares: Math.max(2, shares) } : {}),
    ...(resources.cpuRtPeriodUs ? { realtimePeriod: resources.cpuRtPeriodUs } : {}), ...(resources.cpuRtRuntimeUs ? { realtimeRuntime: resources.cpuRtRuntimeUs } : {}),
    ...(resources.cpusetCpus ? { cpus: resources.cpusetCpus } : {}), ...(resources.cpusetMems ? { mems: resources.cpusetMems } : {}),
  };
}

/** The kernel refuses quotas under 1 ms, so a very small share is measured over a second instead of 100 ms. */
function cpuQuota(cpuMillis: number): { period: number; quota: number } {
  return cpuMillis >= 10 ? { period: 100_000, quota: cpuMillis * 100 } : { period: 1_000_000, quota: cpuMillis * 1000 };
}

function blockIo(resources: NonNullable<ContainerConfig["resources"]>, block: ResourceDevices["block"]): object {
  const { blkioWeight, blkioWeightDevices = [], blkioThrottle = [] } = resources;
  if (!blkioWeight && blkioWeightDevices.length === 0 && blkioThrottle.length === 0) return {};
  const located = <T>(path: string, more: T) => { const device = block.get(path); return device ? [{ major: device.major, minor: device.minor, ...more }] : []; };
  const throttle = (kind: (typeof blkioThrottle)[number]["kind"]) => blkioThrottle.filter((t) => t.kind === kind).flatMap(({ path, rate }) => located(path, { rate }));
  return {
    blockIO: {
      ...(blkioWeight ? { weight: blkioWeight } : {}),
      weightDevice: blkioWeightDevices.flatMap(({ path, weight }) => located(path, { weight })),
      throttleReadBpsDevice: throttle("readBps"), throttleWriteBpsDevice: throttle("writeBps"), throttleReadIOPSDevice: throttle("readIops"), throttleWriteIOPSDevice: throttle("writeIops"),
    },
  };
}

/** Nothing but what the runtime itself always allows (null, zero, full, random, urandom, tty, ptmx, console), and what was given. */
function deviceRules({ privileged, deviceCgroupRules = [] }: Limited, { given }: ResourceDevices): object[] {
  if (privileged) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    ...given.map(({ type, major, minor, permissions }) => ({ allow: true, type, major, minor, access: permissions })),
    ...deviceCgroupRules.map((rule) => {
      const [type, numbers = "", access] = rule.trim().split(/\s+/);
      const [major, minor] = numbers.split(":");
      return { allow: true, type, ...(major === "*" ? {} : { major: Number(major) }), ...(minor === "*" ? {} : { minor: Number(minor) }), access };
    }),
  ];
}
