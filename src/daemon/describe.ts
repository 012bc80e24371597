import { readFileSync } from "node:fs";
import type { Engine } from "../engine/index.js";
import { newNodeDescription, newResources, type NodeDescription } from "../model/index.js";

/** What this host offers to tasks. */
export async function describeHost(engine: Engine, hostname: string): Promise<NodeDescription> {
  const info = await engine.info();
  return newNodeDescription({
    hostname, os: info.os, arch: info.arch, engineVersion: info.version,
    resources: newResources({ cpuMillis: info.cpuMillis, memoryBytes: info.memoryBytes, pids: pidLimit() }),
    plugins: ["network/overlay", "volume/local", "log/json-file", `runtime/${info.runtime.split(" ")[0]}`],
  });
}

function pidLimit(): number {
  try { return Number(readFileSync("/proc/sys/kernel/pid_max", "utf8").trim()); } catch { return 0; }
}
