/**
 * What one decision needs of the state, as typed arrays and plain values that can be sent to a thread; and the decision made from it. In: state, group,
 * how many tasks. Out: a node for each. What comes back is a proposal: the live state has gone on meanwhile, and whoever gets it checks.
 */
export { decisionCostMs } from "./decision-cost.js";
export { packDecision, buffersOf, type PackedDecision } from "./pack-decision.js";
export { decidePacked } from "./decide-packed.js";
