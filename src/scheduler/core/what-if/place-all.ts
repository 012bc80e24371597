import type { Placer } from "../place/index.js";
import { planGang, planPreemption } from "../preempt/index.js";
import { nowhere, type ClusterState } from "../state/index.js";

/** Rows looked at, or tasks placed, before whoever runs this may see to something else: about a millisecond. */
export const perSlice = 2_000;
/** Tasks for which room is made by stopping others, at most: each reads the tasks of many nodes. The rest is said to wait. */
const mostPreemptions = 1_000;

export interface Preempting {
  readonly mayPreempt: boolean;
  /** Task `t`, on node `n`, has been stopped for one of group `by`. Whether what takes its place may go to any node. */
  readonly stop: (t: number, n: number, by: number) => boolean;
}

/** Tasks of one group that are to be placed. */
interface Wave { readonly g: number; readonly tasks: number[]; readonly sinceMs: number }

/**
 * Groups by priority, then by their oldest task; a gang all at once or not at all. For those that fit nowhere tasks of lower priority are stopped, as the scheduler does, and what takes
 * the place of these comes when it is the turn of their priority.
 */
export function* placeAll(state: ClusterState, placer: Placer, toPlace: readonly number[], preempting: Preempting): Generator<void> {
  const { groups, tasks: table } = state;
  const waves = new Map<number, Wave>();
  for (const [g, tasks] of byGroup(state, toPlace)) waves.set(g, { g, tasks, sinceMs: tasks.reduce((least, t) => Math.min(least, table.sinceMs[t]!), Infinity) });
  let preemptions = 0;
  while (waves.size > 0) {
    const wave = [...waves.values()].reduce((first, other) => (isBefore(other, first) ? other : first));
    waves.delete(wave.g);
    yield* place(wave);
  }

  function isBefore(a: Wave, b: Wave): boolean {
    const byPriority = groups.priority[b.g]! - groups.priority[a.g]!;
    return byPriority !== 0 ? byPriority < 0 : a.sinceMs !== b.sinceMs ? a.sinceMs < b.sinceMs : a.g < b.g;
  }

  function* place({ g, tasks }: Wave): Generator<void> {
    const isGang = groups.rules[g]!.isGang;
    for (let at = 0; at < tasks.length; ) {
      const slice = isGang ? tasks : tasks.slice(at, at + perSlice);
      const placed = placer.place(g, slice);
      if (isGang && placed < slice.length) for (const t of slice.slice(0, placed)) state.unplace(t);
      yield;
      if (placed < slice.length) {
        if (preempting.mayPreempt) { if (isGang) preemptForGang(g, tasks); else yield* preempt(g, tasks.slice(at + placed)); }
        break;
      }
      at += slice.length;
    }
  }

  function* preempt(g: number, tasks: readonly number[]): Generator<void> {
    for (const t of tasks) {
      if (preemptions++ >= mostPreemptions) return;
      const plan = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 });
      if (!plan) return;
      for (const victim of plan.victims) stop(victim, g);
      // What is being stopped there already will be gone by then.
      if (!placer.canFit(g, plan.node)) removeStopping(state, plan.node);
      if (!placer.placeOn(t, plan.node)) return;
      yield;
    }
  }

  function preemptForGang(g: number, tasks: readonly number[]): void {
    if (preemptions++ >= mostPreemptions) return;
    const plan = planGang(state, g, tasks, { canFit: (group, n) => placer.canFit(group, n), place: (group, members) => placer.place(group, members) });
    if (!plan) return;
    for (const victim of plan.victims) stop(victim, g);
    for (const n of plan.nodes.keys()) removeStopping(state, n);
    placer.place(g, tasks);
  }

  function stop(victim: number, g: number): void {
    const n = table.nodeOf(victim);
    state.unplace(victim);
    if (preempting.stop(victim, n, g)) waitAgain(victim);
  }

  function waitAgain(t: number): void {
    const g = table.groupOf(t), wave = waves.get(g);
    if (wave) wave.tasks.push(t);
    else waves.set(g, { g, tasks: [t], sinceMs: Infinity });
  }
}

function byGroup({ tasks: table }: ClusterState, tasks: readonly number[]): Map<number, number[]> {
  const groups = new Map<number, number[]>();
  for (const t of tasks) {
    const group = groups.get(table.groupOf(t));
    if (group) group.push(t);
    else groups.set(table.groupOf(t), [t]);
  }
  return groups;
}

function removeStopping(state: ClusterState, n: number): void {
  for (let t = state.nodes.firstTask[n]!; t !== nowhere; ) {
    const next = state.tasks.nextOnNode(t);
    if (state.tasks.countOf(t) === 0) state.removeTask(t);
    t = next;
  }
}
