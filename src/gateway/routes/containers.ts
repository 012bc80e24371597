import { randomBytes } from "node:crypto";
import { SwarmError, codeOf, messageOf } from "../../lib/index.js";
import type { ContainerDetails, WaitCondition } from "../../engine/index.js";
import { findContainer, findImage, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";
import { HttpError } from "../http/status.js";
import { checkContainerName, containersNamedIn, parseCreate } from "../translate/container-create.js";
import { inspectJson } from "../translate/container-inspect.js";
import { containerFilters, listJson, selectContainers } from "../translate/container-list.js";
import { Filters } from "../translate/filters.js";
import { parseTime } from "../translate/human.js";
import { checkPlatform } from "../translate/platform.js";
import { parseUpdate } from "../translate/resources.js";
import { statsJson } from "../translate/stats.js";
import { familiar } from "../../engine/index.js";
import { randomName } from "./random-name.js";

const nameAttempts = 8;

export function containerRoutes(context: GatewayContext): Route[] {
  const { engine, clock } = context;
  const find = (exchange: Exchange) => findContainer(context, exchange.param("id"));
  const post = (path: string, handle: (exchange: Exchange) => Promise<void>): Route => ({ method: "POST", path: `/containers/{id}/${path}`, handle });

  return [
    { method: "GET", path: "/containers/json", handle: (exchange) => list(context, exchange) },
    { method: "POST", path: "/containers/create", handle: (exchange) => create(context, exchange) },
    {
      method: "POST", path: "/containers/prune", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["until", "label", "label!"]);
        const { deleted, freedBytes } = await engine.pruneContainers({ ...untilOf(filters, clock.now()), labels: filters.labels() });
        exchange.send(200, { ContainersDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: freedBytes });
      },
    },
    {
      method: "GET", path: "/containers/{id}/json", handle: async (exchange) => {
        const details = await find(exchange);
        const size = exchange.flag("size") ? await engine.size(details.id) : undefined;
        const image = details.config.creatorData ? undefined : await engine.images.get(details.imageId);
        exchange.send(200, inspectJson(details, { ...(size ? { size } : {}), ...(image ? { image } : {}), apiMinor: exchange.apiMinor }));
      },
    },
    post("start", async (exchange) => {
      const details = await find(exchange);
      if (details.phase === "running" && !details.isRestarting) {
        if (details.isPaused) throw new SwarmError("FAILED_PRECONDITION", `cannot start a paused container, try unpause instead`);
        return exchange.sendEmpty(304);
      }
      const [rows = 0, columns = 0] = (details.config.creatorData as { HostConfig?: { ConsoleSize?: number[] } } | undefined)?.HostConfig?.ConsoleSize ?? [];
      if (details.config.tty && rows > 0 && columns > 0) await engine.resize(details.id, { rows, columns });
      await engine.start(details.id);
      exchange.sendEmpty(204);
    }),
    post("stop", async (exchange) => {
      const details = await find(exchange);
      if (details.phase !== "running" && !details.isRestarting) return exchange.sendEmpty(304);
      await engine.stop(details.id, stopOptions(exchange, details));
      exchange.sendEmpty(204);
    }),
    post("restart", async (exchange) => {
      const details = await find(exchange);
      await engine.restart(details.id, stopOptions(exchange, details));
      exchange.sendEmpty(204);
    }),
    post("kill", async (exchange) => {
      const details = await find(exchange);
      if (details.phase !== "running") throw new SwarmError("FAILED_PRECONDITION", `Cannot kill container: ${exchange.param("id")}: Container ${details.id} is not running`);
      await engine.kill(details.id, checkSignal(exchange.text("signal") || "SIGKILL"));
      exchange.sendEmpty(204);
    }),
    post("pause", async (exchange) => { await engine.pause((await find(exchange)).id); exchange.sendEmpty(204); }),
    post("unpause", async (exchange) => { await engine.unpause((await find(exchange)).id); exchange.sendEmpty(204); }),
    post("rename", async (exchange) => {
      const details = await find(exchange);
      if (exchange.text("name") === "") throw new SwarmError("INVALID_ARGUMENT", "Neither old nor new names may be empty");
      await engine.rename(details.id, checkContainerName(exchange.text("name")));
      exchange.sendEmpty(204);
    }),
    post("update", async (exchange) => {
      const details = await find(exchange);
      const change = parseUpdate(await exchange.json(), context.host, details.config);
      if (change.restart && change.restart.name !== "no" && details.config.autoRemove) throw new SwarmError("INVALID_ARGUMENT", "Restart policy cannot be updated because AutoRemove is enabled for the container");
      const { warnings } = await engine.update(details.id, change);
      exchange.send(200, { Warnings: warnings.length > 0 ? warnings : null });
    }),
    post("resize", async (exchange) => {
      const details = await find(exchange);
      await engine.resize(details.id, { rows: sizeOf(exchange, "h"), columns: sizeOf(exchange, "w") });
      exchange.sendEmpty(200);
    }),
    post("wait", (exchange) => wait(context, exchange)),
    {
      method: "DELETE", path: "/containers/{id}", handle: async (exchange) => {
        const details = await find(exchange);
        if (exchange.flag("link")) throw new SwarmError("INVALID_ARGUMENT", `Cannot remove link "${exchange.param("id")}": this engine keeps no links of the default bridge's environment kind`);
        const force = exchange.flag("force");
        if (!force && (details.phase === "running" || details.isRestarting)) {
          throw new SwarmError("FAILED_PRECONDITION", `cannot remove container "/${details.name}": container is ${details.isPaused ? "paused and must be unpaused first" : "running: stop the container before removing or force remove"}`);
        }
        if (details.isRemoving && !force) throw new SwarmError("FAILED_PRECONDITION", `removal of container ${exchange.param("id")} is already in progress`);
        await engine.remove(details.id, { force, removeVolumes: exchange.flag("v") });
        exchange.sendEmpty(204);
      },
    },
    {
      method: "GET", path: "/containers/{id}/top", handle: async (exchange) => {
        const details = await find(exchange);
        const { titles, processes } = await engine.top(details.id, (exchange.text("ps_args") || "-ef").split(/\s+/).filter(Boolean));
        exchange.send(200, { Titles: titles, Processes: processes });
      },
    },
    { method: "GET", path: "/containers/{id}/stats", handle: (exchange) => stats(context, exchange) },
    {
      method: "GET", path: "/containers/{id}/changes", handle: async (exchange) => {
        const kinds = { modified: 0, added: 1, deleted: 2 };
        const changes = await engine.changes((await find(exchange)).id);
        exchange.send(200, changes.length > 0 ? changes.map(({ path, kind }) => ({ Path: path, Kind: kinds[kind] })) : null);
      },
    },
  ];
}

