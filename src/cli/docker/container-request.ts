import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { SwarmError, messageOf } from "../../lib/index.js";
import type { Mount } from "../../model/index.js";
import type { Flags } from "../flags.js";
import { parseDuration } from "../parse/duration.js";
import { envFileLines, parseEnv } from "../parse/env.js";
import { parseKeyValue, parseLabels } from "../parse/key-value.js";
import { parseMount } from "../parse/mount.js";
import { parseCount, parseCpus } from "../parse/number.js";
import { parseShellWords } from "../parse/shell-words.js";
import { parseSize } from "../parse/size.js";

/** The body of POST /containers/create, and what goes into its query. */
export interface ContainerRequest { readonly name: string | undefined; readonly platform: string | undefined; readonly body: Record<string, unknown> }

/** Reads the flags of `run` and `create` (container-flags.ts). Refusals name the flag. */
export function containerRequest(flags: Flags, [image, ...command]: readonly string[], environment: Readonly<Record<string, string | undefined>>): ContainerRequest {
  const entrypoint = flags.text("entrypoint");
  const ports = publishedPorts(flags.list("publish"));
  const exposed = [...flags.list("expose").map(exposedPort), ...Object.keys(ports)];
  const network = flags.text("network") ?? "default";
  const aliases = flags.list("network-alias");
  const ip = flags.text("ip");
  if ((aliases.length > 0 || ip) && ["default", "bridge", "host", "none"].includes(network)) throw refuse("--network-alias and --ip", `need a network of your own: create one with "swarmctl network create --local NAME" and name it by --network.`);
  const env = [...flags.list("env-file").flatMap((path) => parseEnv(envFileLines(readText(path, "--env-file")), environment, "--env-file")), ...parseEnv(flags.list("env"), environment)];
  const size = (name: string): number | undefined => (flags.has(name) ? parseSize(flags.text(name)!, `--${name}`) : undefined);
  const count = (name: string, range?: { min?: number; max?: number }): number | undefined => (flags.has(name) ? parseCount(flags.text(name)!, `--${name}`, range) : undefined);
  return {
    name: flags.text("name"), platform: flags.text("platform"),
    body: defined({
      Image: image, Cmd: command.length > 0 ? command : undefined,
      Entrypoint: entrypoint === undefined ? undefined : entrypoint === "" ? [""] : parseShellWords(entrypoint, "--entrypoint"),
      Env: env.length > 0 ? env : undefined, Labels: parseLabels(flags.list("label"), "--label"), Hostname: flags.text("hostname"), User: flags.text("user"), WorkingDir: flags.text("workdir"),
      OpenStdin: flags.on("interactive"), StdinOnce: flags.on("interactive"), Tty: flags.on("tty"), AttachStdin: flags.on("interactive"), AttachStdout: true, AttachStderr: true,
      StopSignal: flags.text("stop-signal"), StopTimeout: count("stop-timeout"),
      ExposedPorts: exposed.length > 0 ? Object.fromEntries(exposed.map((port) => [port, {}])) : undefined,
      Healthcheck: healthOf(flags),
      HostConfig: defined({
        AutoRemove: flags.on("rm"), Init: flags.on("init") || undefined, RestartPolicy: restartOf(flags.text("restart")),
        Binds: flags.list("volume").map(bindOf), Mounts: flags.list("mount").map((each) => dockerMount(parseMount(each))),
        Tmpfs: Object.fromEntries(flags.list("tmpfs").map((each) => { const [target, ...options] = each.split(":"); return [target!, options.join(":")]; })),
        ReadonlyRootfs: flags.on("read-only"), Devices: flags.list("device").map(deviceOf),
        NetworkMode: network, PortBindings: ports, PublishAllPorts: flags.on("publish-all"),
        ExtraHosts: flags.list("add-host"), Dns: flags.list("dns"), DnsSearch: flags.list("dns-search"),
        Memory: size("memory"), MemoryReservation: size("memory-reservation"), MemorySwap: flags.text("memory-swap") === "-1" ? -1 : size("memory-swap"),
        NanoCpus: flags.has("cpus") ? parseCpus(flags.text("cpus")!, "--cpus") * 1_000_000 : undefined, CpuShares: count("cpu-shares"), CpusetCpus: flags.text("cpuset-cpus"),
        PidsLimit: count("pids-limit"), ShmSize: size("shm-size"), Ulimits: flags.list("ulimit").map(ulimitOf),
        Privileged: flags.on("privileged"), CapAdd: flags.list("cap-add"), CapDrop: flags.list("cap-drop"), SecurityOpt: flags.list("security-opt").map(securityOption),
        Sysctls: Object.fromEntries(flags.list("sysctl").map((each) => parseKeyValue(each, "--sysctl"))), IpcMode: flags.text("ipc"), PidMode: flags.text("pid"), Runtime: flags.text("runtime"), UTSMode: flags.text("uts"),
        GroupAdd: flags.list("group-add"),
        LogConfig: flags.has("log-driver") || flags.has("log-opt") ? { Type: flags.text("log-driver") ?? "", Config: Object.fromEntries(flags.list("log-opt").map((each) => parseKeyValue(each, "--log-opt"))) } : undefined,
      }),
      NetworkingConfig: aliases.length > 0 || ip ? { EndpointsConfig: { [network]: defined({ Aliases: aliases, IPAMConfig: ip ? { IPv4Address: ip } : undefined }) } } : undefined,
    }),
  };
}

