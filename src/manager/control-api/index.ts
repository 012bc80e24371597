/**
 * The control API's methods: one file a noun. In: requests of swarm.v1.Control. Out: store transactions, and answers from a view. It
 * validates, fills in defaults and explains refusals. Who calls, which manager answers and how fresh that is belong to
 * leader-forward.ts; what follows from a change belongs to the loops that watch the store.
 */
export { createControlApi, queryMethods, readMethods, writeMethods, type ControlApi, type QueryMethod, type ReadMethod, type WriteMethod } from "./api.js";
export type { ControlDependencies, LogBroker, ManagerMember, Members, SchedulerQueries, TaskLogSource } from "./ports.js";
export { maxSpecBytes, maxTotalReplicas } from "./service.js";
