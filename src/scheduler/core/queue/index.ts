/**
 * Which waiting tasks are decided about when, and what blocked ones wait for. In: tasks and nodes that come, change and go. Out: tasks placed in the
 * state, groups that are blocked, victims. Does not choose nodes (core/place, core/preempt), knows no store.
 *   scheduling-queue.ts  the whole of it
 *   ready-queue.ts       the order: priority, turns, age          bound-tasks.ts   tasks that name their node
 *   blocked-groups.ts    what wakes a blocked group               gang.ts          all or none
 *   assigned-resources.ts  which devices and named resources a placed task gets
 *   room-making.ts       nodes kept for who starves; whom to stop for higher priorities
 *   reservations.ts      nodes kept for who starves or preempts   quotas.ts        what a project may have
 */
export { SchedulingQueue, tasksPerTurn, type Batch, type DecideOptions, type HeavyDecision } from "./scheduling-queue.js";
export { keepAfterMs, keepForMs } from "./room-making.js";
export type { Reservation } from "./reservations.js";
export { gatherForMs } from "./gang.js";
export { Quotas } from "./quotas.js";
export { assignGeneric, assignedGpus } from "./assigned-resources.js";
export type { BlockCause, WaitingGroup } from "./waiting-group.js";
