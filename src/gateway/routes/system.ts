import { SwarmError } from "../../lib/index.js";
import { familiar, type EngineEvent } from "../../engine/index.js";
import type { GatewayContext } from "../context.js";
import { newestMinor, oldestMinor, versionText } from "../http/api-version.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";
import { listJson } from "../translate/container-list.js";
import { eventFilters, eventJson, matchesEvent } from "../translate/events.js";
import { Filters } from "../translate/filters.js";
import { parseTime, timeText } from "../translate/human.js";
import { imageRow } from "../translate/images.js";
import { infoJson } from "../translate/info.js";
import { registryHost } from "../translate/registry-auth.js";
import { volumeJson } from "./volumes.js";

export function systemRoutes(context: GatewayContext): Route[] {
  const { engine } = context;
  const ping = async (exchange: Exchange): Promise<void> => {
    const headers = { "Builder-Version": "1", Swarm: "inactive", "Cache-Control": "no-cache, no-store, must-revalidate", Pragma: "no-cache" };
    if (exchange.request.method === "HEAD") exchange.sendEmpty(200, headers);
    else exchange.sendText(200, "OK", "text/plain; charset=utf-8", headers);
  };
  return [
    { method: "GET", path: "/_ping", handle: ping },
    { method: "HEAD", path: "/_ping", handle: ping },
    { method: "GET", path: "/version", handle: (exchange) => version(context, exchange) },
    { method: "GET", path: "/info", handle: async (exchange) => exchange.send(200, infoJson(await engine.info(), context, context.clock.now())) },
    { method: "GET", path: "/events", handle: (exchange) => events(context, exchange) },
    { method: "GET", path: "/system/df", handle: (exchange) => diskUsage(context, exchange) },
    {
      method: "POST", path: "/auth", handle: async (exchange) => {
        const body = await exchange.json();
        const identityToken = body.text("identitytoken");
        await engine.images.login(registryHost(body.text("serveraddress") ?? ""), { username: body.text("username") ?? "", password: body.text("password") ?? "", ...(identityToken ? { identityToken } : {}) });
        exchange.send(200, { Status: "Login Succeeded" });
      },
    },
  ];
}

async function version({ engine, version: own }: GatewayContext, exchange: Exchange): Promise<void> {
  const info = await engine.info();
  const [runtimeName = "", runtimeVersion = ""] = info.runtime.split(/\s+/);
  const limits = { ApiVersion: versionText(newestMinor), MinAPIVersion: versionText(oldestMinor) };
  exchange.send(200, {
    Platform: { Name: "Skein" },
    Components: [
      { Name: "Engine", Version: own, Details: { ...limits, Arch: info.arch, BuildTime: "", Experimental: "false", GitCommit: "", GoVersion: "", KernelVersion: info.kernel, Os: info.os } },
      { Name: runtimeName, Version: runtimeVersion, Details: {} },
    ],
    Version: own, ...limits, GitCommit: "", GoVersion: "", Os: info.os, Arch: info.arch, KernelVersion: info.kernel, BuildTime: "",
  });
}

async function events({ engine, clock }: GatewayContext, exchange: Exchange): Promise<void> {
  const filters = Filters.parse(exchange.text("filters"), eventFilters);
  const time = (name: string) => {
    const ms = parseTime(exchange.text(name), clock.now());
    if (Number.isNaN(ms)) throw new SwarmError("INVALID_ARGUMENT", `invalid value for "${name}": "${exchange.text(name).slice(0, 60)}" is no time`);
    return ms;
  };
  const [sinceMs, untilMs] = [time("since"), time("until")];
  if (sinceMs !== undefined && untilMs !== undefined && untilMs < sinceMs) throw new SwarmError("INVALID_ARGUMENT", "`since` time cannot be after `until` time");
  const stream = engine.events.stream({ ...(sinceMs === undefined ? {} : { sinceMs }), ...(untilMs === undefined ? {} : { untilMs }), signal: exchange.signal })[Symbol.asyncIterator]();
  // The reader is there before the head goes out: what happens after the client has seen that is not missed.
  const first = stream.next();
  first.catch(() => {});
  exchange.begin(200, "application/json");
  for (let next = await first; !next.done; next = await stream.next()) {
    const event: EngineEvent = next.value;
    if (matchesEvent(event, filters) && !(await exchange.write(`${eventJson(event)}\n`))) { await stream.return?.(undefined); return; }
  }
  exchange.end();
}

async function diskUsage({ engine, clock }: GatewayContext, exchange: Exchange): Promise<void> {
  const types = exchange.query.getAll("type");
  for (const type of types) if (!["container", "image", "volume", "build-cache"].includes(type)) throw new SwarmError("INVALID_ARGUMENT", `unknown object type: ${type.slice(0, 40)}`);
  const wants = (type: string) => types.length === 0 || types.includes(type);
  const usage = await engine.usage();
  const none = Filters.parse("", []);
  const body: Record<string, unknown> = {};
  if (wants("image")) {
    const byId = new Map(usage.images.map((entry) => [entry.id, entry]));
    body.LayersSize = usage.layersBytes;
    body.Images = (await engine.images.list()).map((image) => imageRow(image, none, "", byId.get(image.id)));
  }
  if (wants("container")) {
    const sizes = new Map(usage.containers.map((entry) => [entry.id, entry]));
    body.Containers = (await engine.details()).map((details) => listJson(details, clock.now(), familiar(details.image), sizes.get(details.id) ?? { writableBytes: 0, totalBytes: 0 }));
  }
  if (wants("volume")) {
    const sizes = new Map(usage.volumes.map((entry) => [entry.name, entry]));
    body.Volumes = (await engine.volumes.list()).map((volume) => ({ ...volumeJson(volume), UsageData: { Size: sizes.get(volume.name)?.sizeBytes ?? -1, RefCount: sizes.get(volume.name)?.users ?? volume.users.length } }));
  }
  if (wants("build-cache")) {
    body.BuildCache = usage.buildCache.map((entry) => ({
      ID: entry.id, Parent: "", Type: "regular", Description: entry.description, InUse: entry.isInUse, Shared: entry.isShared, Size: entry.sizeBytes, CreatedAt: timeText(entry.createdAtMs),
      LastUsedAt: entry.lastUsedAtMs ? timeText(entry.lastUsedAtMs) : null, UsageCount: entry.uses,
    }));
    if (exchange.apiMinor < 42) body.BuilderSize = usage.buildCache.reduce((sum, entry) => sum + entry.sizeBytes, 0);
  }
  exchange.send(200, body);
}
