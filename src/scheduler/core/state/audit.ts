import type { ClusterState } from "./cluster-state.js";
import { nowhere } from "./task-table.js";

/**
 * Where `kept` (from events, one after the other) and `rebuilt` (from the store, at once) disagree, a sentence each, at most `limit`. Rows may differ; what they
 * stand for may not. Amounts are whole numbers: any difference is a fault.
 */
export function audit(kept: ClusterState, rebuilt: ClusterState, limit = 20): string[] {
  const faults: string[] = [];
  const differ = (what: string, a: unknown, b: unknown) => { if (a !== b && faults.length < limit) faults.push(`${what}: ${String(a)} is kept, ${String(b)} is right`); };
  for (let m = 0; m < rebuilt.nodes.size; m++) {
    if (!rebuilt.nodes.alive.has(m)) continue;
    const id = rebuilt.nodes.ids[m]!;
    const n = kept.nodes.rowOf(id);
    if (n === undefined) { differ(`node ${id}`, "no node", "a node"); continue; }
    for (let d = 0; d < rebuilt.dimensions.names.length; d++) {
      const name = rebuilt.dimensions.names[d]!;
      const e = kept.dimensions.find(name);
      differ(`${name} free on node ${id}`, e === undefined ? 0 : kept.nodes.free[e]![n], rebuilt.nodes.free[d]![m]);
      differ(`${name} of node ${id}`, e === undefined ? 0 : kept.nodes.total[e]![n], rebuilt.nodes.total[d]![m]);
    }
    differ(`tasks on node ${id}`, kept.nodes.tasks[n], rebuilt.nodes.tasks[m]);
    differ(`GPUs free on node ${id}`, devicesOf(kept, n), devicesOf(rebuilt, m));
    differ(`tasks listed on node ${id}`, tasksOn(kept, n), tasksOn(rebuilt, m));
  }
  differ("nodes", kept.nodes.alive.count(), rebuilt.nodes.alive.count());
  differ("tasks", kept.tasks.count, rebuilt.tasks.count);
  differ("host ports", portsOf(kept), portsOf(rebuilt));
  for (const [p, predicate] of rebuilt.predicates.predicates.entries()) {
    const q = kept.predicates.predicates.findIndex(({ filter, key }) => filter === predicate.filter && key === predicate.key);
    differ(`nodes that pass ${predicate.filter} ${predicate.key}`, q < 0 ? "none kept" : nodesIn(kept, kept.predicates.passing[q]!), nodesIn(rebuilt, rebuilt.predicates.passing[p]!));
  }
  for (const s of servicesOf(rebuilt)) {
    const id = rebuilt.services.ids[s]!;
    const known = kept.services.rowOf(id);
    differ(`placed tasks of service ${id}`, known === undefined ? 0 : kept.services.tasks[known], rebuilt.services.tasks[s]);
  }
  return faults;
}

function devicesOf({ nodes }: ClusterState, n: number): string {
  return [...nodes.deviceFree.subarray(nodes.gpuStart[n]!, nodes.gpuStart[n]! + nodes.gpuCount[n]!)].join(" ");
}

function tasksOn({ nodes, tasks }: ClusterState, n: number): string {
  const ids: string[] = [];
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode[t]!) ids.push(tasks.ids[t]!);
  return ids.sort().join(" ");
}

const portsOf = ({ ports, nodes }: ClusterState): string => [...ports.entries()].map(([port, n, count]) => `${port}@${nodes.ids[n]}×${count}`).sort().join(" ");

function nodesIn({ nodes }: ClusterState, set: { forEach(visit: (n: number) => void): void }): string {
  const ids: string[] = [];
  set.forEach((n) => ids.push(nodes.ids[n]!));
  return ids.sort().join(" ");
}

function* servicesOf({ services }: ClusterState): Iterable<number> {
  for (let s = 0; s < services.size; s++) if (services.ids[s] !== "") yield s;
}
