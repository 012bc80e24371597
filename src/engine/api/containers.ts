import type { ContainerResources, HealthConfig, LogDriver } from "../../model/index.js";
import type { EndpointConfig, PortBinding } from "./networks.js";

/** Everything that a container is made from. Optional fields: absent means Docker's default. */
export interface ContainerConfig {
  readonly id: string;                     // chosen by the caller; [a-z0-9]{12,64}
  readonly name: string;                   // unique on this host; [a-zA-Z0-9][a-zA-Z0-9_.-]+
  readonly image: string;                  // reference or id, present in the store
  readonly command?: readonly string[];    // replaces ENTRYPOINT; then the image's CMD is not used either
  readonly args?: readonly string[];       // replaces CMD
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly groups?: readonly string[];     // names or numbers, beside the user's own
  readonly hostname: string;               // "": the id's first 12 characters, or the host's with network host
  readonly domainname?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly EngineMount[];
  readonly limits: ContainerResources;     // 0 = none
  readonly reservations: ContainerResources; // cpu shares and memory reservation
  readonly resources?: ResourceLimits;     // what Docker's HostConfig knows beyond the two above
  readonly readOnly?: boolean;
  readonly init?: boolean;
  readonly tty?: boolean;
  /** Standard input stays open for attaching clients; with stdinOnce it is closed when the first of them leaves. */
  readonly openStdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  /** Docker's --security-opt: no-new-privileges, seccomp=unconfined, seccomp={JSON}, apparmor=…, label=…, systempaths=unconfined. */
  readonly securityOptions?: readonly string[];
  readonly devices?: readonly DeviceMapping[];
  readonly deviceCgroupRules?: readonly string[];   // "c 1:3 rwm"
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj?: number;
  readonly oomKillDisable?: boolean;
  readonly shmSizeBytes?: number;          // 64 MiB
  /** "" or "private", "host", "shareable", "none", "container:ID". */
  readonly ipcMode?: string;
  readonly pidMode?: string;               // "", "host", "container:ID"
  readonly utsMode?: string;               // "", "host"
  readonly cgroupnsMode?: string;          // "", "private", "host"
  readonly cgroupParent?: string;
  readonly runtime?: string;               // "": the engine's own choice
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly stopSignal?: string;
  readonly stopTimeoutMs?: number;         // 10 s
  readonly health?: HealthConfig;          // undefined: the image's
  readonly logDriver?: LogDriver;          // undefined: json-file, 10 MiB × 3
  /** For containers of people, not of tasks: whoever creates those decides about restarts. */
  readonly restart?: RestartPolicy;
  readonly autoRemove?: boolean;
  readonly exposedPorts?: readonly string[];        // "80/tcp"
  /** Path of a network namespace to join (tasks). Neither this nor `network`: a namespace of its own with loopback only. */
  readonly netnsPath?: string;
  /** Contents for /etc/resolv.conf and /etc/hosts, with netnsPath. */
  readonly resolvConf?: string;
  readonly hosts?: string;
  /** The engine's own networks (single containers). */
  readonly network?: NetworkSettings;
  /** What the creator wants back on inspect, unread by the engine (the Docker API keeps the request's own fields here). */
  readonly creatorData?: Readonly<Record<string, unknown>>;
}

export interface NetworkSettings {
  /** "bridge", "host", "none", "container:ID", or a network's name or id. */
  readonly mode: string;
  /** By network name or id; the mode's own network may be among them. */
  readonly endpoints: Readonly<Record<string, EndpointConfig>>;
  readonly ports: readonly PortBinding[];
  readonly publishAll?: boolean;
  readonly dns?: readonly string[];
  readonly dnsOptions?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly extraHosts?: readonly string[];  // "name:ip"; host-gateway as ip
  readonly links?: readonly string[];       // "container:alias"
}

export interface RestartPolicy { readonly name: "no" | "always" | "unless-stopped" | "on-failure"; readonly maximumRetries: number }
export interface DeviceMapping { readonly source: string; readonly target: string; readonly permissions: string }
/** Bytes, microseconds, counts; absent or 0: none. Swap -1: unlimited. */
export interface ResourceLimits {
  readonly cpuShares?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuQuotaUs?: number;
  readonly cpuRtPeriodUs?: number;
  readonly cpuRtRuntimeUs?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memorySwapBytes?: number;       // memory plus swap
  readonly memorySwappiness?: number;
  readonly kernelMemoryBytes?: number;
  readonly blkioWeight?: number;
  readonly blkioWeightDevices?: readonly { readonly path: string; readonly weight: number }[];
  readonly blkioThrottle?: readonly { readonly kind: "readBps" | "writeBps" | "readIops" | "writeIops"; readonly path: string; readonly rate: number }[];
}

