import { cpu, fixedDimensions, memory, wholeGpu, type ClusterState } from "../state/index.js";

/** What all tasks, placed and waiting, ask of nodes of one sort, in parts of what these have. */
export interface Scarcity {
  /** By fixed dimension, and (last) of GPUs: in parts of the scarcest one's, which is 1; 0 = there is none. */
  readonly relative: Float64Array;
  /** By fixed dimension, and (last) GPUs: what the nodes have together. */
  readonly total: Float64Array;
}

/** Place of GPUs in `relative` and `total`. */
export const gpus = fixedDimensions.length;

/**
 * As if so much of every dimension were asked for before anything is: the first task that comes does not decide alone what is scarce.
 */
const expectedShare = 0.05;

/**
 * So steep, where tasks come and go, that a dimension of which nine tenths as much is asked counts a thirtieth. Nodes are bought for the scarcest one: what is left of the others hardly matters. Open machines over the
 * bound under churn (6 runs, CPU and memory): equal counts 4.8 %, to the 3rd power 4.8 %, the 16th 4.4 %, the 32nd 4.3 %. Where tasks come to stay (Turnover 0) all count the same: a cluster that only fills up takes
 * 0.1 % fewer nodes so.
 */
export const steepest = 32;

/** Where the scarcest dimension leaves a choice, the others make it. */
const leastWeight = 0.001;

/** What a dimension counts that is so scarce, to 1. `steepness`: up to `steepest`. */
export const weightOf = (relative: number, steepness: number): number => Math.max(leastWeight, relative ** steepness);

/** Of more kinds of requests every so-and-so-many-th is looked at: a mix of that many says the same, and a decision is not to wait for a look at a million. */
const mostRows = 16_384;

/** Of nodes without GPUs, and of those with: tasks without GPUs go to the former, what they have no room for goes to the latter. O(nodes). */
export function learnScarcity({ nodes, requests }: ClusterState): { readonly plain: Scarcity; readonly withGpus: Scarcity } {
  const plainTotal = new Float64Array(gpus + 1), gpuTotal = new Float64Array(gpus + 1), plainAsked = new Float64Array(gpus + 1), gpuAsked = new Float64Array(gpus + 1);
  nodes.alive.forEach((n) => {
    const total = nodes.gpuCount[n]! > 0 ? gpuTotal : plainTotal;
    for (let d = 0; d < gpus; d++) total[d]! += nodes.total[d]![n]!;
    total[gpus]! += nodes.gpuCount[n]!;
  });
  const step = Math.ceil(requests.size / mostRows);
  for (let r = 0; r < requests.size; r += step) {
    const tasks = requests.tasksOf(r) * step;
    if (tasks <= 0) continue;
    // All in one row: of seven columns each would be a line of the cache of its own (learning took a twentieth of the time of C-10k).
    const count = requests.gpuCountOf(r), asked = count > 0 ? gpuAsked : plainAsked, dimensions = Math.min(gpus, requests.dimensionsOf(r));
    asked[cpu]! += tasks * requests.cpuOf(r);
    asked[memory]! += tasks * requests.memoryOf(r);
    for (let d = memory + 1; d < dimensions; d++) asked[d]! += tasks * requests.amount[d]![r]!;
    if (count > 0) asked[gpus]! += (tasks * count * requests.gpuMillis[r]!) / wholeGpu;
  }
  for (let d = 0; d < gpus; d++) gpuAsked[d]! += Math.max(0, plainAsked[d]! - plainTotal[d]!);
  return { plain: scarcityOf(plainAsked, plainTotal), withGpus: scarcityOf(gpuAsked, gpuTotal) };
}

function scarcityOf(asked: Float64Array, total: Float64Array): Scarcity {
  const share = asked.map((amount, d) => (total[d]! > 0 ? amount / total[d]! + expectedShare : 0)), scarcest = Math.max(...share);
  return { relative: share.map((each) => (scarcest > 0 ? each / scarcest : 0)), total };
}