async function create(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { engine } = context;
  const asked = exchange.text("name");
  if (asked !== "") checkContainerName(asked);
  const body = await exchange.json();
  const imageName = body.text("Image") ?? "";
  if (imageName === "") throw new SwarmError("INVALID_ARGUMENT", body.has("Config") ? "Config cannot be empty in order to create a container" : "no image specified: field Image is empty");
  const image = await findImage(context, imageName);
  checkPlatform(exchange.text("platform"), imageName, image);
  const containers = new Map<string, ContainerDetails>();
  for (const name of containersNamedIn(body)) {
    containers.set(name, await findContainer(context, name).catch((error: unknown) => { throw notOfTheImage(error); }));
  }
  for (let attempt = 0; ; attempt++) {
    const name = asked !== "" ? checkContainerName(asked) : randomName(Math.random, attempt);
    const { config, warnings } = parseCreate(body, { id: randomBytes(32).toString("hex"), name, image, containers, host: context.host });
    try {
      const created = await engine.create(config);
      exchange.send(201, { Id: config.id, Warnings: [...warnings, ...created.warnings] });
      return;
    } catch (error) {
      if (asked !== "" || codeOf(error) !== "ALREADY_EXISTS" || attempt >= nameAttempts) throw notOfTheImage(error);
    }
  }
}

/** 404 of a creation is for the image alone: clients would pull that. */
const notOfTheImage = (error: unknown): unknown => (codeOf(error) === "NOT_FOUND" ? new SwarmError("INVALID_ARGUMENT", messageOf(error), { cause: error }) : error);

async function list(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { engine, clock } = context;
  const filters = Filters.parse(exchange.text("filters"), containerFilters);
  const limit = exchange.integer("limit");
  const all = await engine.details();
  const ancestors = new Map<string, ReadonlySet<string>>();
  for (const name of filters.all("ancestor")) ancestors.set(name, await descendantsOf(context, name));
  const selected = selectContainers(all, { filters, isAll: exchange.flag("all"), limit: limit !== undefined && limit > 0 ? limit : undefined, ancestors });
  const withSize = exchange.flag("size");
  const rows: object[] = [];
  const named = new Map<string, Promise<boolean>>();
  for (const details of selected) {
    // An image whose name has gone to another since is shown by its id.
    const holds = named.get(details.image + details.imageId) ?? engine.images.get(details.image).then((image) => image?.id === details.imageId, () => false);
    named.set(details.image + details.imageId, holds);
    const name = (await holds) ? (details.config.creatorData ? details.image : familiar(details.image)) : details.imageId;
    rows.push(listJson(details, clock.now(), name, withSize ? await engine.size(details.id) : undefined));
  }
  exchange.send(200, rows);
}

