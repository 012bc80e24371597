/** The cluster in typed arrays: what the rest of the core decides on. cluster-state.ts is the one that changes it. */
export { ClusterState, unlimited, type OvercommitRule, type Repeller } from "./cluster-state.js";
export { audit, auditSteps } from "./audit.js";
export { Bitset, popcount } from "./bitset.js";
export { anyReadyNode, compileSpec, isReady, portKey, prefersOthers, satisfies, stored, type CompiledSpec } from "./compile-spec.js";
export { cpu, disk, fixedDimensions, genericDimension, memory, pids } from "./dimensions.js";
export { failureWindowMs, maxFailures } from "./failures.js";
export { anyModel, maxGpus, mixedModels, wholeGpu, type NodeTable } from "./node-table.js";
export type { Predicate } from "./predicates.js";
export type { Request, RequestTable } from "./request-table.js";
export { noRules, type AffinityRule, type Rules } from "./rules.js";
export { anywhere, chooseVolumes, gone, leavesVolumesAsTheyAre, mayHaveVolumes, placeOfData, refusalOfVolume, writesTo, type VolumeRefusal } from "./volume-choice.js";
export type { VolumeEntry, VolumeMount } from "./volume-table.js";
export { nowhere, type TaskTable } from "./task-table.js";
export { Turnover } from "./turnover.js";
export { hasPlaceRules, hasReplicas, type GroupTable } from "./group-table.js";
export type { AttributeColumn } from "./attributes.js";
