import { taskName, type Task, type TaskSpec } from "../../model/index.js";
import { revisionId } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { TaskView } from "../../gen/swarm/v1/TaskView.js";

/** A task with the names that people know it by. */
export function taskView(tx: ReadTx, task: Task): TaskView {
  const service = tx.get("service", task.serviceId);
  const node = task.nodeId === "" ? undefined : tx.get("node", task.nodeId);
  const serviceName = service?.spec?.name ?? task.serviceId;
  return {
    task, serviceName,
    name: taskName(serviceName, task),
    nodeName: node?.description?.hostname || task.nodeId,
    image: specOf(tx, task)?.container?.image ?? "",
  };
}

/** The spec that a task runs: its revision's; the service's where the revision is gone. */
export const specOf = (tx: ReadTx, task: Task): TaskSpec | null =>
  (tx.get("revision", revisionId(task.serviceId, task.revision)) ?? tx.get("service", task.serviceId))?.spec?.task ?? null;
