import type { Clock } from "../lib/index.js";
import { holdsResources, isWanted, parseConstraint, revisionId, stateOf, taskStateOrder, type ClusterSpec, type Constraint, type Node, type Task, type Volume } from "../model/index.js";
import type { Change, ReadTx, Store } from "../store/index.js";
import { Placer, type Strategy } from "./core/place/index.js";
import { SchedulingQueue, type Reservation } from "./core/queue/index.js";
import { ClusterState, anyReadyNode, compileSpec, failureWindowMs, nowhere, type OvercommitRule } from "./core/state/index.js";

/** It waits for a node: numbered by the allocator, meant to run. Bound to one node from the start if it names it (global services, moves). */
export const isPlaceable = (task: Task): boolean => stateOf(task) === "PENDING" && taskStateOrder[task.desiredState] <= taskStateOrder.RUNNING;

/** The cluster as the store tells it: the state, who chooses nodes in it, and the tasks that wait. Made once from all of the store, then kept up to date from commits. */
export class Picture {
  readonly state = new ClusterState();
  readonly placer: Placer;
  readonly queue: SchedulingQueue;
  mayPreempt = true;
  /** When it was last told of a node, by `clock.now()`: what is said about blocked groups may be outdated. */
  nodesChangedAtMs = 0;
  /** When each task (row) began to wait here. */
  waitsSinceMs = new Float64Array(1024);
  #overcommit = "[]";

  constructor(private readonly clock: Clock) {
    this.placer = new Placer(this.state, { defaultStrategy: "PACK", nowMs: () => clock.now() });
    this.queue = new SchedulingQueue(this.state, this.placer);
  }

  get defaultStrategy(): Strategy { return this.placer.defaultStrategy; }
  /** Nodes that are kept for groups (they are barred in the state). */
  get reservations(): Iterable<Reservation> { return this.queue.reservations; }

  // ---- commits ----

  note(tx: ReadTx, changes: readonly Change[]): void {
    for (const change of changes) {
      switch (change.table) {
        case "task":
          if (change.kind === "removed") this.forgetTask(change.object.id);
          else {
            this.noteTask(tx, change.object);
            if (hasFailed(change.object) && !(change.previous && hasFailed(change.previous))) this.noteFailure(change.object);
          }
          break;
        case "node":
          if (change.kind === "removed") this.#forgetNode(change.object.id);
          else this.noteNode(change.object);
          break;
        case "volume":
          if (change.kind === "removed") this.#forgetVolume(change.object.id);
          else this.noteVolume(change.object);
          break;
        case "cluster":
          if (change.kind !== "removed") this.noteCluster(change.object.spec ?? undefined);
          break;
      }
    }
  }

  noteTask(tx: ReadTx, task: Task): void {
    const { state, queue } = this;
    const holds = holdsResources(task), waits = isPlaceable(task);
    if (!holds && !waits) return this.forgetTask(task.id);
    let t = state.tasks.rowOf(task.id);
    // Most news of tasks is what was decided here, and their way to RUNNING.
    if (t !== undefined && holds && state.tasks.nodeOf(t) !== nowhere && state.nodes.ids[state.tasks.nodeOf(t)] === task.nodeId && (state.tasks.countOf(t) === 1) === isWanted(task)) return;
    const key = revisionId(task.serviceId, task.revision);
    if (t !== undefined && state.groups.keys[state.tasks.groupOf(t)] !== key) { this.forgetTask(task.id); t = undefined; }
    t ??= state.addNewTask(task.id, this.#groupOf(tx, key, task), task.meta?.createdAtMs ?? this.clock.now());
    if (waits) {
      // On a node in the state: decided about, and on its way to the store.
      if (state.tasks.nodeOf(t) !== nowhere || queue.isWaiting(t)) return;
      if (t >= this.waitsSinceMs.length) this.waitsSinceMs = grown(this.waitsSinceMs, t + 1);
      this.waitsSinceMs[t] = this.clock.now();
      return queue.add(t, task.nodeId);
    }
    const before = state.tasks.nodeOf(t), wasWanted = state.tasks.countOf(t) === 1;
    if (before === nowhere) queue.drop(t);
    else if (state.nodes.ids[before] !== task.nodeId) { queue.left(t, before); state.unplace(t); }
    state.placeById(t, task.nodeId, isWanted(task), task.gpus.length === 0 ? none : task.gpus.map(({ id }) => id), task.assigned, task.volumes);
    const after = state.tasks.nodeOf(t);
    if (after !== before && after !== nowhere) queue.arrived(t);
    else if (after === before && wasWanted && state.tasks.countOf(t) === 0) queue.unwanted(t);
  }

  forgetTask(id: string): void {
    const { state, queue } = this;
    const t = state.tasks.rowOf(id);
    if (t === undefined) return;
    const n = state.tasks.nodeOf(t);
    if (n !== nowhere) queue.left(t, n);
    queue.drop(t);
    state.removeTask(t);
  }

  /** Failures count where a task had a node, for some minutes. */
  noteFailure(task: Task): void {
    const atMs = task.status?.appliedAtMs || task.status?.timestampMs || 0;
    const n = this.state.nodes.rowOf(task.nodeId);
    if (n !== undefined && atMs > this.clock.now() - failureWindowMs) this.state.failures.note(n, revisionId(task.serviceId, task.revision), atMs);
  }

  noteNode(node: Node): void {
    const { state, queue } = this;
    const nodesBefore = state.nodes.size;
    const n = state.setNode(node);
    if (n === nodesBefore) for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) queue.arrived(t);
    queue.nodeChanged(n);
    this.nodesChangedAtMs = this.clock.now();
  }

