import { fixedDimensions, wholeGpu, type ClusterState } from "../state/index.js";

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
const expectedShare = 0.01;

/**
 * So steep that a dimension of which nine tenths as much is asked counts a fifth. Nodes are bought for the scarcest one: what is left of the others hardly matters. Open machines over the
 * bound under churn (bench packing --protocol churn, CPU and memory): equal counts 4.4 %, to the 3rd or 16th power 4.0 %; with GPUs 6.2, 6.1 and 5.0 %. Compaction and saturation of GPUs do not notice: there GPUs are the scarcest.
 */
const steepness = 16;

/** Where the scarcest dimension leaves a choice, the others make it. */
const leastWeight = 0.001;

/** What a dimension counts that is so scarce, to 1. */
export const weightOf = (relative: number): number => Math.max(leastWeight, relative ** steepness);

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
    const tasks = (requests.placedOf(r) + requests.waitingOf(r)) * step;
    if (tasks <= 0) continue;
    const asked = requests.gpuCount[r]! > 0 ? gpuAsked : plainAsked;
    for (let d = 0; d < gpus; d++) asked[d]! += tasks * requests.amount[d]![r]!;
    asked[gpus]! += (tasks * requests.gpuCount[r]! * requests.gpuMillis[r]!) / wholeGpu;
  }
  for (let d = 0; d < gpus; d++) gpuAsked[d]! += Math.max(0, plainAsked[d]! - plainTotal[d]!);
  return { plain: scarcityOf(plainAsked, plainTotal), withGpus: scarcityOf(gpuAsked, gpuTotal) };
}

function scarcityOf(asked: Float64Array, total: Float64Array): Scarcity {
  const share = asked.map((amount, d) => (total[d]! > 0 ? amount / total[d]! + expectedShare : 0)), scarcest = Math.max(...share);
  return { relative: share.map((each) => (scarcest > 0 ? each / scarcest : 0)), total };
}
