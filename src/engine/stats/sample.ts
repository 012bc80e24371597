import type { StatsSample } from "../api/index.js";

/** Contents by file name; undefined: the kernel has no such file, or its controller is not there. */
export type Files = Readonly<Record<string, string | undefined>>;

/** Which files of a group a sample needs, by v1 controller; on v2 all lie in one directory. */
export const v1Files: Readonly<Record<string, readonly string[]>> = {
  cpuacct: ["cpuacct.usage", "cpuacct.stat", "cpuacct.usage_percpu"],
  cpu: ["cpu.stat"],
  memory: ["memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.limit_in_bytes", "memory.failcnt", "memory.stat"],
  pids: ["pids.current", "pids.max"],
  blkio: ["blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"],
};
export const v2Files: readonly string[] = ["cpu.stat", "memory.current", "memory.peak", "memory.max", "memory.events", "memory.stat", "pids.current", "pids.max", "io.stat"];

export type GroupSample = Pick<StatsSample, "memory" | "pids" | "blkio"> & { readonly cpu: Omit<StatsSample["cpu"], "hostNs" | "onlineCpus"> };
type Blkio = StatsSample["blkio"];

/** cpuacct.stat counts in USER_HZ, which is 100 for every program on every Linux (times(2)). */
const nsPerTick = 10_000_000;

/** Linux, Documentation/admin-guide/cgroup-v1/{cpuacct,memory,pids,blkio-controller}.rst. A memory limit of more than the host has is none: the host's. */
export function sampleOfV1(files: Files, hostMemoryBytes: number): GroupSample {
  const times = keyed(files["cpuacct.stat"]);
  const cpu = keyed(files["cpu.stat"]);
  // The I/O scheduler's own counters where it keeps some (bfq), else the throttling layer's, which sees every request.
  const layers = ["blkio", "blkio.throttle"].flatMap((layer) => [[`${layer}.io_service_bytes_recursive`, `${layer}.io_serviced_recursive`], ...(layer === "blkio" ? [] : [[`${layer}.io_service_bytes`, `${layer}.io_serviced`]])]);
  const counted = layers.map(([bytes, operations]) => blkioOfV1(files[bytes!], files[operations!])).find((list) => list.length > 0);
  return {
    cpu: {
      totalNs: number(files["cpuacct.usage"]), userNs: (times["user"] ?? 0) * nsPerTick, systemNs: (times["system"] ?? 0) * nsPerTick,
      perCpuNs: words(files["cpuacct.usage_percpu"]).map(Number),
      periods: cpu["nr_periods"] ?? 0, throttledPeriods: cpu["nr_throttled"] ?? 0, throttledNs: cpu["throttled_time"] ?? 0,
    },
    memory: {
      usageBytes: number(files["memory.usage_in_bytes"]), maxUsageBytes: number(files["memory.max_usage_in_bytes"]), failures: number(files["memory.failcnt"]),
      limitBytes: limitOf(files["memory.limit_in_bytes"], hostMemoryBytes), details: keyed(files["memory.stat"]),
    },
    pids: { current: number(files["pids.current"]), limit: number(files["pids.max"]) },
    blkio: counted ?? [],
  };
}

/** Linux, Documentation/admin-guide/cgroup-v2.rst. As in Docker, `failures` is how often the limit was hit with nothing left to reclaim. */
export function sampleOfV2(files: Files, hostMemoryBytes: number): GroupSample {
  const cpu = keyed(files["cpu.stat"]);
  return {
    cpu: {
      totalNs: (cpu["usage_usec"] ?? 0) * 1000, userNs: (cpu["user_usec"] ?? 0) * 1000, systemNs: (cpu["system_usec"] ?? 0) * 1000, perCpuNs: [],
      periods: cpu["nr_periods"] ?? 0, throttledPeriods: cpu["nr_throttled"] ?? 0, throttledNs: (cpu["throttled_usec"] ?? 0) * 1000,
    },
    memory: {
      usageBytes: number(files["memory.current"]), maxUsageBytes: number(files["memory.peak"]), failures: keyed(files["memory.events"])["oom"] ?? 0,
      limitBytes: limitOf(files["memory.max"], hostMemoryBytes), details: keyed(files["memory.stat"]),
    },
    pids: { current: number(files["pids.current"]), limit: number(files["pids.max"]) },
    blkio: lines(files["io.stat"]).flatMap((line) => {
      const [device = "", ...pairs] = line.split(" ");
      const at = Object.fromEntries(pairs.map((pair) => pair.split("="))) as Record<string, string>;
      const [major, minor] = deviceOf(device);
      if (major === undefined || !("rbytes" in at)) return [];
      return [
        { major, minor: minor!, op: "read", bytes: number(at["rbytes"]), operations: number(at["rios"]) } as const,
        { major, minor: minor!, op: "write", bytes: number(at["wbytes"]), operations: number(at["wios"]) } as const,
      ];
    }),
  };
}

