import { startCoalescingLoop, type Clock, type Logger } from "../lib/index.js";
import { newTaskStatus, revisionId, stateOf, type PendingReason, type Task } from "../model/index.js";
import type { Commit, ReadTx, Store, WriteTx } from "../store/index.js";
import { ClusterState, failureWindowMs, isPlaceable, shapeOf, type TaskShape } from "./core/cluster-state.js";
import { explainRefusals, sentenceForNode, sentenceOf } from "./core/explain.js";
import { fitsOn, placeGroup, type Assignment } from "./core/place.js";
import { filters } from "./filters/index.js";

export interface SchedulerPorts { readonly store: Store; readonly clock: Clock; readonly log: Logger; readonly random: () => number }

/** Tasks of one revision that wait for a node. Parked: nothing fitted, and nothing has changed since. */
interface Group {
  readonly shape: TaskShape;
  readonly free: Set<string>;                  // task ids
  readonly bound: Map<string, string>;         // task id → the node that it names
  isParked: boolean;
  hasNewcomers: boolean;                       // tasks that nothing was said to yet
  explainedAtMs: number;
}

interface Explanation { readonly taskId: string; readonly err: string; readonly pending: PendingReason[] }

const maxWritesPerTransaction = 200;
/** Tasks decided about before the event loop gets its turn and what was decided is written. */
const maxDecisionsPerPass = 2_000;
/** The amounts in an explanation change with every task that ends; those who wait are told at most this often. */
const explainAgainMs = 1_000;

