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
  const dimensions = state.dimensions.names.length, count = nodes.size;
  const free = new Float64Array(count * dimensions), total = new Float64Array(count * dimensions);
  for (let d = 0; d < dimensions; d++) for (let n = 0; n < count; n++) { free[n * dimensions + d] = nodes.free[d]![n]!; total[n * dimensions + d] = nodes.total[d]![n]!; }
  const ready = state.passing(isReady);
  const receives = new Uint8Array(count);
  for (let n = 0; n < count; n++) receives[n] = ready.has(n) ? 1 : 0;

  const rows = new Int32Array(table.size);
  let placed = 0;
  for (let t = 0; t < table.size; t++) if (table.ids[t] !== "" && table.node[t]! >= 0) rows[placed++] = t;
  const of = rows.subarray(0, placed);
  const pick = (column: Int32Array) => Int32Array.from(of, (t) => column[t]!);
  const node = pick(table.node), gpuMask = pick(table.gpuMask), group = pick(table.group);
  const counts = Uint8Array.from(of, (t) => table.counts[t]!);
  const taskIds = Array.from(of, (t) => table.ids[t]!);
  const service = Int32Array.from(group, (g) => groups.service[g]!);
  const serviceIds = services.ids.slice();
  const amounts = Array.from({ length: dimensions }, (_, d) => requests.amount[d]!.slice(0, requests.size));
  const columns = { gpuCount: [...requests.gpuCount.subarray(0, requests.size)], gpuMillis: [...requests.gpuMillis.subarray(0, requests.size)] };
  const gpuStart = nodes.gpuStart.slice(0, count), gpuCount = nodes.gpuCount.slice(0, count), deviceFree = nodes.deviceFree.slice(0, nodes.devices), deviceModel = nodes.deviceModel.slice(0, nodes.devices);
  const requestOfGroup = groups.request.slice(0, groups.size);
  yield;

  const gpuModels: (readonly number[] | undefined)[] = [], eligible: (Uint32Array | undefined)[] = [], origin: number[] = [];
  for (let r = 0; r < amounts[0]!.length; r++) {
    origin.push(r);
    gpuModels.push(requests.gpuModels[r] === anyModel ? undefined : requests.modelSets[requests.gpuModels[r]!]);
    eligible.push(cut(state.predicates.eligible[requests.eligibility[r]!] ?? ready, count));
  }
  const extra = new Map<string, number>();       // group, and where its tasks must stay → request row
  const rowOf = (g: number, n: number): number => {
    const rules = groups.rules[g];
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
    const g = group[i]!, rules = groups.rules[g];
    request[i] = rowOf(g, node[i]!);
    movable[i] = counts[i] === 1 && (rules?.mayMove ?? false) && mayMove(taskIds[i]!) ? 1 : 0;
    if (rules) serviceLimit[service[i]!] = limitOf(rules, services.ids[service[i]!]!, isPacking);
  }
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
