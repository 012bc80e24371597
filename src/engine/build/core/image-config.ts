import { SwarmError } from "../../../lib/index.js";
import type { HealthConfig } from "../../../model/index.js";

/** The `config` part of an image's config blob, in Docker's names; what a base image has beside these is kept. */
export interface ConfigJson {
  readonly User?: string; readonly ExposedPorts?: Readonly<Record<string, object>>; readonly Env?: readonly string[]; readonly Cmd?: readonly string[] | null;
  readonly Healthcheck?: HealthJson; readonly Volumes?: Readonly<Record<string, object>>; readonly WorkingDir?: string; readonly Entrypoint?: readonly string[] | null;
  readonly OnBuild?: readonly string[] | null; readonly Labels?: Readonly<Record<string, string>> | null; readonly StopSignal?: string; readonly Shell?: readonly string[];
  readonly [other: string]: unknown;
}
export interface HealthJson { readonly Test?: readonly string[]; readonly Interval?: number; readonly Timeout?: number; readonly StartPeriod?: number; readonly StartInterval?: number; readonly Retries?: number }

export interface HistoryJson { readonly created: string; readonly created_by: string; readonly comment?: string; readonly empty_layer?: boolean }

const defaultShell = ["/bin/sh", "-c"];
const nanos = (ms: number): number => Math.round(ms * 1e6);

export const shellOf = (config: ConfigJson): readonly string[] => (config.Shell && config.Shell.length > 0 ? config.Shell : defaultShell);

export function withEnv(config: ConfigJson, pairs: readonly (readonly [string, string])[]): ConfigJson {
  const env = [...(config.Env ?? [])];
  for (const [name, value] of pairs) {
    const at = env.findIndex((each) => each.startsWith(`${name}=`));
    if (at < 0) env.push(`${name}=${value}`); else env[at] = `${name}=${value}`;
  }
  return { ...config, Env: env };
}

export function variablesOf(env: readonly string[], args: ReadonlyMap<string, string>): Map<string, string> {
  // ENV wins over ARG.
  const variables = new Map(args);
  for (const each of env) { const at = each.indexOf("="); if (at > 0) variables.set(each.slice(0, at), each.slice(at + 1)); }
  return variables;
}

export function withHealth(config: ConfigJson, health: HealthConfig): ConfigJson {
  const Healthcheck: HealthJson = {
    Test: health.test,
    ...(health.intervalMs > 0 ? { Interval: nanos(health.intervalMs) } : {}), ...(health.timeoutMs > 0 ? { Timeout: nanos(health.timeoutMs) } : {}),
    ...(health.startPeriodMs > 0 ? { StartPeriod: nanos(health.startPeriodMs) } : {}), ...(health.startIntervalMs > 0 ? { StartInterval: nanos(health.startIntervalMs) } : {}),
    ...(health.retries > 0 ? { Retries: health.retries } : {}),
  };
  return { ...config, Healthcheck };
}

const portsMax = 65_535;

/** "80", "80/udp", "8000-8010", also "127.0.0.1:80:80": what a container listens on. */
export function exposedPorts(words: readonly string[]): string[] {
  return words.flatMap((word) => {
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `invalid containerPort: ${word.slice(0, 100)}: ${why}`); };
    const [, ports = "", protocol = "tcp"] = /^([^/]*)(?:\/([^/]*))?$/.exec(word) ?? refuse("write it like 80, 80/udp or 8000-8010");
    const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports.split(":").at(-1)!) ?? refuse("write it like 80, 80/udp or 8000-8010");
    const [first, last] = [Number(from), Number(to)];
    if (!["tcp", "udp", "sctp"].includes(protocol.toLowerCase())) refuse(`protocol "${protocol}" is not known; use tcp, udp or sctp`);
    if (first < 1 || last > portsMax || last < first) refuse("ports are 1 to 65535");
    return Array.from({ length: last - first + 1 }, (_, i) => `${first + i}/${protocol.toLowerCase()}`);
  });
}

/** A new map in the order of its keys, as Go writes maps. */
export const sortedMap = <T>(map: Readonly<Record<string, T>>): Record<string, T> => Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
