import { startCoalescingLoop } from "../../lib/index.js";
import { isTerminal, revisionId, stateOf, taskStateOrder, type Node, type Service, type ServiceSpec, type Task, type Volume } from "../../model/index.js";
import type { Commit, ReadTx, WriteTx } from "../../store/index.js";
import { hasShrunk, tasksInExcess } from "./core/shortage.js";
import { deepEqual } from "./core/spec-compare.js";
import { superviseService } from "./core/supervise.js";
import type { ServiceView, Step } from "./core/view.js";
import { maxWritesPerTransaction, type LoopHandle, type OrchestratorPorts } from "./ports.js";

/**
 * Keeps every service as its spec says. Notes which services a commit concerns, and decides about them inside a transaction, so that a
 * decision is never made on an outdated view. Level-triggered: a missed or repeated wake does no harm.
 */
export function startServiceLoop({ store, clock, log, random, newId }: OrchestratorPorts): LoopHandle {
  const dirty = new Set<string>();
  const alarms = new Map<string, number>();      // service id → look again then
  /**
   * Nodes that had more: tasks there may have to go. Only these are looked at, so that taking back a factor of over-commitment stops nobody. A new leader does not
   * know of them; what its predecessor had no time for waits for the node's next loss.
   */
  const shrunken = new Set<string>();
  const loop = startCoalescingLoop({ name: "orchestrator", clock, random, log, run });

  const mark = (serviceId: string) => { if (serviceId !== "") dirty.add(serviceId); };
  const markAll = () => store.view((tx) => { for (const service of tx.list("service")) dirty.add(service.id); });
  const unwatch = store.watch((commit) => {
    note(commit);
    if (dirty.size > 0) loop.wake();
  });
  markAll();
  if (dirty.size > 0) loop.wake();

  function note({ changes }: Commit): void {
    if (changes.length === 0) return markAll();
    for (const change of changes) {
      if (change.table === "service") {
        if (change.kind === "removed") { dirty.delete(change.object.id); alarms.delete(change.object.id); }
        else if (change.kind === "created" || concernsTasks(change.object, change.previous)) mark(change.object.id);
      } else if (change.table === "task") {
        if (change.kind !== "updated" || concernsService(change.object, change.previous)) mark(change.object.serviceId);
      } else if (change.table === "node" && (change.kind !== "updated" || concernsPlacement(change.object, change.previous))) {
        const { object, previous } = change;
        if (change.kind === "removed") shrunken.delete(object.id);
        else if (hasShrunk(object.description?.resources, previous?.description?.resources)) shrunken.add(object.id);
        markServicesOfNode(object.id);
      } else if (change.table === "volume" && concernsUsers(change.object, change.kind === "removed")) {
        markServicesWithVolumes();
      }
    }
  }

  function markServicesOfNode(nodeId: string): void {
    store.view((tx) => {
      for (const task of tx.tasksOfNode(nodeId)) mark(task.serviceId);
      for (const service of tx.list("service")) if (service.spec?.mode === "GLOBAL") mark(service.id);
    });
  }

  /** Volumes are drained seldom: who mounts none of the cluster's is passed by. */
  function markServicesWithVolumes(): void {
    store.view((tx) => {
      for (const { id } of tx.list("service")) if (tx.revisionsOfService(id).some(({ spec }) => spec?.task?.container?.mounts.some(({ type }) => type === "CLUSTER"))) mark(id);
    });
  }

  async function run(): Promise<void> {
    const nowMs = clock.now();
    for (const [id, atMs] of alarms) if (atMs <= nowMs) { alarms.delete(id); dirty.add(id); }
    while (dirty.size > 0) {
      const batch = [...dirty];
      dirty.clear();
      let left: readonly string[] = batch;
      const settled = new Set<string>();
      try {
        left = await store.update((tx) => writeBatch(tx, batch, settled));
        for (const nodeId of settled) shrunken.delete(nodeId);
      } finally { for (const id of left) dirty.add(id); }
    }
    let nextMs = Infinity;
    for (const atMs of alarms.values()) nextMs = Math.min(nextMs, atMs);
    if (nextMs < Infinity) loop.wakeAt(nextMs);
  }

  /** Returns who is left; a service that has more to do than fits goes to the end, so that a large one does not keep others waiting. */
  function writeBatch(tx: WriteTx, serviceIds: readonly string[], settled: Set<string>): readonly string[] {
    let room = maxWritesPerTransaction;
    for (const [index, id] of serviceIds.entries()) {
      if (room <= 0) return serviceIds.slice(index);
      const view = viewOf(tx, id, room, settled);
      if (!view) { alarms.delete(id); continue; }
      const plan = superviseService(view);
      for (const step of plan.steps) {
        perform(tx, step);
        if (step.kind === "give-up-move") log.warn("a task stays where it is: its move was given up", { task: step.taskId, service: view.spec.name, reason: step.reason });
      }
      room -= plan.steps.length;
      if (plan.updateStatus && plan.updateStatus !== view.service.updateStatus) {
        tx.update("service", { ...view.service, updateStatus: plan.updateStatus });
        log.info("service update", { service: view.spec.name, state: plan.updateStatus.state, message: plan.updateStatus.message });
        room--;
      }
      if (plan.wakeAtMs === undefined) alarms.delete(id);
      else alarms.set(id, plan.wakeAtMs);
      if (plan.steps.length >= view.maxSteps) return [...serviceIds.slice(index + 1), id];
    }
    return [];
  }

  function viewOf(tx: ReadTx, serviceId: string, maxSteps: number, settled: Set<string>): ServiceView | undefined {
    const service = tx.get("service", serviceId);
    if (!service?.spec) return undefined;
    const spec = service.spec;
    const excess = new Map<string, ReadonlyMap<string, string>>();
    return {
      service, spec, maxSteps, nowMs: clock.now(), tasks: tx.tasksOfService(serviceId), newId,
      specOf: (revision) => (revision === service.revision ? spec : tx.get("revision", revisionId(serviceId, revision))?.spec ?? undefined),
      node: (id) => tx.get("node", id),
      volume: (id) => tx.get("volume", id),
      nodes: () => tx.list("node"),
      inExcess(nodeId) {
        // A node that is not ready is looked at when it is: until then its tasks are left where they are, or run elsewhere already.
        if (!shrunken.has(nodeId) || tx.get("node", nodeId)?.status?.state !== "READY") return nobody;
        let found = excess.get(nodeId);
        if (!found) {
          excess.set(nodeId, found = excessOn(tx, nodeId));
          if (found.size === 0) settled.add(nodeId);
        }
        return found;
      },
    };
  }

  function excessOn(tx: ReadTx, nodeId: string): ReadonlyMap<string, string> {
    const node = tx.get("node", nodeId);
    if (!node) return nobody;
    const specs = new Map<string, ServiceSpec | null | undefined>();
    const holders = tx.tasksOfNode(nodeId).map((task) => {
      const key = revisionId(task.serviceId, task.revision);
      if (!specs.has(key)) specs.set(key, tx.get("revision", key)?.spec);
      const spec = specs.get(key);
      return { task, reservations: spec?.task?.reservations ?? null, priority: spec?.priority ?? 0 };
    });
    return tasksInExcess(node, holders, tx.cluster().spec?.overcommit ?? [], clock.now());
  }

  return {
    async stop() {
      unwatch();
      await loop.stop();
    },
  };
}

