/**
 * A node for each PENDING task, or the reason why none fits. In: nodes, tasks, revisions and the cluster object of the store. Out: tasks ASSIGNED to a node,
 * or with status.err and status.pending; tasks stopped for others of higher priority. Starts nothing, moves nothing that is placed.
 *
 *   core/state/       the cluster in typed arrays               core/queue/    who is decided about when, and what blocked ones wait for
 *   core/filters/     reasons to pass a node by, in words       core/place/    which nodes
 *   core/score/       the points of nodes                       core/preempt/  whom to stop for higher priorities
 *   core/explain/     why not, and what would help              core/rebalance/, core/what-if/   plans on a copy
 *   picture.ts        state, placer and queue, from the store's objects and commits
 *   scheduler.ts      the loop: commits → decisions in slices → transactions; audits itself
 *   queries/          questions of people, answered from a copy; rebalance/   moves, planned in a thread
 *   core/pack/, worker/   decisions that would hold the event loop, in a thread
 *   explainer.ts      who is told why it waits, and when        write.ts       decisions as changes
 */
export { createSchedulerQueries, type Inspect, type Live, type SchedulerQueries } from "./queries/index.js";
export { startRebalancing, type Rebalance, type RebalanceRequest, type Rebalancing } from "./rebalance/index.js";
export { startScheduler, type Scheduler, type SchedulerPorts } from "./scheduler.js";
