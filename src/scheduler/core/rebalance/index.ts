/**
 * Where running tasks should be instead, and what it takes. Pure: values in, values out, the same for the same.
 *   planRebalance: a snapshot and a strategy → moves in an order in which every one fits when it is made, each with its reason
 *   packVectors: items into as few equal bins as bounded work finds, from scratch
 * Does not apply anything, and knows no store: the loop beside it does.
 */
export { planRebalance } from "./plan.js";
export { nowhere, type Move, type RebalanceLimits, type RebalancePlan, type RebalanceProblem, type Reason, type Strategy } from "./problem.js";
export { packVectors, type VectorPacking, type VectorPackingProblem } from "./vector-packing.js";
export { snapshotOf, type RebalanceSnapshot, type SnapshotOptions } from "./problem-of-state.js";
