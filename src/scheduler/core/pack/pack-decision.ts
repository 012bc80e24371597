import type { Strategy } from "../place/index.js";
import { anyModel, nowhere, prefersOthers, type ClusterState, type CompiledSpec, type Predicate, type Rules } from "../state/index.js";

/** Predicates without their functions: in the copy nobody evaluates them again. */
export interface PackedPredicate { readonly filter: string; readonly key: string }
/** An eligibility class with the nodes that pass (bits). */
export interface PackedClass { readonly predicates: readonly PackedPredicate[]; readonly words: Uint32Array }

export interface PackedGroup extends Omit<CompiledSpec, "predicates" | "rules"> {
  readonly key: string;
  readonly serviceId: string;
  readonly predicates: readonly PackedPredicate[];
  readonly rules: Omit<Rules, "preferences"> & { readonly preferences: readonly { readonly predicate: PackedPredicate; readonly weight: number }[] };
}

/** Placed tasks of one of the groups. */
export interface PackedTasks { readonly group: number; readonly nodes: Int32Array; readonly counts: Uint8Array }

/** Amounts asked for by tasks of any group, with how many: what scores learn from. `among`: the class in `classes` that it is confined to. */
export interface PackedRequest { readonly among: number; readonly amounts: readonly number[]; readonly gpuCount: number; readonly gpuMillis: number; readonly gpuModels: readonly number[]; readonly tasks: number }

export interface PackedDecision {
  readonly defaultStrategy: Strategy;
  readonly nowMs: number;
  readonly tasks: number;
  readonly dimensions: readonly string[];
  readonly gpuModels: readonly string[];
  readonly nodes: {
    readonly size: number; readonly alive: Uint32Array; readonly free: readonly Float64Array[]; readonly total: readonly Float64Array[]; readonly tasks: Int32Array;
    readonly gpuStart: Int32Array; readonly gpuCount: Uint8Array; readonly gpuModel: Int16Array; readonly gpuWhole: Uint8Array; readonly gpuLargest: Int32Array; readonly gpuFreeMillis: Int32Array;
    readonly cpuBeyondReserved: Float64Array; readonly memoryBeyondReserved: Float64Array;
    readonly devices: number; readonly deviceFree: Int32Array; readonly deviceModel: Int16Array;
  };
  readonly softTaintedCount: number;
  readonly isUsageAware: boolean;
  /** Of the whole cluster (Turnover). */
  readonly turnover: number;
  /** groups[0] is decided about; the others count for it. */
  readonly groups: readonly PackedGroup[];
  readonly placed: readonly PackedTasks[];
  readonly classes: readonly PackedClass[];
  readonly attributes: readonly { readonly key: string; readonly values: readonly string[]; readonly valueOf: Int32Array }[];
  readonly ports: readonly { readonly port: string; readonly nodes: Int32Array }[];
  readonly failing: Int32Array;
  /** Nodes that have the image, as far as anybody looks. */
  readonly imageHolders: Int32Array;
  readonly requests: readonly PackedRequest[];
}

/** For one more `tasks` of group `g`. Copies columns (3 ms for 100,000 nodes) and walks the tasks of the services that count for `g`. */
export function packDecision(state: ClusterState, g: number, tasks: number, options: { readonly defaultStrategy: Strategy; readonly nowMs: number }): PackedDecision {
  const { nodes, requests, predicates } = state;
  const rules = state.groups.rules[g]!;
  const groupRows = [g];
  const placed: PackedTasks[] = [];
  for (const s of servicesThatCount(state, g)) packTasks(state, s, groupRows, placed);
  const wanted: (readonly Predicate[])[] = [
    [...predicates.classes[requests.eligibility[state.groups.request[g]!]!]!].map((p) => predicates.predicates[p]!), ...rules.preferences.map(({ predicate }) => [predicate]),
    ...(state.softTaintedCount > 0 ? [[prefersOthers(rules.tolerations)]] : []),
  ];
  const requestRows = [...requests.rows()].filter((r) => requests.tasksOf(r) > 0).slice(0, mostRequests);
  const rowOfClass = new Map<number, number>();
  for (const r of requestRows) {
    const c = requests.eligibility[r]!;
    if (rowOfClass.has(c)) continue;
    rowOfClass.set(c, wanted.length);
    wanted.push([...predicates.classes[c]!].map((p) => predicates.predicates[p]!));
  }
  const keys = new Set([...rules.spread, ...rules.maxPer.map(({ key }) => key), ...rules.affinities.map(({ key }) => key), ...state.repellersOf(g).map(({ rule }) => rule.key)]);
  return {
    ...options, tasks, dimensions: [...state.dimensions.names], gpuModels: [...state.gpuModels.names],
    nodes: {
      size: nodes.size, alive: nodes.alive.words.slice(), free: nodes.free.map((column) => column.slice(0, nodes.size)), total: nodes.total.map((column) => column.slice(0, nodes.size)), tasks: nodes.tasks.slice(0, nodes.size),
      gpuStart: nodes.gpuStart.slice(0, nodes.size), gpuCount: nodes.gpuCount.slice(0, nodes.size), gpuModel: nodes.gpuModel.slice(0, nodes.size), gpuWhole: nodes.gpuWhole.slice(0, nodes.size),
      gpuLargest: nodes.gpuLargest.slice(0, nodes.size), gpuFreeMillis: nodes.gpuFreeMillis.slice(0, nodes.size), cpuBeyondReserved: nodes.cpuBeyondReserved.slice(0, nodes.size), memoryBeyondReserved: nodes.memoryBeyondReserved.slice(0, nodes.size),
      devices: nodes.devices, deviceFree: nodes.deviceFree.slice(0, nodes.devices), deviceModel: nodes.deviceModel.slice(0, nodes.devices),
    },
    softTaintedCount: state.softTaintedCount, isUsageAware: state.isUsageAware, turnover: state.turnover.of(state.placedTasks),
    groups: groupRows.map((row) => packGroup(state, row)), placed,
    classes: wanted.map((asked) => ({ predicates: asked.map(bare), words: predicates.eligible[predicates.classOf(asked, state.nodeObjects)]!.words.slice() })),
    attributes: [...keys].map((key) => { const { values, valueOf } = state.attribute(key); return { key, values: [...values.names], valueOf: valueOf.slice(0, nodes.size) }; }),
    ports: rules.hostPorts.map((port) => ({ port, nodes: Int32Array.from(state.ports.usersOf(port).keys()) })),
    failing: Int32Array.from(state.failures.nodesFailing(state.groups.keys[g]!, options.nowMs)),
    imageHolders: imageHolders(state, rules.image),
    requests: requestRows.map((r) => ({
      among: rowOfClass.get(requests.eligibility[r]!)!, amounts: amountsOf(state, r), gpuCount: requests.gpuCount[r]!, gpuMillis: requests.gpuMillis[r]!, gpuModels: modelsOf(state, r), tasks: requests.tasksOf(r),
    })),
  };
}

