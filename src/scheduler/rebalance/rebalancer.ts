import { SwarmError, type Clock, type Logger } from "../../lib/index.js";
import { isWanted, stateOf, taskName, type Node, type Task } from "../../model/index.js";
import type { ReadTx, Store } from "../../store/index.js";
import { snapshotOf, type Move, type RebalanceSnapshot, type Reason, type SnapshotOptions, type Strategy } from "../core/rebalance/index.js";
import { cpu, memory, wholeGpu, type ClusterState } from "../core/state/index.js";
import { permille, type NodeUse } from "../core/what-if/index.js";
import { planInWorker } from "./plan-in-worker.js";

export interface RebalanceRequest {
  /** undefined: as the cluster places. */
  readonly strategy: "pack" | "spread" | "free" | undefined;
  /** Of the node that becomes free. */
  readonly nodeId: string;
  /** 0 = no limit. */
  readonly maxMoves: number;
  readonly isApplied: boolean;
}

export interface PlannedMove { readonly taskId: string; readonly taskName: string; readonly from: Node; readonly to: Node; readonly gain: string }
export interface NamedNodeUse extends NodeUse { readonly nodeId: string; readonly nodeName: string }
export interface Rebalance {
  readonly moves: readonly PlannedMove[];
  readonly before: readonly NamedNodeUse[];
  readonly after: readonly NamedNodeUse[];
  readonly unmovableTasks: number;
  readonly isLimited: boolean;
  readonly isApplied: boolean;
}

export interface RebalancerPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** The scheduler's live state; a plan keeps to the one that it began with. */
  readonly state: () => ClusterState;
}

/** The gain of moving tasks that run: planned beside the event loop, shown, and applied by noting in each task where it is to go (Task.move). */
export class Rebalancer {
  readonly #ended = new AbortController();
  #planning: Promise<unknown> = Promise.resolve();

  constructor(private readonly ports: RebalancerPorts) {}

