import type { ContainerConfig, ContainerExit, ContainerState, HealthState } from "../api/index.js";

/**
 * A container as the database keeps it. "creating", "starting" and "removing" are work in progress: whoever finds one at start
 * finishes it or cleans it away.
 */
export interface ContainerRecord {
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly phase: "creating" | "created" | "starting" | "running" | "exited" | "removing";
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly process: RunningProcess | undefined;
  readonly exit: ContainerExit | undefined;
  readonly health: HealthState;
  readonly healthLog: string;
  /** Removed together with the container. */
  readonly anonymousVolumes: readonly string[];
}

/** The container's first process and the monitor above it; start times guard against reused pids. */
export interface RunningProcess {
  readonly pid: number;
  readonly startTime: number;
  readonly monitorPid: number;
  readonly monitorStartTime: number;
  /** /proc/sys/kernel/random/boot_id: after a reboot pids and start times mean nothing. */
  readonly bootId: string;
}

export function stateOf(record: ContainerRecord): ContainerState {
  const { config, phase } = record;
  return {
    id: config.id, name: config.name, image: config.image, labels: config.labels,
    phase: phase === "running" ? "running" : phase === "exited" ? "exited" : phase === "removing" ? "exited" : "created",
    pid: phase === "running" ? record.process?.pid ?? 0 : 0,
    createdAtMs: record.createdAtMs, startedAtMs: record.startedAtMs, exit: record.exit, health: record.health, healthLog: record.healthLog,
  };
}
