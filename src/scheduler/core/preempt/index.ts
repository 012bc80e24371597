/** Whom to stop so that a group of higher priority fits. In: state, group. Out: a node and its victims; the state is as it was. Stops nobody. */
export { planPreemption, type PreemptionOptions, type PreemptionPlan } from "./plan-preemption.js";
