import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { logDriverNames, type Engine } from "../engine/index.js";
import { newNodeDescription, newResources, type NodeDescription } from "../model/index.js";
import { detectGpus, offeredGpus } from "./gpus.js";
import { hostAttributes } from "./host-attributes.js";
import type { Config } from "./options.js";

/** What this host offers to tasks. */
export async function describeHost(engine: Pick<Engine, "info">, config: Pick<Config, "hostname" | "stateDir" | "genericResources" | "gpus">): Promise<NodeDescription> {
  const info = await engine.info();
  const [diskBytes, detected, attributes] = await Promise.all([diskSize(config.stateDir), detectGpus(), hostAttributes(info)]);
  return newNodeDescription({
    hostname: config.hostname, os: info.os, arch: info.arch, engineVersion: info.version, attributes,
    resources: newResources({
      cpuMillis: info.cpuMillis, memoryBytes: info.memoryBytes, pids: pidLimit(), diskBytes, generic: [...config.genericResources], gpus: offeredGpus(config.gpus, detected),
    }),
    plugins: ["network/overlay", "volume/local", ...logDriverNames().map((name) => `log/${name}`), `runtime/${info.runtime.split(" ")[0]}`],
  });
}

/** The kernel ends at whichever comes first. */
function pidLimit(): number {
  const limits = ["pid_max", "threads-max"].flatMap((name) => {
    try { return Number(readFileSync(`/proc/sys/kernel/${name}`, "utf8").trim()) || []; } catch { return []; }
  });
  return limits.length > 0 ? Math.min(...limits) : 0;
}

/** All of the file system that containers' layers are on, not what is free of it now: a reservation is about what others may come to use. */
async function diskSize(directory: string): Promise<number> {
  try {
    const { bsize, blocks } = await statfs(directory);
    return bsize * blocks;
  } catch { return 0; }
}