  #forgetNode(id: string): void {
    const { state, queue } = this;
    const n = state.nodes.rowOf(id);
    if (n === undefined) return;
    for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) queue.left(t, n);
    state.removeNode(id);
    this.nodesChangedAtMs = this.clock.now();
  }

  noteVolume(volume: Volume): void {
    this.queue.volumeChanged(volume.id);      // as a volume of the group that it may leave …
    this.state.setVolume(volume);
    this.queue.volumeChanged(volume.id);      // … and of the one that it is in now
  }

  #forgetVolume(id: string): void {
    this.queue.volumeChanged(id);
    this.state.removeVolume(id);
  }

  noteCluster(spec: ClusterSpec | undefined): void {
    const { state, placer, queue } = this;
    const strategy = spec?.placementStrategy ?? "PACK";
    placer.defaultStrategy = strategy === "DEFAULT" ? "PACK" : strategy satisfies Strategy;
    state.isUsageAware = spec?.usageAware ?? false;
    const mayPreempt = !(spec?.preemptionOff ?? false);
    if (mayPreempt && !this.mayPreempt) queue.preemptionAllowed();
    this.mayPreempt = mayPreempt;
    queue.setQuotas(spec?.quotas ?? []);
    const overcommit = JSON.stringify(spec?.overcommit ?? []);
    if (overcommit === this.#overcommit) return;
    this.#overcommit = overcommit;
    state.setOvercommit((spec?.overcommit ?? []).flatMap(readRule));
    state.nodes.alive.forEach((n) => queue.nodeChanged(n));
  }

  #groupOf(tx: ReadTx, key: string, task: Task): number {
    return this.state.groupOf(key, task.serviceId, () => {
      const service = tx.get("service", task.serviceId);
      return compileSpec(task.serviceId, tx.get("revision", key)?.spec ?? (service?.revision === task.revision ? service.spec ?? undefined : undefined));
    });
  }
}

/** Objects taken note of before whoever runs this may see to something else: about 1 ms where nothing of them is in a cache. */
const objectsPerSlice = 200;

/** The picture of the whole store as of the first step; commits after that are the caller's to note once it is done. Yields between slices. */
export function* buildPicture(store: Store, clock: Clock): Generator<void, Picture> {
  const picture = new Picture(clock);
  // Objects are immutable: lists of references, taken in one turn, are one moment of the store.
  const { nodes, tasks } = store.view((tx) => {
    picture.noteCluster(tx.list("cluster")[0]?.spec ?? undefined);
    for (const volume of tx.list("volume")) picture.noteVolume(volume);
    // What nearly every service asks of nodes is looked at while they are read: later they would have to be fetched from memory once more.
    picture.state.predicates.classOf(anyReadyNode, picture.state.nodeObjects);
    return { nodes: tx.list("node"), tasks: tx.list("task") };
  });
  yield* picture.state.addFirstNodes(nodes);
  picture.nodesChangedAtMs = clock.now();
  for (let from = 0; from < tasks.length; from += objectsPerSlice) {
    yield;
    const slice = tasks.slice(from, from + objectsPerSlice);
    // Nobody asks for nodes by id where no task is on one.
    if (slice.some(({ nodeId }) => nodeId !== "")) yield* picture.state.nodes.indexSteps();
    store.view((tx) => {
      for (const task of slice) {
        picture.noteTask(tx, task);
        if (hasFailed(task)) picture.noteFailure(task);
      }
    });
  }
  // What may be asked for later is got ready now, unless there are tasks that wait for it.
  if (!picture.queue.hasWork) yield* picture.state.nodes.indexSteps();
  return picture;
}

const none: readonly string[] = [];
const hasFailed = (task: Task): boolean => stateOf(task) === "FAILED" || stateOf(task) === "REJECTED";

/** Validated before it was stored; one that cannot be read is for no node. */
function readRule({ constraint, cpuPercent, memoryPercent }: ClusterSpec["overcommit"][number]): OvercommitRule[] {
  let parsed: Constraint | undefined;
  try {
    if (constraint !== "") parsed = parseConstraint(constraint);
  } catch { return []; }
  return [{ constraint: parsed, cpuPercent, memoryPercent }];
}

function grown(column: Float64Array<ArrayBuffer>, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(Math.max(length, column.length * 2));
  larger.set(column);
  return larger;
}
