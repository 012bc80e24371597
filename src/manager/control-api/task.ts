import { compareTaskStates, taskStateOrder, taskStateWord, stateOf, type Task, type TaskState } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { GetRequest } from "../../gen/swarm/v1/GetRequest.js";
import type { ListRequest } from "../../gen/swarm/v1/ListRequest.js";
import type { TaskView } from "../../gen/swarm/v1/TaskView.js";
import { matcher, wordFilter } from "./filters.js";
import type { ControlDependencies } from "./ports.js";
import { resolveRef } from "./refs.js";
import { specOf, taskView } from "./task-view.js";

const states = (Object.keys(taskStateOrder) as TaskState[]).sort(compareTaskStates);

export function listTasks(_: ControlDependencies, tx: ReadTx, { filters }: ListRequest) {
  const candidates = candidateTasks(tx, filters);
  const keep = matcher<TaskView>("task", filters, {
    service: (value) => { const { id } = resolveRef(tx, "service", value, "Cannot list the tasks of"); return ({ task }) => task!.serviceId === id; },
    node: (value) => { const { id } = resolveRef(tx, "node", value, "Cannot list the tasks of"); return ({ task }) => task!.nodeId === id; },
    name: (value) => (view) => view.name.includes(value),
    id: (value) => ({ task }) => task!.id.startsWith(value),
    // "running" as people mean it: everything that is not meant to stop.
    "desired-state": wordFilter("task", "desired-state", ["running", "shutdown", "accepted", "ready", "remove"], ({ task }) => desiredWord(task!)),
    state: wordFilter("task", "state", states.map(taskStateWord), ({ task }) => taskStateWord(stateOf(task!))),
  });
  return { tasks: candidates.map((task) => taskView(tx, task)).filter(keep).sort(compareViews) };
}

export function getTask(_: ControlDependencies, tx: ReadTx, { ref }: GetRequest) {
  const task = resolveRef(tx, "task", ref, "Cannot show");
  return { task: taskView(tx, task), spec: specOf(tx, task) };
}

/** Tasks of one service or node come from its index, not from a scan of a million. */
function candidateTasks(tx: ReadTx, filters: ListRequest["filters"]): Task[] {
  const only = (key: string) => { const found = filters.filter((filter) => filter.key === key); return found.length === 1 ? found[0]!.value : undefined; };
  const [service, node] = [only("service"), only("node")];
  if (service !== undefined) return tx.tasksOfService(resolveRef(tx, "service", service, "Cannot list the tasks of").id);
  if (node !== undefined) return tx.tasksOfNode(resolveRef(tx, "node", node, "Cannot list the tasks of").id);
  return tx.list("task");
}

function desiredWord(task: Task): string {
  if (task.desiredState === "TASK_READY") return "ready";
  return task.desiredState.toLowerCase();
}

/** By name, slots in number order, the newest of a slot first. */
function compareViews(a: TaskView, b: TaskView): number {
  if (a.serviceName !== b.serviceName) return a.serviceName < b.serviceName ? -1 : 1;
  if (a.task!.slot !== b.task!.slot) return a.task!.slot - b.task!.slot;
  if (a.task!.slot === 0 && a.nodeName !== b.nodeName) return a.nodeName < b.nodeName ? -1 : 1;
  return (b.task!.meta?.createdAtMs ?? 0) - (a.task!.meta?.createdAtMs ?? 0) || (b.task!.meta?.version ?? 0) - (a.task!.meta?.version ?? 0);
}
