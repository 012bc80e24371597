import type { Packing } from "./packing.js";

/** What of the other dimensions is stranded when the leading one is used up, against the leading one that is stranded when another is. Both waste; the leading one is what machines are bought for. */
const strandedOthers = 0.1;

/**
 * How badly a node's free amounts serve the tasks that there are, as one number per node; the smaller the sum over all nodes, the more still fits.
 *   stranded   what is free of the leading dimension (GPUs; on a node without, the scarcest) and cannot be used, because for tasks as they are on average another
 *              dimension ends first; and a tenth of the reverse
 *   full       - Σ share used² over the node's GPUs (on a node without: of the node): two halves are worse than one whole and one empty
 * The unit is one GPU, or, where no task asks for one, an average node. (Weng et al., ATC '23, count what a random task could not use; the square needs no list of tasks, and finds
 * the pairs of shares that fill a device: on openb it leaves 5 to 15 of 6,300 GPUs lost to bad pairs where placing one by one left 31.)
 */
export class Disorder {
  /** By dimension: units of demand that one unit of it serves. */
  readonly #perUnit: Float64Array;
  readonly #perUnitWithGpus: Float64Array;
  readonly #scarcest: number;

  constructor(readonly packing: Packing) {
    const { dimensions, nodes, requests, tasks } = packing.problem, asked = new Float64Array(dimensions), askedWithGpus = new Float64Array(dimensions), total = new Float64Array(dimensions);
    let gpuMillis = 0;
    for (let t = 0; t < tasks.count; t++) {
      const r = tasks.request[t]!;
      for (let d = 0; d < dimensions; d++) {
        const amount = requests.amounts[r * dimensions + d]!;
        asked[d]! += amount;
        if (requests.gpuCount[r]! > 0) askedWithGpus[d]! += amount;
      }
      gpuMillis += requests.gpuCount[r]! * requests.gpuMillis[r]!;
    }
    for (let n = 0; n < nodes.count; n++) for (let d = 0; d < dimensions; d++) total[d]! += nodes.total[n * dimensions + d]!;
    const shares = asked.map((amount, d) => total[d]! > 0 ? amount / total[d]! : 0);
    this.#scarcest = shares.indexOf(shares.reduce((most, share) => Math.max(most, share), 0));
    this.#perUnit = asked.map((amount) => amount > 0 ? (shares[this.#scarcest]! * nodes.count) / amount : Infinity);
    this.#perUnitWithGpus = askedWithGpus.map((amount) => amount > 0 ? gpuMillis / 1000 / amount : Infinity);
  }

  of(n: number): number {
    const { nodes } = this.packing.problem;
    return nodes.gpuCount[n]! > 0 ? this.#withGpus(n) : this.#without(n);
  }

  #withGpus(n: number): number {
    const { packing } = this, { nodes, dimensions } = packing.problem, gpus = packing.gpuFree[n]! / 1000;
    let full = 0;
    for (let device = nodes.gpuStart[n]!, end = device + nodes.gpuCount[n]!; device < end; device++) { const used = 1 - packing.deviceFree[device]! / 1000; full += used * used; }
    let others = Infinity;
    for (let d = 0; d < dimensions; d++) others = Math.min(others, this.#serves(this.#perUnitWithGpus, n, d));
    return this.#stranded(gpus, others) - full;
  }

  #without(n: number): number {
    const { nodes, dimensions } = this.packing.problem, leading = this.#scarcest, total = nodes.total[n * dimensions + leading]!;
    let others = Infinity;
    for (let d = 0; d < dimensions; d++) if (d !== leading) others = Math.min(others, this.#serves(this.#perUnit, n, d));
    const used = total > 0 ? 1 - this.packing.free[n * dimensions + leading]! / total : 1;
    return this.#stranded(this.#serves(this.#perUnit, n, leading), others) - used * used;
  }

  #serves(perUnit: Float64Array, n: number, d: number): number {
    const each = perUnit[d]!;
    return each === Infinity ? Infinity : each * Math.max(0, this.packing.free[n * this.packing.problem.dimensions + d]!);
  }

  #stranded(leading: number, others: number): number {
    return others === Infinity ? 0 : leading > others ? leading - others : strandedOthers * (others - leading);
  }
}
