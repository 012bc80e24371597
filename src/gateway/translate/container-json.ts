import type { ContainerConfig, EngineMount, Image, ResourceLimits } from "../../engine/index.js";
import type { Fields } from "./fields.js";
import { healthcheckJson } from "./health.js";
import { portMap } from "./ports.js";

const emptySet = (names: readonly string[]): Record<string, object> | undefined => (names.length > 0 ? Object.fromEntries(names.map((name) => [name, {}])) : undefined);
const orNull = <T>(list: readonly T[] | undefined): readonly T[] | null => (list && list.length > 0 ? list : null);

/** Config of a container: what was asked over what the image says. Without a request (tasks) it is read off the engine's own settings. */
export function configJson(body: Fields | undefined, config: ContainerConfig, image: Pick<Image, "config"> | undefined): Record<string, unknown> {
  const own = image?.config;
  const health = config.health && config.health.test.length > 0 ? config.health : own?.health ? { ...own.health, ...strippedHealth(config.health) } : config.health;
  const entrypoint = body ? body.command("Entrypoint") ?? own?.entrypoint : config.command ?? own?.entrypoint;
  const isReset = body?.command("Entrypoint") !== undefined;
  const cmd = body ? orNull(body.command("Cmd")) ?? (isReset && entrypoint && entrypoint.length > 0 ? null : own?.cmd) : config.args ?? (config.command ? [] : own?.cmd);
  const volumes = [...new Set([...(own?.volumes ?? []), ...(body?.keys("Volumes") ?? [])])];
  const labels = { ...own?.labels, ...config.labels };
  const stopSignal = config.stopSignal ?? own?.stopSignal;
  return {
    Hostname: config.hostname || (config.network?.mode.startsWith("container:") ? "" : config.id.slice(0, 12)), Domainname: config.domainname ?? "", User: config.user ?? own?.user ?? "",
    AttachStdin: body?.boolean("AttachStdin") ?? false, AttachStdout: body?.boolean("AttachStdout") ?? false, AttachStderr: body?.boolean("AttachStderr") ?? false,
    ...(config.exposedPorts && config.exposedPorts.length > 0 ? { ExposedPorts: emptySet(config.exposedPorts) } : {}),
    Tty: config.tty ?? false, OpenStdin: config.openStdin ?? false, StdinOnce: config.stdinOnce ?? false,
    Env: mergedEnv(own?.env ?? [], config.env), Cmd: orNull(cmd ?? undefined), ...(health ? { Healthcheck: healthcheckJson(health) } : {}),
    Image: config.image, Volumes: emptySet(volumes) ?? null, WorkingDir: config.workdir ?? own?.workdir ?? "",
    Entrypoint: entrypoint && !(entrypoint.length === 1 && entrypoint[0] === "") ? orNull(entrypoint) : null,
    ...(body?.boolean("NetworkDisabled") ? { NetworkDisabled: true } : {}), ...(body?.text("MacAddress") ? { MacAddress: body.text("MacAddress") } : {}),
    OnBuild: null, Labels: labels, ...(stopSignal ? { StopSignal: stopSignal } : {}),
    ...(config.stopTimeoutMs === undefined ? {} : { StopTimeout: Math.round(config.stopTimeoutMs / 1000) }), ...(own?.shell && own.shell.length > 0 ? { Shell: own.shell } : {}),
  };
}

/** The image's variables with the container's own over them, in the image's order. */
function mergedEnv(image: readonly string[], own: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split("=")[0]!;
  const names = new Set(own.map(nameOf));
  const base = image.some((entry) => nameOf(entry) === "PATH") || names.has("PATH") ? image : ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", ...image];
  return [...own.filter((entry) => entry.includes("=")), ...base.filter((entry) => !names.has(nameOf(entry)))];
}

/** Fields of HostConfig as Docker answers them when nobody said anything. */
const defaults = {
  Binds: null, ContainerIDFile: "", LogConfig: { Type: "json-file", Config: {} }, NetworkMode: "bridge", PortBindings: {}, RestartPolicy: { Name: "no", MaximumRetryCount: 0 }, AutoRemove: false,
  VolumeDriver: "", VolumesFrom: null, ConsoleSize: [0, 0], CapAdd: null, CapDrop: null, CgroupnsMode: "private", Dns: [], DnsOptions: [], DnsSearch: [], ExtraHosts: null, GroupAdd: null,
  IpcMode: "private", Cgroup: "", Links: null, OomScoreAdj: 0, PidMode: "", Privileged: false, PublishAllPorts: false, ReadonlyRootfs: false, SecurityOpt: null, UTSMode: "", UsernsMode: "",
  ShmSize: 67_108_864, Runtime: "runc", Isolation: "", CpuShares: 0, Memory: 0, NanoCpus: 0, CgroupParent: "", BlkioWeight: 0, BlkioWeightDevice: [], BlkioDeviceReadBps: [], BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [], BlkioDeviceWriteIOps: [], CpuPeriod: 0, CpuQuota: 0, CpuRealtimePeriod: 0, CpuRealtimeRuntime: 0, CpusetCpus: "", CpusetMems: "", Devices: [], DeviceCgroupRules: null,
  DeviceRequests: null, MemoryReservation: 0, MemorySwap: 0, MemorySwappiness: null, OomKillDisable: false, PidsLimit: null, Ulimits: [], CpuCount: 0, CpuPercent: 0, IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"],
  ReadonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
};
/** Answered only when they were asked for. */
const optional = ["Mounts", "Tmpfs", "Sysctls", "StorageOpt", "Init", "Annotations", "KernelMemory", "KernelMemoryTCP"];

