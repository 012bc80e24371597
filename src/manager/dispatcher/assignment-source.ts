import type { AssignmentChange } from "./core/assignments.js";
import type { Clock, Logger, Timer } from "../../lib/index.js";
import type { EndpointSet, Network, NodeAttachmentSet, TaskAssignment } from "../../model/index.js";
import { revisionId } from "../../model/index.js";
import type { Change, Commit, ReadTx, Store } from "../../store/index.js";
import { diffNetworks, diffTasks, isHeld, taskAssignment } from "./core/assignments.js";
import { endpointSet, nodeAttachmentSet } from "./core/endpoints.js";
import { isSame } from "./core/same.js";

/** At most one round of recomputing in this time; a commit after a quiet moment is passed on at once. */
const roundMs = 20;

export interface AssignmentListener {
  /** Changes in order; they lead to the state of raft index `index`. */
  changed(changes: readonly AssignmentChange[], index: number): void;
  /** The node's own object, the managers or the cluster's settings may have changed. */
  surroundingsChanged(): void;
}

export interface AssignmentSubscription {
  /** All that the node must hold now; what `changed` says from here on applies to it. */
  complete(): { changes: AssignmentChange[]; index: number };
  close(): void;
}

/** What all sessions on one network share: derived once for each change, whatever the number of sessions. */
interface NetworkView { network: Network; readonly sets: Map<string, EndpointSet>; attachments: NodeAttachmentSet; users: number }

interface Subscriber { readonly nodeId: string; readonly listener: AssignmentListener; tasks: Map<string, TaskAssignment>; networks: Set<string>; isStarted: boolean }

/**
 * Derives from the store what each connected node must hold, and what changed in it. A commit only marks what it touched
 * (nodes, endpoint sets, networks); a round later these are computed anew and compared.
 */
export class AssignmentSource {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #views = new Map<string, NetworkView>();
  readonly #subscribers = new Set<Subscriber>();
  readonly #stopWatching: () => void;

  #dirtyNodes = new Set<string>();
  #dirtySets = new Map<string, Set<string>>();
  #dirtyNetworks = new Set<string>();
  #dirtyAttachments = new Set<string>();
  #isAllDirty = false;
  #areSurroundingsDirty = false;
  #timer: Timer | undefined;
  #lastRound = -Infinity;

  constructor(options: { store: Store; clock: Clock; log: Logger }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#stopWatching = this.#store.watch((commit) => this.#note(commit));
  }

  subscribe(nodeId: string, listener: AssignmentListener): AssignmentSubscription {
    const subscriber: Subscriber = { nodeId, listener, tasks: new Map(), networks: new Set(), isStarted: false };
    this.#subscribers.add(subscriber);
    return {
      complete: () => this.#complete(subscriber),
      close: () => {
        this.#subscribers.delete(subscriber);
        for (const id of subscriber.networks) this.#release(id);
        subscriber.networks = new Set();
      },
    };
  }

