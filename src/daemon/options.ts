import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import yargs from "yargs";
import { SwarmError, messageOf, type LogLevel } from "../lib/index.js";
import { storageDrivers, type RegistryConfig, type StorageDriverName } from "../engine/index.js";
import { hasGroup, isLoopback, type GatewayTcp } from "../gateway/index.js";
import { isDeviceWord, problemOfGenericKind, type GenericResource, type GpuDevice } from "../model/index.js";
import { packageRoot, parseHostPort } from "../rpc/index.js";

/** What the command line may say; every one has a default. */
export interface Options {
  readonly stateDir?: string;
  readonly runDir?: string;
  readonly cgroupParent?: string;
  readonly hostname?: string;
  readonly runtime?: string;
  readonly storageDriver?: string;
  readonly logLevel?: string;
  readonly debug?: boolean;
  readonly registryPlainHttp?: readonly string[];
  readonly registryConfig?: string;
  readonly advertiseAddr?: string;
  readonly genericResource?: readonly string[];
  readonly gpu?: readonly string[];
  readonly dockerSocket?: string;
  readonly dockerGroup?: string;
  readonly dockerTcp?: string;
  readonly dockerTlsCa?: string;
  readonly dockerTlsCert?: string;
  readonly dockerTlsKey?: string;
  readonly dockerTcpInsecure?: boolean;
}

/** Where the Docker API is served. */
export interface DockerConfig {
  /** Undefined: on no Unix socket. */
  readonly socketPath: string | undefined;
  /** Undefined: root's alone. */
  readonly group: string | undefined;
  readonly tcp: GatewayTcp | undefined;
}

export interface Config {
  readonly stateDir: string;
  readonly runDir: string;
  readonly cgroupParent: string;
  readonly hostname: string;
  readonly runtime: string;
  /** Undefined: as before in this state directory, else the first that works. */
  readonly storageDriver: StorageDriverName | undefined;
  readonly logLevel: LogLevel;
  readonly registries: Readonly<Record<string, RegistryConfig>>;
  /** "" = as init and join are told, or the default route's. */
  readonly advertiseAddr: string;
  /** What the host has for tasks beside CPU, memory, disk and pids. */
  readonly genericResources: readonly GenericResource[];
  /** Undefined: those that are found. */
  readonly gpus: readonly GpuDevice[] | undefined;
  readonly docker: DockerConfig;
  readonly version: string;
  readonly monitorPath: string;
}

const repeatable = new Set(["registry-plain-http", "registryPlainHttp", "generic-resource", "genericResource", "gpu", "_"]);

