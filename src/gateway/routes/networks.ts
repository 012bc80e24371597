import { SwarmError } from "../../lib/index.js";
import type { EngineNetwork } from "../../engine/index.js";
import { findContainer, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { Route } from "../http/router.js";
import { parseEndpoint } from "../translate/endpoints.js";
import { Filters } from "../translate/filters.js";
import { networkFilters, networkJson, parseNetwork, selectNetworks } from "../translate/networks.js";
import { untilOf } from "./containers.js";

export function networkRoutes(context: GatewayContext): Route[] {
  const { engine, clock } = context;
  const find = async (exchange: Exchange): Promise<EngineNetwork> => {
    const network = await engine.networks.get(exchange.param("id"));
    if (!network) throw new SwarmError("NOT_FOUND", `network ${exchange.param("id")} not found`);
    return network;
  };
  const list = async (exchange: Exchange) => {
    const filters = Filters.parse(exchange.text("filters"), networkFilters);
    exchange.send(200, selectNetworks(await engine.networks.list(), filters).map((network) => networkJson(network, exchange.apiMinor < 28)));
  };
  return [
    { method: "GET", path: "/networks", handle: list },
    {
      method: "POST", path: "/networks/create", handle: async (exchange) => {
        const config = parseNetwork(await exchange.json());
        const { id, warnings } = await engine.networks.create(config);
        exchange.send(201, { Id: id, Warning: warnings.join("; ") });
      },
    },
    {
      method: "POST", path: "/networks/prune", handle: async (exchange) => {
        const filters = Filters.parse(exchange.text("filters"), ["until", "label", "label!"]);
        const deleted = await engine.networks.prune({ ...untilOf(filters, clock.now()), labels: filters.labels() });
        exchange.send(200, { NetworksDeleted: deleted.length > 0 ? deleted : null });
      },
    },
    {
      method: "GET", path: "/networks/{id}", handle: async (exchange) => {
        const scope = exchange.text("scope");
        const network = await find(exchange);
        if (scope !== "" && scope !== "local") throw new SwarmError("NOT_FOUND", `network ${exchange.param("id")} not found`);
        exchange.send(200, networkJson(network, true));
      },
    },
    { method: "DELETE", path: "/networks/{id}", handle: async (exchange) => { await engine.networks.remove((await find(exchange)).id); exchange.sendEmpty(204); } },
    {
      method: "POST", path: "/networks/{id}/connect", handle: async (exchange) => {
        const network = await find(exchange);
        const body = await exchange.json();
        const endpoint = body.object("EndpointConfig");
        const details = await findContainer(context, requiredContainer(body.text("Container")));
        await engine.networks.connect(network.id, details.id, parseEndpoint(endpoint));
        exchange.sendEmpty(200);
      },
    },
    {
      method: "POST", path: "/networks/{id}/disconnect", handle: async (exchange) => {
        const network = await find(exchange);
        const body = await exchange.json();
        const details = await findContainer(context, requiredContainer(body.text("Container")));
        await engine.networks.disconnect(network.id, details.id, { force: body.boolean("Force") ?? false });
        exchange.sendEmpty(200);
      },
    },
  ];
}

function requiredContainer(name: string | undefined): string {
  if (!name) throw new SwarmError("INVALID_ARGUMENT", "Cannot read the request's body: Container names no container");
  return name;
}
