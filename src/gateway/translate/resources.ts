import { SwarmError } from "../../lib/index.js";
import type { ContainerResources } from "../../model/index.js";
import type { ContainerConfig, ContainerUpdate, ResourceLimits, RestartPolicy } from "../../engine/index.js";
import type { Fields } from "./fields.js";

const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", why);
const minimumMemoryBytes = 6 * 1024 * 1024;

export interface HostSize { readonly cpus: number }

/** The limits of HostConfig (and of update, where what is absent stays). */
export function parseResources(host: Fields, size: HostSize): { limits: Partial<ContainerResources>; reservations: Partial<ContainerResources>; resources: ResourceLimits } {
  const number = (name: string) => host.integer(name) || undefined;
  const memory = number("Memory");
  const reservation = number("MemoryReservation");
  const nanoCpus = number("NanoCpus");
  const quota = number("CpuQuota");
  const period = number("CpuPeriod");
  let swap = number("MemorySwap");
  const swappiness = host.integer("MemorySwappiness");
  const weight = number("BlkioWeight");
  const shares = number("CpuShares");
  if (memory !== undefined && memory < minimumMemoryBytes) throw refuse("Minimum memory limit allowed is 6MB");
  if (reservation !== undefined && reservation < minimumMemoryBytes) throw refuse("Minimum memory reservation allowed is 6MB");
  if (memory !== undefined && reservation !== undefined && memory < reservation) throw refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
  if (swap !== undefined && swap > 0 && memory === undefined) throw refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (swap !== undefined && swap < -1) throw refuse("Invalid value for MemorySwap: it is bytes, or -1 for no limit");
  if (swap !== undefined && swap > 0 && memory !== undefined && swap < memory) throw refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory !== undefined && swap === undefined) swap = 2 * memory;
  if (swappiness !== undefined && (swappiness < -1 || swappiness > 100)) throw refuse(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
  if (nanoCpus !== undefined && quota !== undefined) throw refuse("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
  if (nanoCpus !== undefined && period !== undefined) throw refuse("Conflicting options: Nano CPUs and CPU Period cannot both be set");
  if (nanoCpus !== undefined && (nanoCpus < 0 || nanoCpus > size.cpus * 1e9)) throw refuse(`Range of CPUs is from 0.01 to ${size.cpus}.00, as there are only ${size.cpus} CPUs available`);
  if (quota !== undefined && quota > 0 && quota < 1000) throw refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
  if (period !== undefined && (period < 1000 || period > 1_000_000)) throw refuse("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (shares !== undefined && shares < 0) throw refuse(`invalid CPU shares (${shares}): value must be a positive integer`);
  if (weight !== undefined && (weight < 10 || weight > 1000)) throw refuse("Range of blkio weight is from 10 to 1000");
  for (const name of ["CpusetCpus", "CpusetMems"] as const) {
    const text = host.text(name);
    if (text && !/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text)) throw refuse(`Invalid value ${text.slice(0, 80)} for ${name === "CpusetCpus" ? "cpuset cpus" : "cpuset mems"}`);
  }
  const highest = Math.max(-1, ...(host.text("CpusetCpus") ?? "").split(/[,-]/).filter(Boolean).map(Number));
  if (highest >= size.cpus) throw refuse(`Requested CPUs are not available - requested ${host.text("CpusetCpus")}, available: 0-${size.cpus - 1}`);
  const pids = host.integer("PidsLimit");
  const limits: { -readonly [K in keyof ContainerResources]?: number } = {};
  if (memory !== undefined) limits.memoryBytes = memory;
  // Docker's unit is finer than the engine's: what rounds to nothing is its smallest share.
  if (nanoCpus !== undefined) limits.cpuMillis = Math.max(1, Math.round(nanoCpus / 1e6));
  if (pids !== undefined) limits.pids = Math.max(0, pids);
  const devices = (name: string) => host.objects(name).map((entry) => ({ path: entry.text("Path") ?? "", rate: entry.integer("Rate") ?? 0 }));
  const throttle = (["ReadBps", "WriteBps", "ReadIOps", "WriteIOps"] as const).flatMap((name) => devices(`BlkioDevice${name}`).map(({ path, rate }) => ({
    kind: ({ ReadBps: "readBps", WriteBps: "writeBps", ReadIOps: "readIops", WriteIOps: "writeIops" } as const)[name], path, rate,
  })));
  const weights = host.objects("BlkioWeightDevice").map((entry) => ({ path: entry.text("Path") ?? "", weight: entry.integer("Weight") ?? 0 }));
  const resources: ResourceLimits = defined({
    cpuShares: shares, cpuPeriodUs: period, cpuQuotaUs: quota, cpuRtPeriodUs: number("CpuRealtimePeriod"), cpuRtRuntimeUs: number("CpuRealtimeRuntime"),
    cpusetCpus: host.text("CpusetCpus") || undefined, cpusetMems: host.text("CpusetMems") || undefined, memorySwapBytes: swap, memorySwappiness: swappiness === -1 ? undefined : swappiness,
    kernelMemoryBytes: number("KernelMemory"), blkioWeight: weight, blkioWeightDevices: weights.length > 0 ? weights : undefined, blkioThrottle: throttle.length > 0 ? throttle : undefined,
  });
  return { limits, reservations: reservation === undefined ? {} : { memoryBytes: reservation }, resources };
}

export function parseRestartPolicy(host: Fields): RestartPolicy | undefined {
  if (!host.has("RestartPolicy")) return undefined;
  const policy = host.object("RestartPolicy");
  const name = policy.text("Name") || "no";
  const maximumRetries = policy.integer("MaximumRetryCount") ?? 0;
  if (name !== "no" && name !== "always" && name !== "unless-stopped" && name !== "on-failure") throw refuse(`invalid restart policy: unknown policy '${name.slice(0, 80)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  if (name !== "on-failure" && maximumRetries !== 0) throw refuse(`invalid restart policy: maximum retry count can only be used with 'on-failure'`);
  if (maximumRetries < 0) throw refuse("invalid restart policy: maximum retry count cannot be negative");
  return { name, maximumRetries };
}

export function parseUpdate(body: Fields, size: HostSize, before: ContainerConfig): ContainerUpdate {
  const { limits, reservations, resources } = parseResources(body, size);
  const restart = parseRestartPolicy(body);
  // Docker keeps the swap limit that there was; only a memory limit that comes alone for the first time brings its own.
  const swap = body.integer("MemorySwap") || before.resources?.memorySwapBytes || resources.memorySwapBytes;
  const { memorySwapBytes: _, ...others } = resources;
  if (limits.memoryBytes !== undefined && swap !== undefined && swap > 0 && limits.memoryBytes > swap) throw new SwarmError("FAILED_PRECONDITION", "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
  const changed: ResourceLimits = swap === undefined || limits.memoryBytes === undefined && !body.integer("MemorySwap") ? others : { ...others, memorySwapBytes: swap };
  return {
    ...(Object.keys(limits).length > 0 ? { limits } : {}), ...(Object.keys(reservations).length > 0 ? { reservations } : {}),
    ...(Object.keys(changed).length > 0 ? { resources: changed } : {}), ...(restart ? { restart } : {}),
  };
}

const defined = <T extends object>(object: { [K in keyof T]: T[K] | undefined }): T => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