/** Undefined after --help or --version, which print and end. */
export async function parseArguments(argv: readonly string[]): Promise<Options | undefined> {
  let isAnswered = false;
  const parser = yargs([...argv]).scriptName("swarmd").usage("Usage: swarmd [OPTIONS]\n\nThe daemon of a Skein host: its containers, and its part in a cluster. Drive it with swarmctl.")
    .option("state-dir", { type: "string", describe: "Where everything is kept that outlives a reboot (default /var/lib/skein)" })
    .option("run-dir", { type: "string", describe: "Where sockets and mounts are (default /run/skein)" })
    .option("cgroup-parent", { type: "string", describe: "The cgroup that containers' cgroups lie in (default /skein)" })
    .option("hostname", { type: "string", describe: "The node's name (default: the host's)" })
    .option("runtime", { type: "string", describe: "The OCI runtime: a name or a path (default auto: crun where it works, else runc)" })
    .option("advertise-addr", { type: "string", describe: "Address that other hosts reach this one at, HOST or HOST:PORT (default: the default route's)" })
    .option("generic-resource", { type: "string", array: true, requiresArg: true, nargs: 1, describe: "KIND=COUNT or KIND=ID,ID…: what this host has for tasks, such as fpga=2 or licence=a,b; may be repeated" })
    .option("gpu", { type: "string", array: true, requiresArg: true, nargs: 1, describe: 'MODEL=ID[,ID…]: its GPUs, such as A100=GPU-1b2c,GPU-3d4e; may be repeated; "none": none (default: the NVIDIA devices that are found)' })
    .option("registry-plain-http", { type: "string", array: true, requiresArg: true, nargs: 1, describe: "HOST:PORT of a registry that is spoken to without TLS; may be repeated" })
    .option("registry-config", { type: "string", describe: 'JSON file: { "HOST[:PORT]": { "plainHttp", "mirrors", "username", "password" } }' })
    .option("storage-driver", { type: "string", describe: "How images are stored: overlay, fuse-overlayfs or vfs (default: as before, else the first of these that works here)" })
    .option("docker-socket", { type: "string", describe: 'Unix socket of the Docker API (default docker.sock in the run directory; "": none)' })
    .option("docker-group", { type: "string", describe: "Group that may open that socket, which makes it as good as root (default docker, where there is one)" })
    .option("docker-tcp", { type: "string", describe: "HOST:PORT to serve the Docker API on, with TLS, to clients with a certificate" })
    .option("docker-tls-ca", { type: "string", describe: "PEM file: who signs the certificates of those clients" })
    .option("docker-tls-cert", { type: "string", describe: "PEM file: this daemon's certificate" })
    .option("docker-tls-key", { type: "string", describe: "PEM file: its key" })
    .option("docker-tcp-insecure", { type: "boolean", describe: "Serve --docker-tcp without TLS, on a loopback address: every user of this host becomes root" })
    .option("log-level", { type: "string", choices: ["debug", "info", "warn", "error"], describe: "How much to log (default info)" })
    .option("debug", { type: "boolean", alias: "D", describe: "The same as --log-level debug" })
    .strict().parserConfiguration({ "duplicate-arguments-array": true, "camel-case-expansion": true }).version(packageVersion()).help().alias("help", "h").wrap(110).exitProcess(false)
    .fail((message, error) => { throw new SwarmError("INVALID_ARGUMENT", `${message || error.message}; see "swarmd --help"`); });
  const parsed = await parser.parseAsync([...argv], {}, (_error, _argv, output) => { if (output) { process.stdout.write(`${output}\n`); isAnswered = true; } });
  if (isAnswered) return undefined;
  for (const [name, value] of Object.entries(parsed)) {
    if (Array.isArray(value) && !repeatable.has(name)) throw new SwarmError("INVALID_ARGUMENT", `The option --${name} is given twice; give it once`);
  }
  if (parsed._.length > 0) throw new SwarmError("INVALID_ARGUMENT", `swarmd takes options only, not "${parsed._[0]}"; see "swarmd --help"`);
  return parsed;
}

/** The one place where defaults are decided and values are checked. */
export function resolveOptions(options: Options): Config {
  const root = packageRoot(fileURLToPath(import.meta.url));
  const cgroupParent = options.cgroupParent ?? "/skein";
  if (!/^(\/[a-zA-Z0-9_.-]+)+$/.test(cgroupParent) || cgroupParent.includes("..")) throw invalid("cgroup-parent", cgroupParent, 'it must be an absolute cgroup path such as "/skein"');
  const name = options.hostname ?? hostname();
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/.test(name)) throw invalid("hostname", name, "it must be 1 to 63 letters, digits, dots, dashes and underscores");
  if (options.debug && options.logLevel && options.logLevel !== "debug") throw invalid("debug", "true", `--log-level ${options.logLevel} says otherwise; give one of both`);
  const level = options.debug ? "debug" : options.logLevel ?? "info";
  if (!["debug", "info", "warn", "error"].includes(level)) throw invalid("log-level", level, "it is one of debug, info, warn, error");
  const storageDriver = storageDrivers.find((each) => each === options.storageDriver);
  if (options.storageDriver !== undefined && !storageDriver) throw invalid("storage-driver", options.storageDriver, `it is one of ${storageDrivers.join(", ")}`);
  if (options.advertiseAddr) parseHostPort(options.advertiseAddr);
  const registries: Record<string, RegistryConfig> = options.registryConfig ? readRegistries(options.registryConfig) : {};
  for (const host of options.registryPlainHttp ?? []) registries[host] = { ...registries[host], plainHttp: true };
  const given = options.gpu ?? [];
  if (given.includes("none") && given.length > 1) throw invalid("gpu", "none", "other devices are named too; give one of both");
  return {
    genericResources: parseGenericResources(options.genericResource ?? []), gpus: given.length === 0 ? undefined : given[0] === "none" ? [] : parseGpus(given),
    stateDir: directory("state-dir", options.stateDir ?? "/var/lib/skein"), runDir: directory("run-dir", options.runDir ?? "/run/skein"), cgroupParent, hostname: name,
    runtime: options.runtime ?? "auto", storageDriver, logLevel: level as LogLevel, registries, advertiseAddr: options.advertiseAddr ?? "", docker: resolveDocker(options), version: packageVersion(),
    monitorPath: resolve(root, "dist/engine/skein-monitor"),
  };
}