  stop(): void {
    this.#stopWatching();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #complete(subscriber: Subscriber): { changes: AssignmentChange[]; index: number } {
    // What is marked now is in the complete state too; without this round the others would hear of it, and this node twice.
    this.#round();
    return this.#store.view((tx) => {
      const { tasks, networks } = this.#wanted(tx, subscriber.nodeId);
      const before = subscriber.networks;
      for (const id of networks) this.#acquire(tx, id);
      for (const id of before) this.#release(id);
      Object.assign(subscriber, { tasks, networks, isStarted: true });
      return { changes: [...[...networks].flatMap((id) => this.#contents(id)), ...diffTasks(new Map(), tasks)], index: tx.index };
    });
  }

  // ---- marking -----------------------------------------------------------------------------------------------------

  #note(commit: Commit): void {
    if (this.#subscribers.size === 0) return;
    if (commit.changes.length === 0) this.#isAllDirty = true;
    this.#store.view((tx) => { for (const change of commit.changes) this.#mark(tx, change); });
    if (this.#isAllDirty || this.#areSurroundingsDirty || this.#dirtyNodes.size + this.#dirtySets.size + this.#dirtyNetworks.size + this.#dirtyAttachments.size > 0) {
      this.#timer ??= this.#clock.after(Math.max(0, roundMs - (this.#clock.monotonic() - this.#lastRound)), () => this.#round());
    }
  }

  #mark(tx: ReadTx, change: Change): void {
    switch (change.table) {
      case "task":
        for (const task of [change.object, change.previous]) {
          if (!task) continue;
          if (task.nodeId) this.#dirtyNodes.add(task.nodeId);
          for (const { networkId } of task.networks) this.#markSet(networkId, task.serviceId);
        }
        return;
      case "service":
        for (const service of [change.object, change.previous]) {
          for (const { networkId } of service?.endpoint?.vips ?? []) this.#markSet(networkId, change.object.id);
          for (const { target } of service?.spec?.task?.networks ?? []) this.#markSet(target, change.object.id);
        }
        for (const [id, view] of this.#views) if (view.sets.has(change.object.id)) this.#markSet(id, change.object.id);
        for (const task of tx.tasksOfService(change.object.id)) if (task.nodeId) this.#dirtyNodes.add(task.nodeId);
        return;
      case "revision":
        for (const task of tx.tasksOfService(change.object.serviceId)) if (task.nodeId && task.revision === change.object.number) this.#dirtyNodes.add(task.nodeId);
        return;
      case "node": {
        this.#areSurroundingsDirty = true;
        const { object, previous } = change;
        const isMoved = change.kind !== "updated" || object.status?.addr !== previous?.status?.addr;
        if (isMoved || !isSame(object.attachments, previous?.attachments)) {
          this.#dirtyNodes.add(object.id);
          for (const { networkId } of [...object.attachments, ...(previous?.attachments ?? [])]) this.#dirtyAttachments.add(networkId);
        }
        if (object.description?.hostname !== previous?.description?.hostname) this.#dirtyNodes.add(object.id);
        if (isMoved || (object.status?.state === "DOWN") !== (previous?.status?.state === "DOWN")) {
          for (const task of tx.tasksOfNode(object.id)) for (const { networkId } of task.networks) this.#markSet(networkId, task.serviceId);
        }
        return;
      }
      case "network":
        this.#dirtyNetworks.add(change.object.id);
        // Nodes that wait for it: it may have been created after the first task that names it.
        if (change.kind !== "updated") for (const { nodeId } of this.#subscribers) this.#dirtyNodes.add(nodeId);
        return;
      case "volume":      // what a task is told of its volumes does not change: it is said once, when the task is assigned
        return;
      case "cluster":
        this.#areSurroundingsDirty = true;
        return;
    }
  }

  #markSet(networkId: string, serviceId: string): void {
    if (!this.#views.has(networkId)) return;
    let services = this.#dirtySets.get(networkId);
    if (!services) this.#dirtySets.set(networkId, services = new Set());
    services.add(serviceId);
  }

  // ---- a round -----------------------------------------------------------------------------------------------------

  #round(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const dirty = { nodes: this.#dirtyNodes, isAll: this.#isAllDirty };
    const areSurroundingsDirty = this.#areSurroundingsDirty || this.#isAllDirty;
    const isNothing = !dirty.isAll && !areSurroundingsDirty && this.#dirtyNodes.size + this.#dirtySets.size + this.#dirtyNetworks.size + this.#dirtyAttachments.size === 0;
    if (isNothing) return;
    this.#lastRound = this.#clock.monotonic();
    const deliveries: [Subscriber, AssignmentChange[], number][] = [];
    this.#store.view((tx) => {
      const deltas = this.#refreshViews(tx);
      for (const subscriber of this.#subscribers) {
        if (!subscriber.isStarted) continue;
        const changes = this.#changesFor(tx, subscriber, deltas, dirty.isAll || dirty.nodes.has(subscriber.nodeId));
        if (changes.length > 0) deliveries.push([subscriber, changes, tx.index]);
      }
    });
    this.#dirtyNodes = new Set();
    this.#dirtySets = new Map();
    this.#dirtyNetworks = new Set();
    this.#dirtyAttachments = new Set();
    this.#isAllDirty = false;
    this.#areSurroundingsDirty = false;
    for (const [subscriber, changes, index] of deliveries) subscriber.listener.changed(changes, index);
    if (areSurroundingsDirty) for (const subscriber of [...this.#subscribers]) subscriber.listener.surroundingsChanged();
  }

  #changesFor(tx: ReadTx, subscriber: Subscriber, deltas: ReadonlyMap<string, AssignmentChange[]>, isDirty: boolean): AssignmentChange[] {
    if (!isDirty) return [...subscriber.networks].flatMap((id) => deltas.get(id) ?? []);
    const { tasks, networks } = this.#wanted(tx, subscriber.nodeId);
    const { added, removed, kept } = diffNetworks(subscriber.networks, networks);
    for (const id of added) this.#acquire(tx, id);
    // Networks come before the tasks that need them, and go after those that needed them.
    const changes: AssignmentChange[] = [
      ...added.flatMap((id) => this.#contents(id)),
      ...kept.flatMap((id) => deltas.get(id) ?? []),
      ...diffTasks(subscriber.tasks, tasks),
      ...removed.map((id) => ({ isRemoval: true, network: { id } })),
    ];
    for (const id of removed) this.#release(id);
    Object.assign(subscriber, { tasks, networks });
    return changes;
  }

  /** Brings the cached views up to date and returns what changed in each. */
  #refreshViews(tx: ReadTx): Map<string, AssignmentChange[]> {
    const deltas = new Map<string, AssignmentChange[]>();
    for (const [id, view] of this.#views) {
      const network = tx.get("network", id);
      if (!network) continue; // gone: the nodes on it are marked, and let go of it
      const changes: AssignmentChange[] = [];
      if ((this.#isAllDirty || this.#dirtyNetworks.has(id)) && view.network !== network) {
        view.network = network;
        changes.push({ isRemoval: false, network });
      }
      const services = this.#isAllDirty ? new Set([...view.sets.keys(), ...servicesOn(tx, id)]) : this.#dirtySets.get(id) ?? [];
      for (const serviceId of services) {
        const before = view.sets.get(serviceId);
        const now = endpointSet(network, serviceId, tx.get("service", serviceId), tx.tasksOfService(serviceId), (nodeId) => tx.get("node", nodeId));
        if (now && !(before && isSame(before, now))) {
          view.sets.set(serviceId, now);
          changes.push({ isRemoval: false, endpoints: now });
        } else if (!now && before) {
          view.sets.delete(serviceId);
          changes.push({ isRemoval: true, endpoints: { networkId: id, serviceId } });
        }
      }
      if (this.#isAllDirty || this.#dirtyAttachments.has(id)) {
        const now = nodeAttachmentSet(id, tx.list("node"));
        if (!isSame(now, view.attachments)) {
          view.attachments = now;
          changes.push({ isRemoval: false, nodeAttachments: now });
        }
      }
      if (changes.length > 0) deltas.set(id, changes);
    }
    return deltas;
  }

  #wanted(tx: ReadTx, nodeId: string): { tasks: Map<string, TaskAssignment>; networks: Set<string> } {
    const node = tx.get("node", nodeId);
    const tasks = new Map<string, TaskAssignment>();
    const networks = new Set<string>();
    for (const task of tx.tasksOfNode(nodeId)) {
      if (!isHeld(task)) continue;
      const assignment = taskAssignment(task, tx.get("service", task.serviceId), tx.get("revision", revisionId(task.serviceId, task.revision)), node, (id) => tx.get("volume", id));
      if (!assignment) {
        this.#log.warn("A task's spec is not in the store; its node is not told of the task", { task: task.id, revision: task.revision });
        continue;
      }
      tasks.set(task.id, assignment);
      for (const { networkId } of task.networks) networks.add(networkId);
    }
    for (const { networkId } of node?.attachments ?? []) networks.add(networkId);
    for (const id of networks) if (!tx.get("network", id)) networks.delete(id);
    return { tasks, networks };
  }

