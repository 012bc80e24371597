import { compareTaskStates, isTerminal, stateOf, taskStateOrder, type Task, type TaskStatus } from "../../../model/index.js";
import { reportedStatus } from "./reported.js";
import { isSame } from "./same.js";

/**
 * The task with what its agent says of it, or undefined when that says nothing new. States only increase, and an agent speaks only
 * for ACCEPTED to REJECTED: what comes late or is not its to say changes nothing.
 */
export function mergeStatus(task: Task, reported: TaskStatus, now: number): Task | undefined {
  const order = taskStateOrder[reported.state];
  if (order === undefined || order < taskStateOrder.ACCEPTED || order > taskStateOrder.REJECTED) return undefined;
  const present = task.status;
  const step = compareTaskStates(reported.state, stateOf(task));
  if (step < 0 || (step > 0 && isTerminal(stateOf(task)))) return undefined;
  const merged: TaskStatus = { ...reportedStatus(reported), pending: [], appliedAtMs: now };
  if (step === 0 && present) {
    if (isTerminal(reported.state) || reported.timestampMs < present.timestampMs) return undefined;
    if (isSame({ ...merged, appliedAtMs: 0, timestampMs: 0 }, { ...present, appliedAtMs: 0, timestampMs: 0 })) return undefined;
  }
  return { ...task, status: merged };
}
