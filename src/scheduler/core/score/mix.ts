import { cpu, fixedDimensions, pids, wholeGpu, type ClusterState } from "../state/index.js";

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
  /** Requests for several whole GPUs that few nodes have room for, dearest first. */
  readonly large: readonly LargeRequest[];
  /** The fewest GPUs that any of `large` asks for. */
  readonly leastLargeGpus: number;
}

/** One or several requests that are nearly the same, as large as the largest of them. */
export interface LargeRequest {
  readonly gpus: number;
  /** By fixed dimension. */
  readonly amounts: Float64Array;
  readonly eligibility: number;
  /** What room for one is worth, in GPUs. */
  readonly price: number;
}

export const highestPrice = 3;
/** Demand that each model is taken to have before it is known, GPUs. */
const expectedGpus = 2;
/** So many are looked at when a node with several free GPUs is scored. */
const mostLarge = 16;
/** Requests with up to so many times the CPU of one another are one. */
const alikeBy = 1.15;
/** Sets of nodes that tasks are confined to and that prices are reckoned for: those with most demand. */
const mostClasses = 64;

/**
 * GPUs of node `n` that tasks like the average one can still use: all that is free on its devices, unless CPU, memory, disk or pids
 * run out first. The rest is stranded. Hot: no allocation.
 */
function usableGpus(freeGpus: number, n: number, free: readonly Float64Array[], perGpu: Float64Array): number {
  let usable = freeGpus;
  for (let d = 0; d <= pids; d++) if (perGpu[d]! > 0) usable = Math.min(usable, Math.max(0, free[d]![n]!) / perGpu[d]!);
  return usable;
}

/**
 * How many of `large` fit node `n` with `whole` devices free, once request `r` is there too (-1: nothing more). Hot: no allocation.
 */
