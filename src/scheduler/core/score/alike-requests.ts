import { cpu, memory, pids, type RequestTable } from "../state/index.js";

/** Kinds of requests of which each is looked at for itself. */
const mostKinds = 2_048;
/** Groups of alike ones, where there are more: every one's costs are brought up to date after as many changes of nodes, 45 ns each. */
const mostAlike = 192;
const mib = 2 ** 20;

/** How alike requests are that count as one, finest first: parts of a GPU in thousandths; steps of CPU and of memory to an octave. */
const grains = [
  { gpuMillis: 25, cpuSteps: 8, memorySteps: 2 },
  { gpuMillis: 50, cpuSteps: 4, memorySteps: 1 },
  { gpuMillis: 100, cpuSteps: 2, memorySteps: 0.5 },
  { gpuMillis: 250, cpuSteps: 1, memorySteps: 0.25 },
] as const;

/** For each request one that stands for it: itself while there are few kinds, else the first that was met among those that are nearly the same and may go to the same nodes. */
export class AlikeRequests {
  #grain = 0;
  readonly #first = new Map<string, { readonly r: number; readonly generation: number }>();

  constructor(readonly requests: RequestTable) {}

  /** `most`: so many can be told apart. */
  of(r: number, most: number): number {
    const { requests } = this;
    if (requests.kinds <= Math.min(mostKinds, most)) {
      if (this.#first.size > 0) { this.#first.clear(); this.#grain = 0; }
      return r;
    }
    // Kinds of resources that few nodes have: too little is won, and too much could be lost.
    if (requests.dimensionsOf(r) > pids + 1) return r;
    const key = this.#keyOf(r), first = this.#first.get(key);
    if (first !== undefined && requests.generation[first.r] === first.generation) return first.r;
    if (first === undefined && this.#first.size >= Math.max(1, Math.min(mostAlike, most))) {
      this.#first.clear();
      this.#grain = Math.min(this.#grain + 1, grains.length - 1);
      return this.of(r, most);
    }
    this.#first.set(key, { r, generation: requests.generation[r]! });
    return r;
  }

  #keyOf(r: number): string {
    const { requests } = this, { gpuMillis, cpuSteps, memorySteps } = grains[this.#grain]!;
    const level = (amount: number, steps: number) => Math.round(Math.log2(amount + 1) * steps);
    return `${requests.eligibility[r]!};${requests.gpuModels[r]!};${requests.gpuCount[r]!}x${Math.ceil(requests.gpuMillis[r]! / gpuMillis)};${level(requests.amount[cpu]![r]!, cpuSteps)};${level(requests.amount[memory]![r]! / mib, memorySteps)}`;
  }
}
