import type { NodeInfo } from "../core/cluster-state.js";
import { groupByDetail, type Filter } from "../core/filter.js";

/** Only a node that is up, described and active takes new tasks. */
export const readyFilter: Filter = {
  name: "ready",
  concerns: () => true,
  room: (_shape, node) => (whyNotReady(node) === undefined ? Infinity : 0),
  explain: (_shape, nodes) => groupByDetail(nodes, (node) => whyNotReady(node) ?? "node is not ready"),
};

function whyNotReady({ node }: NodeInfo): string | undefined {
  if (node.status?.state === "DOWN") return "node is down";
  if (node.spec?.availability === "DRAIN") return "node is drained";
  if (node.spec?.availability === "PAUSE") return "node is paused";
  if (node.status?.state !== "READY" || !node.description) return "node has not reported yet";
  return undefined;
}