export function roomFor({ gpus, amounts }: LargeRequest, { nodes, requests }: ClusterState, n: number, whole: number, r: number): number {
  let room = Math.floor(whole / gpus);
  for (let d = 0; d < amounts.length && room > 0; d++) {
    if (amounts[d] === 0) continue;
    const free = nodes.free[d]![n]! - (r < 0 ? 0 : requests.amount[d]![r]!);
    if (free < room * amounts[d]!) room = Math.max(0, Math.floor(free / amounts[d]!));
  }
  return room;
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
 * Requests for several GPUs of one node press in the same way on the nodes that have room for them now, which are few where they are large (or where a stream of small tasks has
 * taken a little of each). Their price is for the room as a whole: there is none, or there is.
 *
 * O((sets + large requests) × nodes), at most 64 sets and as many kinds of large requests as there are.
 */
export function learnMix(state: ClusterState): Mix {
  const { nodes, requests, predicates } = state;
  const perGpu = new Float64Array(fixedDimensions.length), price = new Float64Array(nodes.size);
  const demandOf = new Map<number, number>();      // eligibility class → GPUs
  let demandGpus = 0;
  for (let r = 0; r < requests.size; r++) {
    const tasks = requests.tasksOf(r);
    if (tasks <= 0 || requests.gpuCount[r] === 0) continue;
    const gpus = (tasks * requests.gpuCount[r]! * requests.gpuMillis[r]!) / wholeGpu, c = requests.eligibility[r]!;
    demandGpus += gpus;
    demandOf.set(c, (demandOf.get(c) ?? 0) + gpus);
    for (let d = 0; d < perGpu.length; d++) perGpu[d]! += tasks * requests.amount[d]![r]!;
  }
  if (demandGpus === 0) return { demandGpus, perGpu: perGpu.fill(0), price, usableGpus: 0, large: [], leastLargeGpus: Infinity };
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
  pressUnknown(state, demandGpus, price);
  // Those that have room for any: most have not, and there are many kinds.
  const roomy: number[] = [];
  for (let n = 0; n < nodes.size; n++) if (nodes.gpuWhole[n]! > 1) roomy.push(n);
  const large = largeRequests(state).map(({ gpus, amounts, eligibility, demand }): LargeRequest => {
    const request = { gpus, amounts, eligibility, price: 0 }, members = predicates.eligible[eligibility]!;
    let supply = 0;
    for (const n of roomy) if (nodes.gpuWhole[n]! >= gpus && members.has(n)) supply += gpus * roomFor(request, state, n, nodes.gpuWhole[n]!, -1);
    return { ...request, price: gpus * Math.min(highestPrice, Math.max(0, (demand / demandGpus) * ((all + tiny) / (supply + tiny) - 1))) };
  }).filter((request) => request.price > leastPrice).sort((a, b) => b.price - a.price).slice(0, mostLarge);
  return { demandGpus, perGpu, price, usableGpus: all, large, leastLargeGpus: large.reduce((least, { gpus }) => Math.min(least, gpus), Infinity) };
}

/**
 * Before anybody has asked for a model it is not known that nobody will: each is taken to have `expectedGpus` of demand confined to it. That counts at the start, so that
 * common models fill up first and rare ones stay, and fades as demand is learnt; against all devices and not against those that are left, or it would come
 * back when the cluster is full (0.1 points of allocation). Without it, a model of 5 % of the GPUs is full when the first task
 * comes that must have it (half of gpuspec20's tasks need 44 % more nodes than the bound).
 */
function pressUnknown({ nodes }: ClusterState, demandGpus: number, price: Float64Array): void {
  let all = 0;
  const supplyOf = new Map<number, number>();
  for (let n = 0; n < price.length; n++) {
    if (nodes.gpuCount[n] === 0 || !nodes.alive.has(n)) continue;
    all += nodes.gpuCount[n]!;
    supplyOf.set(nodes.gpuModel[n]!, (supplyOf.get(nodes.gpuModel[n]!) ?? 0) + nodes.gpuCount[n]!);
  }
  if (supplyOf.size < 2) return;
  const share = expectedGpus / (demandGpus + expectedGpus * supplyOf.size);
  for (let n = 0; n < price.length; n++) {
    if (nodes.gpuCount[n] === 0 || !nodes.alive.has(n)) continue;
    price[n] = Math.min(highestPrice, price[n]! + share * (all / supplyOf.get(nodes.gpuModel[n]!)! - 1));
  }
}

/** What is asked for in several whole GPUs: nearly equal requests of one set of nodes as one. `demand` in GPUs. */
function largeRequests({ requests }: ClusterState): { readonly gpus: number; readonly amounts: Float64Array; readonly eligibility: number; demand: number }[] {
  const found: { gpus: number; amounts: Float64Array; eligibility: number; demand: number }[] = [];
  for (let r = 0; r < requests.size; r++) {
    const tasks = requests.tasksOf(r), gpus = requests.gpuCount[r]!;
    if (tasks > 0 && gpus > 1) found.push({ gpus, amounts: Float64Array.from(fixedDimensions, (_, d) => requests.amount[d]![r]!), eligibility: requests.eligibility[r]!, demand: tasks * gpus });
  }
  found.sort((a, b) => b.gpus - a.gpus || a.eligibility - b.eligibility || b.amounts[cpu]! - a.amounts[cpu]!);
  const merged: typeof found = [];
  for (const request of found) {
    const last = merged.at(-1);
    if (!last || last.gpus !== request.gpus || last.eligibility !== request.eligibility || last.amounts[cpu]! > request.amounts[cpu]! * alikeBy) { merged.push(request); continue; }
    last.demand += request.demand;
    for (let d = 0; d < last.amounts.length; d++) last.amounts[d] = Math.max(last.amounts[d]!, request.amounts[d]!);
  }
  return merged;
}

/** GPUs: less does not change which node is best. */
const leastPrice = 1e-3;

/** In a full cluster there is no supply to divide by. */
const tiny = 1e-3;
