import { SwarmError } from "../../lib/index.js";
import {
  newContainerSpec, newEndpointSpec, newResources, newRestartPolicy, newTaskSpec, newUpdateConfig, type HealthConfig, type ServiceSpec, type TaskSpec,
} from "../../model/index.js";
import type { Flags } from "../flags.js";
import { parseDuration } from "../parse/duration.js";
import { choose, parseKeyValue, parseLabels } from "../parse/key-value.js";
import { parseCount, parseCpus } from "../parse/number.js";
import { parseShellWords } from "../parse/shell-words.js";
import { parseSize } from "../parse/size.js";
import { applyPlacementFlags } from "./placement-flags.js";

/** A flag's value through its parser, or what was there before. */
type Reader = <T>(name: string, parse: (text: string, flag: string) => T, before: T) => T;
const count = (text: string, flag: string) => parseCount(text, flag);
const plain = (text: string) => text;

/** `spec` with every shared flag that was given. Pure; throws INVALID_ARGUMENT with a sentence that names the flag. */
export function applyFlags(spec: ServiceSpec, flags: Flags): ServiceSpec {
  const read: Reader = (name, parse, before) => { const given = flags.text(name); return given === undefined ? before : parse(given, `--${name}`); };
  const endpoint = spec.endpoint ?? newEndpointSpec();
  if (flags.has("replicas") && spec.mode === "GLOBAL") {
    throw new SwarmError("INVALID_ARGUMENT", "A global service has no number of replicas: it runs one task on every node; leave --replicas out.");
  }
  return applyPlacementFlags({
    ...spec,
    replicas: read("replicas", count, spec.replicas),
    task: applyToTask(spec.task ?? newTaskSpec(), flags, read),
    endpoint: { ...endpoint, mode: read("endpoint-mode", (text, flag) => choose(text, flag, { vip: "VIP", dnsrr: "DNSRR" } as const), endpoint.mode) },
    update: updateOf(spec, read),
  }, flags);
}

function applyToTask(task: TaskSpec, flags: Flags, read: Reader): TaskSpec {
  const container = task.container ?? newContainerSpec();
  const restart = task.restart ?? newRestartPolicy();
  const reservations = task.reservations ?? newResources();
  const limits = task.limits ?? newResources();
  return {
    ...task,
    container: {
      ...container,
      hostname: read("hostname", plain, container.hostname),
      workdir: read("workdir", absolute, container.workdir),
      user: read("user", plain, container.user),
      command: read("entrypoint", parseShellWords, container.command),
      stopGraceMs: read("stop-grace-period", parseDuration, container.stopGraceMs),
      stopSignal: read("stop-signal", (text) => text.toUpperCase(), container.stopSignal),
      readOnly: flags.has("read-only") ? flags.on("read-only") : container.readOnly,
      init: flags.has("init") ? flags.on("init") : container.init,
      tty: flags.has("tty") ? flags.on("tty") : container.tty,
      pullPolicy: read("pull", (text, flag) => choose(text, flag, { always: "ALWAYS", missing: "IF_MISSING", never: "NEVER" } as const), container.pullPolicy),
      capAdd: union(container.capAdd, capabilities(flags.list("cap-add")), capabilities(flags.list("cap-drop"))),
      capDrop: union(container.capDrop, capabilities(flags.list("cap-drop")), capabilities(flags.list("cap-add"))),
      health: healthOf(container.health, flags, read),
    },
    reservations: {
      ...reservations,
      cpuMillis: read("reserve-cpu", parseCpus, reservations.cpuMillis),
      memoryBytes: read("reserve-memory", parseSize, reservations.memoryBytes),
    },
    limits: {
      ...limits,
      cpuMillis: read("limit-cpu", parseCpus, limits.cpuMillis),
      memoryBytes: read("limit-memory", parseSize, limits.memoryBytes),
      pids: read("limit-pids", count, limits.pids),
    },
    restart: {
      condition: read("restart-condition", (text, flag) => choose(text, flag, { any: "ANY", "on-failure": "ON_FAILURE", none: "NONE" } as const), restart.condition),
      delayMs: read("restart-delay", parseDuration, restart.delayMs),
      maxDelayMs: read("restart-max-delay", parseDuration, restart.maxDelayMs),
      maxAttempts: read("restart-max-attempts", count, restart.maxAttempts),
      windowMs: read("restart-window", parseDuration, restart.windowMs),
    },
    logDriver: logDriverOf(task.logDriver, flags),
  };
}

