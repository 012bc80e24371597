/**
 * A node for each PENDING task, or the reason why none fits. In: nodes, tasks, revisions of the store. Out: tasks ASSIGNED to a node, or
 * with status.err and status.pending. Starts nothing, moves nothing that is placed.
 *
 *   core/cluster-state.ts   what each node has left, kept up to date from commits
 *   filters/                the reasons to pass a node by, each with its own words
 *   core/place.ts           pack, spread, placement preferences
 *   core/explain.ts         refusals as sentences
 *   scheduler.ts            watches, groups tasks by revision, writes
 */
export { startScheduler, type SchedulerPorts } from "./scheduler.js";
export { createSchedulerQueries, type Inspect, type Live, type SchedulerQueries } from "./queries/index.js";
