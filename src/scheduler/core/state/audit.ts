import type { ClusterState } from "./cluster-state.js";
import { nowhere } from "./task-table.js";

/**
 * Where `kept` (from events, one after the other) and `rebuilt` (from the store, at once) disagree, a sentence each, at most `limit`. Rows may differ; what they
 * stand for may not. Amounts are whole numbers: any difference is a fault.
 */
export function audit(kept: ClusterState, rebuilt: ClusterState, limit = 20): string[] {
  const faults: string[] = [];
  for (const fault of auditSteps(kept, rebuilt)) {
    if (fault !== undefined) faults.push(fault);
    if (faults.length >= limit) break;
  }
  return faults;
}

/** The same in steps, a node each: a fault, or undefined after each node. Both may change between steps, as long as they change alike. */
export function* auditSteps(kept: ClusterState, rebuilt: ClusterState): Generator<string | undefined, void> {
  for (let m = 0; m < rebuilt.nodes.size; m++) {
    if (!rebuilt.nodes.alive.has(m)) continue;
    const id = rebuilt.nodes.ids[m]!;
    const n = kept.nodes.rowOf(id);
    if (n === undefined) yield differ(`node ${id}`, "no node", "a node");
    else yield* nodeFaults(kept, n, rebuilt, m, id);
    yield undefined;
  }
  yield* unequal("nodes", kept.nodes.alive.count(), rebuilt.nodes.alive.count());
  yield* unequal("tasks", kept.tasks.count, rebuilt.tasks.count);
  yield* unequal("host ports", portsOf(kept), portsOf(rebuilt));
  yield* unequal("volumes", volumesOf(kept), volumesOf(rebuilt));
  for (const s of servicesOf(rebuilt)) {
    const id = rebuilt.services.ids[s]!;
    const known = kept.services.rowOf(id);
    yield* unequal(`placed tasks of service ${id}`, known === undefined ? 0 : kept.tasksOfService(known), rebuilt.tasksOfService(s));
  }
}

function* nodeFaults(kept: ClusterState, n: number, rebuilt: ClusterState, m: number, id: string): Iterable<string> {
  for (let d = 0; d < rebuilt.dimensions.names.length; d++) {
    const name = rebuilt.dimensions.names[d]!;
    const e = kept.dimensions.find(name);
    yield* unequal(`${name} free on node ${id}`, e === undefined ? 0 : kept.nodes.free[e]![n], rebuilt.nodes.free[d]![m]);
    yield* unequal(`${name} of node ${id}`, e === undefined ? 0 : kept.nodes.total[e]![n], rebuilt.nodes.total[d]![m]);
  }
  yield* unequal(`tasks on node ${id}`, kept.nodes.tasks[n], rebuilt.nodes.tasks[m]);
  yield* unequal(`GPUs free on node ${id}`, devicesOf(kept, n), devicesOf(rebuilt, m));
  yield* unequal(`tasks listed on node ${id}`, tasksOn(kept, n), tasksOn(rebuilt, m));
  for (const [p, predicate] of rebuilt.predicates.predicates.entries()) {
    const q = kept.predicates.find(predicate);
    if (q !== undefined) yield* unequal(`that node ${id} passes ${predicate.filter} ${predicate.key}`, kept.predicates.passing[q]!.has(n), rebuilt.predicates.passing[p]!.has(m));
    else yield `predicate ${predicate.filter} ${predicate.key}: none is kept`;
  }
}

const differ = (what: string, is: unknown, right: unknown): string => `${what}: ${String(is)} is kept, ${String(right)} is right`;

function* unequal(what: string, is: unknown, right: unknown): Iterable<string> { if (is !== right) yield differ(what, is, right); }

function devicesOf({ nodes }: ClusterState, n: number): string {
  return [...nodes.deviceFree.subarray(nodes.gpuStart[n]!, nodes.gpuStart[n]! + nodes.gpuCount[n]!)].join(" ");
}

function tasksOn({ nodes, tasks }: ClusterState, n: number): string {
  const ids: string[] = [];
  for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) ids.push(tasks.ids[t]!);
  return ids.sort().join(" ");
}

const portsOf = ({ ports, nodes }: ClusterState): string => [...ports.entries()].map(([port, n, count]) => `${port}@${nodes.ids[n]}×${count}`).sort().join(" ");

function volumesOf({ volumes, nodes }: ClusterState): string {
  const usersOf = (users: ReadonlyMap<number, number>) => [...users].map(([n, count]) => `${nodes.ids[n]}×${count}`).sort().join(",");
  return [...volumes.entries()].map(({ id, volume, readers, writers }) => `${id} ${volume ? `on "${volume.nodeId}"` : "removed"} read ${usersOf(readers)} written ${usersOf(writers)}`).sort().join("; ");
}

function* servicesOf({ services }: ClusterState): Iterable<number> {
  for (let s = 0; s < services.size; s++) if (services.ids[s] !== "") yield s;
}
