import { problemOfImageReference } from "./image-reference.js";
import { parseIpv4 } from "./network-address.js";
import type { ContainerSpec, EndpointSpec, HealthConfig, Mount, PortConfig, ServiceSpec, TaskSpec, UpdateConfig, RestartPolicy } from "./types.js";
import { first, firstOf, problemOfChoice, problemOfDuration, problemOfLabels, problemOfName, problemOfProject, type Problem } from "./validate.js";
import { maxPriority, problemOfPlacement } from "./validate-placement.js";
import { problemOfClusterSource } from "./validate-volume.js";
import { problemOfReservationAboveLimit, problemOfResources } from "./validate-resources.js";

export const maxReplicas = 10_000;

/** What a service's spec alone can be wrong about; what depends on other objects (names, ports, networks) is the control API's. */
export function problemOfServiceSpec(spec: ServiceSpec): Problem {
  return first(
    () => problemOfName(spec.name),
    () => problemOfLabels(spec.labels),
    () => problemOfChoice("mode", spec.mode, ["REPLICATED", "GLOBAL"]),
    () => problemOfReplicas(spec),
    () => problemOfRank(spec),
    () => (spec.task ? problemOfTaskSpec(spec.task) : "it says nothing about its tasks; give an image"),
    () => spec.endpoint ? problemOfEndpoint(spec.endpoint) : undefined,
    () => spec.update ? problemOfUpdate(spec.update) : undefined,
  );
}

function problemOfReplicas({ mode, replicas }: ServiceSpec): Problem {
  if (mode === "GLOBAL") return replicas > 1 ? "a global service runs once on each node; leave the number of replicas out" : undefined;
  if (!Number.isInteger(replicas) || replicas < 0) return `the number of replicas is ${replicas}; give a whole number from 0 to ${maxReplicas}`;
  return replicas > maxReplicas ? `${replicas} replicas are more than the limit of ${maxReplicas} for one service; split it into several` : undefined;
}

/** Its place among the services that want the same nodes. */
function problemOfRank({ mode, priority, gang, project }: ServiceSpec): Problem {
  if (!Number.isInteger(priority) || Math.abs(priority) > maxPriority) return `the priority is ${priority}; give a whole number from -${maxPriority} to ${maxPriority}`;
  if (gang && mode === "GLOBAL") return "a global service cannot be a gang: which nodes run it changes as they come and go; leave one of the two out";
  return project === "" ? undefined : problemOfProject(project);
}

function problemOfTaskSpec(task: TaskSpec): Problem {
  return first(
    () => task.container ? problemOfContainer(task.container) : "no image is given",
    () => task.reservations ? problemOfResources("reservation", task.reservations) : undefined,
    () => task.limits ? problemOfResources("limit", task.limits) : undefined,
    () => problemOfReservationAboveLimit(task),
    () => task.restart ? problemOfRestart(task.restart) : undefined,
    () => task.placement ? problemOfPlacement(task.placement) : undefined,
    () => problemOfRepeatedNetwork(task),
    () => problemOfLogDriver(task),
  );
}

export function problemOfContainer(container: ContainerSpec): Problem {
  return first(
    () => problemOfImageReference(container.image),
    () => firstOf(container.env, problemOfEnv),
    () => firstOf([...container.command, ...container.args], (word) => (word.includes("\0") ? "the command holds a NUL character; remove it" : undefined)),
    () => (container.workdir !== "" && !container.workdir.startsWith("/") ? `the working directory "${container.workdir}" is not absolute; begin it with "/"` : undefined),
    // Templates ({{.Task.Slot}}) are filled in by the agent; what they stand for is a word.
    () => (container.hostname !== "" && !/^[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,61}[a-zA-Z0-9])?$/.test(container.hostname.replace(/\{\{[^{}]*\}\}/g, "x")) ? `"${container.hostname}" is no host name; use up to 63 letters, digits, "-" and "."` : undefined),
    () => problemOfMounts(container.mounts),
    () => container.health ? problemOfHealth(container.health) : undefined,
    () => problemOfDuration("stop grace period", container.stopGraceMs),
    () => (container.stopSignal !== "" && !/^(?:SIG)?[A-Z0-9+-]{2,12}$|^\d{1,2}$/i.test(container.stopSignal) ? `"${container.stopSignal}" is no signal; use a name such as SIGTERM` : undefined),
    () => problemOfLabels(container.labels, "container label"),
    () => firstOf(container.hosts, (host) => (/^[^\s:]+:[0-9a-fA-F.:]+$/.test(host) ? undefined : `host entry "${host}" is malformed; write NAME:ADDRESS`)),
    () => firstOf(container.dns, (addr) => (parseIpv4(addr) === undefined ? `DNS server "${addr}" is no IPv4 address` : undefined)),
    () => problemOfChoice("pull policy", container.pullPolicy, ["IF_MISSING", "ALWAYS", "NEVER"]),
  );
}

