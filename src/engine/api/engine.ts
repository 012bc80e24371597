import type { BuildRequest } from "./build.js";
import type { CommitOptions, ImageStore, Images, LabelFilter } from "./images.js";
import type { ContainerConfig, ContainerDetails, ContainerEvent, ContainerExit, ContainerState, ContainerUpdate, FileChange, PathStat, StatsSample, WaitCondition } from "./containers.js";
import type { Events } from "./events.js";
import type { AttachOptions, ExecOptions, ExecResult, Execs, LogFrameOptions, LogLine, LogReadOptions, ProcessStreams, TerminalSize } from "./io.js";
import type { Networks } from "./networks.js";
import type { Volumes } from "./volumes.js";

/**
 * What the agent needs of the engine to run tasks. Every method rejects with a SwarmError whose sentence can be shown as it is.
 */
export interface TaskEngine {
  readonly images: ImageStore;
  create(spec: ContainerConfig): Promise<unknown>;
  /** Resolves once the container's process runs. Starting a running container does nothing. */
  start(id: string): Promise<void>;
  /** Stop signal, then SIGKILL after graceMs. Resolves once it has exited; an exited container is fine. */
  stop(id: string, options: { graceMs: number; signal?: string }): Promise<void>;
  kill(id: string, signal: string): Promise<void>;
  /** Deletes an exited container with its snapshot and logs; with force a running one. Removing what is not there does nothing. */
  remove(id: string, options?: { force?: boolean; /** Anonymous volumes too; default true. */ removeVolumes?: boolean }): Promise<void>;
  inspect(id: string): Promise<ContainerState | undefined>;
  list(): Promise<ContainerState[]>;
  /** Resolves when the container has exited, at once if it has already. Survives restarts of the daemon: call it again. */
  wait(id: string, signal?: AbortSignal): Promise<ContainerExit>;
  /** Lines as the monitor recorded them, oldest first, across rotated files; with follow, until the container ends and is drained. */
  logs(id: string, options: LogReadOptions): AsyncIterable<LogLine>;
  /** Runs a command inside a running container and collects its output (the first 64 KiB). */
  exec(id: string, options: ExecOptions): Promise<ExecResult>;
  /** Changes of container state, in order, from now on, until the signal fires. */
  watch(listener: (event: ContainerEvent) => void, signal: AbortSignal): void;
  info(): Promise<EngineInfo>;
  /** Stops watching; containers go on. */
  close(): Promise<void>;
}

/** The whole engine of one host, as the gateway sees it. Containers are named by id here; `find` resolves names. */
export interface Engine extends TaskEngine {
  readonly images: Images;
  readonly execs: Execs;
  readonly volumes: Volumes;
  readonly networks: Networks;
  readonly events: Events;

  create(spec: ContainerConfig): Promise<{ warnings: readonly string[] }>;
  /** By name, id or an id's unambiguous beginning. NOT_FOUND, or INVALID_ARGUMENT for a beginning that fits several. */
  find(nameOrId: string): Promise<ContainerDetails>;
  details(): Promise<ContainerDetails[]>;
  restart(id: string, options: { graceMs: number; signal?: string }): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  update(id: string, change: ContainerUpdate): Promise<{ warnings: readonly string[] }>;
  waitFor(id: string, condition: WaitCondition, signal?: AbortSignal): Promise<ContainerExit>;
  /** Containers that have ended (or never ran). */
  pruneContainers(options: { untilMs?: number; labels?: readonly LabelFilter[] }): Promise<{ deleted: string[]; freedBytes: number }>;

  /** The log in bulk, as the Docker API's `logs` answers it, in large buffers to be passed on as they are: each record in a frame [stream, 0, 0, 0, length u32 big-endian] payload, raw bytes for a container with a terminal. Much faster than `logs`. */
  logFrames(id: string, options: LogFrameOptions): AsyncIterable<Buffer>;

  attach(id: string, options: AttachOptions): Promise<ProcessStreams>;
  resize(id: string, size: TerminalSize): Promise<void>;

  /** `ps` with these arguments, only this container's processes. */
  top(id: string, psArguments: readonly string[]): Promise<{ titles: readonly string[]; processes: readonly (readonly string[])[] }>;
  /** One sample a second until the signal, or one. */
  stats(id: string, options: { isOneShot?: boolean; signal: AbortSignal }): AsyncIterable<StatsSample>;
  /** Bytes of the writable layer, and of it with the image. */
  size(id: string): Promise<{ writableBytes: number; totalBytes: number }>;

  statPath(id: string, path: string): Promise<PathStat>;
  readArchive(id: string, path: string): Promise<{ stat: PathStat; tar: AsyncIterable<Uint8Array> }>;
  writeArchive(id: string, path: string, tar: AsyncIterable<Uint8Array>, options: { noOverwriteDirNonDir?: boolean; copyUidGid?: boolean }): Promise<void>;
  changes(id: string): Promise<FileChange[]>;
  /** The whole root filesystem as a tar. */
  export(id: string): AsyncIterable<Uint8Array>;
  /** The new image's id. */
  commit(id: string, options: CommitOptions): Promise<string>;

  /** The new image's id. What fails is told by a SwarmError after the steps' output. */
  build(request: BuildRequest): Promise<string>;
  /** Cached build steps and mounts that nothing needs now. */
  pruneBuildCache(options: { isAll?: boolean; untilMs?: number; keepBytes?: number }): Promise<{ deleted: string[]; freedBytes: number }>;

  usage(): Promise<DiskUsage>;
}

export interface DiskUsage {
  readonly layersBytes: number;
  readonly images: readonly { readonly id: string; readonly sharedBytes: number; readonly uniqueBytes: number; readonly containers: number }[];
  readonly containers: readonly { readonly id: string; readonly writableBytes: number; readonly totalBytes: number }[];
  readonly volumes: readonly { readonly name: string; readonly sizeBytes: number; readonly users: number }[];
  readonly buildCache: readonly { readonly id: string; readonly description: string; readonly sizeBytes: number; readonly createdAtMs: number; readonly lastUsedAtMs: number; readonly uses: number; readonly isInUse: boolean; readonly isShared: boolean }[];
}

export interface EngineInfo {
  readonly version: string;
  readonly runtime: string;                // "runc 1.1.5"
  readonly cgroups: "v1" | "v2" | "hybrid";
  readonly storageDriver: string;          // "overlay"
  readonly kernel: string;
  readonly os: string;                     // "linux"
  readonly arch: string;                   // "amd64"
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly containersRunning: number;
  readonly containersPaused: number;
  readonly containersTotal: number;
  readonly images: number;
  readonly stateDir: string;
  readonly runtimes: readonly { readonly name: string; readonly path: string; readonly version: string }[];
  readonly storageStatus: readonly (readonly [string, string])[];
  readonly registries: Readonly<Record<string, { readonly plainHttp?: boolean; readonly mirrors?: readonly string[] }>>;
}
