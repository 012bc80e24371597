import { filters, type Filter } from "../filters/index.js";
import { anyModel, isReady, type Bitset, type ClusterState } from "../state/index.js";
import type { RebalanceProblem } from "./problem.js";

/** A problem, and whose rows its tasks are. Rows of nodes are those of the state, which are never used again. */
export interface RebalanceSnapshot { readonly problem: RebalanceProblem; readonly taskIds: readonly string[]; readonly services: readonly string[] }

export interface SnapshotOptions {
  /** pack: a service keeps its distance from itself (half of its replicas on a node at most; one that asks for spread, its share), and its tasks stay in their racks and zones. */
  readonly isPacking: boolean;
  /** Asked once for each placed task: whether it may be moved (it runs, is of a slot, does not move yet …). */
  readonly mayMove: (taskId: string) => boolean;
}

/**
 * The cluster as the planner of moves sees it. What no column holds (ports, affinities, limits per place) is worked into the sets of nodes that tasks
 * are eligible for, as of now: the placer checks it again when a move is made. A generator: between two steps, of about a millisecond, the caller may let others
 * run; `state`, a copy, must not change meanwhile. What is large is in memory that the planner's thread shares: it is made once, and read by both.
 */
export function* snapshotOf(state: ClusterState, { isPacking, mayMove }: SnapshotOptions): Generator<undefined, RebalanceSnapshot> {
  const { nodes, tasks: table, requests, groups, services } = state;
  const dimensions = state.dimensions.names.length, count = nodes.size;
  const ready = state.passing(isReady);
  yield;

  const free = shared(Float64Array, count * dimensions), total = shared(Float64Array, count * dimensions);
  const receives = shared(Uint8Array, count);
  for (let n = 0; n < count; n++) {
    for (let d = 0; d < dimensions; d++) { free[n * dimensions + d] = nodes.free[d]![n]!; total[n * dimensions + d] = nodes.total[d]![n]!; }
    receives[n] = ready.has(n) ? 1 : 0;
    if (n % rowsPerStep === rowsPerStep - 1) yield;
  }

  const placed = state.placedTasks;
  const node = shared(Int32Array, placed), gpuMask = shared(Int32Array, placed), service = shared(Int32Array, placed), request = shared(Int32Array, placed), movable = shared(Uint8Array, placed);
  yield;
  const taskIds: string[] = [], group = new Int32Array(placed), counts = new Uint8Array(placed);
  for (let t = 0; t < table.size; t++) {
    if (t % rowsPerStep === rowsPerStep - 1) yield;
    if (table.ids[t] === "" || table.nodeOf(t) < 0) continue;
    const i = taskIds.push(table.ids[t]!) - 1, g = table.groupOf(t);
    node[i] = table.nodeOf(t);
    gpuMask[i] = table.gpuMask[t]!;
    group[i] = g;
    counts[i] = table.countOf(t);
    service[i] = groups.service[g]!;
  }

  const gpuModels: (readonly number[] | undefined)[] = [], eligible: (Uint32Array | undefined)[] = [], origin: number[] = [];
  // Requests of one class share its set: with a million shapes there are still few classes.
  const ofClass = new Map<number, Uint32Array>();
  for (let r = 0; r < requests.size; r++) {
    origin.push(r);
    const set = requests.gpuModels[r]!, eligibility = requests.eligibility[r]!;
    gpuModels.push(set === anyModel ? undefined : requests.modelSets[set]);
    let mask = ofClass.get(eligibility);
    if (!mask) ofClass.set(eligibility, mask = cut(state.predicates.eligible[eligibility] ?? ready, count));
    eligible.push(mask);
    if (r % tasksPerStep === tasksPerStep - 1) yield;
  }
  const extra = new Map<string, number>();       // group, and where its tasks must stay → request row
  const rules = new Map<number, { readonly keeps: readonly string[]; readonly asked: readonly Filter[] }>();
  function* rowOf(g: number, n: number): Generator<undefined, number> {
    const r = groups.request[g]!;
    let own = rules.get(g);
    if (!own) rules.set(g, own = { keeps: isPacking ? groups.rules[g]!.spread : [], asked: ruleFilters.filter((filter) => filter.concerns(state, g)) });
    const { keeps, asked } = own;
    if (keeps.length === 0 && asked.length === 0) return r;
    const columns = keeps.map((key) => state.attribute(key).valueOf), values = columns.map((column) => column[n]!);
    const key = `${g}/${values.join(",")}`;
    let row = extra.get(key);
    if (row !== undefined) return row;
    row = origin.push(r) - 1;
    extra.set(key, row);
    gpuModels.push(gpuModels[r]);
    const mask = eligible[r]!.slice();
    for (let m = 0; m < count; m++) {
      if (m % tasksPerStep === tasksPerStep - 1) yield;
      if ((mask[m >>> 5]! & (1 << (m & 31))) === 0) continue;
      const stays = columns.every((column, i) => column[m] === values[i]);
      if (!stays || asked.some((filter) => filter.room(state, g, m) === 0)) mask[m >>> 5]! &= ~(1 << (m & 31));
    }
    eligible.push(mask);
    return row;
  }

  const classSizes = new Map<number, number>();
  const nodesOfClass = (eligibility: number): number => {
    let size = classSizes.get(eligibility);
    if (size === undefined) classSizes.set(eligibility, size = (state.predicates.eligible[eligibility] ?? ready).count());
    return size;
  };
  const serviceLimit = new Int32Array(services.size);
  for (let i = 0; i < placed; i++) {
    if (i % tasksPerStep === 0) yield;
    const g = group[i]!, ofGroup = groups.rules[g]!;
    request[i] = yield* rowOf(g, node[i]!);
    movable[i] = counts[i] === 1 && ofGroup.mayMove && mayMove(taskIds[i]!) ? 1 : 0;
    serviceLimit[service[i]!] = limitOf(ofGroup, services.ids[service[i]!]!, isPacking, () => nodesOfClass(requests.eligibility[groups.request[g]!]!));
  }
  yield;
  const flat = shared(Float64Array, origin.length * dimensions), gpuCount = new Uint8Array(origin.length), gpuMillis = new Int32Array(origin.length);
  for (const [row, r] of origin.entries()) {
    for (let d = 0; d < dimensions; d++) flat[row * dimensions + d] = requests.amount[d]![r]!;
    gpuCount[row] = requests.gpuCount[r]!;
    gpuMillis[row] = requests.gpuMillis[r]!;
    if (row % rowsPerStep === rowsPerStep - 1) yield;
  }
  return {
    problem: {
      dimensions,
      nodes: { count, free, total, receives, gpuStart: nodes.gpuStart.slice(0, count), gpuCount: nodes.gpuCount.slice(0, count), deviceFree: nodes.deviceFree.slice(0, nodes.devices), deviceModel: nodes.deviceModel.slice(0, nodes.devices) },
      requests: { amounts: flat, gpuCount, gpuMillis, gpuModels, eligible },
      tasks: { count: placed, node, request, service, gpuMask, movable },
      serviceLimit,
    },
    taskIds, services: services.ids.slice(0, services.size),
  };
}