/** Ids of an image and of all images built on it. */
async function descendantsOf({ engine }: GatewayContext, name: string): Promise<Set<string>> {
  const ids = new Set<string>();
  const image = await engine.images.get(name).catch(() => undefined);
  if (!image) return ids;
  ids.add(image.id);
  const base = await engine.images.inspect(image.id);
  for (const other of await engine.images.list()) {
    if (ids.has(other.id)) continue;
    const { diffIds } = await engine.images.inspect(other.id);
    if (base.diffIds.length > 0 && diffIds.length > base.diffIds.length && base.diffIds.every((diffId, i) => diffIds[i] === diffId)) ids.add(other.id);
  }
  return ids;
}

async function wait({ engine, ...context }: GatewayContext, exchange: Exchange): Promise<void> {
  const condition = (exchange.text("condition") || "not-running") as WaitCondition;
  if (!["not-running", "next-exit", "removed"].includes(condition)) throw new SwarmError("INVALID_ARGUMENT", `invalid condition: "${condition.slice(0, 40)}"; use not-running, next-exit or removed`);
  const details = await findContainer({ engine, ...context }, exchange.param("id"));
  // Registered before the head goes out: the client starts the container when it has seen that.
  const exit = engine.waitFor(details.id, condition, exchange.signal);
  exit.catch(() => {});
  exchange.begin(200, "application/json");
  try {
    // Error is for a wait that failed. Why a container did not start is the start's answer, and the docker command would say it twice.
    await exchange.write(`${JSON.stringify({ StatusCode: (await exit).exitCode })}\n`);
    exchange.end();
  } catch (error) {
    if (exchange.signal.aborted) return;
    await exchange.write(`${JSON.stringify({ StatusCode: -1, Error: { Message: messageOf(error) } })}\n`);
    exchange.end();
  }
}

async function stats({ engine, ...context }: GatewayContext, exchange: Exchange): Promise<void> {
  const details = await findContainer({ engine, ...context }, exchange.param("id"));
  const isStream = exchange.query.has("stream") ? exchange.flag("stream") : true;
  const isOneShot = exchange.flag("one-shot");
  if (isStream && isOneShot) throw new SwarmError("INVALID_ARGUMENT", "cannot have stream=true and one-shot=true");
  if (details.phase !== "running") {
    // As Docker does: an ended container has empty statistics.
    exchange.send(200, statsJson(details, undefined, undefined));
    return;
  }
  let before: Parameters<typeof statsJson>[2];
  const stop = new AbortController();
  const signal = AbortSignal.any([exchange.signal, stop.signal]);
  try {
    for await (const sample of engine.stats(details.id, { ...(isOneShot ? { isOneShot } : {}), signal })) {
      if (!isStream && !isOneShot && before === undefined) { before = sample; continue; }
      if (!exchange.response.headersSent) exchange.begin(200, "application/json");
      if (!(await exchange.write(`${JSON.stringify(statsJson(details, sample, before))}\n`))) return;
      before = sample;
      if (!isStream) break;
    }
  } finally { stop.abort(); }
  if (!exchange.response.headersSent) exchange.begin(200, "application/json");
  exchange.end();
}

function stopOptions(exchange: Exchange, details: ContainerDetails): { graceMs: number; signal?: string } {
  const seconds = exchange.integer("t");
  const signal = exchange.text("signal");
  const graceMs = seconds === undefined ? details.config.stopTimeoutMs ?? 10_000 : seconds < 0 ? 2 ** 31 - 1 : seconds * 1000;
  return { graceMs: Math.min(graceMs, 2 ** 31 - 1), ...(signal ? { signal: checkSignal(signal) } : {}) };
}

function checkSignal(signal: string): string {
  if (!/^\d{1,3}$|^[A-Za-z0-9+-]{1,20}$/.test(signal) || signal === "0") throw new SwarmError("INVALID_ARGUMENT", `Invalid signal: ${signal.slice(0, 40)}`);
  return /^\d+$/.test(signal) ? signal : signal.toUpperCase();
}

export function sizeOf(exchange: Exchange, name: string): number {
  const value = exchange.integer(name) ?? 0;
  if (value < 0 || value > 65_535) throw new HttpError(400, `Cannot resize: ${name} must be from 0 to 65535, not ${value}`);
  return value;
}

/** The filter until=… of the prune calls. */
export function untilOf(filters: Filters, nowMs: number): { untilMs?: number } {
  const all = filters.all("until");
  if (all.length === 0) return {};
  if (all.length > 1) throw new SwarmError("INVALID_ARGUMENT", "more than one until filter specified");
  const untilMs = parseTime(all[0]!, nowMs);
  if (untilMs === undefined || Number.isNaN(untilMs)) throw new SwarmError("INVALID_ARGUMENT", `invalid filter 'until=${all[0]!.slice(0, 60)}': write it like 24h, 2006-01-02T15:04:05 or as seconds since 1970`);
  return { untilMs };
}
