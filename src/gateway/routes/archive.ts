import { SwarmError } from "../../lib/index.js";
import type { PathStat } from "../../engine/index.js";
import { findContainer, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";

/** Files in and out of containers as tars. */
export function archiveRoutes(context: GatewayContext): Route[] {
  const { engine } = context;
  const path = "/containers/{id}/archive";
  return [
    {
      method: "HEAD", path, handle: async (exchange) => {
        const [id, wanted] = [(await findContainer(context, exchange.param("id"))).id, pathOf(exchange)];
        exchange.sendEmpty(200, { "X-Docker-Container-Path-Stat": statHeader(await engine.statPath(id, wanted)) });
      },
    },
    {
      method: "GET", path, handle: async (exchange) => {
        const [id, wanted] = [(await findContainer(context, exchange.param("id"))).id, pathOf(exchange)];
        const { stat, tar } = await engine.readArchive(id, wanted);
        exchange.begin(200, "application/x-tar", { "X-Docker-Container-Path-Stat": statHeader(stat) });
        await exchange.writeAll(tar);
        exchange.end();
      },
    },
    {
      method: "PUT", path, handle: async (exchange) => {
        const [id, wanted] = [(await findContainer(context, exchange.param("id"))).id, pathOf(exchange)];
        await engine.writeArchive(id, wanted, exchange.upload(), { noOverwriteDirNonDir: exchange.flag("noOverwriteDirNonDir"), copyUidGid: exchange.flag("copyUIDGID") });
        exchange.sendEmpty(200);
      },
    },
    {
      method: "GET", path: "/containers/{id}/export", handle: async (exchange) => {
        const { id } = await findContainer(context, exchange.param("id"));
        const tar = engine.export(id);
        exchange.begin(200, "application/octet-stream");
        await exchange.writeAll(tar);
        exchange.end();
      },
    },
  ];
}

function pathOf(exchange: Exchange): string {
  const path = exchange.text("path");
  if (path === "") throw new SwarmError("INVALID_ARGUMENT", "bad parameter: path is empty; name a path in the container");
  return path;
}

function statHeader({ name, sizeBytes, goMode, mtimeMs, linkTarget }: PathStat): string {
  return Buffer.from(JSON.stringify({ name, size: sizeBytes, mode: goMode, mtime: new Date(mtimeMs).toISOString(), linkTarget })).toString("base64");
}
