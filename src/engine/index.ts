/**
 * The container engine of one host: images (content/, registry/, images/, snapshots/, build/), containers (containers/, runtime/, health/, attach/, execs/, logs/,
 * files/, stats/), volumes/, networks/ and events/. In: calls of the contract in api/. Out: processes under an OCI runtime, each with a small monitor (monitor/, in C)
 * that outlives the daemon. engine.ts builds the parts and wires them; they see each other through small ports, such as containers/ports.ts.
 *
 * Tasks come with a network namespace of the overlay's and are never started again here; single containers get this host's own networks and
 * restart policies. It knows nothing of services, clusters or HTTP.
 */
export { openEngine } from "./engine.js";
export { runByHelper } from "./runtime/program.js";
export { storageDrivers, type StorageDriverName } from "./snapshots/open-driver.js";
export { BuildStepError } from "./build/step-error.js";
export type { EngineConfig, NetworkOptions, RegistryConfig } from "./config.js";
export { logDriverNames } from "./logs/drivers.js";
export { parseReference, familiar, type Reference } from "./images/reference.js";
export { keptLabel } from "./api/index.js";
export type {
  AttachOptions, BuildOutput, BuildRequest, CommitOptions, ContainerConfig, ContainerDetails, ContainerEndpoint, ContainerEvent, ContainerExit, ContainerPhase, ContainerState,
  ContainerUpdate, Credentials, DeviceMapping, DiskUsage, EndpointConfig, Engine, EngineEvent, EngineInfo, EngineMount, EngineNetwork, Events, ExecConfig, ExecOptions, ExecResult,
  ExecState, Execs, FileChange, HealthProbe, HealthState, HistoryEntry, Image, ImageConfig, ImageDetails, ImageStore, Images, LabelFilter, LogFrameOptions, LogLine, LogReadOptions, NetworkConfig,
  NetworkSettings, Networks, OutputChunk, PathStat, PortBinding, ProcessStreams, PullOptions, PullProgress, PulledImage, ResourceLimits, RestartPolicy, StatsSample, TaskEngine, TerminalSize,
  Volume, Volumes, WaitCondition,
} from "./api/index.js";
