import type { AssignedGeneric, AssignedGpu } from "../../../model/index.js";
import { nowhere, pids, type ClusterState } from "../state/index.js";

/**
 * Which of its node's generic resources placed task `t` gets: of named ones the first that no other task of the node has, of counted ones so many.
 * Noted in the state, so that the next task gets others.
 */
export function assignGeneric(state: ClusterState, t: number): AssignedGeneric[] {
  const { dimensions, requests, nodes, tasks } = state;
  const r = state.requestOf(t), n = tasks.nodeOf(t);
  const assigned: AssignedGeneric[] = [];
  for (let d = pids + 1; d < requests.amount.length; d++) {
    const count = requests.amount[d]![r]!;
    if (count === 0) continue;
    const kind = dimensions.names[d]!.slice("generic/".length);
    const names = state.nodeObjects[n]?.description?.resources?.generic.find((resource) => resource.kind === kind)?.ids ?? [];
    assigned.push({ kind, count, ids: names.length === 0 ? [] : names.filter((id) => !isTaken(kind, id)).slice(0, count) });
  }
  if (assigned.some(({ ids }) => ids.length > 0)) state.assignedIds.set(t, assigned);
  return assigned;

  function isTaken(kind: string, id: string): boolean {
    for (let other = nodes.firstTask[n]!; other !== nowhere; other = tasks.nextOnNode(other)) {
      if (other !== t && state.assignedIds.get(other)?.some((given) => given.kind === kind && given.ids.includes(id))) return true;
    }
    return false;
  }
}

/** Its devices (of those that the state gave it), by the node's names for them. */
export function assignedGpus(state: ClusterState, t: number): AssignedGpu[] {
  const mask = state.tasks.gpuMask[t]!;
  if (mask === 0) return [];
  const devices = state.nodeObjects[state.tasks.nodeOf(t)]?.description?.resources?.gpus ?? [];
  const millis = state.requests.gpuMillis[state.requestOf(t)]!;
  return devices.filter((_, i) => (mask & (1 << i)) !== 0).map(({ id }) => ({ id, millis }));
}
