import { startCoalescingLoop } from "../../lib/index.js";
import { isTerminal, isWanted, stateOf, type Task } from "../../model/index.js";
import type { Commit, WriteTx } from "../../store/index.js";
import { maxWritesPerTransaction, type LoopHandle, type OrchestratorPorts } from "./ports.js";
import { planReaping, type ReaperStep, type ReaperView } from "./core/reaper.js";

/** Forgets what has no use any more: dead tasks beyond the history, removed tasks that stopped, removed services without tasks. */
export function startReaperLoop({ store, clock, log, random }: OrchestratorPorts): LoopHandle {
  const dirty = new Set<string>();   // service ids, also of services that are gone
  const loop = startCoalescingLoop({ name: "reaper", clock, random, log, run });
  const unwatch = store.watch((commit) => {
    note(commit);
    if (dirty.size > 0) loop.wake();
  });
  markAll();
  if (dirty.size > 0) loop.wake();

  function markAll(): void {
    store.view((tx) => {
      for (const service of tx.list("service")) dirty.add(service.id);
      for (const task of tx.list("task")) dirty.add(task.serviceId);
    });
  }

  function note({ changes }: Commit): void {
    if (changes.length === 0) return markAll();
    for (const change of changes) {
      if (change.table === "task") {
        if (change.kind === "removed" || isReapable(change.object)) dirty.add(change.object.serviceId);
      } else if (change.table === "service") {
        if (change.kind === "removed" || change.object.isRemoving || change.previous?.updateStatus?.state !== change.object.updateStatus?.state
          || change.previous?.revision !== change.object.revision) dirty.add(change.object.id);
      } else if (change.table === "node" && (change.kind === "removed" || change.object.status?.state !== change.previous?.status?.state)) {
        store.view((tx) => { for (const task of tx.tasksOfNode(change.object.id)) dirty.add(task.serviceId); });
      } else if (change.table === "cluster" && change.previous?.spec?.taskHistory !== change.object.spec?.taskHistory) {
        markAll();
      }
    }
  }

  async function run(): Promise<void> {
    while (dirty.size > 0) {
      const batch = [...dirty];
      dirty.clear();
      let left: readonly string[] = batch;
      try {
        left = await store.update((tx) => writeBatch(tx, batch));
      } finally { for (const id of left) dirty.add(id); }
    }
  }

  function writeBatch(tx: WriteTx, serviceIds: readonly string[]): readonly string[] {
    let room = maxWritesPerTransaction;
    for (const [index, serviceId] of serviceIds.entries()) {
      if (room <= 0) return serviceIds.slice(index);
      const steps = planReaping(viewOf(tx, serviceId));
      for (const step of steps.slice(0, room)) perform(tx, step, serviceId);
      if (steps.length > room) return [...serviceIds.slice(index + 1), serviceId];
      room -= steps.length;
    }
    return [];
  }

  function viewOf(tx: WriteTx, serviceId: string): ReaperView {
    const service = tx.get("service", serviceId);
    const [cluster] = tx.list("cluster");
    return {
      serviceId, service, spec: service?.spec ?? undefined, tasks: tx.tasksOfService(serviceId), nowMs: clock.now(),
      taskHistory: cluster?.spec?.taskHistory ?? 5, node: (id) => tx.get("node", id),
    };
  }

  return {
    async stop() {
      unwatch();
      await loop.stop();
    },
  };
}

function perform(tx: WriteTx, step: ReaperStep, serviceId: string): void {
  switch (step.kind) {
    case "delete-task":
      return tx.remove("task", step.taskId);
    case "remove-task": {
      const task = tx.get("task", step.taskId);
      if (task) tx.update("task", { ...task, desiredState: "REMOVE", stopReason: step.reason });
      return;
    }
    case "orphan": {
      const task = tx.get("task", step.taskId);
      if (task) tx.update("task", { ...task, status: step.status });
      return;
    }
    case "delete-service":
      for (const revision of tx.revisionsOfService(serviceId)) tx.remove("revision", revision.id);
      return tx.remove("service", serviceId);
    default: {
      const never: never = step;
      throw new Error(`invariant broken: every step is performed (${JSON.stringify(never)})`);
    }
  }
}

const isReapable = (task: Task): boolean => !isWanted(task) || isTerminal(stateOf(task));
