import { SwarmError } from "../../lib/index.js";
import type { Route } from "../http/router.js";

const methods = ["GET", "POST", "DELETE"] as const;

/** What this API does not serve, said in words: the cluster's objects are swarmctl's, and there are no plugins. */
export function elsewhereRoutes(): Route[] {
  const notSwarm = async (): Promise<void> => {
    throw new SwarmError("UNAVAILABLE", "This node is not a swarm manager. The cluster of this host is not driven over the Docker API; use swarmctl (init, join, service, node, network, task)");
  };
  const noPlugins = async (): Promise<void> => { throw new SwarmError("UNIMPLEMENTED", "Plugins are not offered by this engine: its drivers are built in"); };
  const all = (paths: readonly string[], handle: () => Promise<void>): Route[] => paths.flatMap((path) => methods.map((method): Route => ({ method, path, handle })));
  return [
    { method: "GET", path: "/plugins", handle: async (exchange) => exchange.send(200, []) },
    { method: "GET", path: "/plugins/{name*}/json", handle: async (exchange) => { throw new SwarmError("NOT_FOUND", `plugin "${exchange.param("name")}" not found`); } },
    ...all(["/plugins/{rest*}"], noPlugins),
    ...["swarm", "services", "nodes", "tasks", "secrets", "configs"].flatMap((noun) => all([`/${noun}`, `/${noun}/{rest*}`], notSwarm)),
  ];
}
