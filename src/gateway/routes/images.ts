import { SwarmError, codeOf } from "../../lib/index.js";
import { familiar, parseReference, type CommitOptions, type PullProgress } from "../../engine/index.js";
import { findContainer, findImage, noSuchImage, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";
import { HttpError } from "../http/status.js";
import { JsonLines } from "../streams/json-lines.js";
import { Filters } from "../translate/filters.js";
import { progressBar } from "../translate/human.js";
import { imageFilters, imageJson, imageRow, selectImages } from "../translate/images.js";
import { checkPlatform } from "../translate/platform.js";
import { parseRegistryAuth } from "../translate/registry-auth.js";
import { untilOf } from "./containers.js";

export function imageRoutes(context: GatewayContext): Route[] {
  const { engine, clock } = context;
  /** A name of a path; what the engine does not know is told in the words that clients look for. */
  const named = async <T>(name: string, work: Promise<T>): Promise<T> => {
    try { return await work; } catch (error) { throw codeOf(error) === "NOT_FOUND" ? noSuchImage(name) : error; }
  };
  return [
    { method: "GET", path: "/images/json", handle: (exchange) => list(context, exchange) },
    { method: "GET", path: "/images/search", handle: async () => { throw new SwarmError("UNIMPLEMENTED", "Cannot search: registries are asked for images by name only; pull the name that you know"); } },
    { method: "GET", path: "/images/get", handle: async (exchange) => save(context, exchange, exchange.query.getAll("names").flatMap((names) => names.split(",")).filter(Boolean)) },
    { method: "POST", path: "/images/load", handle: (exchange) => load(context, exchange) },
    { method: "POST", path: "/images/create", handle: (exchange) => (exchange.text("fromImage") ? pull(context, exchange) : importImage(context, exchange)) },
    {
      method: "POST", path: "/images/prune", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["dangling", "until", "label", "label!"]);
        const { untagged, deleted, freedBytes } = await engine.images.prune({ isAll: filters.flag("dangling") === false, ...untilOf(filters, clock.now()), labels: filters.labels() });
        const rows = removalRows(untagged, deleted);
        exchange.send(200, { ImagesDeleted: rows.length > 0 ? rows : null, SpaceReclaimed: freedBytes });
      },
    },
    { method: "POST", path: "/images/{name*}/push", handle: (exchange) => push(context, exchange) },
    {
      method: "POST", path: "/images/{name*}/tag", handle: async (exchange) => {
        const repository = exchange.text("repo");
        if (repository === "") throw new SwarmError("INVALID_ARGUMENT", "Cannot tag: the query names no repo");
        await named(exchange.param("name"), engine.images.tag(exchange.param("name"), withTag(repository, exchange.text("tag"))));
        exchange.sendEmpty(201);
      },
    },
    {
      method: "GET", path: "/images/{name*}/json", handle: async (exchange) => {
        const image = await named(exchange.param("name"), engine.images.inspect(exchange.param("name")));
        checkPlatform(exchange.text("platform"), exchange.param("name"), image);
        exchange.send(200, imageJson(image));
      },
    },
    {
      method: "GET", path: "/images/{name*}/history", handle: async (exchange) => {
        checkPlatform(exchange.text("platform"), exchange.param("name"), await findImage(context, exchange.param("name")));
        const entries = await named(exchange.param("name"), engine.images.history(exchange.param("name")));
        exchange.send(200, entries.map((entry) => ({ Id: entry.id, Created: Math.floor(entry.createdAtMs / 1000), CreatedBy: entry.createdBy, Tags: entry.tags.length > 0 ? entry.tags.map(familiar) : null, Size: entry.sizeBytes, Comment: entry.comment })));
      },
    },
    { method: "GET", path: "/images/{name*}/get", handle: (exchange) => save(context, exchange, [exchange.param("name")]) },
    {
      method: "DELETE", path: "/images/{name*}", handle: async (exchange) => {
        const { untagged, deleted } = await named(exchange.param("name"), engine.images.remove(exchange.param("name"), { force: exchange.flag("force"), noPrune: exchange.flag("noprune") }));
        exchange.send(200, removalRows(untagged, deleted));
      },
    },
    {
      method: "GET", path: "/distribution/{name*}/json", handle: async (exchange) => {
        const credentials = parseRegistryAuth(exchange.header("x-registry-auth"));
        const { digest, mediaType, sizeBytes, platforms } = await engine.images.resolve(exchange.param("name"), { ...(credentials ? { credentials } : {}), signal: exchange.signal });
        exchange.send(200, { Descriptor: { mediaType, digest, size: sizeBytes }, Platforms: platforms.map(({ os, architecture, variant }) => ({ architecture, os, ...(variant ? { variant } : {}) })) });
      },
    },
    { method: "POST", path: "/commit", handle: (exchange) => commit(context, exchange) },
  ];
}

