import { readFile } from "node:fs/promises";
import { taskLabel, type HostUsage } from "../agent/index.js";
import type { Engine } from "../engine/index.js";

/** What the whole host and each task's container use now. */
export async function hostUsage(engine: Pick<Engine, "list" | "stats">): Promise<HostUsage> {
  const [stat, meminfo, containers] = await Promise.all([readFile("/proc/stat", "utf8"), readFile("/proc/meminfo", "utf8"), engine.list()]);
  const tasks: HostUsage["tasks"][number][] = [];
  for (const { id, labels, phase } of containers) {
    const taskId = labels[taskLabel];
    if (taskId === undefined || phase !== "running") continue;
    for await (const { cpu, memory } of engine.stats(id, { isOneShot: true, signal: new AbortController().signal })) {
      tasks.push({ taskId, cpuNs: cpu.totalNs, memoryBytes: Math.max(0, memory.usageBytes - pageCacheOf(memory.details)) });
    }
  }
  return { cpuBusyNs: busyNsOf(stat), memoryBytes: usedMemoryOf(meminfo), tasks };
}

/** proc(5): user to steal but idle and iowait, in hundredths of a second. Guests' time is in user's already. */
export function busyNsOf(stat: string): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(stat)?.[1] ?? "").split(" ").map(Number);
  return (user + nice + system + irq + softirq + steal) * 10_000_000;
}

/** What no program could get: page cache counts as free. */
export function usedMemoryOf(meminfo: string): number {
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0);
  return Math.max(0, kib("MemTotal") - kib("MemAvailable")) * 1_024;
}

/** Cache that the kernel gives up first: counting it, a container that reads large files would seem to need them all in memory. */
const pageCacheOf = (details: Readonly<Record<string, number>>): number => details["total_inactive_file"] ?? details["inactive_file"] ?? 0;
