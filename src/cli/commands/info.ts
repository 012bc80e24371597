import { codeOf } from "../../lib/index.js";
import type { GetClusterResponse } from "../../gen/swarm/v1/GetClusterResponse.js";
import type { InfoResponse } from "../../gen/swarm/v1/InfoResponse.js";
import type { ListNodesResponse } from "../../gen/swarm/v1/ListNodesResponse.js";
import type { ListServicesResponse } from "../../gen/swarm/v1/ListServicesResponse.js";
import type { Command } from "../command.js";
import { choose } from "../parse/key-value.js";
import { outline, size } from "../print/inspect.js";

export default {
  usage: "[OPTIONS]",
  about: "Shows this host's node, and its cluster as far as a manager can be reached.",
  args: { min: 0 },
  flags: [{ name: "format", kind: "text", value: "FORMAT", help: "pretty (the default), json or jsonl" }],
  async run({ flags, connection, terminal }) {
    const format = choose(flags.text("format") ?? "pretty", "--format", { pretty: "pretty", json: "json", jsonl: "jsonl" } as const);
    const node = await connection.node<InfoResponse>("info", {});
    const cluster = node.state === "active" ? await clusterInfo(connection) : undefined;
    if (format !== "pretty") { terminal.out(`${JSON.stringify({ node, cluster }, undefined, format === "json" ? 2 : undefined)}\n`); return; }
    terminal.out(outline({
      host: node.hostname, version: node.version, state: node.state, error: node.error, kernel: node.kernel, os: `${node.os}/${node.arch}`, runtime: node.runtime, cgroups: node.cgroups,
      storageDriver: node.storageDriver, stateDirectory: node.stateDir, containers: `${node.containersRunning} running, ${node.containersTotal} in all`, images: String(node.images),
      cores: (node.resources?.cpuMillis ?? 0) / 1_000, memory: size(node.resources?.memoryBytes ?? 0),
      node: node.nodeId ? { id: node.nodeId, role: node.role.toLowerCase(), address: node.addr, session: node.isConnected ? "connected to a manager" : "no manager reached: tasks go on as they were", managers: node.managers } : {},
      cluster: cluster ?? {},
    }));
  },
} satisfies Command as Command;

async function clusterInfo(connection: import("../connect.js").Connection): Promise<Record<string, unknown> | undefined> {
  try {
    const [{ cluster, leaderId }, { nodes }, { services }] = await Promise.all([
      connection.control<GetClusterResponse>("getCluster", {}),
      connection.control<ListNodesResponse>("listNodes", { filters: [] }),
      connection.control<ListServicesResponse>("listServices", { filters: [] }),
    ]);
    const managers = nodes.filter((node) => node.manager);
    return {
      id: cluster?.id ?? "", name: cluster?.spec?.name ?? "", leader: nodes.find((node) => node.id === leaderId)?.description?.hostname ?? leaderId,
      managers: `${managers.filter((node) => node.manager?.isReachable).length} of ${managers.length} reachable`,
      nodes: `${nodes.filter((node) => node.status?.state === "READY").length} of ${nodes.length} ready`, services: String(services.length),
    };
  } catch (error) {
    if (codeOf(error) === "UNAVAILABLE" || codeOf(error) === "DEADLINE_EXCEEDED" || codeOf(error) === "PERMISSION_DENIED") return undefined;
    throw error;
  }
}
