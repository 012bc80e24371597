import type { Task, TaskState } from "./types.js";

/** The order of task states; a task only ever moves to a larger number. Same values as in objects.proto. */
export const taskStateOrder: Readonly<Record<TaskState, number>> = {
  NEW: 0, PENDING: 64, ASSIGNED: 192, ACCEPTED: 256, PREPARING: 320, TASK_READY: 384, STARTING: 448, RUNNING: 512,
  COMPLETE: 576, SHUTDOWN: 640, FAILED: 704, REJECTED: 768, REMOVE: 800, ORPHANED: 832,
};

/** a before b: negative; same: 0. */
export const compareTaskStates = (a: TaskState, b: TaskState): number => taskStateOrder[a] - taskStateOrder[b];

export const stateOf = (task: Task): TaskState => task.status?.state ?? "NEW";

/** It will never run again. */
export const isTerminal = (state: TaskState): boolean => taskStateOrder[state] > taskStateOrder.RUNNING;

/** It holds, or soon will hold, room on its node: assigned, not ended. */
export const holdsResources = (task: Task): boolean =>
  task.nodeId !== "" && taskStateOrder[stateOf(task)] >= taskStateOrder.ASSIGNED && !isTerminal(stateOf(task));

/** It is meant to run. */
export const isWanted = (task: Task): boolean => taskStateOrder[task.desiredState] <= taskStateOrder.RUNNING;

/** The word that people see: TASK_READY is "ready". */
export const taskStateWord = (state: TaskState): string => (state === "TASK_READY" ? "ready" : state.toLowerCase());

/** "web.3", or "web.<node id>" for a global service's task. */
export const taskName = (serviceName: string, task: Pick<Task, "slot" | "nodeId">): string =>
  `${serviceName}.${task.slot > 0 ? task.slot : task.nodeId}`;
