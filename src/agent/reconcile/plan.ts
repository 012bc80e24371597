import type { ContainerExit, ContainerState } from "../../engine/index.js";
import { isTerminal, taskStateOrder, type ContainerStatus, type TaskAssignment, type TaskState, type TaskStatus } from "../../model/index.js";

/** How a task's life ends or goes on, to be reported. */
export interface Report {
  readonly state: TaskState;
  readonly message?: string;
  readonly err?: string;
  readonly container?: ContainerStatus;
}

/** What is to be done for a task now. Each is idempotent, so that it can be planned again after a crash in the middle of it. */
export type Step =
  | { readonly kind: "report"; readonly taskId: string; readonly report: Report }
  | { readonly kind: "prepare"; readonly taskId: string }
  | { readonly kind: "start"; readonly taskId: string }
  | { readonly kind: "attach"; readonly taskId: string }   // take over the sandbox of a container that ran before this agent did
  | { readonly kind: "stop"; readonly taskId: string; readonly graceMs: number; readonly signal: string; readonly then: Report | undefined }
  | { readonly kind: "detach"; readonly taskId: string }
  | { readonly kind: "remove"; readonly taskId: string }
  | { readonly kind: "forget"; readonly taskId: string }
  | { readonly kind: "interrupt"; readonly taskId: string };

/** A task as wanted and as seen. */
export interface TaskView {
  readonly assignment: TaskAssignment;
  /** false: a manager took it off this node's list. */
  readonly isAssigned: boolean;
  readonly status: TaskStatus;
  readonly container: ContainerState | undefined;
  readonly hasSandbox: boolean;
  /** The overlay of this process knows the sandbox. */
  readonly isAttached: boolean;
  /** The step under way; another waits for its end. */
  readonly busy: Step["kind"] | undefined;
}

/** The one step that a task needs next, if any. */
export function planTask(view: TaskView): Step | undefined {
  const { assignment, isAssigned, status, container, busy } = view;
  const task = assignment.task!;
  const taskId = task.id;
  const isEnding = !isAssigned || taskStateOrder[task.desiredState] > taskStateOrder.RUNNING;
  // A pull may take minutes, and nothing is lost with it; any other step is short and is let finish.
  if (busy) return isEnding && busy === "prepare" ? { kind: "interrupt", taskId } : undefined;

  if (isTerminal(status.state)) return planEnded(view, taskId);
  if (isEnding) {
    const ended = { state: "SHUTDOWN", message: "stopped" } as const;
    if (container?.phase === "running") return stop(view, ended);
    return report(taskId, { ...ended, ...(container?.exit && { container: containerStatus(container) }) });
  }
  switch (status.state) {
    case "NEW": case "PENDING": case "ASSIGNED": return report(taskId, { state: "ACCEPTED", message: "accepted by the node" });
    case "ACCEPTED": case "PREPARING": return { kind: "prepare", taskId };
    case "TASK_READY": return task.desiredState === "TASK_READY" ? undefined : { kind: "start", taskId };
    case "STARTING":
      if (!container || container.phase === "created") return { kind: "start", taskId };
      return planStarted(view, container);
    case "RUNNING":
      if (!container || container.phase === "created") return report(taskId, { state: "FAILED", err: "its container is gone" });
      return planStarted(view, container);
    default: return undefined;
  }
}

function planStarted(view: TaskView, container: ContainerState): Step | undefined {
  const taskId = view.assignment.task!.id;
  if (container.exit || container.phase === "exited") return report(taskId, exitReport(container, view.assignment));
  if (!view.isAttached) return { kind: "attach", taskId };
  if (container.health === "unhealthy") {
    const output = container.healthLog.trim().split("\n").at(-1) ?? "";
    return stop(view, { state: "FAILED", err: `unhealthy: ${output || "its health check failed"}` });
  }
  if (view.status.state === "STARTING" && container.health !== "starting") {
    return report(taskId, { state: "RUNNING", message: "started", container: containerStatus(container) });
  }
  return undefined;
}

/** A container that ended by itself is kept for its log until the task leaves the list; one that was told to stop goes at once. */
function planEnded(view: TaskView, taskId: string): Step | undefined {
  const { container, isAssigned, status } = view;
  if (container?.phase === "running") return stop(view, undefined);
  if (view.hasSandbox) return { kind: "detach", taskId };
  if (container && (!isAssigned || status.state === "SHUTDOWN" || view.assignment.task!.desiredState === "REMOVE")) return { kind: "remove", taskId };
  return isAssigned ? undefined : { kind: "forget", taskId };
}

function stop(view: TaskView, then: Report | undefined): Step {
  const spec = view.assignment.spec?.container;
  return { kind: "stop", taskId: view.assignment.task!.id, graceMs: spec?.stopGraceMs ?? 10_000, signal: spec?.stopSignal ?? "", then };
}

const report = (taskId: string, content: Report): Step => ({ kind: "report", taskId, report: content });

export function exitReport(container: ContainerState, assignment: TaskAssignment): Report {
  const exit: ContainerExit = container.exit ?? { exitCode: -1, isOomKilled: false, finishedAtMs: 0, error: "its exit code is not known" };
  const status = containerStatus(container);
  if (exit.isOomKilled) {
    const limit = assignment.spec?.limits?.memoryBytes ?? 0;
    return { state: "FAILED", err: `killed: out of memory${limit > 0 ? ` (limit ${Math.round(limit / 2 ** 20)} MiB)` : ""}`, container: status };
  }
  if (exit.error) return { state: "FAILED", err: exit.error, container: status };
  if (exit.exitCode === 0) return { state: "COMPLETE", message: "finished", container: status };
  return { state: "FAILED", err: `exited with code ${exit.exitCode}`, container: status };
}

export function containerStatus(container: ContainerState): ContainerStatus {
  return { containerId: container.id, pid: container.pid, exitCode: container.exit?.exitCode ?? 0, isOomKilled: container.exit?.isOomKilled ?? false };
}
