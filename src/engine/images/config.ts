import { SwarmError } from "../../lib/index.js";
import type { HealthConfig } from "../../model/index.js";
import type { ImageConfig } from "../api/index.js";

/** An image's config blob as the engine needs it. */
export interface ParsedConfig { readonly diffIds: readonly string[]; readonly createdAtMs: number; readonly os: string; readonly arch: string; readonly variant?: string; readonly config: ImageConfig }

type Json = Record<string, unknown>;
const strings = (value: unknown): string[] => (Array.isArray(value) ? value.filter((v): v is string => typeof v === "string") : typeof value === "string" ? ["/bin/sh", "-c", value] : []);
const keys = (value: unknown): string[] => (value && typeof value === "object" ? Object.keys(value) : []);

const isString = (value: unknown): boolean => typeof value === "string";
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isStrings = (value: unknown): boolean => Array.isArray(value) && value.every(isString);
const isCommand = (value: unknown): boolean => isString(value) || isStrings(value);
const isHealth = (value: unknown): boolean => isObject(value) && (value["Test"] === undefined || value["Test"] === null || isStrings(value["Test"]))
  && ["Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"].every((name) => value[name] === undefined || value[name] === null || Number.isSafeInteger(value[name]));
const topTypes: Record<string, (value: unknown) => boolean> = {
  architecture: isString, os: isString, variant: isString, created: isString, author: isString, config: isObject,
  history: (value) => Array.isArray(value) && value.every((step) => isObject(step) && ["created", "created_by", "author", "comment"].every((name) => step[name] === undefined || isString(step[name]))),
};
const configTypes: Record<string, (value: unknown) => boolean> = {
  User: isString, WorkingDir: isString, StopSignal: isString, Env: isStrings, Cmd: isCommand, Entrypoint: isCommand, OnBuild: isStrings, Shell: isCommand,
  Labels: (value) => isObject(value) && Object.values(value).every(isString), Volumes: isObject, ExposedPorts: isObject, Healthcheck: isHealth,
};

/** The first field of another type; one that is not there or null has none. */
const wronglyTyped = (json: Json, types: typeof topTypes): string | undefined => Object.keys(types).find((name) => json[name] !== undefined && json[name] !== null && !types[name]!(json[name]));

/** OCI image configuration, and docker's Healthcheck beside it. What has another type than it should is refused: clients read every image's config, and would fail at all of them. */
export function parseImageConfig(bytes: Uint8Array, subject: string): ParsedConfig {
  let json: Json;
  try { json = JSON.parse(Buffer.from(bytes).toString("utf8")) as Json; } catch (error) { throw new SwarmError("INVALID_ARGUMENT", `The config of image "${subject}" is not JSON`, { cause: error }); }
  const rootfs = isObject(json) ? json["rootfs"] as { diff_ids?: unknown } | null | undefined : undefined;
  if (!rootfs || !Array.isArray(rootfs.diff_ids) || !rootfs.diff_ids.every((d) => typeof d === "string" && /^sha256:[0-9a-f]{64}$/.test(d))) {
    throw new SwarmError("INVALID_ARGUMENT", `The config of image "${subject}" names no root filesystem: it is not a container image`);
  }
  const wrong = wronglyTyped(json, topTypes) ?? wronglyTyped((json["config"] ?? {}) as Json, configTypes);
  if (wrong) throw new SwarmError("INVALID_ARGUMENT", `The config of image "${subject}" is broken: its "${wrong}" is of a wrong type; the image has to be built again`);
  const config = (json["config"] ?? {}) as Json;
  const variant = json["variant"];
  return {
    ...(typeof variant === "string" && variant !== "" ? { variant } : {}),
    diffIds: rootfs.diff_ids as string[], createdAtMs: Math.max(0, Date.parse(String(json["created"])) || 0),
    os: String(json["os"] ?? "linux"), arch: String(json["architecture"] ?? ""),
    config: {
      entrypoint: strings(config["Entrypoint"]), cmd: strings(config["Cmd"]), env: strings(config["Env"]), workdir: String(config["WorkingDir"] ?? ""), user: String(config["User"] ?? ""),
      stopSignal: String(config["StopSignal"] ?? ""), labels: (config["Labels"] ?? {}) as Record<string, string>, volumes: keys(config["Volumes"]), exposedPorts: keys(config["ExposedPorts"]),
      health: parseHealth(config["Healthcheck"] as Json | undefined), onBuild: strings(config["OnBuild"]), shell: strings(config["Shell"]),
    },
  };
}

function parseHealth(json: Json | undefined | null): HealthConfig | undefined {
  if (!json || !Array.isArray(json["Test"]) || json["Test"].length === 0) return undefined;
  const ms = (name: string) => Math.round(Number(json[name] ?? 0) / 1e6);   // Go durations: nanoseconds
  return { test: strings(json["Test"]), intervalMs: ms("Interval"), timeoutMs: ms("Timeout"), retries: Number(json["Retries"] ?? 0), startPeriodMs: ms("StartPeriod"), startIntervalMs: ms("StartInterval") };
}