/** proc(5), /proc/stat: what all processors have spent, idle included, as Docker adds it up (user to softirq). */
export function hostCpuOf(stat: string): { hostNs: number; onlineCpus: number } {
  const all = stat.split("\n");
  const total = all.find((line) => line.startsWith("cpu "))?.trim().split(/\s+/).slice(1, 8).reduce((sum, ticks) => sum + Number(ticks), 0) ?? 0;
  return { hostNs: total * nsPerTick, onlineCpus: all.filter((line) => /^cpu\d/.test(line)).length };
}

/** proc(5), /proc/PID/net/dev: every interface of that process's network but the loopback. */
export function networksOf(text: string): StatsSample["networks"] {
  const networks: Record<string, StatsSample["networks"][string]> = {};
  for (const line of text.split("\n").slice(2)) {
    const colon = line.lastIndexOf(":");
    const name = line.slice(0, colon).trim();
    if (colon < 0 || name === "lo") continue;
    const [rxBytes = 0, rxPackets = 0, rxErrors = 0, rxDropped = 0, , , , , txBytes = 0, txPackets = 0, txErrors = 0, txDropped = 0] = line.slice(colon + 1).trim().split(/\s+/).map(Number);
    networks[name] = { rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped };
  }
  return networks;
}

/** A container that does not run. */
export const nothing: Omit<StatsSample, "readAtMs"> = {
  cpu: { totalNs: 0, userNs: 0, systemNs: 0, perCpuNs: [], hostNs: 0, onlineCpus: 0, periods: 0, throttledPeriods: 0, throttledNs: 0 },
  memory: { usageBytes: 0, maxUsageBytes: 0, limitBytes: 0, failures: 0, details: {} }, pids: { current: 0, limit: 0 }, blkio: [], networks: {},
};

function blkioOfV1(bytes: string | undefined, operations: string | undefined): Blkio {
  const entries = new Map<string, { major: number; minor: number; op: "read" | "write"; bytes: number; operations: number }>();
  for (const [text, field] of [[bytes, "bytes"], [operations, "operations"]] as const) {
    for (const line of lines(text)) {
      const [device = "", op = "", value] = line.split(" ");
      const [major, minor] = deviceOf(device);
      if (major === undefined || (op !== "Read" && op !== "Write")) continue;   // Sync, Async, Discard and Total count the same again
      const entry = entries.get(`${device} ${op}`) ?? { major, minor: minor!, op: op === "Read" ? "read" : "write", bytes: 0, operations: 0 };
      entry[field] = number(value);
      entries.set(`${device} ${op}`, entry);
    }
  }
  return [...entries.values()];
}

const lines = (text: string | undefined): string[] => (text ?? "").split("\n").filter((line) => line !== "");
const words = (text: string | undefined): string[] => (text ?? "").split(/\s+/).filter((word) => word !== "");
/** "max" and what is no number: 0, none. */
const number = (text: string | undefined): number => { const value = Number(text?.trim() || 0); return Number.isFinite(value) ? value : 0; };
/** "name 12" a line. */
const keyed = (text: string | undefined): Record<string, number> => Object.fromEntries(lines(text).map((line) => { const [name, value] = line.split(" "); return [name, number(value)]; }));
function limitOf(text: string | undefined, hostMemoryBytes: number): number { const limit = number(text); return limit > 0 && limit < hostMemoryBytes ? limit : hostMemoryBytes; }
function deviceOf(text: string): [number, number] | [undefined, undefined] { const found = /^(\d+):(\d+)$/.exec(text); return found ? [Number(found[1]), Number(found[2])] : [undefined, undefined]; }