function problemOfEnv(entry: string): Problem {
  const name = entry.split("=")[0]!;
  if (name === "") return `environment entry "${entry.slice(0, 60)}" has no name; write NAME=VALUE`;
  return entry.includes("\0") ? `environment entry "${name}" holds a NUL character; remove it` : undefined;
}

export function problemOfMounts(mounts: readonly Mount[]): Problem {
  const targets = new Set<string>();
  return firstOf(mounts, (mount) => {
    const own = problemOfMount(mount);
    if (own !== undefined) return own;
    const target = cleanPath(mount.target);
    if (targets.has(target)) return `two mounts have the target "${target}"; give each a target of its own`;
    targets.add(target);
    return undefined;
  });
}

function problemOfMount({ type, source, target, propagation, tmpfsSizeBytes }: Mount): Problem {
  const choice = problemOfChoice("mount type", type, ["BIND", "VOLUME", "TMPFS", "CLUSTER"]);
  if (choice !== undefined) return choice;
  if (target === "") return "a mount has no target; add target=/PATH";
  if (!target.startsWith("/")) return `the mount target "${target}" is not absolute; begin it with "/"`;
  if (cleanPath(target) === "/") return 'a mount cannot cover "/"; choose a directory below it';
  if (/\0/.test(source + target)) return "a mount's path holds a NUL character; remove it";
  if (type === "BIND" && !source.startsWith("/")) return `the bind mount at "${target}" needs an absolute source; it has "${source}"`;
  if (type === "VOLUME" && source !== "" && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(source)) return `"${source}" is no volume name; use letters, digits, "_", "." and "-", or type=bind for a path`;
  if (type === "CLUSTER") {
    const problem = problemOfClusterSource(source, target);
    if (problem !== undefined) return problem;
  }
  if (type === "TMPFS" && source !== "") return `the tmpfs at "${target}" has a source; leave it out`;
  if (type !== "BIND" && propagation !== "") return `propagation of the mount at "${target}" is for bind mounts; leave it out`;
  if (propagation !== "" && !/^r?(private|shared|slave)$/.test(propagation)) return `the propagation "${propagation}" is unknown; use rprivate, private, rshared, shared, rslave or slave`;
  return tmpfsSizeBytes < 0 ? `the tmpfs at "${target}" has a negative size` : undefined;
}

/** "/a//b/../c/" → "/a/c" */
function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}

function problemOfHealth(health: HealthConfig): Problem {
  const [kind, ...rest] = health.test;
  return first(
    () => (kind !== undefined && !["NONE", "CMD", "CMD-SHELL"].includes(kind) ? `the health check begins with "${kind}"; use CMD, CMD-SHELL or NONE` : undefined),
    () => (kind === "NONE" && rest.length > 0 ? "a health check of NONE has no command" : undefined),
    () => (kind === "CMD" && rest.length === 0 ? "the health check has no command" : undefined),
    () => (kind === "CMD-SHELL" && rest.length !== 1 ? "a CMD-SHELL health check is one line of shell" : undefined),
    () => problemOfDuration("health check interval", health.intervalMs),
    () => problemOfDuration("health check timeout", health.timeoutMs),
    () => problemOfDuration("health check start period", health.startPeriodMs),
    () => problemOfDuration("health check start interval", health.startIntervalMs),
    () => (health.retries > 1000 ? `${health.retries} health check retries are more than the limit of 1000` : undefined),
  );
}

