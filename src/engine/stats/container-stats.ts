import { readFileSync } from "node:fs";
import { SwarmError, sleep, type Clock } from "../../lib/index.js";
import type { StatsSample } from "../api/index.js";
import type { ContainerAccess } from "../containers/ports.js";
import type { CgroupLayout } from "../runtime/cgroups.js";
import { hostCpuOf, networksOf, nothing, sampleOfV1, sampleOfV2, v1Files, v2Files, type Files } from "./sample.js";

export interface StatsParts {
  readonly containers: ContainerAccess;
  readonly cgroups: CgroupLayout;
  readonly cgroupPathOf: (id: string, parent?: string) => string;
  readonly hostMemoryBytes: number;
  readonly clock: Clock;
}

const intervalMs = 1_000;

/**
 * What containers use, out of the kernel's files. These are read in one go and not in turns: they are memory, not disk, and 200 containers a second cost 20 ms so,
 * and 200 ms through the thread pool.
 */
export class ContainerStats {
  constructor(private readonly parts: StatsParts) {}

  /** One sample a second on whole seconds after the first, whatever a sample and its reader take, until the signal or the container's removal; or one. Zeros while it does not run. */
  async *stream(id: string, options: { isOneShot?: boolean; signal: AbortSignal }): AsyncGenerator<StatsSample> {
    const { clock, containers } = this.parts;
    containers.require(id, "read the statistics of");
    const begun = clock.monotonic();
    while (!options.signal.aborted && containers.record(id)) {
      yield this.sample(id);
      if (options.isOneShot) return;
      const next = intervalMs - ((clock.monotonic() - begun) % intervalMs);
      try { await sleep(clock, next, options.signal); } catch (error) { if (options.signal.aborted) return; throw error; }
    }
  }

  sample(id: string): StatsSample {
    const { containers, cgroups, cgroupPathOf, hostMemoryBytes, clock } = this.parts;
    const record = containers.require(id, "read the statistics of");
    const readAtMs = clock.now();
    const { config } = record;
    if (record.phase !== "running" || !record.process) return { readAtMs, ...nothing };
    const path = cgroupPathOf(id, config.cgroupParent);
    const group = cgroups.kind === "v2"
      ? sampleOfV2(readAll(cgroups.unifiedMount, path, v2Files), hostMemoryBytes)
      : sampleOfV1(Object.assign({}, ...Object.entries(v1Files).map(([controller, names]) => readAll(cgroups.v1Mounts[controller], path, names))) as Files, hostMemoryBytes);
    const isHostNetwork = config.network?.mode === "host";
    // It may have ended since: then the files are gone, and all is zero.
    return { readAtMs, ...group, cpu: { ...group.cpu, ...hostCpuOf(readNow("/proc/stat") ?? "") }, networks: isHostNetwork ? {} : networksOf(readNow(`/proc/${record.process.pid}/net/dev`) ?? "") };
  }
}

function readAll(mount: string | undefined, path: string, names: readonly string[]): Files {
  return mount === undefined ? {} : Object.fromEntries(names.map((name) => [name, readNow(`${mount}${path}/${name}`)]));
}

function readNow(path: string): string | undefined {
  try { return readFileSync(path, "utf8"); } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENODEV: a group that is just going; EOPNOTSUPP: a controller that counts nothing here.
    if (code === "ENOENT" || code === "ESRCH" || code === "ENODEV" || code === "EOPNOTSUPP" || code === "EINVAL") return undefined;
    throw new SwarmError("INTERNAL", `Cannot read "${path}": ${(error as Error).message}`, { cause: error });
  }
}
