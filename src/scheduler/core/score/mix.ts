import { fixedDimensions, pids, wholeGpu, type ClusterState } from "../state/index.js";

/** What the tasks that there are, placed and waiting, ask of nodes with GPUs. Stays as it is until it is learnt again: scores may be kept meanwhile. */
export interface Mix {
  /** GPUs that all tasks together ask for. */
  readonly demandGpus: number;
  /** By fixed dimension: what tasks with GPUs ask of it for each GPU. 0: nothing. */
  readonly perGpu: Float64Array;
  /** By node row: what demand that is confined to it and others like it adds to the pressure on its GPUs, in parts of the average pressure; 0 = none, at most `highestPrice`. Rows beyond its end: 0. */
  readonly price: Float64Array;
  /** GPUs left that an average task could use. */
  readonly usableGpus: number;
}

export const highestPrice = 3;
/** Sets of nodes that tasks are confined to and that prices are reckoned for: those with most demand. */
const mostClasses = 64;

/**
 * GPUs of node `n` that tasks like the average one can still use: all that is free on its devices, unless CPU, memory, disk or pids
 * run out first. The rest is stranded. Hot: no allocation.
 */
export function usableGpus(freeGpus: number, n: number, free: readonly Float64Array[], perGpu: Float64Array): number {
  let usable = freeGpus;
  for (let d = 0; d <= pids; d++) if (perGpu[d]! > 0) usable = Math.min(usable, Math.max(0, free[d]![n]!) / perGpu[d]!);
  return usable;
}

/**
 * Adds up what tasks ask for, and prices the nodes: demand that is confined to a set of nodes (an eligibility class: GPU models, constraints, platforms) presses on each
 * GPU of the set by demand / supply. The price of a node is the sum, over the sets that it is in, of what they press more than the same demand would if it could go
 * anywhere, in parts of what all demand presses on all supply. Demand that may go anywhere adds nothing.
 *
 * Supply counts whole GPUs that are usable now: the sum of many nodes' fractions looks like plenty where no task fits any more (with fractions, gpuspec20 needs
 * 9 % more nodes than the bound, with whole ones 0.7 %). And because it counts what is free *now*, prices steer themselves: what has been spared
 * becomes cheap, so that at the end no model is left over, none is missing.
 *
 * O(sets × nodes), at most 64 sets.
 */
export function learnMix({ nodes, requests, predicates }: ClusterState): Mix {
  const perGpu = new Float64Array(fixedDimensions.length), price = new Float64Array(nodes.size);
  const demandOf = new Map<number, number>();      // eligibility class → GPUs
  let demandGpus = 0;
  for (let r = 0; r < requests.size; r++) {
    const tasks = requests.placed[r]! + requests.waiting[r]!;
    if (tasks <= 0 || requests.gpuCount[r] === 0) continue;
    const gpus = (tasks * requests.gpuCount[r]! * requests.gpuMillis[r]!) / wholeGpu, c = requests.eligibility[r]!;
    demandGpus += gpus;
    demandOf.set(c, (demandOf.get(c) ?? 0) + gpus);
    for (let d = 0; d < perGpu.length; d++) perGpu[d]! += tasks * requests.amount[d]![r]!;
  }
  if (demandGpus === 0) return { demandGpus, perGpu: perGpu.fill(0), price, usableGpus: 0 };
  for (let d = 0; d < perGpu.length; d++) perGpu[d]! /= demandGpus;

  const usable = new Float64Array(nodes.size), isReached = new Uint8Array(nodes.size);
  for (let n = 0; n < nodes.size; n++) usable[n] = Math.floor(usableGpus(nodes.gpuFreeMillis[n]! / wholeGpu, n, nodes.free, perGpu));
  const sets = [...demandOf].sort(([a, x], [b, y]) => y - x || a - b).slice(0, mostClasses).map(([c, gpus]) => {
    let supply = 0;
    predicates.eligible[c]!.forEach((n) => { supply += usable[n]!; isReached[n] = 1; });
    return { members: predicates.eligible[c]!, supply, gpus };
  });
  let all = 0;
  for (let n = 0; n < nodes.size; n++) if (isReached[n] === 1) all += usable[n]!;
  for (const { members, supply, gpus } of sets) {
    const pressure = (gpus / demandGpus) * ((all + tiny) / (supply + tiny) - 1);
    if (pressure > 0) members.forEach((n) => { if (n < price.length) price[n] = Math.min(highestPrice, price[n]! + pressure); });
  }
  return { demandGpus, perGpu, price, usableGpus: all };
}

/** In a full cluster there is no supply to divide by. */
const tiny = 1e-3;
