/**
 * What a place on a node with GPUs is worth. In: the state's tables. Out: a cost for (node, request), and the mix of requests that it is reckoned with. Chooses no
 * node, changes nothing. Nodes without GPUs are packed by best fit (place/strategy.ts), which needs only to know what is scarce.
 *   gpu-cost.ts   the cost: usable GPUs lost and not used, dearer where others have nowhere else to go
 *   mix.ts        what the tasks there are ask for, and how scarce the GPUs are that only some of them may use
 *   scarcity.ts   which dimension nodes are bought for
 *   gpu-node-index.ts   the cheapest node with GPUs, without a look at all of them
 *   alike-requests.ts   which of many kinds of requests share the costs that it keeps
 */
export { GpuCost } from "./gpu-cost.js";
export { GpuNodeIndex } from "./gpu-node-index.js";
export { learnMix, type Mix } from "./mix.js";
export { learnScarcity, steepest, weightOf } from "./scarcity.js";
