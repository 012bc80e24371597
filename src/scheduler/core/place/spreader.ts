import type { ClusterState } from "../state/index.js";
import type { OwnCounts } from "./own-counts.js";
import { TaskCountIndex } from "./task-count-index.js";
import { WaterFilling } from "./water-filling.js";

/** Indexes kept; each takes up to 16 bits a node and level of fullness. */
const maxIndexes = 16;
/** So many nodes without room are passed by before an index that leaves them out is worth its making. */
const maxPassed = 1_024;
/** With more tasks than this part of the nodes, a look at all nodes is cheaper than taking one after the other from the index. */
const nodesPerTask = 6;

/**
 * Spreads tasks of services without rules about places: the node with the fewest tasks of the service, then with the fewest tasks, then the first. Few tasks on
 * many nodes are taken from an index by task count, many on few nodes are water-filled; both give the same counts.
 */
export class Spreader {
  readonly #waterFilling: WaterFilling;
  /** Least recently used first. */
  readonly #indexes = new Map<number, TaskCountIndex>();
  #last: TaskCountIndex | undefined;
  #found = new Int32Array(64);

  constructor(readonly state: ClusterState, readonly own: OwnCounts) { this.#waterFilling = new WaterFilling(state, own); }

  /** How many of the first `wanted` were placed, on nodes of class `eligibility`; undefined: not a case for this one, nothing is placed. */
  place(g: number, tasks: ArrayLike<number>, wanted: number, eligibility: number): number | undefined {
    const { state } = this;
    const { groups, requests } = state;
    const r = groups.request[g]!, s = groups.service[g]!;
    const hasGpus = requests.gpuCount[r]! > 0;
    if (wanted * nodesPerTask <= state.nodes.size || hasGpus) {
      const own = state.tasksOfService(s) > 0 ? this.own.of(s) : undefined;
      if (this.#found.length < wanted) this.#found = new Int32Array(wanted * 2);
      if (this.#collect(r, eligibility, wanted, own) === wanted) {
        const found = this.#found;
        for (let i = 0; i < wanted; i++) {
          state.place(tasks[i]!, found[i]!);
          if (own) this.own.placed(found[i]!, 1);
        }
        return wanted;
      }
    }
    return hasGpus ? undefined : this.#waterFilling.place(g, state.predicates.eligible[eligibility]!, tasks, wanted);
  }

  #collect(r: number, eligibility: number, wanted: number, own: Int32Array | undefined): number {
    const { requests } = this.state;
    const known = this.#indexes.size > 0 ? this.#indexes.get(keyOf(eligibility, r)) : undefined;
    if (known && known.generation === requests.generation[r]) return this.#collectFrom(known, r, wanted, own);
    const size = this.#collectFrom(this.#index(eligibility, -1), r, wanted, own);
    return size === wanted ? size : this.#collectFrom(this.#index(eligibility, r), r, wanted, own);
  }

  #collectFrom(index: TaskCountIndex, r: number, wanted: number, own: Int32Array | undefined): number {
    index.catchUp();
    return index.collect(wanted, r, own, this.#found, maxPassed);
  }

  #index(eligibility: number, r: number): TaskCountIndex {
    const last = this.#last;
    if (last && last.eligibility === eligibility && last.r === r && (r < 0 || last.generation === this.state.requests.generation[r])) return last;
    const key = keyOf(eligibility, r);
    let index = this.#indexes.get(key);
    if (index && r >= 0 && index.generation !== this.state.requests.generation[r]) index = undefined;
    index ??= new TaskCountIndex(this.state, eligibility, r);
    this.#indexes.delete(key);
    this.#indexes.set(key, index);
    if (this.#indexes.size > maxIndexes) this.#indexes.delete(this.#indexes.keys().next().value!);
    return this.#last = index;
  }
}

const keyOf = (eligibility: number, r: number): number => eligibility * 2 ** 31 + r + 1;