function problemOfRestart(restart: RestartPolicy): Problem {
  return first(
    () => problemOfChoice("restart condition", restart.condition, ["ANY", "ON_FAILURE", "NONE"]),
    () => problemOfDuration("restart delay", restart.delayMs),
    () => problemOfDuration("longest restart delay", restart.maxDelayMs),
    () => problemOfDuration("restart window", restart.windowMs),
    () => (restart.maxDelayMs > 0 && restart.maxDelayMs < restart.delayMs ? `the longest restart delay (${restart.maxDelayMs} ms) is shorter than the first (${restart.delayMs} ms)` : undefined),
  );
}

function problemOfRepeatedNetwork({ networks }: TaskSpec): Problem {
  const seen = new Set<string>();
  return firstOf(networks, ({ target, aliases }) => {
    if (target === "") return "a network has no name; give one";
    if (seen.has(target)) return `network "${target}" is named twice; name it once`;
    seen.add(target);
    return firstOf(aliases, (alias) => (/^[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?$/.test(alias) ? undefined : `alias "${alias}" on network "${target}" is no DNS name`));
  });
}

function problemOfLogDriver({ logDriver }: TaskSpec): Problem {
  if (!logDriver || logDriver.name === "") return undefined;
  if (!["json-file", "local", "none"].includes(logDriver.name)) return `the log driver "${logDriver.name}" is unknown; use json-file, local or none`;
  return firstOf(Object.entries(logDriver.options), ([key, value]) => {
    if (!["max-size", "max-file"].includes(key)) return `the log option "${key}" is unknown; use max-size or max-file`;
    if (key === "max-size" && !/^\d+[kmg]?$/i.test(value)) return `the log option max-size is "${value}"; write an amount such as 10m`;
    return key === "max-file" && !/^[1-9]\d{0,3}$/.test(value) ? `the log option max-file is "${value}"; write a number of files` : undefined;
  });
}

function problemOfEndpoint({ mode, ports }: EndpointSpec): Problem {
  return first(
    () => problemOfChoice("endpoint mode", mode, ["VIP", "DNSRR"]),
    () => firstOf(ports, problemOfPort),
    () => (mode === "DNSRR" && ports.some((port) => port.mode === "INGRESS") ? "ports cannot be published on the ingress with endpoint mode dnsrr, which has no VIP to balance; publish them with mode=host or use endpoint mode vip" : undefined),
    () => problemOfRepeatedPort(ports),
    () => (ports.length > 1000 ? `${ports.length} published ports are more than the limit of 1000` : undefined),
  );
}

function problemOfPort({ protocol, targetPort, publishedPort, mode }: PortConfig): Problem {
  return first(
    () => problemOfChoice("protocol", protocol, ["TCP", "UDP"]),
    () => problemOfChoice("publish mode", mode, ["INGRESS", "HOST"]),
    () => (targetPort < 1 || targetPort > 65_535 ? `the target port ${targetPort} is not between 1 and 65535` : undefined),
    () => (publishedPort < 0 || publishedPort > 65_535 ? `the published port ${publishedPort} is not between 1 and 65535 (or 0, to have one chosen)` : undefined),
  );
}

function problemOfRepeatedPort(ports: readonly PortConfig[]): Problem {
  const seen = new Set<string>();
  return firstOf(ports, ({ protocol, publishedPort }) => {
    if (publishedPort === 0) return undefined;
    const key = `${publishedPort}/${protocol.toLowerCase()}`;
    if (seen.has(key)) return `port ${key} is published twice; publish it once`;
    seen.add(key);
    return undefined;
  });
}

function problemOfUpdate(update: UpdateConfig): Problem {
  return first(
    () => problemOfDuration("update delay", update.delayMs),
    () => problemOfDuration("update monitor period", update.monitorMs),
    () => problemOfChoice("update order", update.order, ["STOP_FIRST", "START_FIRST"]),
    () => problemOfChoice("update failure action", update.failureAction, ["UPDATE_PAUSE", "UPDATE_CONTINUE"]),
  );
}
