import type { ContainerConfig, ContainerExit, ContainerState, HealthProbe, HealthState } from "../api/index.js";

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
  readonly failingStreak: number;
  /** The last five. */
  readonly healthProbes: readonly HealthProbe[];
  /** Removed together with the container. */
  readonly anonymousVolumes: readonly string[];
  /** Its processes are frozen, or are about to be: saved before they are, so that a daemon that died in between freezes them. */
  readonly isPaused: boolean;
  /** By the engine itself, while it commits: who finds it so at start thaws it. */
  readonly isPausedBriefly: boolean;
  /** Lives that its restart policy has given it since someone started it. */
  readonly restartCount: number;
  /** What its policy waited before the last of them. */
  readonly restartDelayMs: number;
  /** Exited (or on its way from there: "starting"), and to be started again at this time, by its policy or because someone restarts it. */
  readonly restartsAtMs: number | undefined;
  /** Someone stopped it; no policy but "always", and that only with the next daemon, starts it again. */
  readonly isStoppedByUser: boolean;
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

export const unborn = {
  startedAtMs: 0, process: undefined, exit: undefined, health: "none", healthLog: "", failingStreak: 0, healthProbes: [], anonymousVolumes: [],
  isPaused: false, isPausedBriefly: false, restartCount: 0, restartDelayMs: 0, restartsAtMs: undefined, isStoppedByUser: false,
} as const satisfies Partial<ContainerRecord>;

/** Records of earlier versions lack what was thought of later. */
export const completeRecord = (stored: ContainerRecord): ContainerRecord => ({ ...unborn, ...stored });

export const isRestarting = (record: ContainerRecord): boolean => record.phase === "exited" && record.restartsAtMs !== undefined;

export function stateOf(record: ContainerRecord): ContainerState {
  const { config, phase } = record;
  return {
    id: config.id, name: config.name, image: config.image, labels: config.labels,
    phase: phase === "running" ? "running" : phase === "exited" ? "exited" : phase === "removing" ? "exited" : "created",
    pid: phase === "running" ? record.process?.pid ?? 0 : 0,
    createdAtMs: record.createdAtMs, startedAtMs: record.startedAtMs, exit: record.exit, health: record.health, healthLog: record.healthLog,
  };
}