/** Leader only. Starts with a look at everything. */
export function startScheduler({ store, clock, log, random }: SchedulerPorts): { stop(): Promise<void> } {
  let state = new ClusterState();
  let defaultStrategy: "PACK" | "SPREAD" = "PACK";
  let mustRebuild = true;
  const groups = new Map<string, Group>();
  const shapes = new Map<string, TaskShape>();
  const toExplain = new Set<Group>();            // told too recently
  const loop = startCoalescingLoop({ name: "scheduler", clock, random, log, run });

  const unwatch = store.watch((commit) => {
    note(commit);
    if (hasWork()) loop.wake();
  });
  loop.wake();

  function hasWork(): boolean {
    if (mustRebuild) return true;
    for (const group of groups.values()) if (!group.isParked) return true;
    return false;
  }

  // ---- taking note ----

  function rebuild(): void {
    state = new ClusterState();
    groups.clear();
    shapes.clear();
    store.view((tx) => {
      defaultStrategy = tx.list("cluster")[0]?.spec?.placementStrategy === "SPREAD" ? "SPREAD" : "PACK";
      for (const node of tx.list("node")) state.setNode(node);
      for (const task of tx.list("task")) {
        noteTask(tx, task);
        if (hasFailed(task)) noteFailure(task);
      }
    });
    mustRebuild = false;
  }

  function note({ changes }: Commit): void {
    if (changes.length === 0) { mustRebuild = true; return; }
    if (mustRebuild) return;
    let isFreed = false;
    store.view((tx) => {
      for (const change of changes) {
        switch (change.table) {
          case "task":
            if (change.kind === "removed") isFreed = forgetTask(change.object) || isFreed;
            else {
              isFreed = noteTask(tx, change.object) || isFreed;
              if (hasFailed(change.object) && !(change.previous && hasFailed(change.previous))) noteFailure(change.object);
            }
            break;
          case "node":
            if (change.kind === "removed") state.removeNode(change.object.id);
            else state.setNode(change.object);
            isFreed = true;
            break;
          case "revision":
            if (change.kind === "removed") shapes.delete(change.object.id);
            break;
          case "cluster":
            defaultStrategy = change.object.spec?.placementStrategy === "SPREAD" ? "SPREAD" : "PACK";
            break;
        }
      }
    });
    if (isFreed) for (const group of groups.values()) group.isParked = false;
  }

  /** True if it gave something back. */
  function noteTask(tx: ReadTx, task: Task): boolean {
    const shape = shapeFor(tx, task);
    const isFreed = state.setTask(task, shape);
    const group = groups.get(shape.key);
    if (!isPlaceable(task)) {
      dropFrom(group, task.id);
      return isFreed;
    }
    const present = group ?? { shape, free: new Set(), bound: new Map(), isParked: false, hasNewcomers: true, explainedAtMs: -Infinity };
    if (!group) groups.set(shape.key, present);
    if (present.free.has(task.id) || present.bound.has(task.id)) return isFreed;
    if (task.nodeId === "") present.free.add(task.id);
    else present.bound.set(task.id, task.nodeId);
    present.isParked = false;
    present.hasNewcomers = true;
    return isFreed;
  }

  function forgetTask(task: Task): boolean {
    dropFrom(groups.get(revisionId(task.serviceId, task.revision)), task.id);
    return state.removeTask(task.id);
  }

  function dropFrom(group: Group | undefined, taskId: string): void {
    if (!group) return;
    group.free.delete(taskId);
    group.bound.delete(taskId);
    if (group.free.size === 0 && group.bound.size === 0) groups.delete(group.shape.key);
  }

  function shapeFor(tx: ReadTx, task: Task): TaskShape {
    const key = revisionId(task.serviceId, task.revision);
    const known = shapes.get(key);
    if (known) return known;
    const service = tx.get("service", task.serviceId);
    const spec = tx.get("revision", key)?.spec ?? (service?.revision === task.revision ? service.spec : undefined);
    const shape = shapeOf(task.serviceId, key, spec ?? undefined);
    if (spec) shapes.set(key, shape);
    return shape;
  }

  function noteFailure(task: Task): void {
    const atMs = task.status?.appliedAtMs || task.status?.timestampMs || 0;
    if (task.nodeId !== "" && atMs > clock.now() - failureWindowMs) state.noteFailure(task.nodeId, revisionId(task.serviceId, task.revision), atMs);
  }

  // ---- deciding and writing ----

  async function run(): Promise<void> {
    for (const group of toExplain) {
      if (clock.now() < group.explainedAtMs + explainAgainMs) { loop.wakeAt(group.explainedAtMs + explainAgainMs); continue; }
      toExplain.delete(group);
      group.isParked = false;
    }
    while (hasWork()) {
      if (mustRebuild) rebuild();
      const { assignments, explanations } = decide();
      try {
        // Pipelined: the next transaction does not wait for the disk of the one before.
        await Promise.all([
          ...chunks(assignments).map(async (chunk) => resync(await store.update((tx) => assign(tx, chunk)))),
          ...chunks(explanations).map((chunk) => store.update((tx) => { explain(tx, chunk); })),
        ]);
      } catch (error) {
        // What was decided was not stored: the picture holds tasks that are nowhere.
        mustRebuild = true;
        throw error;
      }
    }
  }

  function decide(): { assignments: Assignment[]; explanations: Explanation[] } {
    const assignments: Assignment[] = [];
    const explanations: Explanation[] = [];
    const nowMs = clock.now();
    // Tasks that can only be on one node come first: the others can go elsewhere.
    for (const group of [...groups.values()]) if (!group.isParked && group.bound.size > 0) decideBound(group, assignments, explanations);
    for (const group of [...groups.values()]) {
      if (group.isParked) continue;
      if (assignments.length >= maxDecisionsPerPass) break;
      if (group.free.size === 0) { group.isParked = true; continue; }
      const taskIds = [...group.free].slice(0, maxDecisionsPerPass - assignments.length);
      const { assigned, left } = placeGroup(state, group.shape, taskIds, { filters, defaultStrategy, nowMs });
      for (const assignment of assigned) {
        assignments.push(assignment);
        dropFrom(group, assignment.taskId);
      }
      if (left.length === 0 && group.free.size > 0) continue;      // more of them in the next pass
      group.isParked = true;
      if (left.length > 0) explainGroup(group, explanations, nowMs);
    }
    return { assignments, explanations };
  }

  function decideBound(group: Group, assignments: Assignment[], explanations: Explanation[]): void {
    for (const [taskId, nodeId] of [...group.bound]) {
      const node = state.nodes.get(nodeId);
      if (node && fitsOn(group.shape, node, filters)) {
        state.place(taskId, nodeId, group.shape);
        assignments.push({ taskId, nodeId });
        dropFrom(group, taskId);
      } else {
        const pending = node ? explainRefusals(group.shape, [node], filters) : [];
        explanations.push({ taskId, err: sentenceForNode(node?.name ?? nodeId, pending), pending });
      }
    }
  }

  function explainGroup(group: Group, explanations: Explanation[], nowMs: number): void {
    if (!group.hasNewcomers && nowMs < group.explainedAtMs + explainAgainMs) {
      toExplain.add(group);
      return loop.wakeAt(group.explainedAtMs + explainAgainMs);
    }
    group.hasNewcomers = false;
    group.explainedAtMs = nowMs;
    const pending = explainRefusals(group.shape, state.nodes.values(), filters);
    const err = sentenceOf(pending);
    for (const taskId of group.free) explanations.push({ taskId, err, pending });
  }

  /** Returns the tasks that changed meanwhile, which are not assigned after all. */
  function assign(tx: WriteTx, chunk: readonly Assignment[]): string[] {
    const skipped: string[] = [];
    for (const { taskId, nodeId } of chunk) {
      const task = tx.get("task", taskId);
      const node = tx.get("node", nodeId);
      const isNodeReady = node?.status?.state === "READY" && node.spec?.availability === "ACTIVE";
      if (!task || !isPlaceable(task) || (task.nodeId !== "" && task.nodeId !== nodeId) || !isNodeReady) { skipped.push(taskId); continue; }
      const status = task.status ?? newTaskStatus();
      tx.update("task", { ...task, nodeId, status: { ...status, state: "ASSIGNED", timestampMs: clock.now(), message: "assigned to a node", err: "", pending: [] } });
    }
    return skipped;
  }

  function explain(tx: WriteTx, chunk: readonly Explanation[]): void {
    for (const { taskId, err, pending } of chunk) {
      const task = tx.get("task", taskId);
      if (!task || !isPlaceable(task) || (task.status?.err === err && task.status.pending.length === pending.length)) continue;
      tx.update("task", { ...task, status: { ...(task.status ?? newTaskStatus()), message: "waiting for a node", err, pending } });
    }
  }

  /** Takes the store's word for tasks that could not be assigned. */
  function resync(taskIds: readonly string[]): void {
    if (taskIds.length === 0 || mustRebuild) return;
    store.view((tx) => {
      for (const taskId of taskIds) {
        state.removeTask(taskId);
        const task = tx.get("task", taskId);
        if (task) noteTask(tx, task);
      }
    });
  }

  return {
    async stop() {
      unwatch();
      await loop.stop();
    },
  };
}

const hasFailed = (task: Task): boolean => stateOf(task) === "FAILED" || stateOf(task) === "REJECTED";

function chunks<T>(items: readonly T[]): T[][] {
  const result: T[][] = [];
  for (let i = 0; i < items.length; i += maxWritesPerTransaction) result.push(items.slice(i, i + maxWritesPerTransaction));
  return result;
}