/** HostConfig of a new container: the request's own known fields over the defaults, in Docker's spelling. */
export function hostConfigJson(host: Fields, config: ContainerConfig, consoleSize: unknown): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = host.raw(name);
    if (value !== undefined && value !== "" && !(name === "ShmSize" && value === 0)) kept[name] = value;
    else if (fallback !== null && typeof fallback === "object" && !Array.isArray(fallback)) kept[name] = { ...fallback };
  }
  for (const name of optional) { const value = host.raw(name); if (value !== undefined) kept[name] = value; }
  const logConfig = host.object("LogConfig");
  return {
    ...defaults, ...kept, ...(Array.isArray(consoleSize) ? { ConsoleSize: consoleSize } : {}), NetworkMode: config.network?.mode ?? "bridge",
    LogConfig: { Type: logConfig.text("Type") || "json-file", Config: logConfig.textMap("Config") ?? {} },
    ...(config.privileged ? { MaskedPaths: null, ReadonlyPaths: null, ...(host.text("CgroupnsMode") ? {} : {}) } : {}),
    ...liveHostConfig(config),
  };
}

/** The fields that update can change, as they are now. */
export function liveHostConfig(config: ContainerConfig): Record<string, unknown> {
  const more: ResourceLimits = config.resources ?? {};
  return {
    RestartPolicy: { Name: config.restart?.name ?? "no", MaximumRetryCount: config.restart?.maximumRetries ?? 0 },
    Memory: config.limits.memoryBytes, NanoCpus: config.limits.cpuMillis * 1_000_000, PidsLimit: config.limits.pids || null, MemoryReservation: config.reservations.memoryBytes,
    MemorySwap: more.memorySwapBytes ?? 0, MemorySwappiness: more.memorySwappiness ?? null, CpuShares: more.cpuShares ?? 0, CpuPeriod: more.cpuPeriodUs ?? 0, CpuQuota: more.cpuQuotaUs ?? 0,
    CpuRealtimePeriod: more.cpuRtPeriodUs ?? 0, CpuRealtimeRuntime: more.cpuRtRuntimeUs ?? 0, CpusetCpus: more.cpusetCpus ?? "", CpusetMems: more.cpusetMems ?? "", BlkioWeight: more.blkioWeight ?? 0,
  };
}

/** HostConfig of a container that no Docker client made, such as a task's. */
export function derivedHostConfig(config: ContainerConfig): Record<string, unknown> {
  const binds = config.mounts.flatMap((mount) => (mount.type === "bind" ? [`${mount.source}:${mount.target}${mount.readOnly ? ":ro" : ""}`] : mount.type === "volume" && mount.name ? [`${mount.name}:${mount.target}${mount.readOnly ? ":ro" : ""}`] : []));
  const tmpfs = config.mounts.filter((mount): mount is Extract<EngineMount, { type: "tmpfs" }> => mount.type === "tmpfs");
  return {
    ...defaults, Binds: orNull(binds), NetworkMode: config.network?.mode ?? (config.netnsPath ? `ns:${config.netnsPath}` : "none"), PortBindings: portMap(config.network?.ports ?? [], []),
    LogConfig: { Type: config.logDriver?.name || "json-file", Config: config.logDriver?.options ?? {} }, AutoRemove: config.autoRemove ?? false, CapAdd: orNull(config.capAdd), CapDrop: orNull(config.capDrop),
    GroupAdd: orNull(config.groups), IpcMode: config.ipcMode || "private", PidMode: config.pidMode ?? "", UTSMode: config.utsMode ?? "", Privileged: config.privileged ?? false,
    ReadonlyRootfs: config.readOnly ?? false, SecurityOpt: orNull(config.securityOptions), ShmSize: config.shmSizeBytes ?? defaults.ShmSize, Sysctls: config.sysctls ?? {},
    Ulimits: (config.ulimits ?? []).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })), OomScoreAdj: config.oomScoreAdj ?? 0, ...(config.init === undefined ? {} : { Init: config.init }),
    ...(tmpfs.length > 0 ? { Tmpfs: Object.fromEntries(tmpfs.map(({ target, options, sizeBytes }) => [target, options ?? (sizeBytes ? `size=${sizeBytes}` : "")])) } : {}), ...liveHostConfig(config),
  };
}

const strippedHealth = (health: ContainerConfig["health"]) => Object.fromEntries(Object.entries(health ?? {}).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : Boolean(value))));
