import { SwarmError } from "../../lib/index.js";
import type { ContainerDetails } from "../../engine/index.js";
import { hasRun, mountsJson, networksJson, statusOf, statusText } from "./container-inspect.js";
import type { Filters } from "./filters.js";
import { matchesPattern } from "./pattern.js";
import { parseExposedPort, portRows } from "./ports.js";

export const containerFilters = ["ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "label!", "name", "network", "publish", "since", "status", "volume"] as const;
const statuses = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

export interface ListParts {
  readonly filters: Filters;
  readonly isAll: boolean;
  readonly limit: number | undefined;
  /** Ids of the images that an `ancestor` names, with all that were built on them; by the filter's text. */
  readonly ancestors: ReadonlyMap<string, ReadonlySet<string>>;
}

/** Which containers `ps` shows, newest first. */
export function selectContainers(all: readonly ContainerDetails[], { filters, isAll, limit, ancestors }: ListParts): ContainerDetails[] {
  for (const status of filters.all("status")) if (!statuses.includes(status)) throw new SwarmError("INVALID_ARGUMENT", `invalid filter 'status=${status.slice(0, 40)}'; use one of ${statuses.join(", ")}`);
  for (const health of filters.all("health")) if (!["none", "starting", "healthy", "unhealthy"].includes(health)) throw new SwarmError("INVALID_ARGUMENT", `invalid filter 'health=${health.slice(0, 40)}'; use one of none, starting, healthy, unhealthy`);
  const exits = filters.all("exited").map((text) => { if (!/^-?\d{1,6}$/.test(text)) throw new SwarmError("INVALID_ARGUMENT", `invalid filter 'exited=${text.slice(0, 40)}': it is an exit code`); return Number(text); });
  const isTask = filters.flag("is-task");
  const order = [...all].sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  const createdAt = (name: string, nameOrId: string) => {
    const found = all.find((c) => c.name === nameOrId.replace(/^\//, "")) ?? all.find((c) => c.id.startsWith(nameOrId));
    if (!found) throw new SwarmError("NOT_FOUND", `No such container: ${nameOrId} (in filter ${name})`);
    return found.createdAtMs;
  };
  const before = filters.all("before").map((name) => createdAt("before", name));
  const since = filters.all("since").map((name) => createdAt("since", name));
  const names = new Set(matchesPattern(filters.all("name"), all.map(({ name }) => name)));
  const ids = new Set(matchesPattern(filters.all("id").map((id) => `^${id}`), all.map(({ id }) => id)));
  const isEverything = isAll || limit !== undefined || filters.has("status") || filters.has("exited") || before.length > 0 || since.length > 0;
  const hasPort = (c: ContainerDetails, filter: "publish" | "expose", text: string): boolean => {
    const wanted = parseExposedPort(text);
    return filter === "publish"
      ? c.ports.some(({ containerPort, hostPort, protocol }) => wanted.some((w) => w.protocol === protocol && (w.port === Number(hostPort) || w.port === containerPort)))
      : (c.config.exposedPorts ?? []).some((name) => parseExposedPort(name).some((e) => wanted.some((w) => w.port === e.port && w.protocol === e.protocol)));
  };
  const selected = order.filter((c) => (isEverything || c.phase === "running" || c.isRestarting)
    && (!filters.has("name") || names.has(c.name)) && (!filters.has("id") || ids.has(c.id)) && filters.matchesLabels(c.labels)
    && filters.some("status", (status) => statusOf(c) === status) && filters.some("health", (health) => c.health === health)
    && (exits.length === 0 || (c.phase === "exited" && hasRun(c) && exits.includes(c.exit?.exitCode ?? 0)))
    && before.every((at) => c.createdAtMs < at) && since.every((at) => c.createdAtMs > at)
    && filters.some("ancestor", (text) => ancestors.get(text)?.has(c.imageId) ?? false)
    && filters.some("volume", (text) => c.mounts.some(({ name, source, target }) => [name, source, target].includes(text)))
    && filters.some("network", (text) => c.networks.some(({ networkName, networkId }) => networkName === text || (text.length > 0 && networkId.startsWith(text))) || c.config.network?.mode === text)
    && filters.some("publish", (text) => hasPort(c, "publish", text)) && filters.some("expose", (text) => hasPort(c, "expose", text))
    && (isTask === undefined || isTask === (c.config.creatorData === undefined)) && filters.some("isolation", (text) => ["", "default"].includes(text)));
  return limit !== undefined && limit > 0 ? selected.slice(0, limit) : selected;
}

export function listJson(details: ContainerDetails, nowMs: number, imageName: string, size: { writableBytes: number; totalBytes: number } | undefined): Record<string, unknown> {
  return {
    Id: details.id, Names: [`/${details.name}`], Image: imageName, ImageID: details.imageId, Command: commandText(details.argv), Created: Math.floor(details.createdAtMs / 1000),
    Ports: details.phase === "running" ? portRows(details.ports, details.config.exposedPorts ?? []) : [], ...(size ? { SizeRw: size.writableBytes, SizeRootFs: size.totalBytes } : {}), Labels: details.labels,
    State: statusOf(details), Status: statusText(details, nowMs), HostConfig: { NetworkMode: details.config.network?.mode ?? "none" }, NetworkSettings: { Networks: networksJson(details.networks, details) },
    Mounts: mountsJson(details),
  };
}

/** As Docker shows a command: arguments with spaces in quotes. */
const commandText = (argv: readonly string[]): string => argv.map((part, i) => (i > 0 && /\s/.test(part) ? `'${part}'` : part)).join(" ");