function resolveDocker(options: Options): DockerConfig {
  const socket = options.dockerSocket ?? resolve(options.runDir ?? "/run/skein", "docker.sock");
  const group = options.dockerGroup ?? "docker";
  if (options.dockerGroup && !hasGroup(options.dockerGroup)) throw invalid("docker-group", options.dockerGroup, "/etc/group has no such group; create it with groupadd");
  return { socketPath: socket === "" ? undefined : resolve(socket), group: group !== "" && hasGroup(group) ? group : undefined, tcp: resolveDockerTcp(options) };
}

/** Whoever reaches the port is root on this host, so it is never without TLS by accident. */
function resolveDockerTcp(options: Options): GatewayTcp | undefined {
  const files = { ca: options.dockerTlsCa, cert: options.dockerTlsCert, key: options.dockerTlsKey };
  const isTls = Object.values(files).some(Boolean);
  if (options.dockerTcp === undefined) {
    if (isTls || options.dockerTcpInsecure) throw new SwarmError("INVALID_ARGUMENT", "Cannot start with --docker-tls-… or --docker-tcp-insecure alone: they are about --docker-tcp HOST:PORT, which is not given");
    return undefined;
  }
  const { host, port } = parseHostPort(options.dockerTcp, isTls ? 2376 : 2375);
  if (isTls) {
    if (options.dockerTcpInsecure) throw invalid("docker-tcp-insecure", "true", "it is given together with --docker-tls-…; give one of both");
    const read = (name: "ca" | "cert" | "key"): string => {
      const path = files[name];
      if (!path) throw invalid("docker-tcp", options.dockerTcp!, `--docker-tls-${name} is missing; all of --docker-tls-ca, --docker-tls-cert and --docker-tls-key are needed`);
      try { return readFileSync(path, "utf8"); } catch (error) { throw invalid(`docker-tls-${name}`, path, messageOf(error)); }
    };
    const tls = { ca: read("ca"), cert: read("cert"), key: read("key") };
    if ((statSync(files.key!).mode & 0o077) !== 0) throw invalid("docker-tls-key", files.key!, `others than its owner may open it; run "chmod 600 ${files.key}"`);
    return { host, port, tls };
  }
  if (!options.dockerTcpInsecure) throw invalid("docker-tcp", options.dockerTcp, "whoever reaches it is root on this host; give --docker-tls-ca, --docker-tls-cert and --docker-tls-key");
  if (!isLoopback(host)) throw invalid("docker-tcp", options.dockerTcp, "without TLS it must be a loopback address such as 127.0.0.1:2375");
  return { host, port, isInsecureAllowed: true };
}

