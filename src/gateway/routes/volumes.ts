import { SwarmError, codeOf } from "../../lib/index.js";
import type { Volume } from "../../engine/index.js";
import type { GatewayContext } from "../context.js";
import type { Route } from "../http/router.js";
import { Filters } from "../translate/filters.js";
import { checkVolumeName } from "../translate/mounts.js";
import { matchesPattern } from "../translate/pattern.js";

export function volumeRoutes({ engine }: GatewayContext): Route[] {
  const find = async (name: string): Promise<Volume> => {
    const volume = await engine.volumes.get(name);
    if (!volume) throw new SwarmError("NOT_FOUND", `get ${name}: no such volume`);
    return volume;
  };
  return [
    {
      method: "GET", path: "/volumes", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["dangling", "driver", "label", "label!", "name"]);
        const isDangling = filters.flag("dangling");
        const all = await engine.volumes.list();
        const names = new Set(matchesPattern(filters.all("name"), all.map(({ name }) => name)));
        const selected = all.filter((volume) => (isDangling === undefined || isDangling === (volume.users.length === 0)) && filters.some("driver", (driver) => volume.driver === driver)
          && (!filters.has("name") || names.has(volume.name)) && filters.matchesLabels(volume.labels));
        exchange.send(200, { Volumes: selected.map(volumeJson), Warnings: null });
      },
    },
    {
      method: "POST", path: "/volumes/create", handle: async (exchange) => {
        const body = await exchange.json();
        const name = body.text("Name") ?? "";
        if (name !== "") checkVolumeName(name);
        if (body.has("ClusterVolumeSpec")) throw new SwarmError("UNAVAILABLE", "This node is not a swarm manager: cluster volumes are not offered");
        const [driver, options, labels] = [body.text("Driver") || undefined, body.textMap("DriverOpts"), body.textMap("Labels")];
        exchange.send(201, volumeJson(await engine.volumes.create({ name, ...(driver ? { driver } : {}), ...(options ? { options } : {}), ...(labels ? { labels } : {}) })));
      },
    },
    {
      method: "POST", path: "/volumes/prune", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["all", "label", "label!"]);
        // Until API 1.41 named ones went too.
        const isAll = filters.flag("all") ?? exchange.apiMinor < 42;
        const { deleted, freedBytes } = await engine.volumes.prune({ isAll, labels: filters.labels() });
        exchange.send(200, { VolumesDeleted: deleted.length > 0 ? deleted : null, SpaceReclaimed: freedBytes });
      },
    },
    { method: "GET", path: "/volumes/{name}", handle: async (exchange) => exchange.send(200, volumeJson(await find(exchange.param("name")))) },
    { method: "PUT", path: "/volumes/{name}", handle: async () => { throw new SwarmError("UNAVAILABLE", "This node is not a swarm manager: only cluster volumes can be updated"); } },
    {
      method: "DELETE", path: "/volumes/{name}", handle: async (exchange) => {
        const name = exchange.param("name");
        const force = exchange.flag("force");
        try {
          if (!force) await find(name);
          await engine.volumes.remove(name, { force });
        } catch (error) { if (!(force && codeOf(error) === "NOT_FOUND")) throw error; }
        exchange.sendEmpty(204);
      },
    },
  ];
}

export function volumeJson(volume: Volume): Record<string, unknown> {
  return {
    CreatedAt: new Date(volume.createdAtMs).toISOString().replace(/\.\d+Z$/, "Z"), Driver: volume.driver, Labels: Object.keys(volume.labels).length > 0 ? volume.labels : null, Mountpoint: volume.mountpoint,
    Name: volume.name, Options: Object.keys(volume.options).length > 0 ? volume.options : null, Scope: "local",
  };
}
