import type { Node, PendingReason } from "../../../model/index.js";
import { explainRefusals } from "../explain/index.js";
import type { Placer } from "../place/index.js";
import { nowhere, type ClusterState } from "../state/index.js";
import { headroomOf } from "./headroom.js";
import { useOf, useOfNodes, type NodeUse } from "./node-use.js";
import { perSlice, placeAll } from "./place-all.js";

export interface WhatIfChanges {
  /** Ids of nodes that go, with all that they have. */
  readonly lose: readonly string[];
  /** Ids of nodes that take nothing more and give what they have away. */
  readonly drain: readonly string[];
  /** Nodes that join. */
  readonly add: readonly Node[];
  readonly scale: readonly { readonly serviceId: string; readonly replicas: number }[];
}

export interface WhatIfOptions {
  /** Over the same state. */
  readonly placer: Placer;
  /** Group of the service's present revision. */
  readonly groupOf: (serviceId: string) => number;
  /** Its tasks have one place each: where a node goes they end, where one joins one starts. */
  readonly globalServiceIds: ReadonlySet<string>;
  /** Services whose headroom is counted; for it nobody is stopped. */
  readonly headroomFor: readonly string[];
  /** Tasks of lower priority are stopped for those that fit nowhere. */
  readonly mayPreempt: boolean;
}

export interface WhatIf {
  /** Tasks that change their node, those of one node together. */
  readonly moves: readonly { readonly taskId: string; readonly serviceId: string; readonly from: number; readonly to: number }[];
  /** Tasks that are stopped to make room for others; `to`: where what takes their place would be, nowhere (-1) = it would wait. */
  readonly preempted: readonly { readonly taskId: string; readonly serviceId: string; readonly from: number; readonly to: number; readonly byServiceId: string }[];
  /** Tasks that find a node and had none: new ones, and such as wait now. */
  readonly started: readonly { readonly serviceId: string; readonly count: number; readonly waited: number }[];
  /** Tasks that end and are not replaced. */
  readonly ended: readonly { readonly serviceId: string; readonly count: number }[];
  /** Tasks without a node afterwards, by service. */
  readonly pending: readonly PendingAfter[];
  /** Nodes whose tasks change, and those that come or go. */
  readonly nodes: readonly { readonly n: number; readonly before: NodeUse; readonly after: NodeUse }[];
  readonly total: { readonly before: NodeUse; readonly after: NodeUse };
  readonly headroom: readonly { readonly serviceId: string; readonly before: number; readonly after: number }[];
}

export interface PendingAfter {
  readonly serviceId: string;
  readonly count: number;
  /** Of these, how many wait already. */
  readonly waited: number;
  /** Those that have a node now and would have none. */
  readonly taskIds: readonly string[];
  readonly reasons: readonly PendingReason[];
}

const maxNamedTasks = 100;

/**
 * Makes the changes on `state`, a copy, and places what then waits: by priority, and within one by how long it waits, as the loop does; where the cluster may preempt, by stopping
 * others too, of which some find another place. What is running and need not move stays. Yields between slices.
 */
