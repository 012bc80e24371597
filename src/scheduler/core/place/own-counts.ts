import { nowhere, type ClusterState } from "../state/index.js";

/**
 * Wanted tasks of one service by node, for as long as decisions about that service follow each other: a walk over its tasks, and none when the
 * next batch of the same service comes before anything else has changed.
 */
export class OwnCounts {
  counts = new Int32Array(0);
  /** The most on one node. */
  most = 0;
  #touched: number[] = [];
  #service = -1;
  #changes = -1;

  constructor(readonly state: ClusterState) {}

  of(s: number): Int32Array {
    const { state } = this, { nodes, tasks } = state;
    if (this.#service === s && this.#changes === nodes.changes) return this.counts;
    for (const n of this.#touched) this.counts[n] = 0;
    this.#touched = [];
    this.most = 0;
    if (this.counts.length < nodes.size) this.counts = new Int32Array(nodes.capacity);
    for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) if (tasks.countOf(t) === 1) this.#add(tasks.nodeOf(t), 1);
    this.#service = s;
    this.#changes = nodes.changes;
    return this.counts;
  }

  /** `count` tasks of the service have just been placed on `n`, in one change of the state each `changes`. */
  placed(n: number, count: number): void {
    this.#add(n, count);
    this.#changes = this.state.nodes.changes;
  }

  #add(n: number, count: number): void {
    if (this.counts[n] === 0) this.#touched.push(n);
    const own = this.counts[n]! += count;
    if (own > this.most) this.most = own;
  }
}
