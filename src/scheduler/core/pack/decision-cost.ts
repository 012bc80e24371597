import type { ClusterState } from "../state/index.js";

/** Measured on the machine of bench/scheduler, rounded up. */
const msPerTask = 0.002, msPerNode = 0.0004;

/**
 * About how long placing `tasks` of `g` takes, milliseconds. Where nodes differ for the group only in what they have free, indexes choose and the number
 * of nodes does not matter; where there are rules beside that, every node is looked at.
 */
export function decisionCostMs(state: ClusterState, g: number, tasks: number): number {
  const rules = state.groups.rules[g]!;
  const isPlain = rules.hostPorts.length === 0 && rules.maxPerNode === 0 && rules.maxPer.length === 0 && rules.spread.length === 0 && rules.preferences.length === 0 && rules.affinities.length === 0
    && rules.strategy !== "BALANCED" && !state.isUsageAware && state.softTaintedCount === 0 && state.repellersOf(g).length === 0;
  return tasks * msPerTask + (isPlain ? 0 : state.nodes.size * msPerNode);
}
