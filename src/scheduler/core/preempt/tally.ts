import { nowhere, type ClusterState } from "../state/index.js";

/** What the tasks of a node hold of what request `r` asks for: those who may be stopped, and those who are being stopped. In arrays that are used again for each node. */
export class Tally {
  readonly amounts: readonly Float64Array[];
  readonly free: readonly Float64Array[];
  /** By dimension that is asked for: what all hold who may be stopped, the most that one of them holds, what those hold who are being stopped. */
  readonly held: Float64Array;
  readonly largest: Float64Array;
  readonly ending: Float64Array;
  readonly count: number;
  /** Thousandths of devices. */
  readonly gpuNeeded: number;
  gpuHeld = 0;
  gpuLargest = 0;
  gpuEnding = 0;
  /** How many may be stopped, and the lowest priority among them. */
  stoppables = 0;
  lowest = Infinity;
  hasEnding = false;

  constructor(readonly state: ClusterState, readonly r: number, private readonly mayStop: Uint8Array) {
    const { nodes, requests } = state;
    const dimensions = requests.amount.map((_, d) => d).filter((d) => requests.amount[d]![r]! > 0);
    this.amounts = dimensions.map((d) => requests.amount[d]!);
    this.free = dimensions.map((d) => nodes.free[d]!);
    this.count = dimensions.length;
    this.held = new Float64Array(this.count);
    this.largest = new Float64Array(this.count);
    this.ending = new Float64Array(this.count);
    this.gpuNeeded = requests.gpuCount[r]! * requests.gpuMillis[r]!;
  }

  /** Adds up the tasks of `n`. Hot: 10,000 nodes with 120,000 tasks in 1 ms; no allocation. */
  take(n: number): void {
    const { amounts, held, largest, ending, count, gpuNeeded, mayStop } = this;
    const { nodes, tasks, requests, groups } = this.state;
    const { gpuMask } = tasks;
    const { request, priority: priorities } = groups;
    held.fill(0); largest.fill(0); ending.fill(0);
    let stoppables = 0, gpuHeld = 0, gpuLargest = 0, gpuEnding = 0, lowest = Infinity, hasEnding = false;
    for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
      const group = tasks.groupOf(t);
      const isEnding = tasks.countOf(t) === 0;
      if (!isEnding && mayStop[group] === 0) continue;
      const of = request[group]!;
      if (isEnding) hasEnding = true;
      else {
        stoppables++;
        if (priorities[group]! < lowest) lowest = priorities[group]!;
      }
      for (let i = 0; i < count; i++) {
        const amount = amounts[i]![of]!;
        if (isEnding) { ending[i]! += amount; continue; }
        held[i]! += amount;
        if (amount > largest[i]!) largest[i] = amount;
      }
      if (gpuNeeded > 0 && gpuMask[t] !== 0) {
        const amount = requests.gpuCount[of]! * requests.gpuMillis[of]!;
        if (isEnding) gpuEnding += amount;
        else { gpuHeld += amount; if (amount > gpuLargest) gpuLargest = amount; }
      }
    }
    this.stoppables = stoppables; this.lowest = lowest; this.hasEnding = hasEnding;
    this.gpuHeld = gpuHeld; this.gpuLargest = gpuLargest; this.gpuEnding = gpuEnding;
  }

  /** How many fit on `n`, which was taken last, with so many victims and those gone who are being stopped: by sums of amounts, really it may be fewer. */
  roomAtMost(n: number, victims: number): number {
    const { amounts, free, held, largest, ending, r } = this;
    let room = Infinity;
    for (let i = 0; i < this.count; i++) room = Math.min(room, Math.floor((free[i]![n]! + ending[i]! + Math.min(held[i]!, victims * largest[i]!)) / amounts[i]![r]!));
    if (this.gpuNeeded === 0) return room;
    return Math.min(room, Math.floor((this.state.nodes.gpuFreeMillis[n]! + this.gpuEnding + Math.min(this.gpuHeld, victims * this.gpuLargest)) / this.gpuNeeded));
  }
}
