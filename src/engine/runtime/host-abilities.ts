import { access, readFile, readdir } from "node:fs/promises";
import { availableParallelism, hostname, release, totalmem } from "node:os";
import { boundingSet } from "./capabilities.js";
import type { CgroupLayout } from "./cgroups.js";

/** What this host's kernel can do for containers, looked at once. */
export interface HostAbilities {
  readonly hostname: string;
  readonly kernel: string;                 // "6.18.44"
  readonly cpus: number;
  readonly cpuList: string;                // "0-1", as cpuset takes it
  readonly memoryNodes: string;            // "0"
  readonly memoryBytes: number;
  readonly hasMemoryLimit: boolean;
  readonly hasSwapLimit: boolean;
  readonly hasSwappiness: boolean;
  readonly hasOomKillDisable: boolean;
  readonly hasPidsLimit: boolean;
  readonly hasCpuQuota: boolean;
  readonly hasCpuShares: boolean;
  readonly hasCpuRealtime: boolean;
  readonly hasCpuset: boolean;
  readonly hasBlkioWeight: boolean;
  readonly hasBlkioThrottle: boolean;
  readonly hasAppArmor: boolean;
  readonly hasSelinux: boolean;
  /** This process's CapBnd: what it can give. */
  readonly boundingCapabilities: bigint;
}

export async function readHostAbilities(cgroups: CgroupLayout): Promise<HostAbilities> {
  const exists = (path: string) => access(path).then(() => true, () => false);
  const text = (path: string) => readFile(path, "utf8").then((t) => t.trim(), () => "");
  const isV2 = cgroups.kind === "v2";
  const v2 = new Set((isV2 ? await text(`${cgroups.unifiedMount}/cgroup.controllers`) : "").split(/\s+/));
  const v1Mount = (controller: string) => cgroups.mounts.find((mount) => mount.split("/").at(-1)!.split(",").includes(controller));
  const has = async (controller: string, v1File: string): Promise<boolean> => {
    if (isV2) return v2.has(controller === "blkio" ? "io" : controller);
    const mount = v1Mount(controller);
    return mount !== undefined && exists(`${mount}/${v1File}`);
  };
  const onlyV1 = async (controller: string, file: string): Promise<boolean> => !isV2 && has(controller, file);
  return {
    hostname: hostname(), kernel: release(), cpus: availableParallelism(), memoryBytes: totalmem(),
    cpuList: await text("/sys/devices/system/cpu/online"), memoryNodes: (await text("/sys/devices/system/node/online")) || "0",
    hasMemoryLimit: await has("memory", "memory.limit_in_bytes"),
    hasSwapLimit: await hasSwapAccounting(cgroups),
    hasSwappiness: await onlyV1("memory", "memory.swappiness"),
    hasOomKillDisable: await onlyV1("memory", "memory.oom_control"),
    hasPidsLimit: isV2 ? v2.has("pids") : v1Mount("pids") !== undefined,
    hasCpuQuota: await has("cpu", "cpu.cfs_quota_us"), hasCpuShares: await has("cpu", "cpu.shares"), hasCpuRealtime: await onlyV1("cpu", "cpu.rt_runtime_us"),
    hasCpuset: await has("cpuset", "cpuset.cpus"),
    hasBlkioWeight: isV2 ? v2.has("io") : (await has("blkio", "blkio.weight")) || (await has("blkio", "blkio.bfq.weight")),
    hasBlkioThrottle: await has("blkio", "blkio.throttle.read_bps_device"),
    hasAppArmor: (await text("/sys/module/apparmor/parameters/enabled")) === "Y",
    hasSelinux: await exists("/sys/fs/selinux/enforce"),
    boundingCapabilities: boundingSet(await readFile("/proc/self/status", "utf8")),
  };
}

/** v1 may be booted without swap accounting; v2 shows memory.swap.max only below its root, and only if the kernel has swap at all. */
async function hasSwapAccounting({ kind, memoryMount }: CgroupLayout): Promise<boolean> {
  if (!memoryMount) return false;
  const exists = (path: string) => access(path).then(() => true, () => false);
  if (kind !== "v2") return exists(`${memoryMount}/memory.memsw.limit_in_bytes`);
  for (const entry of await readdir(memoryMount, { withFileTypes: true })) if (entry.isDirectory() && await exists(`${memoryMount}/${entry.name}/memory.swap.max`)) return true;
  return false;
}
