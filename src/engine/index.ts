/**
 * The container engine: images (content/, registry/, images/, snapshots/), containers (containers/, runtime/, health/) and their logs
 * (logs/). In: an image reference, a ContainerConfig. Out: processes under the OCI runtime, each with a small monitor (monitor/, in C)
 * that outlives the daemon, its log lines, exits and health. It joins network namespaces that it is given and knows nothing of
 * networks, services or clusters, and never decides to restart anything.
 */
export { openEngine } from "./engine.js";
export { localEngineHandlers } from "./local-engine.js";
export type { EngineConfig, RegistryConfig } from "./config.js";
export { parseReference, familiar, type Reference } from "./images/reference.js";
export type {
  ContainerConfig, ContainerEvent, ContainerExit, ContainerState, Engine, EngineInfo, EngineMount, ExecOptions, ExecResult, HealthState, Image, ImageConfig,
  ImageStore, LogLine, LogReadOptions, PullOptions, PullProgress,
} from "./api.js";
