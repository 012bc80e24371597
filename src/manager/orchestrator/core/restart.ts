import { isTerminal, newRestartPolicy, stateOf, taskStateOrder, type RestartPolicy, type ServiceSpec, type Task } from "../../../model/index.js";
import { endedByItself, type Place } from "./places.js";
import { createdAtMs, type ServiceView } from "./view.js";

/**
 * Restarts, decided from stored tasks alone, so that a new leader decides the same. A task that ended is replaced by a new one that is
 * held at READY (placed, image pulled) until its delay is over and its predecessor has stopped.
 */
export type RestartDecision = { readonly kind: "restart"; readonly delayMs: number; readonly restarts: number } | { readonly kind: "finished" };

/** A slot that ran at least this long, and twice its last delay, starts again with the first delay. */
const ranWellMs = 60_000;
/** A held task does not wait longer than this, and the grace period, for its predecessor to stop. */
const maxStopWaitMs = 60_000;

/** `task` ended though it was meant to run. `place` holds its history. */
export function decideRestart(task: Task, spec: ServiceSpec | undefined, place: Place): RestartDecision {
  const policy = spec?.task?.restart ?? newRestartPolicy();
  if (endedByItself(task) && !mayRestart(task, policy, place)) return { kind: "finished" };
  if (stateOf(task) === "ORPHANED") return { kind: "restart", delayMs: 0, restarts: 0 };
  const startedAtMs = Math.max(createdAtMs(task, 0), task.notBeforeMs);
  const livedMs = endedAtMs(task) - startedAtMs;
  const lastDelayMs = task.restarts > 0 ? restartDelayMs(policy, task.restarts - 1) : 0;
  const failuresBefore = livedMs >= Math.max(ranWellMs, 2 * lastDelayMs) ? 0 : task.restarts;
  return { kind: "restart", delayMs: restartDelayMs(policy, failuresBefore), restarts: failuresBefore + 1 };
}

/** delayMs · 2^failures, at most maxDelayMs. A policy without delay restarts once at once, then backs off from 100 ms: nothing may spin. */
export function restartDelayMs(policy: RestartPolicy, failuresBefore: number): number {
  const ceiling = Math.max(policy.maxDelayMs > 0 ? policy.maxDelayMs : 300_000, policy.delayMs);
  if (policy.delayMs > 0) return Math.min(ceiling, policy.delayMs * 2 ** Math.min(failuresBefore, 40));
  return failuresBefore === 0 ? 0 : Math.min(ceiling, 100 * 2 ** Math.min(failuresBefore - 1, 40));
}

/**
 * Attempts are counted back from the end of `task`, not from now, so that the answer for a given task never changes. The reaper keeps
 * maxAttempts + 1 dead tasks for this.
 */
function mayRestart(task: Task, policy: RestartPolicy, place: Place): boolean {
  if (policy.condition === "NONE") return false;
  if (policy.condition === "ON_FAILURE" && stateOf(task) === "COMPLETE") return false;
  if (policy.maxAttempts === 0) return true;
  const since = policy.windowMs > 0 ? endedAtMs(task) - policy.windowMs : -Infinity;
  const attempts = place.tasks.filter((other) => other !== task && other.revision === task.revision && endedByItself(other)
    && endedAtMs(other) >= since && createdAtMs(other, Infinity) <= createdAtMs(task, Infinity)).length;
  return attempts < policy.maxAttempts;
}

/** The leader's clock where it is known: nodes' clocks differ. */
const endedAtMs = (task: Task): number => task.status?.appliedAtMs || task.status?.timestampMs || 0;

/** When a task held at READY may run: undefined = now. */
export function heldUntil(task: Task, place: Place, view: ServiceView): { readonly untilMs: number } | undefined {
  if (task.notBeforeMs > view.nowMs) return { untilMs: task.notBeforeMs };
  const graceMs = view.specOf(task.revision)?.task?.container?.stopGraceMs ?? 10_000;
  const giveUpAtMs = createdAtMs(task, view.nowMs) + maxStopWaitMs + graceMs;
  const isWaiting = giveUpAtMs > view.nowMs && place.tasks.some((other) => other !== task && isStopping(other, view));
  return isWaiting ? { untilMs: giveUpAtMs } : undefined;
}

function isStopping(task: Task, view: ServiceView): boolean {
  const state = stateOf(task);
  if (task.desiredState !== "SHUTDOWN" || isTerminal(state) || taskStateOrder[state] < taskStateOrder.ASSIGNED) return false;
  const node = view.node(task.nodeId);
  return node !== undefined && node.status?.state !== "DOWN";
}
