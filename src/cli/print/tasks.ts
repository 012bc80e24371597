import type { TaskView } from "../../gen/swarm/v1/TaskView.js";
import type { CommandInput } from "../command.js";
import type { Task } from "../../model/index.js";
import { age } from "./age.js";
import { printList, shortId } from "./list.js";
import { heldWords } from "./node-resources.js";
import { desiredWord, portWords, stateColor, stateOf, taskWords, whyOf } from "./words.js";

/** Tasks, newest of each slot first, as every list of tasks prints them. */
export function printTasks(input: CommandInput, views: readonly TaskView[]): void {
  const rows = views.flatMap((view) => (view.task ? [{ view, task: view.task }] : [])).sort((a, b) =>
    compare(a.view.serviceName, b.view.serviceName) || a.task.slot - b.task.slot || compare(a.task.slot ? "" : a.view.nodeName, b.task.slot ? "" : b.view.nodeName)
    || (b.task.meta?.createdAtMs ?? 0) - (a.task.meta?.createdAtMs ?? 0));
  printList(input, rows, {
    id: ({ task }) => task.id,
    json: ({ view }) => view,
    columns: [
      { title: "ID", value: ({ task }) => shortId(input, task.id) },
      { title: "NAME", value: ({ view }) => view.name },
      { title: "IMAGE", value: ({ view }) => (input.flags.on("no-trunc") ? view.image : view.image.replace(/@sha256:[0-9a-f]+$/, "")) },
      { title: "NODE", value: ({ view }) => view.nodeName },
      { title: "DESIRED", value: ({ task }) => desiredWord(task) },
      { title: "CURRENT", value: ({ task }) => `${taskWords(task)} ${age(task.status?.timestampMs ?? 0, input.now())}`.trim(), color: ({ task }) => stateColor(stateOf(task)) },
      ...(rows.some(({ task }) => task.gpus.length > 0 || task.assigned.length > 0) ? [{ title: "HOLDS", value: ({ task }: { task: Task }) => heldWords(task) }] : []),
      { title: "PORTS", value: ({ task }) => portWords(task.status?.hostPorts ?? []) },
      { title: "WHY", value: ({ task }) => whyOf(task) || task.stopReason || (stateOf(task) === "RUNNING" ? "" : task.status?.message ?? "") },
    ],
  });
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
