import { nodeAttribute } from "../../model/index.js";
import type { ClusterState, NodeInfo, TaskShape } from "./cluster-state.js";
import type { Filter } from "./filter.js";

/**
 * Which nodes tasks of one shape go to. All nodes are filtered once for the group; then each task takes the best candidate, whose rank is
 * brought up to date.
 *
 * pack (default): the fullest node that still fits, by its dominant reserved share (the larger of reserved CPU and memory, in parts of the
 *   node), ties by name: machines stay free for large tasks. Two bounds, because users expect a service to survive the loss of a host:
 *   a node gets at most half (rounded up) of a service's replicas while others fit, and tasks that reserve nothing, of which any number
 *   would fit anywhere, are spread instead.
 * spread: the node with the fewest tasks of the service, then the fewest tasks.
 * In both, a node where the service failed again and again comes last, and placement preferences come first: tasks of the service
 * are equal in number over the values of the outermost attribute, within each over the next, as far as there is room.
 */
export function placeGroup(state: ClusterState, shape: TaskShape, taskIds: readonly string[], options: {
  readonly filters: readonly Filter[]; readonly defaultStrategy: "PACK" | "SPREAD"; readonly nowMs: number;
}): { readonly assigned: readonly Assignment[]; readonly left: readonly string[] } {
  const candidates = findCandidates(state, shape, options.filters, options.nowMs);
  if (candidates.length === 0) return { assigned: [], left: taskIds };
  const strategy = shape.strategy === "DEFAULT" ? options.defaultStrategy : shape.strategy;
  const reserves = shape.cpuMillis > 0 || shape.memoryBytes > 0;
  const before = strategy === "PACK" && reserves ? beforeInPack : beforeInSpread;
  const root = buildTree(state, shape, candidates, before);

  const assigned: Assignment[] = [];
  let next = 0;
  while (next < taskIds.length) {
    const nodeId = takeFrom(root, state, shape, taskIds[next]!);
    if (nodeId === undefined) break;
    assigned.push({ taskId: taskIds[next++]!, nodeId });
  }
  return { assigned, left: taskIds.slice(next) };
}

export interface Assignment { readonly taskId: string; readonly nodeId: string }

/** For a task that names its node. */
export function fitsOn(shape: TaskShape, node: NodeInfo, filters: readonly Filter[]): boolean {
  return filters.every((filter) => !filter.concerns(shape) || filter.room(shape, node) > 0);
}

interface Candidate {
  readonly info: NodeInfo;
  readonly isFailing: boolean;
  readonly fairCount: number;      // pack: with this many tasks of the service the node steps back
  room: number;
  serviceTasks: number;
  reservedShare: number;
}

function findCandidates(state: ClusterState, shape: TaskShape, filters: readonly Filter[], nowMs: number): Candidate[] {
  const fairCount = shape.replicas > 1 ? Math.ceil(shape.replicas / 2) : Infinity;
  const asked = filters.filter((filter) => filter.concerns(shape));
  const candidates: Candidate[] = [];
  for (const info of state.nodes.values()) {
    let room = Infinity;
    for (let i = 0; i < asked.length && room > 0; i++) room = Math.min(room, asked[i]!.room(shape, info));
    if (room <= 0) continue;
    candidates.push({ info, room, fairCount, isFailing: state.isFailing(info.id, shape.key, nowMs), serviceTasks: info.countOf(shape.serviceId), reservedShare: info.reservedShare });
  }
  return candidates;
}

type Before = (a: Candidate, b: Candidate) => boolean;

const beforeInPack: Before = (a, b) => {
  if (a.isFailing !== b.isFailing) return b.isFailing;
  const aIsOver = a.serviceTasks >= a.fairCount, bIsOver = b.serviceTasks >= b.fairCount;
  if (aIsOver !== bIsOver) return bIsOver;
  if (a.reservedShare !== b.reservedShare) return a.reservedShare > b.reservedShare;
  return a.info.name < b.info.name;
};

const beforeInSpread: Before = (a, b) => {
  if (a.isFailing !== b.isFailing) return b.isFailing;
  if (a.serviceTasks !== b.serviceTasks) return a.serviceTasks < b.serviceTasks;
  if (a.info.tasks !== b.info.tasks) return a.info.tasks < b.info.tasks;
  return a.info.name < b.info.name;
};

/** A value of a preference's attribute, or the whole cluster; the innermost have the nodes. */
interface Branch {
  readonly children: readonly Branch[];
  readonly heap: CandidateHeap | undefined;
  tasks: number;      // of the service, on all nodes of the branch, full ones too
  isFull: boolean;
}

function buildTree(state: ClusterState, shape: TaskShape, candidates: readonly Candidate[], before: Before): Branch {
  // Nodes without room hold tasks that count for balance all the same.
  const counted = shape.spread.length === 0 ? [] : [...state.nodes.values()].filter((info) => info.countOf(shape.serviceId) > 0);
  const build = (members: readonly Candidate[], holders: readonly NodeInfo[], level: number): Branch => {
    const tasks = holders.reduce((sum, info) => sum + info.countOf(shape.serviceId), 0);
    const key = shape.spread[level];
    if (key === undefined) return { children: [], heap: new CandidateHeap([...members], before), tasks, isFull: false };
    const memberGroups = groupBy(members, (candidate) => nodeAttribute(candidate.info.node, key) ?? "");
    const holderGroups = groupBy(holders, (info) => nodeAttribute(info.node, key) ?? "");
    const children = [...memberGroups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([value, group]) => build(group, holderGroups.get(value) ?? [], level + 1));
    return { children, heap: undefined, tasks, isFull: false };
  };
  return build(candidates, counted, 0);
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

/** Node for one more task, accounted for; undefined: the branch is full. */
function takeFrom(branch: Branch, state: ClusterState, shape: TaskShape, taskId: string): string | undefined {
  if (branch.heap) {
    const best = branch.heap.top;
    if (!best) { branch.isFull = true; return undefined; }
    state.place(taskId, best.info.id, shape);
    best.room--;
    best.serviceTasks++;
    best.reservedShare = best.info.reservedShare;
    branch.heap.topChanged();
    branch.tasks++;
    return best.info.id;
  }
  for (;;) {
    let least: Branch | undefined;
    for (const child of branch.children) if (!child.isFull && (!least || child.tasks < least.tasks)) least = child;
    if (!least) { branch.isFull = true; return undefined; }
    const nodeId = takeFrom(least, state, shape, taskId);
    if (nodeId === undefined) continue;
    branch.tasks++;
    return nodeId;
  }
}

/** Binary heap with the best candidate on top. Only the top ever changes. */
class CandidateHeap {
  constructor(private readonly items: Candidate[], private readonly before: Before) {
    for (let i = (items.length >> 1) - 1; i >= 0; i--) this.#siftDown(i);
  }

  get top(): Candidate | undefined { return this.items[0]; }

  topChanged(): void {
    const top = this.items[0]!;
    if (top.room <= 0) {
      const last = this.items.pop()!;
      if (this.items.length === 0) return;
      if (last !== top) this.items[0] = last;
    }
    this.#siftDown(0);
  }

  #siftDown(start: number): void {
    const { items, before } = this;
    const item = items[start]!;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, item)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
