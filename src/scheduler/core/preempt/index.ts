/** Whom to stop so that a group of higher priority fits: one more of its tasks, or a gang as a whole. In: state, group. Out: nodes and victims; the state is as it was. Stops nobody. */
export { planGang, type GangOptions, type GangPlan } from "./plan-gang.js";
export { planPreemption, type PreemptionOptions, type PreemptionPlan } from "./plan-preemption.js";
