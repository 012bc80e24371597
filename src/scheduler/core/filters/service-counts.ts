import { nowhere, type ClusterState } from "../state/index.js";

/**
 * How many wanted tasks of a service there are on a node, and on the nodes that share a value of an attribute. Those that are being
 * stopped do not count: where they leave, others may come.
 */
export function countOnNode({ nodes, tasks, groups }: ClusterState, s: number, n: number): number {
  let count = 0;
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) if (tasks.countOf(t) === 1 && groups.service[tasks.groupOf(t)] === s) count++;
  return count;
}

/** Node `n` and those that have the same value of `key`. */
export function countAround(state: ClusterState, s: number, key: string, n: number): number {
  return key === "node.id" ? countOnNode(state, s, n) : countsByValue(state, s, key)[state.attribute(key).valueOf[n]!] ?? 0;
}

export function countAnywhere(state: ClusterState, s: number): number {
  let count = 0;
  for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) count += state.tasks.countOf(t);
  return count;
}

/** By row of the attribute's values. */
export function countsByValue(state: ClusterState, s: number, key: string): Int32Array {
  // Who asks for one node usually asks for all, and nothing changes meanwhile.
  let remembered = memory.get(state);
  if (!remembered || remembered.changes !== state.nodes.changes) memory.set(state, remembered = { changes: state.nodes.changes, counts: new Map() });
  const name = `${s} ${key}`;
  let counts = remembered.counts.get(name);
  if (!counts) remembered.counts.set(name, counts = countByValue(state, s, key));
  return counts;
}

const memory = new WeakMap<ClusterState, { readonly changes: number; readonly counts: Map<string, Int32Array> }>();

function countByValue(state: ClusterState, s: number, key: string): Int32Array {
  const { tasks } = state;
  const { values, valueOf } = state.attribute(key);
  const counts = new Int32Array(values.names.length);
  for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) if (tasks.countOf(t) === 1) counts[valueOf[tasks.nodeOf(t)]!]!++;
  return counts;
}