  stop(): void { this.#ended.abort(new SwarmError("UNAVAILABLE", "Cannot plan the moves: this manager is not the leader any more; try again")); }

  /** One after the other: two plans of the same state would fill the same room. */
  run(request: RebalanceRequest): Promise<Rebalance> {
    const result = this.#planning.then(() => this.#run(request));
    this.#planning = result.catch(() => {});
    return result;
  }

  async #run(request: RebalanceRequest): Promise<Rebalance> {
    const { store } = this.ports;
    const state = this.ports.state();
    const strategy = this.#strategyOf(request, state);
    const mayMove = (taskId: string) => store.view((tx) => isMovable(tx.get("task", taskId)));
    const snapshot = await this.#inSlices(snapshotOfCopy(state, { isPacking: strategy.kind === "pack", mayMove }));
    const plan = await planInWorker({ problem: snapshot.problem, strategy, limits: request.maxMoves > 0 ? { maxMoves: request.maxMoves } : {} }, this.#ended.signal);
    const { moves, isCut } = firstOfEach(plan.moves);
    const planned = store.view((tx) => moves.flatMap((move) => this.#named(tx, state, snapshot, move)));
    let unmovableTasks = 0;
    for (const may of snapshot.problem.tasks.movable) if (may === 0) unmovableTasks++;
    const uses = useBeforeAndAfter(state, snapshot, moves);
    const applied = request.isApplied ? await this.#apply(planned) : planned;
    const isLimited = isCut || plan.isCut || (request.maxMoves > 0 && planned.length >= request.maxMoves);
    return { moves: applied, ...uses, unmovableTasks, isLimited, isApplied: request.isApplied };
  }

  #strategyOf({ strategy, nodeId }: RebalanceRequest, state: ClusterState): Strategy {
    if (strategy === "free") {
      const node = state.nodes.rowOf(nodeId);
      if (node === undefined) throw new SwarmError("NOT_FOUND", `Cannot free node "${nodeId}": the scheduler does not know it (yet); look with "swarmctl node ls"`);
      return { kind: "free", node };
    }
    if (strategy) return { kind: strategy };
    return { kind: this.ports.store.view((tx) => tx.cluster().spec?.placementStrategy === "PACK") ? "pack" : "spread" };
  }

  async #inSlices<T>(steps: Generator<void, T>): Promise<T> {
    const { clock } = this.ports;
    try {
      for (;;) {
        this.#ended.signal.throwIfAborted();
        const until = clock.monotonic() + sliceMs;
        do {
          const step = steps.next();
          if (step.done) return step.value;
        } while (clock.monotonic() < until);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally { steps.return(undefined as never); }
  }

  #named(tx: ReadTx, state: ClusterState, { taskIds, services }: RebalanceSnapshot, move: Move): PlannedMove[] {
    const task = tx.get("task", taskIds[move.task]!);
    const from = state.nodeObjects[move.from], to = state.nodeObjects[move.to];
    if (!task || !from || !to) return [];
    const nameOf = (id: string) => { const other = tx.get("task", id); return other ? taskName(serviceName(tx, other.serviceId), other) : id; };
    const gain = gainOf(move.why, (n) => state.nodes.names[n] ?? "a node", (t) => nameOf(taskIds[t]!), (s) => serviceName(tx, services[s]!));
    return [{ taskId: task.id, taskName: taskName(serviceName(tx, task.serviceId), task), from, to, gain }];
  }

  /** Those that still are where the plan saw them. */
  async #apply(moves: readonly PlannedMove[]): Promise<PlannedMove[]> {
    const { store, clock, log } = this.ports;
    const applied: PlannedMove[] = [];
    for (let at = 0; at < moves.length; at += writesPerTransaction) {
      applied.push(...await store.update((tx) => moves.slice(at, at + writesPerTransaction).filter(({ taskId, from, to, gain }) => {
        const task = tx.get("task", taskId);
        if (!isMovable(task) || task.nodeId !== from.id || !tx.get("node", to.id)) return false;
        tx.update("task", { ...task, move: { nodeId: to.id, reason: `rebalance: ${gain}`, sinceMs: clock.now() } });
        return true;
      })));
    }
    if (applied.length > 0) log.info("tasks are moved to where they fit better", { moves: applied.length });
    return applied;
  }
}

const writesPerTransaction = 500;
/** Of the event loop, at a time. */
const sliceMs = 4;

function* snapshotOfCopy(state: ClusterState, options: SnapshotOptions): Generator<void, RebalanceSnapshot> {
  const copy = yield* state.copyInSlices();
  try {
    return yield* snapshotOf(copy, options);
  } finally { state.takeBack(copy); }
}

/** It runs, in a slot (global tasks belong to their node), and does not move yet. */
const isMovable = (task: Task | undefined): task is Task => task !== undefined && task.slot > 0 && isWanted(task) && stateOf(task) === "RUNNING" && !task.move;

/** A task is at one place at a time: what a plan moves twice (to change places with another) is left to the next run, with all that follows. */
function firstOfEach(moves: readonly Move[]): { readonly moves: readonly Move[]; readonly isCut: boolean } {
  const seen = new Set<number>();
  const real = moves.filter(({ why }) => why.kind !== "places");
  const end = real.findIndex(({ task, why }) => why.kind === "steps-aside" || seen.size === seen.add(task).size);
  return end < 0 ? { moves: real, isCut: false } : { moves: real.slice(0, end), isCut: true };
}

function gainOf(why: Reason, node: (row: number) => string, task: (row: number) => string, service: (row: number) => string): string {
  switch (why.kind) {
    case "empties": return `empties node ${node(why.node)}`;
    case "frees": return `frees node ${node(why.node)}, as asked`;
    case "makes-room": return `makes room for ${task(why.task)}`;
    case "places": return `places ${task(why.task)}`;
    case "evens-service": return `spreads ${service(why.service)}: one of ${why.before} of its tasks on a node becomes one of ${why.after}`;
    case "evens-load": return `evens load: ${Math.round(why.before * 100)} % → ${Math.round(why.after * 100)} % reserved`;
    case "tidies": return "leaves more room where it is of use";
    case "steps-aside": return "steps aside for a moment";
  }
}

/** What the nodes that are concerned have reserved, as it was when planned and as it will be. */
function useBeforeAndAfter(state: ClusterState, { problem }: RebalanceSnapshot, moves: readonly Move[]): { readonly before: NamedNodeUse[]; readonly after: NamedNodeUse[] } {
  const { nodes, requests, tasks, dimensions } = problem;
  const free = nodes.free.slice(), gpuFree = new Float64Array(nodes.count), count = new Int32Array(nodes.count);
  for (let n = 0; n < nodes.count; n++) for (let i = 0; i < nodes.gpuCount[n]!; i++) gpuFree[n]! += nodes.deviceFree[nodes.gpuStart[n]! + i]!;
  for (let t = 0; t < tasks.count; t++) count[tasks.node[t]!]!++;
  const rows = new Set(moves.flatMap(({ from, to }) => [from, to]));
  for (let n = 0; n < nodes.count && rows.size < maxNodesShown; n++) if (count[n]! > 0) rows.add(n);
  const sorted = [...rows].sort((a, b) => (state.nodes.names[a]! < state.nodes.names[b]! ? -1 : 1));
  const read = () => sorted.map((n): NamedNodeUse => {
    const share = (d: number) => permille(nodes.total[n * dimensions + d]! - free[n * dimensions + d]!, nodes.total[n * dimensions + d]!);
    const gpus = nodes.gpuCount[n]! * wholeGpu;
    return { nodeId: state.nodes.ids[n]!, nodeName: state.nodes.names[n]!, tasks: count[n]!, cpuPermille: share(cpu), memoryPermille: share(memory), gpuPermille: permille(gpus - gpuFree[n]!, gpus), hasGpus: gpus > 0 };
  });
  const before = read();
  for (const { task, from, to } of moves) {
    const r = tasks.request[task]!, millis = requests.gpuCount[r]! * requests.gpuMillis[r]!;
    for (let d = 0; d < dimensions; d++) { const amount = requests.amounts[r * dimensions + d]!; free[from * dimensions + d]! += amount; free[to * dimensions + d]! -= amount; }
    gpuFree[from]! += millis;
    gpuFree[to]! -= millis;
    count[from]!--;
    count[to]!++;
  }
  return { before, after: read() };
}

const maxNodesShown = 1_000;

const serviceName = (tx: ReadTx, id: string): string => tx.get("service", id)?.spec?.name ?? id;
