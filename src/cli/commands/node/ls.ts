import { formatTaint, type Node } from "../../../model/index.js";
import type { Command } from "../../command.js";
import type { ListNodesResponse } from "../../../gen/swarm/v1/ListNodesResponse.js";
import { filtersOf, listFlags, printList, shortId } from "../../print/list.js";
import { size } from "../../print/inspect.js";
import { genericWords, gpuWords, ofTotal } from "../../print/node-resources.js";

export default {
  usage: "[OPTIONS]",
  about: "Lists the cluster's nodes.",
  args: { min: 0 },
  flags: listFlags("id, name, role, availability, state, label"),
  async run(input) {
    const { nodes, reserved } = await input.connection.control<ListNodesResponse>("listNodes", { filters: filtersOf(input) });
    nodes.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const byNode = new Map(reserved.map((each) => [each.nodeId, each]));
    const has = (holds: (node: Node) => boolean | undefined) => nodes.some((node) => holds(node));
    printList(input, nodes, {
      id: (node) => node.id,
      json: (node) => ({ ...node, reserved: byNode.get(node.id) ?? null }),
      columns: [
        { title: "ID", value: (node) => shortId(input, node.id) },
        { title: "HOSTNAME", value: nameOf },
        {
          title: "STATUS", value: (node) => (node.status?.state ?? "unknown").toLowerCase() + (node.status?.state !== "READY" && node.status?.message ? ` (${node.status.message})` : ""),
          color: (node) => (node.status?.state === "READY" ? "green" : "red"),
        },
        { title: "AVAILABILITY", value: (node) => (node.spec?.availability ?? "").toLowerCase(), color: (node) => (node.spec?.availability === "ACTIVE" ? undefined : "yellow") },
        { title: "ROLE", value: roleOf, color: (node) => (node.manager?.isLeader ? "bold" : node.manager && !node.manager.isReachable ? "red" : undefined) },
        { title: "ADDRESS", value: (node) => node.status?.addr ?? "" },
        { title: "CPU", value: (node) => ofTotal(byNode.get(node.id)?.amounts?.cpuMillis, node.description?.resources?.cpuMillis, (millis) => String(millis / 1_000)) },
        { title: "MEMORY", value: (node) => ofTotal(byNode.get(node.id)?.amounts?.memoryBytes, node.description?.resources?.memoryBytes, size) },
        ...(has((node) => (node.description?.resources?.gpus.length ?? 0) > 0) ? [{ title: "GPUS", value: (node: Node) => gpuWords(node, byNode.get(node.id)) }] : []),
        ...(has((node) => (node.description?.resources?.generic.length ?? 0) > 0) ? [{ title: "RESOURCES", value: (node: Node) => genericWords(node, byNode.get(node.id)) }] : []),
        ...(has((node) => (node.spec?.taints.length ?? 0) > 0) ? [{ title: "TAINTS", value: (node: Node) => node.spec?.taints.map(formatTaint).join(", ") ?? "" }] : []),
        { title: "VERSION", value: (node) => node.description?.engineVersion ?? "" },
      ],
    });
  },
} satisfies Command as Command;

const nameOf = (node: Node): string => node.description?.hostname ?? "";

function roleOf(node: Node): string {
  const change = node.spec && node.spec.desiredRole !== node.role ? ` → ${node.spec.desiredRole.toLowerCase()}` : "";
  if (!node.manager) return node.role.toLowerCase() + change;
  return (node.manager.isLeader ? "leader" : node.manager.isReachable ? "manager" : "manager (unreachable)") + change;
}
