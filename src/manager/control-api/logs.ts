import { SwarmError } from "../../lib/index.js";
import type { Task } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { LogRecord } from "../../gen/swarm/v1/LogRecord.js";
import type { LogsRequest } from "../../gen/swarm/v1/LogsRequest.js";
import type { ControlDependencies, TaskLogSource } from "./ports.js";
import { resolveRef } from "./refs.js";
import { taskView } from "./task-view.js";

/** The lines of a task, or of a service's tasks. The broker finds tasks that a followed service gets later. */
export async function* logs({ store, logBroker }: ControlDependencies, request: LogsRequest, signal: AbortSignal): AsyncGenerator<LogRecord> {
  if (request.tail < -1) throw new SwarmError("INVALID_ARGUMENT", `Cannot show logs: the number of lines is ${request.tail}; give 0 or more, or all`);
  const { id, tasks } = store.view((tx) => subject(tx, request.ref));
  yield* logBroker.logs({ ...request, ref: id }, tasks, signal);
}

function subject(tx: ReadTx, ref: string): { id: string; tasks: TaskLogSource[] } {
  const service = serviceOf(tx, ref);
  if (service) {
    const tasks = tx.tasksOfService(service.id).filter(({ nodeId }) => nodeId !== "");
    return { id: service.id, tasks: tasks.map((task) => sourceOf(tx, task)) };
  }
  const task = resolveRef(tx, "task", ref, "Cannot show the logs of");
  if (task.nodeId === "") throw new SwarmError("FAILED_PRECONDITION", `Cannot show the logs of task "${taskView(tx, task).name}": it has no node yet${task.status?.err ? ` (${task.status.err})` : ""}`);
  return { id: task.id, tasks: [sourceOf(tx, task)] };
}

/** A service if the ref names one; a ref that names neither is refused as a task. */
function serviceOf(tx: ReadTx, ref: string) {
  try {
    return resolveRef(tx, "service", ref, "Cannot show the logs of");
  } catch (error) {
    const isTask = (() => { try { return Boolean(resolveRef(tx, "task", ref, "")); } catch { return false; } })();
    if (isTask) return undefined;
    if (error instanceof SwarmError && error.code === "NOT_FOUND") throw new SwarmError("NOT_FOUND", `Cannot show the logs of "${ref.slice(0, 100)}": there is no such service or task; "swarmctl service ls" lists the services`);
    throw error;
  }
}

function sourceOf(tx: ReadTx, task: Task): TaskLogSource {
  const { name, nodeName } = taskView(tx, task);
  return { task, name, nodeName };
}
