import { isWanted, newTaskStatus, preemptedReason, taskStateOrder, type AssignedGeneric, type AssignedGpu } from "../model/index.js";
import type { WriteTx } from "../store/index.js";
import type { Explanation } from "./explanation.js";
import { isPlaceable } from "./picture.js";

/** A task and the node that was chosen, with what it gets there. */
export interface Assignment { readonly taskId: string; readonly nodeId: string; readonly assigned: AssignedGeneric[]; readonly gpus: AssignedGpu[]; readonly waitsSinceMs: number }
export interface Preemption { readonly taskId: string; readonly nodeId: string; readonly byServiceId: string; readonly priority: number }
export interface ExplainedTask { readonly taskId: string; readonly explanation: Explanation }

/** What one transaction writes. */
export interface Writes { readonly assignments: readonly Assignment[]; readonly preemptions: readonly Preemption[]; readonly explanations: readonly ExplainedTask[] }

/** Decisions become changes, unless task or node are not what they were any more. Returns the tasks that are not assigned after all. */
export function writeDecisions(tx: WriteTx, { assignments, preemptions, explanations }: Writes, nowMs: number): string[] {
  const skipped: string[] = [];
  // Most tasks of a transaction share few nodes.
  const readyNodes = new Map<string, boolean>();
  const isReady = (nodeId: string) => {
    let ready = readyNodes.get(nodeId);
    if (ready === undefined) {
      const node = tx.get("node", nodeId);
      readyNodes.set(nodeId, ready = node?.status?.state === "READY" && node.spec?.availability === "ACTIVE");
    }
    return ready;
  };
  for (const { taskId, nodeId, assigned, gpus } of assignments) {
    const task = tx.get("task", taskId);
    if (!task || !isPlaceable(task) || (task.nodeId !== "" && task.nodeId !== nodeId) || !isReady(nodeId)) { skipped.push(taskId); continue; }
    const status = task.status ?? newTaskStatus();
    tx.update("task", { ...task, nodeId, assigned, gpus, status: { ...status, state: "ASSIGNED", timestampMs: nowMs, message: "assigned to a node", err: "", pending: [] } });
  }
  for (const { taskId, nodeId, byServiceId, priority } of preemptions) {
    const task = tx.get("task", taskId);
    if (!task || !isWanted(task) || task.nodeId !== nodeId || taskStateOrder[task.desiredState] >= taskStateOrder.SHUTDOWN) continue;
    tx.update("task", { ...task, desiredState: "SHUTDOWN", stopReason: preemptedReason(tx.get("service", byServiceId)?.spec?.name ?? byServiceId, priority) });
  }
  for (const { taskId, explanation: { err, pending } } of explanations) {
    const task = tx.get("task", taskId);
    if (!task || !isPlaceable(task) || (task.status?.err === err && task.status.pending.length === pending.length)) continue;
    tx.update("task", { ...task, status: { ...(task.status ?? newTaskStatus()), message: "waiting for a node", err, pending } });
  }
  return skipped;
}
