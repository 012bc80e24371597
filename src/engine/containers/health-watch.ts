import type { Clock, Logger } from "../../lib/index.js";
import type { ExecResult } from "../api/index.js";
import { probeSettings } from "../health/core/health-state.js";
import { startProber } from "../health/prober.js";
import type { ImageRecord } from "../images/record.js";
import type { ContainerTable, Entry } from "./table.js";

export interface HealthWatchParts {
  readonly table: ContainerTable;
  readonly clock: Clock;
  readonly log: Logger;
  readonly exec: (id: string, command: readonly string[], timeoutMs: number) => Promise<ExecResult>;
}

const probesKept = 5;

/** One prober for each container that runs, is not paused and has a health command. */
export class HealthWatch {
  #isClosed = false;
  constructor(private readonly parts: HealthWatchParts) {}

  /** Goes on where the record says that an earlier prober stood. */
  start(entry: Entry, image: ImageRecord | undefined): void {
    const { table, clock, log, exec } = this.parts;
    const { config, isPaused, startedAtMs, health, failingStreak } = entry.record;
    const settings = probeSettings(config.health, image?.config.health);
    this.stop(entry);
    if (!settings || isPaused || this.#isClosed) return;
    entry.prober = startProber({
      clock, settings, startedAtMs, initial: { health: health === "none" ? "starting" : health, failures: failingStreak },
      exec: (command, timeoutMs) => exec(config.id, command, timeoutMs),
      report: (progress, probe) => {
        const { record } = entry;
        if (record.phase !== "running") return;
        const hasChanged = progress.health !== record.health;
        table.save(entry, { health: progress.health, healthLog: probe.output, failingStreak: progress.failures, healthProbes: [...record.healthProbes, probe].slice(-probesKept) })
          .catch((error: unknown) => log.warn("saving a container's health failed", { container: config.id, error }));
        if (!hasChanged) return;
        table.emit({ kind: "health", id: config.id, health: progress.health, output: probe.output });
        table.publish(entry.record, `health_status: ${progress.health}`);
      },
    });
  }

  stop(entry: Entry): void {
    entry.prober?.stop();
    entry.prober = undefined;
  }

  close(): void {
    this.#isClosed = true;
    for (const entry of this.parts.table.entries()) this.stop(entry);
  }
}
