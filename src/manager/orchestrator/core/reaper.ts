import { isTerminal, isWanted, newTaskStatus, stateOf, taskStateOrder, type Node, type Service, type ServiceSpec, type Task, type TaskStatus } from "../../../model/index.js";
import { groupByPlace, isFinished } from "./places.js";

/** What is to be forgotten about one service. */
export interface ReaperView {
  readonly serviceId: string;
  readonly service: Service | undefined;     // undefined: it is gone, its tasks are not
  readonly spec: ServiceSpec | undefined;
  readonly tasks: readonly Task[];
  readonly taskHistory: number;
  readonly nowMs: number;
  node(id: string): Node | undefined;
}

export type ReaperStep =
  | { readonly kind: "delete-task"; readonly taskId: string }
  | { readonly kind: "remove-task"; readonly taskId: string; readonly reason: string }        // desired REMOVE
  | { readonly kind: "orphan"; readonly taskId: string; readonly status: TaskStatus }
  | { readonly kind: "delete-service" };

export function planReaping(view: ReaperView): ReaperStep[] {
  const steps: ReaperStep[] = [];
  const kept: Task[] = [];
  for (const task of view.tasks) {
    const step = fateOf(task, view);
    if (step) steps.push(step);
    if (step?.kind !== "delete-task") kept.push(task);
  }
  if (view.service?.isRemoving && kept.length === 0) steps.push({ kind: "delete-service" });
  if (view.service && view.spec && !view.service.isRemoving) steps.push(...trimHistory(kept, view, view.spec));
  return steps;
}

function fateOf(task: Task, view: ReaperView): ReaperStep | undefined {
  const state = stateOf(task);
  const isUnplaced = taskStateOrder[state] < taskStateOrder.ASSIGNED;
  const node = task.nodeId === "" ? undefined : view.node(task.nodeId);
  // A node that is down drops the task by itself when it comes back and is not told of it any more.
  const isOutOfReach = task.nodeId !== "" && (!node || node.status?.state === "DOWN");
  if (task.desiredState === "REMOVE" || !view.service) {
    if (isUnplaced || isTerminal(state) || isOutOfReach) return { kind: "delete-task", taskId: task.id };
    if (!view.service && task.desiredState !== "REMOVE") return { kind: "remove-task", taskId: task.id, reason: "service is removed" };
    return undefined;
  }
  // It was given up before it got to a node: there is nothing to stop and nothing to tell about it.
  if (!isWanted(task) && isUnplaced) return { kind: "delete-task", taskId: task.id };
  if (task.nodeId !== "" && !node && !isTerminal(state)) {
    const status = { ...(task.status ?? newTaskStatus()), state: "ORPHANED" as const, timestampMs: view.nowMs, message: "orphaned", err: `Node ${task.nodeId} left the cluster.` };
    return { kind: "orphan", taskId: task.id, status };
  }
  return undefined;
}

/**
 * Dead tasks beyond the history go, oldest first. Kept in any case: what the restart policy counts (maxAttempts + 1), the predecessor
 * while an update goes on (it tells that the new task replaces one), and the last task of a place that finished for good.
 */
function trimHistory(tasks: readonly Task[], view: ReaperView, spec: ServiceSpec): ReaperStep[] {
  const isGlobal = spec.mode === "GLOBAL";
  const maxAttempts = spec.task?.restart?.maxAttempts ?? 0;
  const isUpdating = view.service?.updateStatus?.state === "UPDATING" || view.service?.updateStatus?.state === "UPDATE_PAUSED";
  const steps: ReaperStep[] = [];
  for (const place of groupByPlace(tasks, isGlobal)) {
    const isNodeGone = isGlobal && !view.node(place.nodeId);
    let keep = isNodeGone ? 0 : Math.max(view.taskHistory, maxAttempts > 0 ? maxAttempts + 1 : 0, isUpdating ? 1 : 0, isFinished(place) ? 1 : 0);
    if (!isGlobal && place.wanted.length === 0) keep = Math.max(keep, 1);
    const dead = place.tasks.filter((task) => !isWanted(task) && (isTerminal(stateOf(task)) || isStranded(task, view)));
    for (const task of dead.slice(0, Math.max(0, dead.length - keep))) steps.push({ kind: "delete-task", taskId: task.id });
  }
  return steps;
}

/** On a node that is down, replaced elsewhere: nobody knows when it ends, so it counts as dead. */
const isStranded = (task: Task, view: ReaperView): boolean => view.node(task.nodeId)?.status?.state === "DOWN";