const removalRows = (untagged: readonly string[], deleted: readonly string[]): object[] => [...untagged.map((reference) => ({ Untagged: familiar(reference) })), ...deleted.map((id) => ({ Deleted: id }))];

/** A repository and a tag of two parameters; the tag may be a digest, and the repository may have its own. */
const withTag = (repository: string, tag: string): string => (tag === "" ? repository : tag.includes(":") ? `${repository}@${tag}` : `${repository}:${tag}`);

async function list({ engine, clock }: GatewayContext, exchange: Exchange): Promise<void> {
  const filters = Filters.parse(exchange.text("filters"), imageFilters);
  const all = await engine.images.list({ isAll: exchange.flag("all") });
  const named = new Map<string, Awaited<ReturnType<typeof engine.images.get>>>();
  for (const name of [...filters.all("before"), ...filters.all("since")]) named.set(name, await engine.images.get(name));
  const selected = selectImages(all, filters, (name) => named.get(name), clock.now()).sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  const usage = exchange.flag("shared-size") ? new Map((await engine.images.usage()).images.map((entry) => [entry.id, entry])) : undefined;
  const rows: object[] = [];
  for (const image of selected) rows.push(imageRow(image, filters, (await engine.images.inspect(image.id).catch(() => undefined))?.parent ?? "", usage?.get(image.id)));
  exchange.send(200, rows);
}

/** A step's progress as a line; the key lets a slow client miss what is out of date. */
export function putProgress(lines: JsonLines, { id, status, currentBytes, totalBytes }: PullProgress): void {
  const hasBar = currentBytes > 0 || totalBytes > 0;
  lines.put({
    status, progressDetail: hasBar ? { current: currentBytes, ...(totalBytes > 0 ? { total: totalBytes } : {}) } : {}, ...(hasBar ? { progress: progressBar(currentBytes, totalBytes) } : {}), ...(id ? { id } : {}),
  }, id && hasBar ? `${id} ${status}` : undefined);
}

async function pull({ engine }: GatewayContext, exchange: Exchange): Promise<void> {
  const asked = exchange.text("fromImage");
  const reference = parseReference(withTag(asked, exchange.text("tag")));
  const credentials = parseRegistryAuth(exchange.header("x-registry-auth"));
  const options = { ...(credentials ? { credentials } : {}), ...(exchange.text("platform") ? { platform: exchange.text("platform") } : {}), signal: exchange.signal };
  // Neither a tag nor a digest is Docker's word for all of them.
  const isAll = exchange.text("tag") === "" && !/[:@][^/]*$/.test(asked);
  const lines = new JsonLines(exchange);
  await lines.finish((async () => {
    for (const name of isAll ? await engine.images.tagged(asked, options) : [reference.normalized]) {
      const image = await engine.images.pull(name, { ...options, onProgress: (progress) => putProgress(lines, progress) });
      lines.put({ status: `Digest: ${image.pulledDigest}` });
      lines.put({ status: `Status: ${image.isNewer ? "Downloaded newer image" : "Image is up to date"} for ${familiar(name)}` });
    }
  })());
}

async function push({ engine }: GatewayContext, exchange: Exchange): Promise<void> {
  const reference = parseReference(withTag(exchange.param("name"), exchange.text("tag")));
  if (reference.digest) throw new SwarmError("INVALID_ARGUMENT", "cannot push a digest reference");
  const credentials = parseRegistryAuth(exchange.header("x-registry-auth"));
  const tags = exchange.text("tag") !== "" || /:[^/]+$/.test(exchange.param("name")) ? [reference.normalized]
    : (await engine.images.list()).flatMap(({ references }) => references).filter((name) => name.startsWith(`${reference.name}:`)).sort();
  if (tags.length === 0 || !(await engine.images.get(tags[0]!))) throw new SwarmError("NOT_FOUND", `An image does not exist locally with the tag: ${familiar(reference.name)}`);
  const lines = new JsonLines(exchange);
  await lines.finish((async () => {
    lines.put({ status: `The push refers to repository [${reference.name}]` });
    for (const name of tags) {
      const { digest, sizeBytes, tag } = await engine.images.push(name, { ...(credentials ? { credentials } : {}), signal: exchange.signal, onProgress: (progress) => putProgress(lines, progress) });
      lines.put({ status: `${tag}: digest: ${digest} size: ${sizeBytes}` });
      lines.put({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: sizeBytes } });
    }
  })());
}

