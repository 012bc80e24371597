import type { PlacementStrategy } from "../../../model/index.js";
import { GpuCost, learnScarcity, steepest, weightOf } from "../score/index.js";
import { cpu, memory, pids, type ClusterState } from "../state/index.js";

/**
 * The part of a node's score that the strategy gives, in points; the best node has most. What follows is worth more or less than what a user's soft rules
 * weigh (1 to 100 points each; of full weight, 100, they outweigh all of pack and balanced, soft-terms.ts):
 *   pack      0–100: how full the node is once the task is there, by CPU and memory left over in parts of the largest node (best fit); where tasks come and go, the one
 *             that is scarcer in the cluster counts more (score/scarcity.ts), up to all of it; on nodes with GPUs left 100 less 100 for each GPU that the place costs (score/gpu-cost.ts)
 *   spread    −20 for each task of the service on the node, then fewer tasks of any kind first
 *   balanced  0–100: two thirds for a low dominant share (the larger of CPU's and memory's), one third for both shares being equal, all with the task there
 * Usage-aware (ClusterState.isUsageAware), what nodes really use stands for what is reserved in all three: pack fills a node that has less than a tenth really free
 * last, spread takes the node in least use (0–10 points) among those with the fewest tasks of the service.
 * Nodes that have what few have (GPUs that are free, generic resources) cost 100 for each kind that the task does not ask for, where machines are to stay free: pack, balanced.
 */
export type Strategy = Exclude<PlacementStrategy, "DEFAULT">;

export const pointsPerServiceTask = 20;
/** Far less than one task of the service, whatever a node holds. */
export const pointsPerTask = 0.0001;
export const pointsPerRareKind = 100;
export const pointsPerGpu = 100;
/** usage-aware: a node in full use, against an idle one; less than a task of the service. */
const pointsOfLoad = 10;
/** usage-aware: a node that has less than this part of its CPU or memory really free is filled up last, though reservations fit. */
const leastReallyFree = 0.1;

/** Tasks that reserve nothing would fit anywhere in any number: whatever is asked for, they are spread. */
export function strategyOf({ groups }: ClusterState, g: number, byDefault: Strategy): Strategy {
  const wanted = groups.strategyOf(g);
  if (groups.dimensionsOf(g) === 0 && groups.gpuCountOf(g) === 0) return "SPREAD";
  return wanted === "DEFAULT" ? byDefault : wanted;
}

/** Changes after which it is looked again what is scarce, at least. */
const leastChanges = 64;

/** Scores of nodes of `state`, with what is learnt from the whole cluster kept until nodes come, go or change, or much has been placed. */
export class StrategyScores {
  #version = -1;
  #learnAgainAt = 0;
  /** What counts of a thousandth of a core, and of a byte, that is left over: those of the largest nodes count 1 together. */
  #cpuWeight = 0.5;
  #memoryWeight = 0.5;

  readonly gpuCost: GpuCost;

  constructor(readonly state: ClusterState) { this.gpuCost = new GpuCost(state); }

  /** To be called before a decision, not for each node. True: scores are others than they were. */
  refresh(): boolean {
    const isGpuCostOther = this.gpuCost.refresh();
    return this.refreshScale() || isGpuCostOther;
  }

