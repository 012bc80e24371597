import { posix } from "node:path";
import { SwarmError, messageOf } from "../../lib/index.js";
import { expandWord, splitWords, type WordRules } from "./words.js";

/** The `config` part of an image's config, in docker's own field names. */
export interface ConfigJson {
  Entrypoint?: string[] | null; Cmd?: string[] | null; Env?: string[]; WorkingDir?: string; User?: string; StopSignal?: string;
  Labels?: Record<string, string>; ExposedPorts?: Record<string, object>; Volumes?: Record<string, object>;
  Healthcheck?: HealthcheckJson; OnBuild?: string[]; Shell?: string[];
}
/** Durations in nanoseconds, as Go writes them. */
export interface HealthcheckJson { Test: string[]; Interval?: number; Timeout?: number; StartPeriod?: number; StartInterval?: number; Retries?: number }

/** What one instruction says, read and expanded. `isShell`: a line for the shell of the image. */
export type ConfigChange =
  | { readonly kind: "cmd" | "entrypoint"; readonly command: readonly string[]; readonly isShell: boolean }
  | { readonly kind: "env" | "label"; readonly pairs: readonly (readonly [string, string])[] }
  | { readonly kind: "workdir"; readonly path: string }
  | { readonly kind: "user" | "stopsignal"; readonly value: string }
  | { readonly kind: "expose"; readonly ports: readonly string[] }
  | { readonly kind: "volume"; readonly paths: readonly string[] }
  | { readonly kind: "shell"; readonly command: readonly string[] }
  | { readonly kind: "onbuild"; readonly instruction: string }
  | { readonly kind: "healthcheck"; readonly test: readonly string[]; readonly isShell: boolean; readonly intervalNs: number; readonly timeoutNs: number; readonly startPeriodNs: number; readonly startIntervalNs: number; readonly retries: number };

/** A config on its way; a new ENTRYPOINT drops a CMD that came from the image below, not one that was set since. */
export interface ConfigState { readonly config: ConfigJson; readonly isCmdSet: boolean }

export const configInstructions = ["CMD", "ENTRYPOINT", "ENV", "WORKDIR", "USER", "EXPOSE", "LABEL", "VOLUME", "STOPSIGNAL", "HEALTHCHECK", "ONBUILD", "SHELL"] as const;
const defaultShell = ["/bin/sh", "-c"];

/** Dockerfile instructions that only change an image's config: what `docker commit --change` and `image import --change` take. */
export function applyChanges(changes: readonly string[], base: ConfigJson = {}): ConfigJson {
  let state: ConfigState = { config: base, isCmdSet: false };
  for (const change of changes) {
    // Several instructions may come in one string, a line each.
    for (const line of change.replace(/\\\r?\n/g, " ").split(/\r?\n/)) {
      if (line.trim() === "" || line.trim().startsWith("#")) continue;
      const [, name = "", rest = ""] = /^\s*(\S+)\s*([\s\S]*?)\s*$/.exec(line) ?? [];
      const environment = new Map((state.config.Env ?? []).map((entry) => [entry.split("=", 1)[0]!, entry.slice(entry.indexOf("=") + 1)]));
      try {
        state = applyChange(state, parseChange(name, rest, { lookup: (variable) => environment.get(variable), escape: "\\" }));
      } catch (error) {
        throw new SwarmError("INVALID_ARGUMENT", `Change "${line.trim().slice(0, 200)}" is not valid: ${messageOf(error)}`, { cause: error });
      }
    }
  }
  return state.config;
}