  // ---- views, counted by the subscribers on them ---------------------------------------------------------------------

  #acquire(tx: ReadTx, id: string): void {
    const present = this.#views.get(id);
    if (present) { present.users += 1; return; }
    const network = tx.get("network", id)!;
    const sets = new Map<string, EndpointSet>();
    for (const serviceId of servicesOn(tx, id)) {
      const set = endpointSet(network, serviceId, tx.get("service", serviceId), tx.tasksOfService(serviceId), (nodeId) => tx.get("node", nodeId));
      if (set) sets.set(serviceId, set);
    }
    this.#views.set(id, { network, sets, attachments: nodeAttachmentSet(id, tx.list("node")), users: 1 });
  }

  #release(id: string): void {
    const view = this.#views.get(id);
    if (view && --view.users === 0) this.#views.delete(id);
  }

  #contents(id: string): AssignmentChange[] {
    const view = this.#views.get(id)!;
    return [
      { isRemoval: false, network: view.network },
      ...[...view.sets.values()].map((endpoints) => ({ isRemoval: false, endpoints })),
      { isRemoval: false, nodeAttachments: view.attachments },
    ];
  }
}

/** Services that may have a presence on a network. Looks at everything: only for a view's first time and after a snapshot. */
function servicesOn(tx: ReadTx, networkId: string): Set<string> {
  const services = new Set<string>();
  for (const service of tx.list("service")) if (service.endpoint?.vips.some((vip) => vip.networkId === networkId)) services.add(service.id);
  for (const task of tx.list("task")) if (task.networks.some((n) => n.networkId === networkId)) services.add(task.serviceId);
  return services;
}
