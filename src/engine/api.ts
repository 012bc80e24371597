import type { LogDriver, Resources, HealthConfig } from "../model/index.js";

/**
 * The container engine as the agent and the gateway see it. It knows images, snapshots, containers and their logs; it is told
 * a network namespace and files to bind, and knows nothing of networks, services or clusters.
 * Every method rejects with a SwarmError whose sentence can be shown as it is.
 */
export interface Engine {
  readonly images: ImageStore;
  create(spec: ContainerConfig): Promise<void>;
  /** Resolves once the container's process runs. Starting a running container does nothing. */
  start(id: string): Promise<void>;
  /** Stop signal, then SIGKILL after graceMs. Resolves once it has exited; an exited container is fine. */
  stop(id: string, options: { graceMs: number; signal?: string }): Promise<void>;
  kill(id: string, signal: string): Promise<void>;
  /** Deletes an exited container with its snapshot and logs; with force a running one. Removing what is not there does nothing. */
  remove(id: string, options?: { force?: boolean }): Promise<void>;
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

export interface ImageStore {
  list(): Promise<Image[]>;
  /** The image that a reference names, if it is here. */
  get(reference: string): Promise<Image | undefined>;
  /** Concurrent pulls of one reference share the work. */
  pull(reference: string, options?: PullOptions): Promise<Image>;
  /** A docker-save or OCI-layout tar, plain or compressed. */
  load(tar: AsyncIterable<Uint8Array>): Promise<Image[]>;
  /** A root filesystem tar becomes a one-layer image. `changes`: Dockerfile instructions (CMD, ENTRYPOINT, ENV, WORKDIR, USER, EXPOSE, LABEL). */
  import(tar: AsyncIterable<Uint8Array>, options: { reference: string; changes?: readonly string[] }): Promise<Image>;
  remove(reference: string, options?: { force?: boolean }): Promise<{ untagged: string[]; deleted: string[] }>;
}

export interface Image {
  readonly id: string;                     // sha256:… of the config
  readonly references: readonly string[];  // normalized: docker.io/library/busybox:latest
  readonly digests: readonly string[];     // name@sha256:… of manifests
  readonly sizeBytes: number;              // unpacked
  readonly createdAtMs: number;
  readonly os: string;
  readonly arch: string;
  readonly config: ImageConfig;
}

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly workdir: string;
  readonly user: string;
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly exposedPorts: readonly string[];
  readonly health: HealthConfig | undefined;
}

export interface PullOptions {
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly plainHttp?: boolean;
  readonly onProgress?: (progress: PullProgress) => void;
  readonly signal?: AbortSignal;
}
export interface PullProgress { readonly id: string; readonly status: string; readonly currentBytes: number; readonly totalBytes: number }

export interface ContainerConfig {
  readonly id: string;                     // chosen by the caller; [a-z0-9]{12,64}
  readonly name: string;
  readonly image: string;                  // reference or id, present in the store
  readonly command?: readonly string[];    // replaces ENTRYPOINT; then the image's CMD is not used either
  readonly args?: readonly string[];       // replaces CMD
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly EngineMount[];
  readonly limits: Resources;              // 0 = none
  readonly reservations: Resources;        // cpu shares and memory reservation
  readonly readOnly?: boolean;
  readonly init?: boolean;
  readonly tty?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly stopSignal?: string;
  readonly health?: HealthConfig;          // undefined: the image's
  readonly logDriver?: LogDriver;          // undefined: json-file, 10 MiB × 3
  /** Path of a network namespace to join; undefined: a new one with loopback only. */
  readonly netnsPath?: string;
  /** Contents for /etc/resolv.conf and /etc/hosts. */
  readonly resolvConf?: string;
  readonly hosts?: string;
}

export type EngineMount =
  | { readonly type: "bind"; readonly source: string; readonly target: string; readonly readOnly: boolean; readonly propagation?: string }
  | { readonly type: "volume"; readonly name: string; readonly target: string; readonly readOnly: boolean; readonly noCopy?: boolean; readonly labels?: Readonly<Record<string, string>> } // name "": anonymous, removed with the container
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes?: number; readonly mode?: number };

export type HealthState = "none" | "starting" | "healthy" | "unhealthy";

export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: "created" | "running" | "exited";
  readonly pid: number;                    // 0 unless running
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly exit: ContainerExit | undefined;
  readonly health: HealthState;
  readonly healthLog: string;              // output of the last probe
}

export interface ContainerExit { readonly exitCode: number; readonly isOomKilled: boolean; readonly finishedAtMs: number; readonly error?: string }

export interface LogReadOptions { readonly follow?: boolean; readonly tail?: number; readonly sinceMs?: number; readonly untilMs?: number; readonly signal?: AbortSignal }
export interface LogLine { readonly stream: "stdout" | "stderr"; readonly timestamp: string; readonly line: Buffer }

export interface ExecOptions { readonly command: readonly string[]; readonly user?: string; readonly env?: readonly string[]; readonly timeoutMs: number }
export interface ExecResult { readonly exitCode: number; readonly output: string; readonly isTimedOut: boolean }

export type ContainerEvent =
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "exited"; readonly id: string; readonly exit: ContainerExit }
  | { readonly kind: "health"; readonly id: string; readonly health: HealthState; readonly output: string };

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
  readonly containersTotal: number;
  readonly images: number;
}
