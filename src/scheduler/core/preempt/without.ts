import type { ClusterState } from "../state/index.js";

/** Runs `look` with tasks `gone` from their nodes; the state is as before afterwards, but for the order in which a node's tasks are listed. */
export function without<T>(state: ClusterState, gone: Iterable<number>, look: () => T): T {
  const { tasks } = state;
  const before = Array.from(gone, (t) => ({ t, n: tasks.nodeOf(t), counts: tasks.countOf(t) === 1, mask: tasks.gpuMask[t]!, assigned: state.assignedIds.get(t), volumes: state.volumes.heldBy(t) }));
  for (const { t } of before) state.unplace(t);
  try {
    return look();
  } finally {
    for (const { t, n, counts, mask, assigned, volumes } of before) {
      state.place(t, n, counts, mask, volumes);
      if (assigned) state.assignedIds.set(t, assigned);
    }
  }
}
