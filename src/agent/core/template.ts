import { SwarmError } from "../../lib/index.js";
import { taskName, type TaskAssignment } from "../../model/index.js";

/** What "{{.Task.Slot}}" and its like stand for. `Task.Name` is the container's name, as Swarm has it. */
export function templateValues(assignment: TaskAssignment): Readonly<Record<string, string>> {
  const task = assignment.task!;
  return {
    "Service.ID": task.serviceId,
    "Service.Name": assignment.serviceName,
    "Node.ID": task.nodeId,
    "Node.Hostname": assignment.nodeName,
    "Task.ID": task.id,
    "Task.Slot": String(task.slot),
    "Task.Name": `${taskName(assignment.serviceName, task)}.${task.id}`,
  };
}

/** Expands the placeholders of one value; throws INVALID_ARGUMENT for one that is not known. `where` is for the sentence: "env". */
export function expandTemplate(text: string, values: Readonly<Record<string, string>>, where: string): string {
  return text.replace(/\{\{\s*(.*?)\s*\}\}/g, (placeholder, name: string) => {
    const value = name.startsWith(".") ? values[name.slice(1)] : undefined;
    if (value === undefined) {
      throw new SwarmError("INVALID_ARGUMENT", `Cannot expand "${placeholder}" in ${where}: there is no such value; use one of ${Object.keys(values).map((key) => `{{.${key}}}`).join(" ")}`);
    }
    return value;
  });
}
