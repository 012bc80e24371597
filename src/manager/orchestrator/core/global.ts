import { untoleratedTaint, type Node, type ServiceSpec } from "../../../model/index.js";
import { unmetConstraint } from "./enforcer.js";

/** Whether a global service gets a task on this node. A paused node keeps the one it has, but gets none; one that never reported waits. */
export function takesNewTask(node: Node, spec: ServiceSpec): boolean {
  return node.status?.state !== "DOWN" && node.description !== null && node.spec?.availability === "ACTIVE" && unmetConstraint(spec, node) === undefined
    && untoleratedTaint(node, spec.task?.placement?.tolerations ?? [], ["NO_SCHEDULE", "NO_EXECUTE"]) === undefined;
}

/** The nodes that lack a task, `occupied` being those that have one or where it finished for good. */
export function nodesToFill(nodes: readonly Node[], spec: ServiceSpec, occupied: ReadonlySet<string>): Node[] {
  return nodes.filter((node) => !occupied.has(node.id) && takesNewTask(node, spec));
}
