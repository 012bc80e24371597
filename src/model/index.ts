/**
 * The vocabulary: types of the objects, their states, defaults and arithmetic. Pure: level 1, imports lib only.
 * Validation of specs lives here too, in words that the API, the CLI and the task object share.
 */
export * from "./types.js";
export {
  compareTaskStates, holdsResources, isTerminal, isWanted, stateOf, taskName, taskStateOrder, taskStateWord,
} from "./task-state.js";
export {
  newCluster, newClusterSpec, newContainerSpec, newEndpointSpec, newNetwork, newNetworkSpec, newNode, newNodeDescription, newNodeSpec,
  newPlacement, newPort, newResources, newRestartPolicy, newRevision, newService, newServiceSpec, newTask, newTaskSpec, newTaskStatus,
  newUpdateConfig, newVolume, newVolumeSpec, revisionId,
} from "./objects.js";
export {
  addressOf, contains, formatCidr, formatIpv4, macOf, maskOf, overlaps, parseCidr, parseIpv4, sizeOf, type Cidr,
} from "./network-address.js";
export {
  canonicalArch, formatConstraint, isConstraintKey, matchesConstraint, nodeAttribute, parseConstraint, type Constraint, type ConstraintOperator,
} from "./constraint.js";
export { problemOfContradiction } from "./contradiction.js";
export { isPreempted, preemptedReason } from "./preemption.js";
export { formatTaint, untoleratedTaint } from "./taint.js";
export { problemOfImageReference } from "./image-reference.js";
export { bytesText, problemOfName, type Problem } from "./validate.js";
export { maxReplicas, problemOfContainer, problemOfMounts, problemOfServiceSpec } from "./validate-service.js";
export { affinityText, maxPriority, problemOfPair, taintEffects } from "./validate-placement.js";
export { isDeviceWord, minMemoryBytes, problemOfGenericKind } from "./validate-resources.js";
export { longestCertificateValidityMs, problemOfClusterSpec, problemOfNetworkSpec, problemOfNodeSpec } from "./validate-network.js";
export { groupPrefix, problemOfVolumeSpec } from "./validate-volume.js";
export { withClusterDefaults, withNetworkDefaults, withServiceDefaults, withVolumeDefaults } from "./defaults.js";
