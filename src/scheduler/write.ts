import { isWanted, newTaskStatus, preemptedReason, taskStateOrder, type AssignedGeneric, type AssignedGpu, type TaskVolume, type Volume } from "../model/index.js";
import type { WriteTx } from "../store/index.js";
import type { Explanation } from "./explanation.js";
import { isPlaceable } from "./picture.js";

/** A task and the node that was chosen, with what it gets there. */
export interface Assignment { readonly taskId: string; readonly nodeId: string; readonly assigned: AssignedGeneric[]; readonly gpus: AssignedGpu[]; readonly volumes: TaskVolume[]; readonly waitsSinceMs: number }
/** `byKey`: the revision that room is made for. */
export interface Preemption { readonly taskId: string; readonly nodeId: string; readonly byKey: string; readonly byServiceId: string; readonly priority: number }
export interface ExplainedTask { readonly taskId: string; readonly explanation: Explanation }

/** What one transaction writes. */
export interface Writes { readonly assignments: readonly Assignment[]; readonly preemptions: readonly Preemption[]; readonly explanations: readonly ExplainedTask[] }

/**
 * Decisions become changes, unless task or node are not what they were any more. Returns the tasks that are not assigned after all. Called in the turn in which they were made, of all that is committed: a node
 * is looked at again only where a change of it is in flight. Tasks that spread over 100,000 nodes have one each, of which nothing is in a cache: fetching them took as long as all else here.
 */
export function writeDecisions(tx: WriteTx, { assignments, preemptions, explanations }: Writes, nowMs: number): string[] {
  const skipped: string[] = [];
  const isReady = (nodeId: string) => {
    if (!tx.isChanging("node", nodeId)) return true;
    const node = tx.get("node", nodeId);
    return node?.status?.state === "READY" && node.spec?.availability === "ACTIVE";
  };
  for (const { taskId, nodeId, assigned, gpus, volumes } of assignments) {
    const task = tx.get("task", taskId);
    if (!task || !isPlaceable(task) || (task.nodeId !== "" && task.nodeId !== nodeId) || !isReady(nodeId) || (volumes.length > 0 && !bindVolumes(tx, volumes, nodeId))) { skipped.push(taskId); continue; }
    const status = task.status ?? newTaskStatus();
    tx.update("task", { ...task, nodeId, assigned, gpus, volumes, status: { ...status, state: "ASSIGNED", timestampMs: nowMs, message: "assigned to a node", err: "", pending: [] } });
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

/**
 * Whether a task may be on the node with these volumes as they are now. A volume of one node that has no data as yet has them there from now on: the same
 * transaction says so that assigns the task.
 */
function bindVolumes(tx: WriteTx, wanted: readonly TaskVolume[], nodeId: string): boolean {
  const volumes = [...new Set(wanted.map(({ volumeId }) => volumeId))].map((id) => tx.get("volume", id));
  const mayHave = (volume: Volume | undefined) =>
    volume?.spec?.availability === "VOLUME_ACTIVE" && (volume.spec.scope === "MULTI_NODE" || volume.nodeId === "" || volume.nodeId === nodeId);
  if (!volumes.every(mayHave)) return false;
  for (const volume of volumes) if (volume?.spec?.scope === "SINGLE_NODE" && volume.nodeId === "") tx.update("volume", { ...volume, nodeId });
  return true;
}
