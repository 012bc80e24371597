/** The engine's contract: what it offers to the agent, the gateway and the command line, as types. */
export type { DiskUsage, Engine, EngineInfo, TaskEngine } from "./engine.js";
export type {
  ContainerConfig, ContainerDetails, ContainerEvent, ContainerExit, ContainerPhase, ContainerState, ContainerUpdate, DeviceMapping, EngineMount, FileChange, HealthProbe, HealthState,
  NetworkSettings, PathStat, ResourceLimits, RestartPolicy, StatsSample, WaitCondition,
} from "./containers.js";
export type { AttachOptions, ExecConfig, ExecOptions, ExecResult, ExecState, Execs, LogFrameOptions, LogLine, LogReadOptions, OutputChunk, ProcessStreams, TerminalSize } from "./io.js";
export type { CommitOptions, Credentials, HistoryEntry, Image, ImageConfig, ImageDetails, ImageStore, Images, LabelFilter, PullOptions, PullProgress, PulledImage } from "./images.js";
export type { ContainerEndpoint, EndpointConfig, EngineNetwork, NetworkConfig, Networks, PortBinding } from "./networks.js";
export { keptLabel, type Volume, type Volumes } from "./volumes.js";
export type { BuildOutput, BuildRequest } from "./build.js";
export type { EngineEvent, Events } from "./events.js";
