import { SwarmError } from "../../lib/index.js";
import { parseReference, type BuildOutput, type BuildRequest } from "../../engine/index.js";
import type { GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";
import { JsonLines } from "../streams/json-lines.js";
import { parseBuildSecrets } from "../translate/build-secrets.js";
import { Filters } from "../translate/filters.js";
import { Fields } from "../translate/fields.js";
import { parseRegistryConfig } from "../translate/registry-auth.js";
import { untilOf } from "./containers.js";
import { putProgress } from "./images.js";

export function buildRoutes(context: GatewayContext): Route[] {
  return [
    { method: "POST", path: "/build", handle: (exchange) => build(context, exchange) },
    {
      method: "POST", path: "/build/prune", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["until", "unused-for", "id", "parent", "type", "description", "inuse", "shared", "private", "label", "label!"]);
        // docker system prune sends its filters to everything: nothing of the cache carries a label.
        if (filters.has("label")) return exchange.send(200, { CachesDeleted: [], SpaceReclaimed: 0 });
        const keepBytes = exchange.integer("keep-storage") ?? exchange.integer("reserved-space");
        const { deleted, freedBytes } = await context.engine.pruneBuildCache({ isAll: exchange.flag("all"), ...untilOf(filters, context.clock.now()), ...(keepBytes === undefined ? {} : { keepBytes }) });
        exchange.send(200, { CachesDeleted: deleted, SpaceReclaimed: freedBytes });
      },
    },
    { method: "POST", path: "/session", isHijack: true, handle: session },
    {
      method: "POST", path: "/grpc", isHijack: true,
      handle: async () => { throw new SwarmError("UNIMPLEMENTED", "Cannot speak to BuildKit: this engine has a builder of its own, behind POST /build; set DOCKER_BUILDKIT=0"); },
    },
    { method: "POST", path: "/build/cancel", handle: async (exchange) => exchange.sendEmpty(204) },
  ];
}

/**
 * A client that asks for BuildKit opens one and offers its login and its files over it, gRPC for which the daemon is the caller. The context comes with
 * POST /build and logins with its head, so nothing is asked of the session: it is held for as long as the client wants it.
 */
async function session(exchange: Exchange): Promise<void> {
  if (!exchange.upgrade) throw new SwarmError("INVALID_ARGUMENT", "Cannot open a session: the request must upgrade its connection (Upgrade: h2c)");
  const connection = exchange.hijack("application/vnd.docker.raw-stream", "h2c");
  connection.input.resume().once("end", () => connection.end());
}

async function build({ engine }: GatewayContext, exchange: Exchange): Promise<void> {
  // BuildKit's own way (version=2) is built by the same builder, as far as it can be: told as the classic builder tells it.
  if (exchange.text("remote") === "client-session") throw new SwarmError("UNIMPLEMENTED", "Cannot build from a BuildKit session: send the context as the request's body (DOCKER_BUILDKIT=0)");
  const json = (name: string) => Fields.parse(`{"${name}":${exchange.text(name) || "null"}}`);
  const tags = exchange.query.getAll("t").filter(Boolean).map((tag) => parseReference(tag).normalized);
  const cacheFrom = exchange.text("cachefrom") ? json("cachefrom").texts("cachefrom") ?? [] : [];
  const lines = new JsonLines(exchange);
  const isQuiet = exchange.flag("q");
  let isHeld = false;
  const onOutput = (output: BuildOutput): Promise<void> | void => {
    switch (output.kind) {
      case "stream": if (isQuiet) return undefined; lines.put({ stream: output.text }); return lines.drained();
      case "status": if (!isQuiet) putProgress(lines, output); break;
      case "aux": lines.put({ aux: { ID: output.imageId } }); isHeld = true; break;
    }
  };
  const request: BuildRequest = {
    context: exchange.upload(), ...(exchange.text("remote") ? { remote: exchange.text("remote") } : {}), dockerfile: exchange.text("dockerfile") || "Dockerfile", tags, buildArgs: optionalTexts(json("buildargs"), "buildargs"), labels: json("labels").textMap("labels") ?? {}, cacheFrom,
    ...(exchange.text("target") ? { target: exchange.text("target") } : {}), noCache: exchange.flag("nocache"), pull: exchange.flag("pull"),
    ...(exchange.text("networkmode") && exchange.text("networkmode") !== "default" ? { networkMode: exchange.text("networkmode") } : {}),
    ...(exchange.text("extrahosts") ? { extraHosts: extraHosts(exchange) } : {}), ...(exchange.text("platform") ? { platform: exchange.text("platform") } : {}), squash: exchange.flag("squash"),
    ...bytes(exchange, "shmsize", "shmSizeBytes"), ...bytes(exchange, "memory", "memoryBytes"), ...bytes(exchange, "cpushares", "cpuShares"), ...(exchange.text("cpusetcpus") ? { cpusetCpus: exchange.text("cpusetcpus") } : {}),
    ...(exchange.text("ulimits") ? { ulimits: json("ulimits").objects("ulimits").map((u) => ({ name: u.text("Name") ?? "", soft: u.integer("Soft") ?? 0, hard: u.integer("Hard") ?? 0 })) } : {}),
    isQuiet, credentials: parseRegistryConfig(exchange.header("x-registry-config")), secrets: parseBuildSecrets(exchange.header("x-build-secrets")), onOutput, signal: exchange.signal,
  };
  await lines.finish((async () => {
    const id = await engine.build(request);
    if (!isHeld) lines.put({ aux: { ID: id } });
    if (isQuiet) lines.put({ stream: `${id}\n` });
  })());
}

/** {"A": "1", "B": null}: null takes the value away. */
function optionalTexts(fields: Fields, name: string): Record<string, string | undefined> {
  const map: Record<string, string | undefined> = {};
  for (const [key, value] of Object.entries(fields.object(name).values)) {
    if (value !== null && typeof value !== "string") throw new SwarmError("INVALID_ARGUMENT", `Cannot read the request: ${name}.${key} must be text or null`);
    map[key] = value ?? undefined;
  }
  return map;
}

/** The CLI sends them comma-separated, others as JSON. */
function extraHosts(exchange: Exchange): string[] {
  const text = exchange.text("extrahosts");
  return text.startsWith("[") ? Fields.parse(`{"extrahosts":${text}}`).texts("extrahosts") ?? [] : text.split(",").filter(Boolean);
}

const bytes = (exchange: Exchange, name: string, field: "shmSizeBytes" | "memoryBytes" | "cpuShares") => { const value = exchange.integer(name); return value ? { [field]: value } : {}; };