/** Reads one instruction. Throws INVALID_ARGUMENT with the reason alone: the caller knows where it stands. */
export function parseChange(name: string, rest: string, rules: WordRules): ConfigChange {
  const instruction = name.toUpperCase();
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };
  const expand = (word: string) => expandWord(word, rules);
  const words = () => (rest.startsWith("[") ? jsonList(rest) : undefined) ?? splitWords(rest, rules.escape).map(expand);
  if (rest === "" && !["CMD", "ENTRYPOINT"].includes(instruction) && (configInstructions as readonly string[]).includes(instruction)) refuse(`${instruction} needs a value`);
  switch (instruction) {
    case "CMD": return { kind: "cmd", ...commandOf(rest) };
    case "ENTRYPOINT": return { kind: "entrypoint", ...commandOf(rest) };
    case "ENV": return { kind: "env", pairs: pairsOf(rest, rules, "ENV") };
    case "LABEL": return { kind: "label", pairs: pairsOf(rest, rules, "LABEL") };
    case "WORKDIR": return { kind: "workdir", path: expand(rest) || refuse("the directory is empty") };
    case "USER": return { kind: "user", value: expand(rest) };
    case "STOPSIGNAL": {
      const value = expand(rest);
      if (!/^(\d{1,2}|(SIG)?[A-Z][A-Z0-9+-]*)$/i.test(value)) refuse(`"${value}" is not a signal; write it like SIGTERM or 15`);
      return { kind: "stopsignal", value };
    }
    case "EXPOSE": return { kind: "expose", ports: words().flatMap(portsOf) };
    case "VOLUME": {
      const paths = words();
      if (paths.length === 0 || paths.some((path) => path === "")) refuse("a volume's path is empty");
      return { kind: "volume", paths };
    }
    case "SHELL": {
      const command = jsonList(rest) ?? refuse('SHELL takes a JSON list, like ["/bin/bash", "-c"]');
      if (command.length === 0) refuse("SHELL needs at least one word");
      return { kind: "shell", command };
    }
    case "ONBUILD": {
      const trigger = (/^\S+/.exec(rest)?.[0] ?? "").toUpperCase();
      if (trigger === "ONBUILD") refuse("ONBUILD of ONBUILD is not allowed");
      if (trigger === "FROM" || trigger === "MAINTAINER") refuse(`${trigger} cannot be an ONBUILD instruction`);
      return { kind: "onbuild", instruction: rest };
    }
    case "HEALTHCHECK": return healthOf(rest);
    default: return refuse(`known instructions are ${configInstructions.join(", ")}`);
  }
}

export function applyChange(state: ConfigState, change: ConfigChange): ConfigState {
  const { config } = state;
  const set = (more: ConfigJson): ConfigState => ({ ...state, config: { ...config, ...more } });
  const shell = config.Shell ?? defaultShell;
  const commandLine = (command: readonly string[], isShell: boolean): string[] => (isShell ? [...shell, ...command] : [...command]);
  switch (change.kind) {
    case "cmd": return { config: { ...config, Cmd: commandLine(change.command, change.isShell) }, isCmdSet: true };
    case "entrypoint": {
      const Entrypoint = commandLine(change.command, change.isShell);
      return set({ Entrypoint: Entrypoint.length > 0 ? Entrypoint : null, ...(state.isCmdSet ? {} : { Cmd: null }) });
    }
    case "env": {
      const Env = [...(config.Env ?? [])];
      for (const [key, value] of change.pairs) {
        const at = Env.findIndex((entry) => entry.split("=", 1)[0] === key);
        if (at >= 0) Env[at] = `${key}=${value}`; else Env.push(`${key}=${value}`);
      }
      return set({ Env });
    }
    case "label": return set({ Labels: { ...config.Labels, ...Object.fromEntries(change.pairs) } });
    case "workdir": return set({ WorkingDir: posix.resolve(config.WorkingDir || "/", change.path) });
    case "user": return set({ User: change.value });
    case "stopsignal": return set({ StopSignal: change.value });
    case "expose": return set({ ExposedPorts: { ...config.ExposedPorts, ...Object.fromEntries(change.ports.map((port) => [port, {}])) } });
    case "volume": return set({ Volumes: { ...config.Volumes, ...Object.fromEntries(change.paths.map((path) => [path, {}])) } });
    case "shell": return set({ Shell: [...change.command] });
    case "onbuild": return set({ OnBuild: [...(config.OnBuild ?? []), change.instruction] });
    case "healthcheck": {
      const { test, isShell, intervalNs, timeoutNs, startPeriodNs, startIntervalNs, retries } = change;
      return set({ Healthcheck: {
        Test: isShell ? ["CMD-SHELL", ...test] : [...test],
        ...(intervalNs ? { Interval: intervalNs } : {}), ...(timeoutNs ? { Timeout: timeoutNs } : {}), ...(startPeriodNs ? { StartPeriod: startPeriodNs } : {}),
        ...(startIntervalNs ? { StartInterval: startIntervalNs } : {}), ...(retries ? { Retries: retries } : {}),
      } });
    }
  }
}

