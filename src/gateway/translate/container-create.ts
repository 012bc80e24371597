import { SwarmError } from "../../lib/index.js";
import type { ContainerConfig, ContainerDetails, DeviceMapping, EndpointConfig, Image, NetworkSettings } from "../../engine/index.js";
import { configJson, hostConfigJson } from "./container-json.js";
import { checkMacAddress, parseEndpoint } from "./endpoints.js";
import type { Fields } from "./fields.js";
import { parseHealthcheck } from "./health.js";
import { parseMounts, volumesFromName } from "./mounts.js";
import { parseExposedPort, parsePortBindings } from "./ports.js";
import { parseResources, parseRestartPolicy, type HostSize } from "./resources.js";

export interface CreateParts {
  readonly id: string;
  readonly name: string;
  readonly image: Image;
  /** Containers that the request names (network, ipc and pid modes, VolumesFrom), by the name that it uses. */
  readonly containers: ReadonlyMap<string, ContainerDetails>;
  readonly host: HostSize;
}

const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", why);

export function checkContainerName(name: string): string {
  const bare = name.startsWith("/") ? name.slice(1) : name;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(bare)) throw refuse(`Invalid container name (${name.slice(0, 120)}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
  return bare;
}

/** The other containers that a request for a new one names. */
export function containersNamedIn(body: Fields): string[] {
  const host = body.object("HostConfig");
  const modes = ["NetworkMode", "IpcMode", "PidMode"].flatMap((name) => { const mode = host.text(name) ?? ""; return mode.startsWith("container:") ? [mode.slice("container:".length)] : []; });
  const links = (host.texts("Links") ?? []).map((link) => link.split(":")[0]!.replace(/^\//, ""));
  return [...new Set([...modes, ...links, ...(host.texts("VolumesFrom") ?? []).map(volumesFromName)])].filter((name) => name !== "");
}

/** The body of POST /containers/create as the engine takes it. `creatorData` keeps what inspect gives back. */
export function parseCreate(body: Fields, parts: CreateParts): { config: ContainerConfig; warnings: string[] } {
  const host = body.object("HostConfig");
  const { image, containers } = parts;
  const warnings: string[] = [];
  const { command, args } = commandOf(body.command("Entrypoint"), body.command("Cmd"), image);
  const env = body.texts("Env") ?? [];
  for (const entry of env) if (entry === "" || entry.startsWith("=")) throw refuse(`invalid environment variable: ${entry.slice(0, 80)}; write it like NAME=value`);
  const workdir = body.text("WorkingDir") || undefined;
  if (workdir && !workdir.startsWith("/")) throw refuse(`the working directory '${workdir.slice(0, 200)}' is invalid, it needs to be an absolute path`);
  const restart = parseRestartPolicy(host);
  const autoRemove = host.boolean("AutoRemove") ?? false;
  if (autoRemove && restart && restart.name !== "no") throw refuse("can't create 'AutoRemove' container with restart policy");
  const { limits, reservations, resources } = parseResources(host, parts.host);
  const exposed = [...new Set([...image.config.exposedPorts, ...(body.keys("ExposedPorts") ?? [])].flatMap(parseExposedPort).map(({ port, protocol }) => `${port}/${protocol}`))];
  const shmSizeBytes = host.integer("ShmSize") || undefined;
  if (shmSizeBytes !== undefined && shmSizeBytes < 0) throw refuse("SHM size can not be less than 0");
  const [request] = host.objects("DeviceRequests");
  if (request) throw refuse(`could not select device driver "${(request.text("Driver") ?? "").slice(0, 40)}": this engine has no device drivers, for GPUs or by CDI; pass devices with --device`);
  if (Object.keys(host.textMap("StorageOpt") ?? {}).length > 0) throw refuse("--storage-opt is not supported by this engine's storage drivers; leave it out");
  const isolation = host.text("Isolation") ?? "";
  if (!["", "default"].includes(isolation)) throw refuse(`invalid isolation '${isolation}': this engine knows "default" only`);
  if ((host.integer("KernelMemory") ?? 0) > 0) warnings.push("Specifying a kernel memory limit is deprecated and has no effect on this kernel.");
  const stopTimeout = body.integer("StopTimeout");
  const stopSignal = body.text("StopSignal") || undefined;
  if (stopSignal && !/^(SIG)?[A-Z0-9+-]+$|^\d+$/i.test(stopSignal)) throw refuse(`Invalid signal: ${stopSignal.slice(0, 40)}`);
  const consoleSize = consoleSizeOf(host);
  checkUnused(body, host);
  const imageLabels = image.config.labels;
  const labels = { ...imageLabels, ...body.textMap("Labels") };
  const logConfig = host.object("LogConfig");
  const mounts = parseMounts(body, host, containers);
  const resolveMode = (name: string) => {
    const mode = host.text(name) ?? "";
    if (!mode.startsWith("container:")) return mode;
    const other = mode.slice("container:".length);
    if (other === "") throw refuse(`invalid ${name}: "${mode}" names no container`);
    return `container:${containers.get(other)?.id ?? other}`;
  };
  const network = networkOf(body, host, resolveMode("NetworkMode"));
  const sharing = network.mode.startsWith("container:") ? parts.containers.get((host.text("NetworkMode") ?? "").slice("container:".length)) : undefined;
  const asked = body.text("Hostname") ?? "";
  if (asked !== "" && (asked.length > 64 || /[\s/]/.test(asked))) throw refuse(`invalid hostname: ${asked.slice(0, 100)}`);
  checkModes(network.mode, asked, host, body);
  if (network.mode === "host" && (host.boolean("PublishAllPorts") || (network.ports ?? []).length > 0)) warnings.push("Published ports are discarded when using host network mode");
  // Who shares a network namespace has its name there too.
  const hostname = sharing ? sharing.config.hostname || sharing.id.slice(0, 12) : asked;

  const config: ContainerConfig = stripped({
    id: parts.id, name: parts.name, image: body.text("Image") ?? "", command, args, env, workdir, user: body.text("User") || undefined, groups: nonEmpty(host.texts("GroupAdd")), hostname,
    domainname: body.text("Domainname") || undefined, labels, mounts,
    limits: { cpuMillis: 0, memoryBytes: 0, pids: 0, ...limits }, reservations: { cpuMillis: 0, memoryBytes: 0, pids: 0, ...reservations }, resources,
    readOnly: host.boolean("ReadonlyRootfs") || undefined, init: host.boolean("Init"), tty: body.boolean("Tty") || undefined, openStdin: body.boolean("OpenStdin") || undefined,
    stdinOnce: body.boolean("StdinOnce") || undefined, capAdd: nonEmpty(host.command("CapAdd")), capDrop: nonEmpty(host.command("CapDrop")), privileged: host.boolean("Privileged") || undefined,
    securityOptions: nonEmpty(host.texts("SecurityOpt")), devices: devicesOf(host), deviceCgroupRules: deviceRulesOf(host), sysctls: host.textMap("Sysctls"),
    ulimits: nonEmpty(host.objects("Ulimits").map(parseUlimit)), oomScoreAdj: oomScoreOf(host), oomKillDisable: host.boolean("OomKillDisable") || undefined, shmSizeBytes,
    ipcMode: resolveMode("IpcMode") || undefined, pidMode: resolveMode("PidMode") || undefined, utsMode: host.text("UTSMode") || undefined, cgroupnsMode: host.text("CgroupnsMode") || undefined,
    cgroupParent: host.text("CgroupParent") || undefined, runtime: host.text("Runtime") || undefined, maskedPaths: host.texts("MaskedPaths"), readonlyPaths: host.texts("ReadonlyPaths"),
    stopSignal, stopTimeoutMs: stopTimeout === undefined || stopTimeout < 0 ? undefined : stopTimeout * 1000,
    health: body.has("Healthcheck") ? parseHealthcheck(body.object("Healthcheck")) : undefined,
    logDriver: logConfig.text("Type") || logConfig.has("Config") ? { name: logConfig.text("Type") || "json-file", options: logConfig.textMap("Config") ?? {} } : undefined,
    restart, autoRemove: autoRemove || undefined, exposedPorts: nonEmpty(exposed), network,
  });
  const creatorData = { Config: configJson(body, config, image), HostConfig: hostConfigJson(host, config, consoleSize) };
  return { config: { ...config, creatorData }, warnings };
}

/** Entrypoint and Cmd over the image's: a given Entrypoint drops the image's Cmd; [""] or [] drops the image's Entrypoint. */
function commandOf(entrypoint: readonly string[] | undefined, cmd: readonly string[] | undefined, image: Image): { command?: readonly string[]; args?: readonly string[] } {
  const given = cmd && cmd.length > 0 ? cmd : undefined;
  if (entrypoint === undefined) {
    if (!given && image.config.entrypoint.length + image.config.cmd.length === 0) throw refuse("No command specified: the image names none; give one");
    return given ? { args: given } : {};
  }
  const isReset = entrypoint.length === 0 || (entrypoint.length === 1 && entrypoint[0] === "");
  if (!isReset) return { command: entrypoint, ...(given ? { args: given } : {}) };
  const all = given ?? (entrypoint.length === 0 ? image.config.cmd : []);
  if (all.length === 0) throw refuse("No command specified: the entrypoint was emptied; give a command");
  return { command: all };
}

function networkOf(body: Fields, host: Fields, asked: string): NetworkSettings {
  const mode = body.boolean("NetworkDisabled") ? "none" : asked === "" || asked === "default" ? "bridge" : asked;
  const endpoints: Record<string, EndpointConfig> = {};
  for (const [name, endpoint] of body.object("NetworkingConfig").objectMap("EndpointsConfig")) endpoints[name === "default" ? "bridge" : name] = parseEndpoint(endpoint);
  const macAddress = checkMacAddress(body.text("MacAddress"));
  if (macAddress) {
    endpoints[mode] = { macAddress, ...endpoints[mode] };
  }
  const ports = parsePortBindings(host);
  return stripped({
    mode, endpoints, ports, publishAll: host.boolean("PublishAllPorts") || undefined, dns: nonEmpty(host.texts("Dns")), dnsOptions: nonEmpty(host.texts("DnsOptions")), dnsSearch: nonEmpty(host.texts("DnsSearch")),
    extraHosts: nonEmpty(host.texts("ExtraHosts")?.map(checkExtraHost)), links: nonEmpty(host.texts("Links")),
  });
}

function checkModes(mode: string, hostname: string, host: Fields, body: Fields): void {
  const conflict = (what: string) => refuse(`conflicting options: ${what}`);
  if (mode.startsWith("container:")) {
    if (hostname !== "") throw conflict("hostname and the network mode");
    if ((host.texts("Links") ?? []).length > 0) throw conflict("container type network can't be used with links. This would result in undefined behavior");
    if ((host.texts("Dns") ?? []).length > 0) throw conflict("dns and the network mode");
    if ((host.texts("ExtraHosts") ?? []).length > 0) throw conflict("custom host-to-IP mapping and the network mode");
    if (host.boolean("PublishAllPorts") || parsePortBindings(host).length > 0) throw conflict("port publishing and the container type network mode");
    if ((body.keys("ExposedPorts") ?? []).length > 0) throw conflict("port exposing and the container type network mode");
  }
  if (mode === "host" && (host.texts("Links") ?? []).length > 0) throw conflict("host type networking can't be used with links. This would result in undefined behavior");
  if ((host.text("UTSMode") ?? "") === "host" && hostname !== "") throw conflict("hostname and the UTS mode");
  for (const [name, known] of [["UTSMode", ["", "host"]], ["CgroupnsMode", ["", "private", "host"]], ["PidMode", ["", "host"]], ["IpcMode", ["", "none", "private", "host", "shareable"]], ["UsernsMode", ["", "host"]]] as const) {
    const value = host.text(name) ?? "";
    if (!(known as readonly string[]).includes(value) && !(value.startsWith("container:") && (name === "PidMode" || name === "IpcMode"))) throw refuse(`invalid ${name}: "${value.slice(0, 80)}" is not known`);
  }
}

/** [rows, columns] of the terminal that the client sits at. */
function consoleSizeOf(host: Fields): readonly number[] | undefined {
  const size = host.raw("ConsoleSize");
  if (size === undefined) return undefined;
  if (!Array.isArray(size) || size.length !== 2 || !size.every((n) => Number.isSafeInteger(n) && n >= 0 && n <= 65_535)) throw refuse("Cannot read the request's body: HostConfig.ConsoleSize must be two whole numbers from 0 to 65535, [height, width]");
  return size as number[];
}

/** Fields that say nothing to this engine; of a wrong type they would come back from inspect, where clients with typed languages fail over them. */
function checkUnused(body: Fields, host: Fields): void {
  for (const name of ["OnBuild", "Shell"]) body.texts(name);
  for (const name of ["Volumes", "ExposedPorts"]) body.objectMap(name);
  for (const name of ["ContainerIDFile", "Cgroup"]) host.text(name);
  for (const name of ["CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth", "KernelMemoryTCP"]) host.integer(name);
  for (const mount of host.objects("Mounts")) mount.text("Consistency");
  host.textMap("Annotations");
}

function checkExtraHost(entry: string): string {
  const at = entry.search(/[:=]/);
  const [name, address] = [entry.slice(0, at), entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1")];
  if (at < 1 || (address !== "host-gateway" && !/^[0-9.]+$|^[0-9a-fA-F:.]+$/.test(address))) throw refuse(`bad format for add-host: "${entry.slice(0, 120)}"; write it like name:192.0.2.1`);
  return `${name}:${address}`;
}

function devicesOf(host: Fields): DeviceMapping[] | undefined {
  return nonEmpty(host.objects("Devices").map((device) => {
    const source = device.text("PathOnHost") ?? "";
    const permissions = device.text("CgroupPermissions") || "rwm";
    if (!/^[rwm]{1,3}$/.test(permissions)) throw refuse(`invalid device mode: ${permissions.slice(0, 20)}`);
    if (!source.startsWith("/")) throw refuse(`error gathering device information while adding custom device "${source.slice(0, 200)}": it must be an absolute path`);
    return { source, target: device.text("PathInContainer") || source, permissions };
  }));
}

function deviceRulesOf(host: Fields): string[] | undefined {
  const rules = host.texts("DeviceCgroupRules") ?? [];
  for (const rule of rules) if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(rule)) throw refuse(`invalid device cgroup rule format: '${rule.slice(0, 80)}'`);
  return nonEmpty(rules);
}

function parseUlimit(ulimit: Fields): { name: string; soft: number; hard: number } {
  const name = ulimit.text("Name") ?? "";
  const [soft, hard] = [ulimit.integer("Soft") ?? 0, ulimit.integer("Hard") ?? ulimit.integer("Soft") ?? 0];
  if (!["core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending", "stack"].includes(name)) throw refuse(`invalid ulimit type: ${name.slice(0, 80)}`);
  if (hard !== -1 && (soft === -1 || soft > hard)) throw refuse(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  return { name, soft, hard };
}

function oomScoreOf(host: Fields): number | undefined {
  const score = host.integer("OomScoreAdj");
  if (score !== undefined && (score < -1000 || score > 1000)) throw refuse(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  return score || undefined;
}

const nonEmpty = <T>(list: T[] | undefined): T[] | undefined => (list && list.length > 0 ? list : undefined);
const stripped = <T extends object>(object: T): T => Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