async function importImage({ engine }: GatewayContext, exchange: Exchange): Promise<void> {
  const source = exchange.text("fromSrc");
  if (source === "") throw new SwarmError("INVALID_ARGUMENT", "Cannot create an image: the query names neither fromImage nor fromSrc");
  if (source !== "-") throw new SwarmError("UNIMPLEMENTED", `Cannot import "${source.slice(0, 200)}": the daemon fetches no files; fetch it and send it as the request's body (docker import -)`);
  const repository = exchange.text("repo");
  const lines = new JsonLines(exchange);
  await lines.finish((async () => {
    const changes = exchange.query.getAll("changes");
    const image = await engine.images.import(exchange.upload(), {
      reference: repository === "" ? "" : parseReference(withTag(repository, exchange.text("tag"))).normalized, ...(changes.length > 0 ? { changes } : {}),
      ...(exchange.text("message") ? { message: exchange.text("message") } : {}), ...(exchange.text("platform") ? { platform: exchange.text("platform") } : {}),
    });
    lines.put({ status: image.id });
  })());
}

async function load({ engine }: GatewayContext, exchange: Exchange): Promise<void> {
  const lines = new JsonLines(exchange);
  await lines.finish((async () => {
    for (const image of await engine.images.load(exchange.upload())) {
      if (image.references.length === 0) lines.put({ stream: `Loaded image ID: ${image.id}\n` });
      for (const reference of image.references) lines.put({ stream: `Loaded image: ${familiar(reference)}\n` });
    }
  })());
}

async function save(context: GatewayContext, exchange: Exchange, names: readonly string[]): Promise<void> {
  if (names.length === 0) throw new HttpError(400, "Cannot save: the query names no images");
  for (const name of names) checkPlatform(exchange.text("platform"), name, await findImage(context, name));
  const tar = context.engine.images.save(names);
  exchange.begin(200, "application/x-tar");
  await exchange.writeAll(tar);
  exchange.end();
}

async function commit(context: GatewayContext, exchange: Exchange): Promise<void> {
  const details = await findContainer(context, exchange.text("container"));
  const body = await exchange.json();
  const repository = exchange.text("repo");
  const health = body.has("Healthcheck");
  const config: CommitOptions["config"] = {
    ...(body.has("Env") ? { env: body.texts("Env")! } : {}), ...(body.has("Labels") ? { labels: body.textMap("Labels")! } : {}), ...(body.text("WorkingDir") ? { workdir: body.text("WorkingDir")! } : {}),
    ...(body.text("User") ? { user: body.text("User")! } : {}), ...(body.text("StopSignal") ? { stopSignal: body.text("StopSignal")! } : {}), ...(body.has("Cmd") ? { cmd: body.command("Cmd")! } : {}),
    ...(body.has("Entrypoint") ? { entrypoint: body.command("Entrypoint")! } : {}), ...(body.has("ExposedPorts") ? { exposedPorts: body.keys("ExposedPorts")! } : {}), ...(body.has("Volumes") ? { volumes: body.keys("Volumes")! } : {}),
  };
  const changes = [...exchange.query.getAll("changes").flatMap((text) => text.split("\n")).filter((line) => line.trim() !== ""), ...(health && (body.object("Healthcheck").texts("Test") ?? [])[0] === "NONE" ? ["HEALTHCHECK NONE"] : [])];
  const id = await context.engine.commit(details.id, {
    ...(repository ? { reference: parseReference(withTag(repository, exchange.text("tag"))).normalized } : {}), author: exchange.text("author"), message: exchange.text("comment"), changes,
    isPaused: exchange.query.has("pause") ? exchange.flag("pause") : true, ...(Object.keys(config).length > 0 ? { config } : {}),
  });
  exchange.send(201, { Id: id });
}

