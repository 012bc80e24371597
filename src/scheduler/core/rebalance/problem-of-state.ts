import { filters, type Filter } from "../filters/index.js";
import { anyModel, isReady, type Bitset, type ClusterState } from "../state/index.js";
import type { RebalanceProblem } from "./problem.js";

/** A problem, and whose rows its tasks are. Rows of nodes are those of the state, which are never used again. */
export interface RebalanceSnapshot { readonly problem: RebalanceProblem; readonly taskIds: readonly string[]; readonly services: readonly string[] }

export interface SnapshotOptions {
  /** pack: a service keeps its distance from itself (half of its replicas on a node at most), and its tasks stay in their racks and zones. */
  readonly isPacking: boolean;
  /** Asked once for each placed task: whether it may be moved (it runs, is of a slot, does not move yet …). */
  readonly mayMove: (taskId: string) => boolean;
}

/**
 * The cluster as the planner of moves sees it. What no column holds (ports, affinities, limits per place) is worked into the sets of nodes that tasks
 * are eligible for, as of now: the placer checks it again when a move is made. A generator: between two steps the caller may let others
 * run; amounts and places are copied before the first.
 */
export function* snapshotOf(state: ClusterState, { isPacking, mayMove }: SnapshotOptions): Generator<undefined, RebalanceSnapshot> {
  const { nodes, tasks: table, requests, groups, services } = state;
  // First of all copies, at the speed of memory (200,000 tasks: 2 ms): what follows is one moment, however long it takes.
  const dimensions = state.dimensions.names.length, count = nodes.size, size = table.size;
  const freeOf = nodes.free.map((column) => column.slice(0, count)), totalOf = nodes.total.map((column) => column.slice(0, count));
  const allIds = table.ids.slice(), allNodes = table.node.slice(0, size), allGroups = table.group.slice(0, size), allMasks = table.gpuMask.slice(0, size), allCounts = table.counts.slice(0, size);
  const serviceIds = services.ids.slice(), serviceOfGroup = groups.service.slice(0, groups.size), requestOfGroup = groups.request.slice(0, groups.size), rulesOf = groups.rules.slice();
  const amounts = requests.amount.map((column) => column.slice(0, requests.size));
  const columns = { gpuCount: requests.gpuCount.slice(0, requests.size), gpuMillis: requests.gpuMillis.slice(0, requests.size), gpuModels: requests.gpuModels.slice(0, requests.size), eligibility: requests.eligibility.slice(0, requests.size) };
  const gpuStart = nodes.gpuStart.slice(0, count), gpuCount = nodes.gpuCount.slice(0, count), deviceFree = nodes.deviceFree.slice(0, nodes.devices), deviceModel = nodes.deviceModel.slice(0, nodes.devices);
  const ready = state.passing(isReady).copy();
  yield;

  const free = new Float64Array(count * dimensions), total = new Float64Array(count * dimensions);
  for (let d = 0; d < dimensions; d++) for (let n = 0; n < count; n++) { free[n * dimensions + d] = freeOf[d]![n]!; total[n * dimensions + d] = totalOf[d]![n]!; }
  const receives = new Uint8Array(count);
  for (let n = 0; n < count; n++) receives[n] = ready.has(n) ? 1 : 0;
  yield;

  let placed = 0;
  for (let t = 0; t < size; t++) if (allIds[t] !== "" && allNodes[t]! >= 0) placed++;
  const node = new Int32Array(placed), gpuMask = new Int32Array(placed), group = new Int32Array(placed), counts = new Uint8Array(placed), service = new Int32Array(placed), taskIds = new Array<string>(placed);
  for (let t = 0, i = 0; t < size; t++) {
    if (allIds[t] === "" || allNodes[t]! < 0) continue;
    node[i] = allNodes[t]!;
    gpuMask[i] = allMasks[t]!;
    group[i] = allGroups[t]!;
    counts[i] = allCounts[t]!;
    service[i] = serviceOfGroup[allGroups[t]!]!;
    taskIds[i++] = allIds[t]!;
  }
  yield;

  const gpuModels: (readonly number[] | undefined)[] = [], eligible: (Uint32Array | undefined)[] = [], origin: number[] = [];
  // Requests of one class share its set: with a million shapes there are still few classes.
  const ofClass = new Map<number, Uint32Array>();
  for (let r = 0; r < amounts[0]!.length; r++) {
    origin.push(r);
    const set = columns.gpuModels[r]!, eligibility = columns.eligibility[r]!;
    gpuModels.push(set === anyModel ? undefined : requests.modelSets[set]);
    let mask = ofClass.get(eligibility);
    if (!mask) ofClass.set(eligibility, mask = cut(state.predicates.eligible[eligibility] ?? ready, count));
    eligible.push(mask);
    if (r % tasksPerStep === tasksPerStep - 1) yield;
  }
  const extra = new Map<string, number>();       // group, and where its tasks must stay → request row
  const rowOf = (g: number, n: number): number => {
    const rules = rulesOf[g];
    const r = requestOfGroup[g]!;
    const keeps = isPacking && rules ? rules.spread : [];
    const asked = rules ? ruleFilters.filter((filter) => filter.concerns(state, g)) : [];
    if (keeps.length === 0 && asked.length === 0) return r;
    const values = keeps.map((key) => state.attribute(key).valueOf[n]!);
    const key = `${g}/${values.join(",")}`;
    let row = extra.get(key);
    if (row !== undefined) return row;
    row = origin.push(r) - 1;
    extra.set(key, row);
    gpuModels.push(gpuModels[r]);
    const mask = eligible[r]!.slice();
    for (let m = 0; m < count; m++) {
      if ((mask[m >>> 5]! & (1 << (m & 31))) === 0) continue;
      const stays = keeps.every((attribute, i) => state.attribute(attribute).valueOf[m] === values[i]);
      if (!stays || asked.some((filter) => filter.room(state, g, m) === 0)) mask[m >>> 5]! &= ~(1 << (m & 31));
    }
    eligible.push(mask);
    return row;
  };

  const request = new Int32Array(placed), movable = new Uint8Array(placed);
  const serviceLimit = new Int32Array(serviceIds.length);
  for (let i = 0; i < placed; i++) {
    if (i % tasksPerStep === 0) yield;
    const g = group[i]!, rules = rulesOf[g];
    request[i] = rowOf(g, node[i]!);
    movable[i] = counts[i] === 1 && (rules?.mayMove ?? false) && mayMove(taskIds[i]!) ? 1 : 0;
    if (rules) serviceLimit[service[i]!] = limitOf(rules, serviceIds[service[i]!]!, isPacking);
  }
  yield;
  const flat = new Float64Array(origin.length * dimensions);
  for (let row = 0; row < origin.length; row++) for (let d = 0; d < dimensions; d++) flat[row * dimensions + d] = amounts[d]![origin[row]!]!;
  return {
    problem: {
      dimensions,
      nodes: { count, free, total, receives, gpuStart, gpuCount, deviceFree, deviceModel },
      requests: { amounts: flat, gpuCount: Uint8Array.from(origin, (r) => columns.gpuCount[r]!), gpuMillis: Int32Array.from(origin, (r) => columns.gpuMillis[r]!), gpuModels, eligible },
      tasks: { count: placed, node, request, service, gpuMask, movable },
      serviceLimit,
    },
    taskIds, services: serviceIds,
  };
}

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
function limitOf(rules: ClusterState["groups"]["rules"][number], serviceId: string, isPacking: boolean): number {
  const limits: number[] = [];
  if (rules.maxPerNode > 0) limits.push(rules.maxPerNode);
  if (rules.affinities.some((rule) => rule.isAnti && rule.isRequired && rule.key === "node.id" && rule.serviceId === serviceId)) limits.push(1);
  if (rules.hostPorts.length > 0) limits.push(1);
  if (isPacking && rules.replicas > 1) limits.push(Math.ceil(rules.replicas / 2));
  return limits.length === 0 ? 0 : Math.min(...limits);
}