/** Zeros in memory that threads share. */
const shared = <T>(kind: { readonly BYTES_PER_ELEMENT: number; new (buffer: SharedArrayBuffer): T }, length: number): T => new kind(new SharedArrayBuffer(length * kind.BYTES_PER_ELEMENT));

const rowsPerStep = 10_000;
/** 2,000 tasks take about 2 ms. */
const tasksPerStep = 2_000;

/** Amounts are the planner's own business, and so is the limit per node (serviceLimit). */
const ruleFilters: readonly Filter[] = filters.filter(({ name }) => !["resources", "gpu", "max-per-node"].includes(name));

function cut(set: Bitset, count: number): Uint32Array {
  const words = new Uint32Array((count + 31) >>> 5);
  words.set(set.words.subarray(0, words.length));
  return words;
}

/** How many tasks of a service one node may have after a move, 0 = any number. */
function limitOf(rules: ClusterState["groups"]["rules"][number], serviceId: string, isPacking: boolean, nodesFor: () => number): number {
  const limits: number[] = [];
  if (rules.maxPerNode > 0) limits.push(rules.maxPerNode);
  if (rules.affinities.some((rule) => rule.isAnti && rule.isRequired && rule.key === "node.id" && rule.serviceId === serviceId)) limits.push(1);
  if (rules.hostPorts.length > 0) limits.push(1);
  // Who asks for spread is not packed: the tasks may leave a node, but not for one that has its share of them.
  if (isPacking && rules.replicas > 1) limits.push(Math.ceil(rules.replicas / (rules.strategy === "SPREAD" ? Math.max(1, nodesFor()) : 2)));
  return limits.length === 0 ? 0 : Math.min(...limits);
}
