import { countOnNode } from "../filters/index.js";
import { GpuNodeIndex } from "../score/index.js";
import { hasReplicas, unlimited, type ClusterState } from "../state/index.js";
import { CapacityGrid } from "./capacity-grid.js";
import type { OwnCounts } from "./own-counts.js";
import { RefusedShapes } from "./refused-shapes.js";
import type { StrategyScores } from "./strategy.js";

/** Grids kept; each takes 12 bytes a node and 200 KiB. */
const maxGrids = 16;

/**
 * So many kinds of requests are placed by what each costs on every node with GPUs, alike ones together (score/alike-requests.ts): 8,000 kinds on 1,213 nodes pack as well as 151, 4,000 tasks/s. Of more kinds a mix is not learnt
 * in passing: where the work for all that wait, tasks × (devices + kinds), and that of learning, which looks at all kinds several times, are more than `mostWork` (10 ms), they are packed by
 * the grids instead.
 */
const mostKinds = 20_480;
const mostWork = 3_200_000;
const looksOfLearning = 4;

const manyTasks = 32;

/** While more wait than this, a node that is within an eighth of the tightest is tight enough: 1.0 to 1.5 times as many decisions a second. */
const manyWaiting = 1_000;
const nearlyTightest = 8 / 9;

/**
 * Packs tasks of services without rules about places: onto the tightest node that fits, as many as it takes, then onto the next. A node takes at most
 * half of a service's replicas while others fit.
 */
export class Packer {
  /** By eligibility class. */
  readonly #grids: (CapacityGrid | undefined)[] = [];
  readonly #refused: RefusedShapes;
  readonly #gpuNodes: GpuNodeIndex;
  #uses = 0;

  constructor(readonly state: ClusterState, readonly own: OwnCounts, readonly scores: StrategyScores) {
    this.#refused = new RefusedShapes(state);
    this.#gpuNodes = new GpuNodeIndex(state, scores.gpuCost);
  }

  /** What CPU and memory count is other than it was. */
  scaleChanged(): void { for (const grid of this.#grids) grid?.setWeights(this.scores.cpuWeight, this.scores.memoryWeight); }

  /** How many of the first `wanted` were placed, on nodes of class `eligibility`. */
  place(g: number, tasks: ArrayLike<number>, wanted: number, eligibility: number): number {
    const { state } = this;
    const { groups } = state;
    const replicas = (groups.traitsOf(g) & hasReplicas) === 0 ? 1 : groups.rules[g]!.replicas;
    if (!this.#refused.isEmpty && this.#refused.covers(groups.request[g]!, eligibility)) return 0;
    const grid = this.#grid(eligibility);
    const s = replicas > 1 ? groups.service[g]! : -1, half = replicas > 1 ? Math.ceil(replicas / 2) : unlimited;
    if (wanted === 1 && half < unlimited && state.tasksOfService(s) > manyTasks) {
      // One more of a large service: how many the best node has is told by that node's tasks sooner than by the service's.
      grid.catchUp();
      const n = this.#find(grid, g, undefined, unlimited);
      if (n >= 0 && countOnNode(state, s, n) < half) {
        state.place(tasks[0]!, n);
        return 1;
      }
    }
    const own = half < unlimited && (wanted > 1 || state.tasksOfService(s) > 0) ? this.own.of(s) : undefined;
    const hasGpus = groups.gpuCountOf(g) > 0;
    let placed = 0, most = half;
    while (placed < wanted) {
      grid.catchUp();
      const n = this.#find(grid, g, own, most);
      if (n < 0) {
        if (most === unlimited || own === undefined) { this.#refused.add(groups.request[g]!, eligibility); break; }
        most = unlimited;
        continue;
      }
      // What fits here goes here: with each of them the node is fuller still.
      const count = wanted - placed === 1 || hasGpus || state.nodes.gpuFreeMillis[n]! > 0 ? 1 : Math.min(wanted - placed, state.room(n, groups.request[g]!), own && most < unlimited ? most - own[n]! : unlimited);
      if (count === 1) state.place(tasks[placed]!, n);
      else state.placeRun(g, tasks, placed, placed + count, n);
      if (own) this.own.placed(n, count);
      placed += count;
    }
    return placed;
  }

  /**
   * Nodes whose GPUs are all in use are nodes like others; those with free ones are the last that a task gets that asks for none. Unless tasks come and go: then GPUs are free and in use by turns,
   * and what a place costs decides among all nodes with GPUs (churn: 4.6 % over the bound instead of 4.9 %).
   */
  #find(grid: CapacityGrid, g: number, own: Int32Array | undefined, most: number): number {
    const { nodes, groups, requests } = this.state, waiting = this.state.tasks.count - this.state.placedTasks;
    grid.closeEnough = waiting > manyWaiting ? nearlyTightest : 1;
    if (nodes.devices === 0 || (requests.kinds > mostKinds && (waiting + looksOfLearning) * (nodes.devices + requests.kinds) > mostWork)) return grid.find(g, own, most);
    if (groups.gpuCountOf(g) === 0) {
      const n = grid.find(g, own, most);
      if (n < 0 || nodes.gpuCount[n] === 0) return n;
      this.scores.gpuCost.refresh();
      if (nodes.gpuFreeMillis[n]! <= 0 && !this.scores.gpuCost.isUsedAgain) return n;
    } else this.scores.gpuCost.refresh();
    const n = this.#gpuNodes.find(groups.request[g]!, own, most);
    // Of the nodes that the request may go to it knows all: where only some of them are to be chosen from, the grid knows better.
    return n < 0 || this.state.predicates.eligible[grid.eligibility]!.has(n) ? n : grid.find(g, own, most);
  }

  #grid(eligibility: number): CapacityGrid {
    const grid = this.#grids[eligibility] ?? this.#makeGrid(eligibility);
    grid.lastUse = ++this.#uses;
    return grid;
  }

  #makeGrid(eligibility: number): CapacityGrid {
    const kept = this.#grids.filter((grid) => grid !== undefined);
    if (kept.length >= maxGrids) this.#grids[kept.reduce((a, b) => (b.lastUse < a.lastUse ? b : a)).eligibility] = undefined;
    const grid = new CapacityGrid(this.state, eligibility);
    grid.setWeights(this.scores.cpuWeight, this.scores.memoryWeight);
    while (this.#grids.length <= eligibility) this.#grids.push(undefined);
    return this.#grids[eligibility] = grid;
  }
}
