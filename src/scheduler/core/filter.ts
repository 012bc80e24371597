import type { NodeInfo, TaskShape } from "./cluster-state.js";

/** One reason to pass a node by. */
export interface Filter {
  /** As in PendingReason.filter. */
  readonly name: string;
  /** Whether it has anything to say about such tasks at all; one that has not is not asked for each node. */
  concerns(shape: TaskShape): boolean;
  /** How many more tasks of `shape` the node can take as far as this filter is concerned: 0 = none, Infinity = it does not mind. */
  room(shape: TaskShape, node: NodeInfo): number;
  /** Why each of `nodes` (all of them refused by this filter) does not fit: groups of nodes, in words that tell a user what to change. */
  explain(shape: TaskShape, nodes: readonly NodeInfo[]): Explanation[];
}

export interface Explanation { readonly detail: string; readonly nodes: number }

/** For filters that put nodes into groups by a sentence about each. */
export function groupByDetail(nodes: readonly NodeInfo[], detailOf: (node: NodeInfo) => string): Explanation[] {
  const counts = new Map<string, number>();
  for (const node of nodes) {
    const detail = detailOf(node);
    counts.set(detail, (counts.get(detail) ?? 0) + 1);
  }
  return [...counts].map(([detail, count]) => ({ detail, nodes: count }));
}
