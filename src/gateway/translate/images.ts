import { familiar, type Image, type ImageDetails } from "../../engine/index.js";
import { SwarmError } from "../../lib/index.js";
import { healthcheckJson } from "./health.js";
import type { Filters } from "./filters.js";
import { parseTime, timeText } from "./human.js";

export const imageFilters = ["before", "dangling", "label", "label!", "reference", "since", "until"] as const;

/** The name that a tag or a digest belongs to: busybox:latest → busybox, host:5000/a@sha256:… → host:5000/a. */
const nameOf = (reference: string): string => reference.replace(/@.*$/, "").replace(/:[^/:]*$/, "");

export function selectImages(all: readonly Image[], filters: Filters, resolve: (name: string) => Image | undefined, nowMs: number): Image[] {
  const isDangling = filters.flag("dangling");
  const createdAt = (name: string, value: string) => {
    const found = resolve(value);
    if (!found) throw new SwarmError("NOT_FOUND", `No such image: ${value} (in filter ${name})`);
    return found.createdAtMs;
  };
  const before = filters.all("before").map((value) => createdAt("before", value));
  const since = filters.all("since").map((value) => createdAt("since", value));
  const until = filters.all("until").map((value) => parseTime(value, nowMs));
  if (until.some((ms) => ms === undefined || Number.isNaN(ms))) throw new SwarmError("INVALID_ARGUMENT", `invalid filter 'until=${filters.all("until")[0]!.slice(0, 60)}': it is no time`);
  return all.filter((image) => (isDangling === undefined || isDangling === (image.references.length === 0)) && filters.matchesLabels(image.config.labels)
    && before.every((at) => image.createdAtMs < at) && since.every((at) => image.createdAtMs > at) && until.every((at) => image.createdAtMs <= at!)
    && filters.some("reference", (pattern) => [...image.references, ...image.digests].some((reference) => matchesReference(pattern, reference))));
}

/** "busybox", "busy*", "team/*:1.?", as path patterns over the familiar name with and without its tag. */
export function matchesReference(pattern: string, normalized: string): boolean {
  const expression = new RegExp(`^${pattern.replace(/[.+^${}()|\\]/g, "\\$&").replace(/\*/g, "[^/]*").replace(/\?/g, "[^/]").replace(/\[!/g, "[^")}$`);
  const name = familiar(normalized);
  return [name, nameOf(name), normalized, nameOf(normalized)].some((candidate) => expression.test(candidate));
}

export interface ImageUsage { readonly sharedBytes: number; readonly containers: number }

export function imageRow(image: Image, filters: Filters, parent: string, usage: ImageUsage | undefined): Record<string, unknown> {
  // Digests too: of a name that was not asked for, the docker command would show a row without a tag.
  const isAsked = (reference: string) => filters.some("reference", (pattern) => matchesReference(pattern, reference));
  const tags = image.references.filter((reference) => isAsked(reference) && !reference.includes("@")).map(familiar);
  const digests = image.digests.filter(isAsked).map(familiar);
  return {
    Id: image.id, ParentId: parent, RepoTags: tags, RepoDigests: digests, Created: Math.floor(image.createdAtMs / 1000), Size: image.sizeBytes, VirtualSize: image.sizeBytes,
    SharedSize: usage?.sharedBytes ?? -1, Labels: Object.keys(image.config.labels).length > 0 ? image.config.labels : null, Containers: usage?.containers ?? -1,
  };
}

export function imageJson(image: ImageDetails): Record<string, unknown> {
  const { config, raw } = image;
  const text = (name: string) => (typeof raw[name] === "string" ? (raw[name] as string) : "");
  const set = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));
  return {
    Id: image.id, RepoTags: image.references.filter((reference) => !reference.includes("@")).map(familiar), RepoDigests: image.digests.map(familiar), Parent: image.parent, Comment: text("comment") || lastComment(raw),
    Created: image.createdAtMs === 0 && !raw.created ? "" : timeText(image.createdAtMs || 1).replace("1970-01-01T00:00:00.001Z", "1970-01-01T00:00:00Z"), DockerVersion: text("docker_version"), Author: text("author"),
    Config: {
      Hostname: "", Domainname: "", User: config.user, AttachStdin: false, AttachStdout: false, AttachStderr: false, ...(config.exposedPorts.length > 0 ? { ExposedPorts: set(config.exposedPorts) } : {}),
      Tty: false, OpenStdin: false, StdinOnce: false, Env: config.env, Cmd: config.cmd.length > 0 ? config.cmd : null, ...(config.health ? { Healthcheck: healthcheckJson(config.health) } : {}), Image: "",
      Volumes: config.volumes.length > 0 ? set(config.volumes) : null, WorkingDir: config.workdir, Entrypoint: config.entrypoint.length > 0 ? config.entrypoint : null,
      OnBuild: config.onBuild && config.onBuild.length > 0 ? config.onBuild : null, Labels: Object.keys(config.labels).length > 0 ? config.labels : null,
      ...(config.stopSignal ? { StopSignal: config.stopSignal } : {}), ...(config.shell && config.shell.length > 0 ? { Shell: config.shell } : {}),
    },
    Architecture: image.arch, ...(text("variant") ? { Variant: text("variant") } : {}), Os: image.os, Size: image.sizeBytes, VirtualSize: image.sizeBytes,
    GraphDriver: { Name: image.graphDriver.name, Data: image.graphDriver.data }, RootFS: { Type: "layers", Layers: image.diffIds },
    Metadata: { LastTagTime: timeText(image.lastTaggedAtMs) },
  };
}

/** Committed and imported images have their comment in their history. */
function lastComment(raw: Readonly<Record<string, unknown>>): string {
  const last: unknown = Array.isArray(raw["history"]) ? raw["history"].at(-1) : undefined;
  const comment: unknown = typeof last === "object" && last !== null ? (last as { comment?: unknown }).comment : undefined;
  return typeof comment === "string" ? comment : "";
}