function updateOf(spec: ServiceSpec, read: Reader): ServiceSpec["update"] {
  const update = spec.update ?? newUpdateConfig();
  return {
    parallelism: read("update-parallelism", count, update.parallelism),
    delayMs: read("update-delay", parseDuration, update.delayMs),
    monitorMs: read("update-monitor", parseDuration, update.monitorMs),
    order: read("update-order", (text, flag) => choose(text, flag, { "stop-first": "STOP_FIRST", "start-first": "START_FIRST" } as const), update.order),
    failureAction: read("update-failure-action", (text, flag) => choose(text, flag, { pause: "UPDATE_PAUSE", continue: "UPDATE_CONTINUE" } as const), update.failureAction),
  };
}

const healthFlags = ["health-cmd", "health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval"];

/** null means the image's own check; a duration of 0 means its default. */
function healthOf(before: HealthConfig | null, flags: Flags, read: Reader): HealthConfig | null {
  const given = healthFlags.filter((name) => flags.has(name));
  const nothing: HealthConfig = { test: [], intervalMs: 0, timeoutMs: 0, retries: 0, startPeriodMs: 0, startIntervalMs: 0 };
  if (flags.on("no-healthcheck")) {
    if (given.length) throw new SwarmError("INVALID_ARGUMENT", `--no-healthcheck and --${given[0]} contradict each other: leave one out.`);
    return { ...nothing, test: ["NONE"] };
  }
  if (given.length === 0) return before;
  const health = before ?? nothing;
  return {
    test: read("health-cmd", (text) => ["CMD-SHELL", text], health.test[0] === "NONE" ? [] : health.test),
    intervalMs: read("health-interval", parseDuration, health.intervalMs),
    timeoutMs: read("health-timeout", parseDuration, health.timeoutMs),
    retries: read("health-retries", count, health.retries),
    startPeriodMs: read("health-start-period", parseDuration, health.startPeriodMs),
    startIntervalMs: read("health-start-interval", parseDuration, health.startIntervalMs),
  };
}

function logDriverOf(before: TaskSpec["logDriver"], flags: Flags): TaskSpec["logDriver"] {
  if (!flags.has("log-driver") && !flags.has("log-opt")) return before;
  return {
    name: flags.text("log-driver") ?? before?.name ?? "json-file",
    options: { ...(flags.has("log-driver") ? {} : before?.options), ...Object.fromEntries(flags.list("log-opt").map((text) => parseKeyValue(text, "--log-opt"))) },
  };
}

function absolute(text: string, flag: string): string {
  if (text.startsWith("/")) return text;
  throw new SwarmError("INVALID_ARGUMENT", `The value "${text}" of ${flag} is not an absolute path: begin it with "/".`);
}

export const capabilities = (names: readonly string[]): string[] => names.map((name) => name.toUpperCase().replace(/^(?!ALL$|CAP_)/, "CAP_"));

/** `before` and `added` without doubles, without what is named in `removed`. */
export const union = (before: readonly string[], added: readonly string[], removed: readonly string[] = []): string[] =>
  [...new Set([...before, ...added])].filter((item) => !removed.includes(item));

/** "name:ip" lines for /etc/hosts. */
export function parseHosts(texts: readonly string[], flag: string): string[] {
  for (const text of texts) {
    if (!/^[^:\s]+:\S+$/.test(text)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: write NAME:IP, such as db:10.0.0.5.`);
  }
  return [...texts];
}

/** "spread=node.labels.rack" → "node.labels.rack" */
export function parsePreferences(texts: readonly string[], flag: string): string[] {
  return texts.map((text) => {
    const [key, value] = parseKeyValue(text, flag, "spread=KEY, such as spread=node.labels.rack");
    if (key !== "spread" || !value) throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: the one preference is spread=KEY, such as spread=node.labels.rack.`);
    return value;
  });
}

export { parseLabels };
