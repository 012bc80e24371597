/** Large decisions beside the event loop. In: a packed decision. Out: nodes, or undefined where the thread failed: then it is made here. */
export { DecisionWorker } from "./decision-worker.js";