/** "8080:80", "127.0.0.1:8080:80/udp", "[::1]:8080:80", "80", "8000-8010:80-90" → { "80/tcp": [{ HostIp, HostPort }] }. */
export function publishedPorts(texts: readonly string[]): Record<string, { HostIp: string; HostPort: string }[]> {
  const ports: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const text of texts) {
    const [, address6, address4, published = "", target = "", protocol = "tcp"] = /^(?:(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(?=[^:]*:))?(?:([\d-]*):)?([\d-]+)(?:\/(tcp|udp|sctp))?$/.exec(text) ?? [];
    const why = () => refuse(`"${text}" of --publish`, "write [IP:][PORT:]TARGET[/udp], such as 8080:80 or 127.0.0.1:53:53/udp; a port is a number from 1 to 65535.");
    const targets = rangeOf(target) ?? (() => { throw why(); })();
    const hosts = published === "" ? targets.map(() => "") : targets.length === 1 && published.includes("-") ? (rangeOf(published) ? [published] : undefined) : rangeOf(published)?.map(String);
    if (!hosts || hosts.length !== targets.length) throw why();
    for (const [i, port] of targets.entries()) (ports[`${port}/${protocol}`] ??= []).push({ HostIp: address6 ?? address4 ?? "", HostPort: hosts[i]! });
  }
  return ports;
}

function rangeOf(word: string): number[] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(word);
  const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  return match && from >= 1 && to <= 65_535 && to >= from ? Array.from({ length: to - from + 1 }, (_, i) => from + i) : undefined;
}

function exposedPort(text: string): string {
  const [port, protocol = "tcp"] = text.split("/");
  if (!rangeOf(port!)) throw refuse(`"${text}" of --expose`, "write a port from 1 to 65535, such as 80 or 53/udp.");
  return `${port}/${protocol}`;
}

/** A relative directory of the host is meant from here. */
function bindOf(text: string): string {
  const parts = text.split(":");
  if (parts.length > 3 || !parts.at(parts.length === 1 ? 0 : 1)!.startsWith("/")) throw refuse(`"${text}" of --volume`, "write [SOURCE:]TARGET[:OPTIONS] with an absolute target, such as data:/var/lib/data or ./src:/src:ro.");
  if (parts.length > 1 && /^\.{1,2}(\/|$)/.test(parts[0]!)) parts[0] = resolve(parts[0]!);
  return parts.join(":");
}

function dockerMount(mount: Mount): object {
  if (mount.type === "CLUSTER") throw new SwarmError("INVALID_ARGUMENT", `Cannot mount "${mount.source}" at ${mount.target}: volumes of the cluster are for services, and this is a container of one host; write type=volume.`);
  return defined({
    Type: mount.type.toLowerCase(), Source: mount.source, Target: mount.target, ReadOnly: mount.readOnly,
    BindOptions: mount.propagation ? { Propagation: mount.propagation } : undefined,
    VolumeOptions: mount.noCopy || Object.keys(mount.volumeLabels).length > 0 ? { NoCopy: mount.noCopy, Labels: mount.volumeLabels } : undefined,
    TmpfsOptions: mount.tmpfsSizeBytes || mount.tmpfsMode ? { SizeBytes: mount.tmpfsSizeBytes, Mode: mount.tmpfsMode } : undefined,
  });
}

function deviceOf(text: string): object {
  const [host, second, third] = text.split(":");
  const isMode = (word: string | undefined) => word !== undefined && /^[rwm]{1,3}$/.test(word);
  return { PathOnHost: host, PathInContainer: second && !isMode(second) ? second : host, CgroupPermissions: third ?? (isMode(second) ? second : "rwm") };
}

function ulimitOf(text: string): object {
  const [name, value] = parseKeyValue(text, "--ulimit");
  const [soft, hard = soft] = value.split(":");
  if (!/^-?\d+$/.test(soft!) || !/^-?\d+$/.test(hard!)) throw refuse(`"${text}" of --ulimit`, "write NAME=SOFT[:HARD], such as nofile=1024:2048.");
  return { Name: name, Soft: Number(soft), Hard: Number(hard) };
}

function restartOf(text: string | undefined): object | undefined {
  if (text === undefined) return undefined;
  const match = /^(no|always|unless-stopped|on-failure)(?::(\d+))?$/.exec(text);
  if (!match || (match[2] !== undefined && match[1] !== "on-failure")) throw refuse(`"${text}" of --restart`, "write no, always, unless-stopped, on-failure or on-failure:N.");
  return { Name: match[1], MaximumRetryCount: Number(match[2] ?? 0) };
}

/** A seccomp profile is sent, not its path: the daemon may be on another host. */
function securityOption(text: string): string {
  const file = /^seccomp[=:](?!unconfined$|builtin$|\{)(.+)$/.exec(text)?.[1];
  return file === undefined ? text : `seccomp=${readText(file, "--security-opt")}`;
}

function healthOf(flags: Flags): object | undefined {
  if (flags.on("no-healthcheck")) return { Test: ["NONE"] };
  const nanos = (name: string) => (flags.has(name) ? parseDuration(flags.text(name)!, `--${name}`) * 1_000_000 : undefined);
  const health = defined({
    Test: flags.has("health-cmd") ? ["CMD-SHELL", flags.text("health-cmd")!] : undefined, Interval: nanos("health-interval"), Timeout: nanos("health-timeout"),
    Retries: flags.has("health-retries") ? parseCount(flags.text("health-retries")!, "--health-retries") : undefined, StartPeriod: nanos("health-start-period"), StartInterval: nanos("health-start-interval"),
  });
  return Object.keys(health).length > 0 ? health : undefined;
}

function readText(path: string, flag: string): string {
  try { return readFileSync(path, "utf8"); } catch (error) { throw new SwarmError("NOT_FOUND", `Cannot read "${path}" of ${flag}: ${messageOf(error)}.`, { cause: error }); }
}

const defined = (object: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0)));
const refuse = (what: string, why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot read ${what}: ${why}`);