export function* whatIf(state: ClusterState, changes: WhatIfChanges, options: WhatIfOptions): Generator<void, WhatIf> {
  const { placer, groupOf } = options;
  const before = new Map<number, NodeUse>();
  const everyNode = () => state.nodes.alive.toArray();
  const totalBefore = useOfNodes(state, everyNode());
  const headroomBefore = yield* headroom(state, options);
  for (const n of everyNode()) {
    before.set(n, useOf(state, n));
    if (n % perSlice === perSlice - 1) yield;
  }

  const serviceOf = (t: number) => state.services.ids[state.groups.service[state.tasks.groupOf(t)]!]!;
  // A global service's task waits for its own node, not for any.
  const waited = new Set((yield* waitingTasks(state)).filter((t) => !options.globalServiceIds.has(serviceOf(t))));
  const from = new Map<number, number>();
  const ended = new Map<string, number>();
  const newcomers: number[] = [];
  const count = (counts: Map<string, number>, id: string, by = 1) => counts.set(id, (counts.get(id) ?? 0) + by);

  const evict = (n: number) => {
    for (let t = state.nodes.firstTask[n]!; t !== nowhere; ) {
      const next = state.tasks.nextOnNode(t);
      if (state.tasks.countOf(t) === 0) state.removeTask(t);
      else if (options.globalServiceIds.has(serviceOf(t))) { count(ended, serviceOf(t)); state.removeTask(t); }
      else { state.unplace(t); from.set(t, n); }
      t = next;
    }
  };
  for (const id of changes.lose) {
    const n = state.nodes.rowOf(id);
    if (n === undefined) continue;
    evict(n);
    state.removeNode(id);
    yield;
  }
  for (const id of changes.drain) {
    const n = state.nodes.rowOf(id);
    const node = n === undefined ? undefined : state.nodeObjects[n];
    if (n === undefined || !node) continue;
    state.setNode({ ...node, spec: { ...node.spec!, availability: "DRAIN" } });
    evict(n);
    yield;
  }
  for (const node of changes.add) {
    const n = state.setNode(node);
    for (const serviceId of options.globalServiceIds) {
      const g = groupOf(serviceId);
      if (!state.isEligible(n, state.groups.request[g]!)) continue;
      const t = state.addNewTask(`new ${serviceId} ${node.id}`, g, Infinity);
      if (placer.placeOn(t, n)) newcomers.push(t);
      else state.removeTask(t);
    }
    yield;
  }
  for (const { serviceId, replicas } of changes.scale) {
    const g = groupOf(serviceId);
    const present = [...placedOf(state, serviceId), ...[...waited, ...from.keys()].filter((t) => serviceOf(t) === serviceId)];
    for (let i = present.length; i < replicas; i++) {
      newcomers.push(state.addNewTask(`new ${serviceId} ${i + 1}`, g, Infinity));
      if (i % perSlice === 0) yield;
    }
    // Those that wait go first, then the youngest: what the orchestrator keeps is not known here task by task, only how many.
    const surplus = present.sort((a, b) => (state.tasks.nodeOf(a) === nowhere ? 0 : 1) - (state.tasks.nodeOf(b) === nowhere ? 0 : 1) || state.tasks.sinceMs[b]! - state.tasks.sinceMs[a]! || b - a).slice(0, Math.max(0, present.length - replicas));
    for (const t of surplus) {
      if (state.tasks.nodeOf(t) !== nowhere || from.has(t)) count(ended, serviceId);
      from.delete(t);
      waited.delete(t);
      state.removeTask(t);
    }
  }
  yield;

  const changing = [...from.keys(), ...waited, ...newcomers];
  const toPlace = changing.filter((t) => state.tasks.nodeOf(t) === nowhere);
  const isWaiting = new Set(toPlace);
  const stopped = new Map<number, { readonly from: number; readonly by: number }>();
  yield* placeAll(state, placer, toPlace, {
    mayPreempt: options.mayPreempt,
    /** What takes the place of one of a global service has no other node to go to. */
    stop(t, n, by) {
      // It came, or came here, only a moment ago, and is told as waiting.
      if (!isWaiting.has(t) && !newcomers.includes(t)) stopped.set(t, { from: n, by });
      return !options.globalServiceIds.has(serviceOf(t));
    },
  });

  const started = new Map<string, { count: number; waited: number }>();
  const moves: { taskId: string; serviceId: string; from: number; to: number }[] = [];
  const pending = new Map<number, { count: number; waited: number; taskIds: string[] }>();
  for (const t of [...changing, ...stopped.keys()]) {
    const to = state.tasks.nodeOf(t);
    if (to === nowhere) {
      const g = state.tasks.groupOf(t);
      let entry = pending.get(g);
      if (!entry) pending.set(g, entry = { count: 0, waited: 0, taskIds: [] });
      entry.count++;
      if (waited.has(t)) entry.waited++;
      if ((from.has(t) || stopped.has(t)) && entry.taskIds.length < maxNamedTasks) entry.taskIds.push(state.tasks.ids[t]!);
    } else if (stopped.has(t)) continue;
    else if (from.has(t)) moves.push({ taskId: state.tasks.ids[t]!, serviceId: serviceOf(t), from: from.get(t)!, to });
    else {
      const id = serviceOf(t);
      const entry = started.get(id) ?? { count: 0, waited: 0 };
      started.set(id, { count: entry.count + 1, waited: entry.waited + (waited.has(t) ? 1 : 0) });
    }
  }
  const explained: PendingAfter[] = [];
  for (const [g, entry] of pending) {
    explained.push({ serviceId: state.services.ids[state.groups.service[g]!]!, ...entry, reasons: explainRefusals(state, g) });
    yield;
  }
  const nodes: { n: number; before: NodeUse; after: NodeUse }[] = [];
  for (let n = 0; n < state.nodes.size; n++) {
    const then = before.get(n) ?? none, now = state.nodes.alive.has(n) ? useOf(state, n) : none;
    if (state.nodes.alive.has(n) !== before.has(n) || isOther(then, now)) nodes.push({ n, before: then, after: now });
    if (n % perSlice === perSlice - 1) yield;
  }
  const total = { before: totalBefore, after: useOfNodes(state, everyNode()) };
  const headroomAfter = yield* headroom(state, options);
  return {
    moves, nodes, total,
    preempted: [...stopped].map(([t, { from: n, by }]) => ({ taskId: state.tasks.ids[t]!, serviceId: serviceOf(t), from: n, to: state.tasks.nodeOf(t), byServiceId: state.services.ids[state.groups.service[by]!]! })),
    started: [...started].map(([serviceId, counts]) => ({ serviceId, ...counts })),
    ended: [...ended].map(([serviceId, each]) => ({ serviceId, count: each })),
    pending: explained.sort((a, b) => b.count - a.count),
    headroom: options.headroomFor.map((serviceId, i) => ({ serviceId, before: headroomBefore[i]!, after: headroomAfter[i]! })),
  };
}

const none: NodeUse = { tasks: 0, cpuPermille: 0, memoryPermille: 0, gpuPermille: 0, hasGpus: false };
const isOther = (a: NodeUse, b: NodeUse): boolean => a.tasks !== b.tasks || a.cpuPermille !== b.cpuPermille || a.memoryPermille !== b.memoryPermille || a.gpuPermille !== b.gpuPermille;

function* waitingTasks(state: ClusterState): Generator<void, number[]> {
  const rows: number[] = [];
  for (let t = 0; t < state.tasks.size; t++) {
    if (state.tasks.nodeOf(t) === nowhere && state.tasks.ids[t] !== "") rows.push(t);
    if (t % (perSlice * 50) === perSlice * 50 - 1) yield;
  }
  return rows;
}

function placedOf(state: ClusterState, serviceId: string): number[] {
  const rows: number[] = [];
  const s = state.services.rowOf(serviceId);
  if (s !== undefined) for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) if (state.tasks.countOf(t) === 1) rows.push(t);
  return rows;
}

function* headroom(state: ClusterState, { placer, groupOf, headroomFor }: WhatIfOptions): Generator<void, number[]> {
  const counts: number[] = [];
  for (const serviceId of headroomFor) {
    counts.push(yield* headroomOf(state, placer, groupOf(serviceId)));
  }
  return counts;
}