/** Scores learn from what tasks ask for; so many kinds say as much as a million. */
const mostRequests = 1_000;
const mostImageLooks = 1_000;

/** What is handed over with the message instead of being copied once more. */
export function buffersOf({ nodes, placed, classes, attributes, ports, failing, imageHolders: holders }: PackedDecision): ArrayBuffer[] {
  const { size: _size, devices: _devices, free, total, ...columns } = nodes;
  return [...Object.values(columns), ...free, ...total, failing, holders, ...placed.flatMap((of) => [of.nodes, of.counts]), ...classes.map(({ words }) => words), ...attributes.map(({ valueOf }) => valueOf), ...ports.map((of) => of.nodes)]
    .map(({ buffer }) => buffer as ArrayBuffer);
}

const bare = ({ filter, key }: PackedPredicate): PackedPredicate => ({ filter, key });

function modelsOf({ requests }: ClusterState, r: number): readonly number[] {
  const set = requests.gpuModels[r]!;
  return set === anyModel ? [] : requests.modelSets[set]!;
}

/** By dimension, up to the last that it asks for: as a group's own request is written. */
function amountsOf({ requests }: ClusterState, r: number): readonly number[] {
  const amounts = requests.amount.map((column) => column[r]!);
  while (amounts.at(-1) === 0) amounts.pop();
  return amounts;
}

function packGroup(state: ClusterState, g: number): PackedGroup {
  const { groups, requests, predicates, dimensions, gpuModels } = state;
  const r = groups.request[g]!;
  const { preferences, ...rules } = groups.rules[g]!;
  return {
    key: groups.keys[g]!, serviceId: state.services.ids[groups.service[g]!]!, priority: groups.priority[g]!,
    amounts: dimensions.names.map((name, d) => [name, requests.amount[d]![r]!] as const).filter(([, amount]) => amount > 0),
    gpu: requests.gpuCount[r]! === 0 ? undefined : { count: requests.gpuCount[r]!, millis: requests.isWholeGpus(r) ? 0 : requests.gpuMillis[r]!, models: modelsOf(state, r).map((model) => gpuModels.names[model]!) },
    predicates: [...predicates.classes[requests.eligibility[r]!]!].map((p) => bare(predicates.predicates[p]!)),
    rules: { ...rules, preferences: preferences.map(({ predicate, weight }) => ({ predicate: bare(predicate), weight })) },
  };
}

/** Rows of services whose tasks count for where tasks of `g` go: its own first. */
function servicesThatCount(state: ClusterState, g: number): Set<number> {
  const services = new Set([state.groups.service[g]!]);
  for (const { serviceId } of state.groups.rules[g]!.affinities) {
    const s = state.services.rowOf(serviceId);
    if (s !== undefined) services.add(s);
  }
  for (const { group } of state.repellersOf(g)) services.add(state.groups.service[group]!);
  return services;
}

function packTasks({ services, groups, tasks }: ClusterState, s: number, groupRows: number[], placed: PackedTasks[]): void {
  for (let g = services.firstGroup[s]!; g >= 0; g = groups.nextOfService[g]!) {
    const rows: number[] = [];
    for (let t = groups.firstOf(g); t !== nowhere; t = tasks.nextOfGroup(t)) rows.push(t);
    if (rows.length === 0) continue;
    let at = groupRows.indexOf(g);
    if (at < 0) at = groupRows.push(g) - 1;
    placed.push({ group: at, nodes: Int32Array.from(rows, (t) => tasks.nodeOf(t)), counts: Uint8Array.from(rows, (t) => tasks.countOf(t)) });
  }
}

function imageHolders({ groups, tasks }: ClusterState, image: string): Int32Array {
  const holders = new Set<number>();
  if (image === "") return new Int32Array(0);
  let looks = 0;
  for (const g of groups.withImage(image)) {
    for (let t = groups.firstOf(g); t !== nowhere && looks < mostImageLooks; t = tasks.nextOfGroup(t), looks++) holders.add(tasks.nodeOf(t));
    if (++looks >= mostImageLooks) break;
  }
  return Int32Array.from(holders);
}