const nobody: ReadonlyMap<string, string> = new Map();

function perform(tx: WriteTx, step: Step): void {
  switch (step.kind) {
    case "start":
      return tx.create("task", step.task);
    case "stop": {
      const task = tx.get("task", step.taskId);
      if (task && taskStateOrder[task.desiredState] < taskStateOrder[step.desired]) tx.update("task", { ...task, desiredState: step.desired, stopReason: step.reason });
      return;
    }
    case "replace": {
      const task = tx.get("task", step.taskId);
      if (!task) return;
      tx.update("task", { ...task, desiredState: "SHUTDOWN", stopReason: step.reason });
      return tx.create("task", step.successor);
    }
    case "release": {
      const task = tx.get("task", step.taskId);
      if (task?.desiredState === "TASK_READY") tx.update("task", { ...task, desiredState: "RUNNING" });
      return;
    }
    case "give-up-move": {
      const task = tx.get("task", step.taskId);
      if (task?.move) tx.update("task", { ...task, move: null });
      return;
    }
    default: {
      const never: never = step;
      throw new Error(`invariant broken: every step is performed (${JSON.stringify(never)})`);
    }
  }
}

/** The way of a task from NEW to STARTING is nobody's concern here; that it runs, ended, was moved or is wanted differently is. */
function concernsService(task: Task, previous: Task | undefined): boolean {
  if (!previous) return true;
  const before = stateOf(previous), after = stateOf(task);
  return before !== after && (after === "RUNNING" || isTerminal(after) || after === "ASSIGNED")
    || task.desiredState !== previous.desiredState || task.nodeId !== previous.nodeId || (task.move?.sinceMs ?? 0) !== (previous.move?.sinceMs ?? 0);
}

// A stored object is decoded anew with each change, so parts are compared by value.

/** Not its endpoint, which the allocator writes. A spec changes only with its revision. */
const concernsTasks = (service: Service, previous: Service | undefined): boolean =>
  !previous || service.revision !== previous.revision || service.isRemoving !== previous.isRemoving || !deepEqual(service.updateStatus, previous.updateStatus);

/** It is to be let go of. */
const concernsUsers = ({ spec }: Volume, isRemoved: boolean): boolean => isRemoved || spec?.availability === "VOLUME_DRAIN";

/** Not the node's address on the ingress network, nor its place among the managers. */
const concernsPlacement = (node: Node, previous: Node | undefined): boolean =>
  !previous || node.role !== previous.role || node.status?.state !== previous.status?.state || node.status?.addr !== previous.status?.addr
  || !deepEqual(node.spec, previous.spec) || !deepEqual(node.description, previous.description);
