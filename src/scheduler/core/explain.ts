import type { PendingReason } from "../../model/index.js";
import type { NodeInfo, TaskShape } from "./cluster-state.js";
import type { Filter } from "./filter.js";

/** Every reason that keeps tasks of `shape` from `nodes`, most nodes first. A node counts for the first filter that refuses it. */
export function explainRefusals(shape: TaskShape, nodes: Iterable<NodeInfo>, filters: readonly Filter[]): PendingReason[] {
  const asked = filters.filter((filter) => filter.concerns(shape));
  const refused = new Map<Filter, NodeInfo[]>();
  for (const node of nodes) {
    const filter = asked.find((candidate) => candidate.room(shape, node) === 0);
    if (!filter) continue;
    const list = refused.get(filter);
    if (list) list.push(node);
    else refused.set(filter, [node]);
  }
  const reasons: PendingReason[] = [];
  for (const [filter, list] of refused) {
    for (const { detail, nodes: count } of filter.explain(shape, list)) reasons.push({ filter: filter.name, nodes: count, detail });
  }
  return reasons.sort((a, b) => b.nodes - a.nodes || (a.detail < b.detail ? -1 : 1)).slice(0, maxReasons);
}

/** Labels can make every node a reason of its own; the rest says no more than the first ones. */
const maxReasons = 10;

/** "no node fits: needs 4.0 GiB memory, most free is 1.2 GiB on n3 (2 nodes); constraint node.labels.disk==ssd not met (1 node)" */
export function sentenceOf(reasons: readonly PendingReason[]): string {
  if (reasons.length === 0) return "no node fits: the cluster has no node";
  return `no node fits: ${reasons.map(({ detail, nodes }) => `${detail} (${nodes} node${nodes === 1 ? "" : "s"})`).join("; ")}`;
}

/** For a task that can only be on one node. */
export const sentenceForNode = (nodeName: string, reasons: readonly PendingReason[]): string =>
  `waits for node ${nodeName}: ${reasons.map(({ detail }) => detail).join("; ") || "it is not in the cluster"}`;