export type EngineMount =
  | { readonly type: "bind"; readonly source: string; readonly target: string; readonly readOnly: boolean; readonly propagation?: string; readonly isNonRecursive?: boolean; /** How deep read-only goes: "top", not into what is mounted below the source; "whole", or refused. Without it: as deep as this kernel can. */ readonly readOnlyDepth?: "top" | "whole"; /** Make a missing source a directory, as `-v` does. */ readonly createSource?: boolean }
  | { readonly type: "volume"; readonly name: string; readonly target: string; readonly readOnly: boolean; readonly noCopy?: boolean; readonly labels?: Readonly<Record<string, string>>; readonly driver?: string; readonly driverOptions?: Readonly<Record<string, string>>; readonly subpath?: string } // name "": anonymous, removed with the container
  | { readonly type: "tmpfs"; readonly target: string; readonly sizeBytes?: number; readonly mode?: number; /** As mount(8) takes them: "rw,noexec". */ readonly options?: string };

export type HealthState = "none" | "starting" | "healthy" | "unhealthy";
export interface HealthProbe { readonly startedAtMs: number; readonly endedAtMs: number; readonly exitCode: number; readonly output: string }

export type ContainerPhase = "created" | "running" | "exited";

export interface ContainerState {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: ContainerPhase;
  readonly pid: number;                    // 0 unless running
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly exit: ContainerExit | undefined;
  readonly health: HealthState;
  readonly healthLog: string;              // output of the last probe
}

export interface ContainerExit { readonly exitCode: number; readonly isOomKilled: boolean; readonly finishedAtMs: number; readonly error?: string }

/** The whole truth about one container. */
export interface ContainerDetails extends ContainerState {
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly isPaused: boolean;
  readonly isRestarting: boolean;          // between two lives of a restart policy
  readonly isRemoving: boolean;
  readonly restartCount: number;
  readonly failingStreak: number;
  readonly healthProbes: readonly HealthProbe[];   // the last five
  /** What its process really is: [path, …arguments]. */
  readonly argv: readonly string[];
  readonly mounts: readonly { readonly type: "bind" | "volume" | "tmpfs"; readonly name: string; readonly source: string; readonly target: string; readonly driver: string; readonly isReadOnly: boolean; readonly propagation: string }[];
  readonly networks: readonly import("./networks.js").ContainerEndpoint[];
  /** As bound now: container port → host addresses. */
  readonly ports: readonly PortBinding[];
  readonly sandboxKey: string;             // path of the network namespace, ""
  readonly paths: { readonly log: string; readonly resolvConf: string; readonly hostname: string; readonly hosts: string };
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
  readonly execIds: readonly string[];
  readonly ociRuntime: string;
}

/** Limits that can change while it runs; absent: as before. */
export interface ContainerUpdate {
  readonly limits?: Partial<ContainerResources>;
  readonly reservations?: Partial<ContainerResources>;
  readonly resources?: ResourceLimits;
  readonly restart?: RestartPolicy;
}

export type WaitCondition = "not-running" | "next-exit" | "removed";

export type ContainerEvent =
  | { readonly kind: "started"; readonly id: string }
  | { readonly kind: "exited"; readonly id: string; readonly exit: ContainerExit }
  | { readonly kind: "health"; readonly id: string; readonly health: HealthState; readonly output: string };

export interface StatsSample {
  readonly readAtMs: number;
  readonly cpu: { readonly totalNs: number; readonly userNs: number; readonly systemNs: number; readonly perCpuNs: readonly number[]; readonly hostNs: number; readonly onlineCpus: number; readonly periods: number; readonly throttledPeriods: number; readonly throttledNs: number };
  readonly memory: { readonly usageBytes: number; readonly maxUsageBytes: number; readonly limitBytes: number; readonly failures: number; readonly details: Readonly<Record<string, number>> };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly blkio: readonly { readonly major: number; readonly minor: number; readonly op: "read" | "write"; readonly bytes: number; readonly operations: number }[];
  readonly networks: Readonly<Record<string, { readonly rxBytes: number; readonly rxPackets: number; readonly rxErrors: number; readonly rxDropped: number; readonly txBytes: number; readonly txPackets: number; readonly txErrors: number; readonly txDropped: number }>>;
}

export interface PathStat { readonly name: string; readonly sizeBytes: number; /** Go's os.FileMode bits. */ readonly goMode: number; readonly mtimeMs: number; readonly linkTarget: string }
export interface FileChange { readonly path: string; readonly kind: "modified" | "added" | "deleted" }
