import type { EngineInfo } from "../../engine/index.js";

export interface InfoParts {
  readonly version: string;
  readonly isDebug: boolean;
  readonly host: {
    readonly hostname: string; readonly operatingSystem: string; readonly osVersion: string; readonly cpus: number; readonly securityOptions: readonly string[]; readonly hasSwapLimit: boolean;
    readonly isIpForwardingOn: boolean; readonly id: string;
  };
}

/** GET /info. This host is no swarm to Docker's clients: the cluster is swarmctl's. */
export function infoJson(info: EngineInfo, { version, isDebug, host }: InfoParts, nowMs: number): Record<string, unknown> {
  const registries = Object.entries(info.registries);
  const machines: Record<string, string> = { amd64: "x86_64", arm64: "aarch64" };
  const runtimeName = info.runtime.split(/\s+/)[0] ?? "runc";
  const runtimes = info.runtimes.length > 0 ? info.runtimes : [{ name: runtimeName, path: runtimeName, version: "" }];
  return {
    ID: host.id, Containers: info.containersTotal, ContainersRunning: info.containersRunning, ContainersPaused: info.containersPaused,
    ContainersStopped: Math.max(0, info.containersTotal - info.containersRunning - info.containersPaused), Images: info.images, Driver: info.storageDriver, DriverStatus: info.storageStatus,
    Plugins: { Volume: ["local"], Network: ["bridge", "host", "macvlan", "null"], Authorization: null, Log: ["json-file", "local", "none"] },
    MemoryLimit: true, SwapLimit: host.hasSwapLimit, CpuCfsPeriod: true, CpuCfsQuota: true, CPUShares: true, CPUSet: true, PidsLimit: true, IPv4Forwarding: host.isIpForwardingOn,
    Debug: isDebug, NFd: 0, OomKillDisable: info.cgroups !== "v2", NGoroutines: 0, SystemTime: new Date(nowMs).toISOString(), LoggingDriver: "json-file", CgroupDriver: "cgroupfs", CgroupVersion: info.cgroups === "v2" ? "2" : "1",
    NEventsListener: 0, KernelVersion: info.kernel, OperatingSystem: host.operatingSystem, OSVersion: host.osVersion, OSType: info.os, Architecture: machines[info.arch] ?? info.arch,
    IndexServerAddress: "https://index.docker.io/v1/",
    RegistryConfig: {
      AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null, InsecureRegistryCIDRs: [],
      IndexConfigs: Object.fromEntries([["docker.io", info.registries["docker.io"] ?? {}] as const, ...registries].map(([name, registry]) => [name, { Name: name, Mirrors: registry.mirrors ?? [], Secure: !registry.plainHttp, Official: name === "docker.io" }])),
      Mirrors: info.registries["docker.io"]?.mirrors ?? null,
    },
    NCPU: host.cpus, MemTotal: info.memoryBytes, GenericResources: null, DockerRootDir: info.stateDir, HttpProxy: "", HttpsProxy: "", NoProxy: "", Name: host.hostname, Labels: [], ExperimentalBuild: false,
    ServerVersion: version, Runtimes: Object.fromEntries(runtimes.map(({ name, path }) => [name, { path }])), DefaultRuntime: runtimeName,
    Swarm: { NodeID: "", NodeAddr: "", LocalNodeState: "inactive", ControlAvailable: false, Error: "", RemoteManagers: null }, LiveRestoreEnabled: true, Isolation: "", InitBinary: "skein-monitor",
    ContainerdCommit: { ID: "", Expected: "" }, RuncCommit: { ID: "", Expected: "" }, InitCommit: { ID: "", Expected: "" }, SecurityOptions: host.securityOptions, CDISpecDirs: null, Warnings: host.hasSwapLimit ? null : ["WARNING: No swap limit support"],
  };
}