/** "fpga=2" is a count, "fpga=a,b" are names; the names of one kind may come in several options. */
function parseGenericResources(texts: readonly string[]): GenericResource[] {
  const byKind = new Map<string, GenericResource>();
  for (const text of texts) {
    const refuse = (why: string) => invalid("generic-resource", text, why);
    const [kind, value] = splitNamed(text, refuse, "write KIND=COUNT or KIND=ID,ID, such as fpga=2");
    const problem = problemOfGenericKind(kind);
    if (problem) throw refuse(problem);
    const present = byKind.get(kind);
    if (/^\d+$/.test(value)) {
      const count = Number(value);
      if (count > 1_000_000) throw refuse("the limit is 1000000 of a kind");
      if (present) throw refuse(`"${kind}" is given twice; give it once`);
      byKind.set(kind, { kind, count, ids: [] });
      continue;
    }
    if (present && present.ids.length === 0) throw refuse(`"${kind}" is given as a number too; give one of both`);
    const ids = [...present?.ids ?? [], ...parseIds(value, refuse)];
    if (new Set(ids).size !== ids.length) throw refuse("an id is given twice; give each once");
    if (ids.length > 1_000) throw refuse("the limit is 1000 ids of a kind");
    byKind.set(kind, { kind, count: ids.length, ids });
  }
  if (byKind.size > 100) throw new SwarmError("INVALID_ARGUMENT", `Cannot start with ${byKind.size} kinds of --generic-resource: the limit is 100`);
  return [...byKind.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

function parseGpus(texts: readonly string[]): GpuDevice[] {
  const devices = texts.flatMap((text) => {
    const refuse = (why: string) => invalid("gpu", text, why);
    const [model, value] = splitNamed(text, refuse, "write MODEL=ID or MODEL=ID,ID, such as A100=0,1");
    if (!isDeviceWord(model)) throw refuse('a model is up to 100 letters, digits, blanks, "-", "_", "/" and "."');
    return parseIds(value, refuse).map((id) => ({ id, model, memoryBytes: 0 }));
  });
  const repeated = devices.find(({ id }, index) => devices.findIndex((other) => other.id === id) !== index);
  if (repeated) throw invalid("gpu", `${repeated.model}=${repeated.id}`, "that id is given twice; give each device once");
  if (devices.length > 64) throw new SwarmError("INVALID_ARGUMENT", `Cannot start with ${devices.length} devices of --gpu: the limit is 64`);
  return devices;
}

function splitNamed(text: string, refuse: (why: string) => SwarmError, shape: string): [name: string, value: string] {
  const at = text.indexOf("=");
  if (at <= 0 || at === text.length - 1) throw refuse(shape);
  return [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

function parseIds(value: string, refuse: (why: string) => SwarmError): string[] {
  const ids = value.split(",").map((id) => id.trim());
  if (!ids.every(isDeviceWord)) throw refuse('an id is up to 100 letters, digits, blanks, "-", "_", "/" and "."; write several with commas between them');
  return ids;
}

function directory(option: string, value: string): string {
  if (value === "") throw invalid(option, value, "it must name a directory");
  return resolve(value);
}

function readRegistries(path: string): Record<string, RegistryConfig> {
  let parsed: unknown;
  try { parsed = JSON.parse(readFileSync(path, "utf8")); } catch (error) { throw invalid("registry-config", path, messageOf(error)); }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) throw invalid("registry-config", path, "it must hold a JSON object with one entry a registry");
  const registries: Record<string, RegistryConfig> = {};
  for (const [host, entry] of Object.entries(parsed as Record<string, Record<string, unknown>>)) {
    const known: Record<string, (value: unknown) => boolean> = {
      plainHttp: (v) => typeof v === "boolean", username: (v) => typeof v === "string", password: (v) => typeof v === "string", ca: (v) => typeof v === "string" && v.startsWith("/"),
      mirrors: (v) => Array.isArray(v) && v.every((m) => typeof m === "string"),
    };
    for (const [key, value] of Object.entries(entry ?? {})) if (!known[key]?.(value)) throw invalid("registry-config", path, `registry "${host}" has an unknown or malformed field "${key}" (known: ${Object.keys(known).join(", ")})`);
    registries[host] = entry as RegistryConfig;
  }
  const holdsPassword = Object.values(registries).some(({ password }) => password !== undefined);
  if (holdsPassword && (statSync(path).mode & 0o077) !== 0) throw invalid("registry-config", path, `it holds a password, and others than its owner may open it; run "chmod 600 ${path}"`);
  return registries;
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(resolve(packageRoot(fileURLToPath(import.meta.url)), "package.json"), "utf8")) as { version: string }).version;
}

const invalid = (option: string, value: string, why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot start with --${option} "${value}": ${why}`);
