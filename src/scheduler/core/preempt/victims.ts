import type { ClusterState } from "../state/index.js";
import type { NodeTrial } from "./trial.js";

/** Up to so many candidates all pairs are tried: 2,000 trials. */
const mostForPairs = 64;

/**
 * The fewest of `candidates` (tasks on the trial's node) without which one more fits; of as many, those of the lowest priority, then the youngest. One and
 * two are found exactly; more by taking what covers most of what is missing, and then keeping whoever need not go after all. undefined: all of them are
 * not enough. It is known that fewer than `atLeast` will not do.
 */
export function fewestVictims(state: ClusterState, trial: NodeTrial, candidates: readonly number[], atLeast = 0): number[] | undefined {
  if (trial.fits) return [];
  // Least important first: the first that do are the best that do.
  const inOrder = [...candidates].sort((a, b) => priorityOf(state, a) - priorityOf(state, b) || state.tasks.sinceMs[b]! - state.tasks.sinceMs[a]! || a - b);
  if (atLeast <= 1) for (const t of inOrder) if (fitsIf(trial, t)) return [t];
  if (atLeast <= 2 && inOrder.length <= mostForPairs) {
    const pair = bestPair(state, trial, inOrder);
    if (pair) return pair;
  }
  return coverGreedily(state, trial, inOrder);
}

function fitsIf(trial: NodeTrial, t: number): boolean {
  trial.give(t, 1);
  const { fits } = trial;
  trial.give(t, -1);
  return fits;
}

function bestPair(state: ClusterState, trial: NodeTrial, inOrder: readonly number[]): number[] | undefined {
  // By the more important of the two, so that the first that does is of the lowest priorities.
  for (let j = 1; j < inOrder.length; j++) {
    trial.give(inOrder[j]!, 1);
    let found: number | undefined;
    for (let i = 0; i < j && found === undefined; i++) if (fitsIf(trial, inOrder[i]!)) found = inOrder[i];
    trial.give(inOrder[j]!, -1);
    if (found !== undefined) return [found, inOrder[j]!];
  }
  return undefined;
}

function coverGreedily(state: ClusterState, trial: NodeTrial, inOrder: readonly number[]): number[] | undefined {
  const left = new Set(inOrder);
  const taken: number[] = [];
  while (!trial.fits) {
    let best: number | undefined, most = 0;
    for (const t of left) {
      const coverage = trial.coverage(t);
      if (coverage > most) { most = coverage; best = t; }
    }
    // Shares of devices may be missing though no amount is: then whoever is least important goes.
    if (best === undefined) for (const t of left) { best = t; break; }
    if (best === undefined) break;
    left.delete(best);
    taken.push(best);
    trial.give(best, 1);
  }
  if (!trial.fits) {
    for (const t of taken) trial.give(t, -1);
    return undefined;
  }
  // Most important first: who need not go after all stays.
  const needed: number[] = [];
  for (const t of [...taken].sort((a, b) => inOrder.indexOf(b) - inOrder.indexOf(a))) {
    trial.give(t, -1);
    if (trial.fits) continue;
    trial.give(t, 1);
    needed.push(t);
  }
  for (const t of needed) trial.give(t, -1);
  return needed.sort((a, b) => inOrder.indexOf(a) - inOrder.indexOf(b));
}

const priorityOf = (state: ClusterState, t: number): number => state.groups.priority[state.tasks.groupOf(t)]!;

/** Negative: `a` is the better set of victims. */
export function compareVictims(state: ClusterState, a: readonly number[], b: readonly number[]): number {
  return a.length - b.length || highestPriority(state, a) - highestPriority(state, b) || amountOf(state, a) - amountOf(state, b);
}

export const highestPriority = (state: ClusterState, victims: readonly number[]): number => victims.reduce((most, t) => Math.max(most, priorityOf(state, t)), -Infinity);

/** The oldest first among equals. */
export const mostImportantFirst = (state: ClusterState, victims: readonly number[]): number[] =>
  [...victims].sort((a, b) => priorityOf(state, b) - priorityOf(state, a) || state.tasks.sinceMs[a]! - state.tasks.sinceMs[b]! || b - a);

/** What they hold in all, in parts of their node. */
export function amountOf(state: ClusterState, victims: readonly number[]): number {
  let sum = 0;
  for (const t of victims) {
    const n = state.tasks.nodeOf(t), r = state.requestOf(t);
    for (let d = 0; d < state.requests.amount.length; d++) {
      const total = state.nodes.total[d]![n]!;
      if (total > 0) sum += state.requests.amount[d]![r]! / total;
    }
    if (state.nodes.gpuCount[n]! > 0) sum += (state.requests.gpuCount[r]! * state.requests.gpuMillis[r]!) / (1000 * state.nodes.gpuCount[n]!);
  }
  return sum;
}