  /** Enough where no node with GPUs is scored. True: CPU or memory counts more than it did, or the largest node is another. */
  refreshScale(): boolean {
    const { nodes, tasks } = this.state;
    if (nodes.totalsVersion === this.#version && nodes.changes < this.#learnAgainAt) return false;
    this.#version = nodes.totalsVersion;
    // A mix changes slowly: once a quarter of the tasks are others, and so seldom that a look at all nodes costs little beside as many decisions.
    this.#learnAgainAt = nodes.changes + Math.max(leastChanges, nodes.size / 8, tasks.count / 4);
    let cpuMost = 1, memoryMost = 1;
    for (let n = 0; n < nodes.size; n++) {
      if (!nodes.alive.has(n)) continue;
      cpuMost = Math.max(cpuMost, nodes.total[cpu]![n]!);
      memoryMost = Math.max(memoryMost, nodes.total[memory]![n]!);
    }
    const { relative } = learnScarcity(this.state).plain, most = Math.max(relative[cpu]!, relative[memory]!) || 1, steepness = steepest * this.state.turnover.of(this.state.placedTasks);
    const ofCpu = weightOf(relative[cpu]! / most, steepness), ofMemory = weightOf(relative[memory]! / most, steepness), both = ofCpu + ofMemory;
    const cpuWeight = ofCpu / both / cpuMost, memoryWeight = ofMemory / both / memoryMost;
    if (isNear(cpuWeight, this.#cpuWeight) && isNear(memoryWeight, this.#memoryWeight)) return false;
    this.#cpuWeight = cpuWeight;
    this.#memoryWeight = memoryWeight;
    return true;
  }

  get cpuWeight(): number { return this.#cpuWeight; }
  get memoryWeight(): number { return this.#memoryWeight; }

  /** Points of `n` for one more of `r`. Hot: no allocation. */
  of(strategy: Strategy, n: number, r: number, serviceTasks: number): number {
    switch (strategy) {
      case "PACK": return this.pack(n, r) - pointsPerRareKind * this.rareKinds(n, r);
      case "SPREAD": return this.spread(n, serviceTasks);
      case "BALANCED": return this.balanced(n, r) - pointsPerRareKind * this.rareKinds(n, r);
    }
  }

  pack(n: number, r: number): number {
    const { nodes, requests } = this.state;
    if (nodes.gpuFreeMillis[n]! > 0) return 100 - pointsPerGpu * this.gpuCost.of(n, r);
    const cpuLeft = this.#cpuFree(n) - requests.amount[cpu]![r]!, memoryLeft = this.#memoryFree(n) - requests.amount[memory]![r]!;
    const left = 100 * (cpuLeft * this.#cpuWeight + memoryLeft * this.#memoryWeight);
    return this.state.isUsageAware && Math.min(cpuLeft / nodes.total[cpu]![n]!, memoryLeft / nodes.total[memory]![n]!) < leastReallyFree ? -left : 100 - left;
  }

  spread(n: number, serviceTasks: number): number {
    const points = -pointsPerServiceTask * serviceTasks - pointsPerTask * this.state.nodes.tasks[n]!;
    if (!this.state.isUsageAware) return points;
    const { nodes } = this.state;
    return points - pointsOfLoad * Math.max(share(nodes.total[cpu]![n]!, this.#cpuFree(n)), share(nodes.total[memory]![n]!, this.#memoryFree(n)));
  }

  balanced(n: number, r: number): number {
    const { nodes, requests } = this.state;
    const cpuShare = share(nodes.total[cpu]![n]!, this.#cpuFree(n) - requests.amount[cpu]![r]!);
    const memoryShare = share(nodes.total[memory]![n]!, this.#memoryFree(n) - requests.amount[memory]![r]!);
    return 100 - (200 * Math.max(cpuShare, memoryShare) + 100 * Math.abs(cpuShare - memoryShare)) / 3;
  }

  #cpuFree(n: number): number { const { nodes } = this.state; return nodes.free[cpu]![n]! - (this.state.isUsageAware ? nodes.cpuBeyondReserved[n] ?? 0 : 0); }
  #memoryFree(n: number): number { const { nodes } = this.state; return nodes.free[memory]![n]! - (this.state.isUsageAware ? nodes.memoryBeyondReserved[n] ?? 0 : 0); }

  /** Kinds of what few nodes have that node `n` has and `r` does not ask for. */
  rareKinds(n: number, r: number): number {
    const { nodes, requests } = this.state;
    let kinds = nodes.gpuFreeMillis[n]! > 0 && requests.gpuCount[r] === 0 ? 1 : 0;
    for (let d = pids + 1; d < requests.amount.length; d++) if (nodes.total[d]![n]! > 0 && requests.amount[d]![r] === 0) kinds++;
    return kinds;
  }
}

const share = (total: number, left: number): number => (total > 0 ? 1 - left / total : 0);

/** By less than that the order of nodes hardly changes. */
const isNear = (a: number, b: number): boolean => Math.abs(a - b) <= 0.02 * Math.max(a, b);
