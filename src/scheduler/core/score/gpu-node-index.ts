import type { ClusterState } from "../state/index.js";
import { AlikeRequests } from "./alike-requests.js";
import type { GpuCost } from "./gpu-cost.js";

const none = -1;
const blockBits = 6;
/** Costs kept, over all requests: 4 bytes each. */
const mostCosts = 8 * 2 ** 20;

/** What one more of a request costs on each node with GPUs; Infinity where it does not fit. */
interface Costs {
  readonly generation: number;
  epoch: number;
  /** Of NodeTable.changes: up to here the costs are right. */
  changes: number;
  readonly each: Float32Array;
  /** The least of each 64: a search reads these, and then one block. */
  readonly least: Float32Array;
}

/**
 * Nodes with GPUs, by what a place on them costs (GpuCost): the cheapest, exactly, the first of those that are equal. Costs are kept by request and brought up to date
 * from the nodes that changed since; a task of a request that others asked before costs 1,200 nodes / 64 looks and an evaluation for each change.
 *
 * Where there are too many kinds for that, those that are nearly alike share one's costs (AlikeRequests): then it is the cheapest of the nodes that it fits, to within what they differ by.
 */
export class GpuNodeIndex {
  #nodes = new Int32Array(0);
  #place = new Int32Array(0);      // node row → where it is in #nodes
  #size = 0;                       // of the node table, when #nodes was made
  #changes = 0;
  /** By request row, least recently used first. */
  readonly #costs = new Map<number, Costs>();

  readonly #alike: AlikeRequests;

  constructor(readonly state: ClusterState, readonly cost: GpuCost) { this.#alike = new AlikeRequests(state.requests); }

  /** The cheapest node with GPUs for one more of `r`; -1: it fits on none. Those with `most` tasks of the service or more (`own`) are passed by. */
  find(r: number, own: Int32Array | undefined, most: number): number {
    this.#noteNewNodes();
    const alike = this.#alike.of(r, Math.floor(mostCosts / this.#nodes.length)), { each, least } = this.#costsOf(alike);
    if (alike !== r) {
      const n = this.#findFitting(each, least, r, own, most);
      return n >= 0 ? n : this.#findByAll(r, own, most);
    }
    if (own !== undefined) return this.#findAmong(each, own, most);
    let block = none, best = Infinity;
    for (let b = 0; b < least.length; b++) if (least[b]! < best) { best = least[b]!; block = b; }
    if (block < 0) return none;
    let i = block << blockBits;
    while (each[i] !== best) i++;
    return this.#nodes[i]!;
  }

  #findAmong(each: Float32Array, own: Int32Array, most: number): number {
    let found = none, best = Infinity;
    for (let i = 0; i < each.length; i++) if (each[i]! < best && own[this.#nodes[i]!]! < most) { best = each[i]!; found = i; }
    return found < 0 ? none : this.#nodes[found]!;
  }

  #findFitting(each: Float32Array, least: Float32Array, r: number, own: Int32Array | undefined, most: number): number {
    let found = none, best = Infinity;
    for (let b = 0; b < least.length; b++) {
      if (least[b]! >= best) continue;
      for (let i = b << blockBits, end = Math.min(each.length, i + 64); i < end; i++) {
        if (each[i]! >= best || (own !== undefined && own[this.#nodes[i]!]! >= most) || !this.state.fits(this.#nodes[i]!, r)) continue;
        best = each[i]!;
        found = i;
      }
    }
    return found < 0 ? none : this.#nodes[found]!;
  }

  /** One by one, nothing kept. */
  #findByAll(r: number, own: Int32Array | undefined, most: number): number {
    let found = none, best = Infinity;
    for (let i = 0; i < this.#nodes.length; i++) {
      if (own !== undefined && own[this.#nodes[i]!]! >= most) continue;
      const cost = this.#costAt(i, r);
      if (cost < best) { best = cost; found = i; }
    }
    return found < 0 ? none : this.#nodes[found]!;
  }

  #costsOf(r: number): Costs {
    const { nodes, requests } = this.state;
    let costs = this.#costs.get(r);
    if (!costs || costs.generation !== requests.generation[r]) {
      const count = this.#nodes.length;
      costs = { generation: requests.generation[r]!, epoch: none, changes: 0, each: new Float32Array(count), least: new Float32Array((count + 63) >>> blockBits) };
      if ((this.#costs.size + 1) * count > mostCosts && this.#costs.size > 0) this.#costs.delete(this.#costs.keys().next().value!);
    } else if (costs.epoch === this.cost.epoch && costs.changes === nodes.changes) return costs;
    this.#costs.delete(r);
    this.#costs.set(r, costs);
    const { changeLog, changes } = nodes, mask = changeLog.length - 1;
    if (costs.epoch !== this.cost.epoch || changes - costs.changes > Math.min(changeLog.length, this.#nodes.length)) this.#costAll(costs, r);
    else for (let c = costs.changes; c < changes; c++) { const at = this.#place[changeLog[c & mask]!]!; if (at >= 0) this.#costOne(costs, r, at); }
    costs.epoch = this.cost.epoch;
    costs.changes = changes;
    return costs;
  }

  #costAll({ each, least }: Costs, r: number): void {
    least.fill(Infinity);
    for (let i = 0; i < each.length; i++) {
      const cost = each[i] = this.#costAt(i, r);
      if (cost < least[i >>> blockBits]!) least[i >>> blockBits] = cost;
    }
  }

  #costOne({ each, least }: Costs, r: number, i: number): void {
    const block = i >>> blockBits, before = each[i]!, cost = this.#costAt(i, r);
    each[i] = cost;
    if (cost <= least[block]!) least[block] = cost;
    else if (before === least[block]) {
      let smallest = Infinity;
      for (let at = block << blockBits, end = Math.min(each.length, at + 64); at < end; at++) if (each[at]! < smallest) smallest = each[at]!;
      least[block] = smallest;
    }
  }

  #costAt(i: number, r: number): number {
    const n = this.#nodes[i]!;
    return this.state.isEligible(n, r) && this.state.fits(n, r) ? this.cost.of(n, r) : Infinity;
  }

  /** Nodes that joined, or have GPUs now: the list is made again, and every cost with it. */
  #noteNewNodes(): void {
    const { nodes } = this.state;
    if (this.#changes === nodes.changes && this.#size === nodes.size) return;
    let isOther = this.#size !== nodes.size || nodes.changes - this.#changes > nodes.changeLog.length;
    for (let c = this.#changes; c < nodes.changes && !isOther; c++) {
      const n = nodes.changeLog[c & (nodes.changeLog.length - 1)]!;
      isOther = nodes.gpuCount[n]! > 0 !== this.#place[n]! >= 0;
    }
    this.#changes = nodes.changes;
    if (!isOther) return;
    this.#size = nodes.size;
    const found: number[] = [];
    this.#place = new Int32Array(nodes.size).fill(none);
    for (let n = 0; n < nodes.size; n++) if (nodes.gpuCount[n]! > 0) { this.#place[n] = found.length; found.push(n); }
    if (found.length === this.#nodes.length && found.every((n, i) => this.#nodes[i] === n)) return;
    this.#nodes = Int32Array.from(found);
    this.#costs.clear();
  }
}