/** ["a", "b"] as it is; anything else is a line for the shell. */
function commandOf(text: string): { command: readonly string[]; isShell: boolean } {
  const list = jsonList(text);   // Docker too takes a malformed list for a shell line
  return list ? { command: list, isShell: false } : text === "" ? { command: [], isShell: false } : { command: [text], isShell: true };
}

function jsonList(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed) && parsed.every((p) => typeof p === "string")) return parsed;
  } catch { /* not a list */ }
  return undefined;
}

/** a=b c="d e", and the old form `a b c`. */
function pairsOf(text: string, rules: WordRules, instruction: string): [string, string][] {
  const expand = (word: string) => expandWord(word, rules);
  const words = splitWords(text, rules.escape);
  const key = (name: string): string => name !== "" ? name : (() => { throw new SwarmError("INVALID_ARGUMENT", `${instruction} names cannot be empty`); })();
  if (!words[0]!.includes("=")) {
    const [, name = text, value = ""] = /^(\S+)\s+([\s\S]*)$/.exec(text) ?? [];
    if (words.length < 2) throw new SwarmError("INVALID_ARGUMENT", `${instruction} must have two arguments, or be written like name=value`);
    return [[key(expand(name)), expand(value)]];
  }
  return words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) throw new SwarmError("INVALID_ARGUMENT", `"${word.slice(0, 100)}" is not of the form name=value`);
    return [key(expand(word.slice(0, equals))), expand(word.slice(equals + 1))];
  });
}

/** 80, 80/udp, 8000-8010/tcp; a host part before a colon means nothing in an image. */
function portsOf(text: string): string[] {
  const [, from, to, protocol = "tcp"] = /^(?:[^/]*:)?(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [first, last] = [Number(from), Number(to ?? from)];
  if (from === undefined || last < first || first < 1 || last > 65_535) throw new SwarmError("INVALID_ARGUMENT", `"${text.slice(0, 100)}" is not a port; write it like 80, 53/udp or 8000-8010`);
  return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
}

function healthOf(text: string): ConfigChange {
  const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", why); };
  const flags = new Map<string, string>();
  let rest = text;
  for (let flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest); flag; flag = /^--([a-z-]+)=(\S+)\s*/.exec(rest)) {
    if (!["interval", "timeout", "start-period", "start-interval", "retries"].includes(flag[1]!)) refuse(`HEALTHCHECK has no option --${flag[1]}; it has --interval, --timeout, --start-period, --start-interval and --retries`);
    flags.set(flag[1]!, flag[2]!);
    rest = rest.slice(flag[0].length);
  }
  const [, kind = "", command = ""] = /^(\S+)\s*([\s\S]*)$/.exec(rest) ?? [];
  const none = { intervalNs: 0, timeoutNs: 0, startPeriodNs: 0, startIntervalNs: 0, retries: 0 };
  if (kind.toUpperCase() === "NONE") return command || flags.size > 0 ? refuse("HEALTHCHECK NONE takes nothing more") : { kind: "healthcheck", test: ["NONE"], isShell: false, ...none };
  if (kind.toUpperCase() !== "CMD") return refuse("HEALTHCHECK is followed by NONE, or by CMD and a command");
  if (command === "") return refuse("HEALTHCHECK CMD needs a command");
  const duration = (name: string): number => {
    const value = flags.get(name);
    if (value === undefined) return 0;
    const ns = durationNs(value) ?? refuse(`--${name}="${value}" is not a duration; write it like 30s or 1m30s`);
    if (ns !== 0 && ns < 1e6) refuse(`--${name} is at least 1 ms`);
    return ns;
  };
  const retries = Number(flags.get("retries") ?? 0);
  if (!Number.isInteger(retries) || retries < 0) refuse(`--retries="${flags.get("retries")}" is not a number of times`);
  const list = jsonList(command);
  return {
    kind: "healthcheck", test: list ? ["CMD", ...list] : [command], isShell: !list,
    intervalNs: duration("interval"), timeoutNs: duration("timeout"), startPeriodNs: duration("start-period"), startIntervalNs: duration("start-interval"), retries,
  };
}

const unitNs: Readonly<Record<string, number>> = { ns: 1, us: 1e3, "µs": 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Go's time.ParseDuration without a sign. */
function durationNs(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  return Math.round([...text.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)].reduce((sum, [, amount, unit]) => sum + Number(amount) * unitNs[unit!]!, 0));
}
