/**
 * The container engine: images (content/, registry/, images/, snapshots/), containers (containers/, runtime/, health/) and their logs
 * (logs/). In: an image reference, a ContainerConfig. Out: processes under the OCI runtime, each with a small monitor (monitor/, in C)
 * that outlives the daemon, its log lines, exits and health. It joins network namespaces that it is given and knows nothing of
 * networks, services or clusters, and never decides to restart anything.
 */
export { openEngine } from "./engine.js";
export { storageDrivers, type StorageDriverName } from "./snapshots/open-driver.js";
export { BuildStepError } from "./build/step-error.js";
export type { EngineConfig, RegistryConfig } from "./config.js";
export type { NetworkOptions } from "./networks/networks.js";
export { parseReference, familiar, type Reference } from "./images/reference.js";
export type {
  AttachOptions, BuildOutput, BuildRequest, CommitOptions, ContainerConfig, ContainerDetails, ContainerEndpoint, ContainerEvent, ContainerExit, ContainerPhase, ContainerState,
  ContainerUpdate, Credentials, DeviceMapping, DiskUsage, EndpointConfig, Engine, EngineEvent, EngineInfo, EngineMount, EngineNetwork, Events, ExecConfig, ExecOptions, ExecResult,
  ExecState, Execs, FileChange, HealthProbe, HealthState, HistoryEntry, Image, ImageConfig, ImageDetails, ImageStore, Images, LabelFilter, LogFrameOptions, LogLine, LogReadOptions, NetworkConfig,
  NetworkSettings, Networks, OutputChunk, PathStat, PortBinding, ProcessStreams, PullOptions, PullProgress, PulledImage, ResourceLimits, RestartPolicy, StatsSample, TaskEngine, TerminalSize,
  Volume, Volumes, WaitCondition,
} from "./api/index.js";
