import { isOwn } from "../filters/index.js";
import { unlimited, wholeGpu, type ClusterState } from "../state/index.js";

/** A node kept for a group: nobody of its priority or lower gets there meanwhile. */
export interface Reservation {
  readonly n: number;
  readonly g: number;
  readonly key: string;
  readonly priority: number;
  /** room: it waited long while others got what it needs; preemption: others were stopped there for it. */
  readonly reason: "room" | "preemption";
  /** Tasks of the group that are to go there. */
  tasks: number;
  readonly untilMs: number;
}

/**
 * Nodes that are kept for groups. A kept node is barred in the state, so that no placement looks at it; whoever may go there (the owner, and groups of
 * higher priority) lifts the bars for the time of its own decision.
 */
export class Reservations {
  readonly #byNode = new Map<number, Reservation>();
  /** Changes with every node that is kept, for somebody else, or no more. */
  version = 0;

  get size(): number { return this.#byNode.size; }
  at(n: number): Reservation | undefined { return this.#byNode.get(n); }
  [Symbol.iterator](): Iterator<Reservation> { return this.#byNode.values(); }

  of(key: string): Reservation[] {
    if (this.#byNode.size === 0) return [];
    return [...this.#byNode.values()].filter((reservation) => reservation.key === key);
  }

  hold(state: ClusterState, reservation: Reservation): void {
    this.version++;
    this.#byNode.set(reservation.n, reservation);
    state.bar(reservation.n, true);
  }

  end(state: ClusterState, n: number): void {
    if (!this.#byNode.delete(n)) return;
    this.version++;
    state.bar(n, false);
  }

  /** Runs `decide` with the nodes open that a group of this key and priority may use. */
  opened<T>(state: ClusterState, key: string, priority: number, decide: () => T): T {
    if (this.#byNode.size === 0) return decide();
    const opened: number[] = [];
    for (const reservation of this.#byNode.values()) if (reservation.key === key || reservation.priority < priority) opened.push(reservation.n);
    for (const n of opened) state.bar(n, false);
    try {
      return decide();
    } finally { for (const n of opened) if (this.#byNode.has(n)) state.bar(n, true); }
  }
}

/**
 * The node on which one of `g` fits soonest: it would fit there if nothing ran, and the least is missing now (in parts of the node). A node that is kept
 * already is nobody else's. Asked once for a group that starves: O(nodes).
 */
export function bestNodeToKeep(state: ClusterState, g: number, isAllowed: (n: number) => boolean): ReadonlyMap<number, number> {
  const { nodes, requests } = state;
  const r = state.groups.request[g]!;
  const count = requests.gpuCount[r]!, gpuMillis = requests.gpuMillis[r]!;
  let best: number | undefined, least = Infinity;
  state.predicates.eligible[requests.eligibility[r]!]!.forEach((n) => {
    let missing = 0;
    for (let d = 0; d < requests.amount.length; d++) {
      const amount = requests.amount[d]![r]!;
      if (amount === 0) continue;
      const total = nodes.total[d]![n]!;
      if (total < amount) return;
      missing += Math.max(0, amount - nodes.free[d]![n]!) / total;
    }
    if (count > 0) {
      let allowed = 0;
      for (let i = nodes.gpuStart[n]!; i < nodes.gpuStart[n]! + nodes.gpuCount[n]!; i++) if (requests.allowsModel(r, nodes.deviceModel[i]!)) allowed++;
      if (allowed < count) return;
      missing += Math.max(0, count * gpuMillis - nodes.gpuFreeMillis[n]!) / (1000 * nodes.gpuCount[n]!);
    }
    // Where nothing is missing, something else than room keeps it away.
    if (missing === 0 || missing >= least || !isAllowed(n)) return;
    least = missing;
    best = n;
  });
  return new Map(best === undefined ? [] : [[best, 1]]);
}

/**
 * Nodes for `wanted` members of a gang, and how many of them each: those where the least has to be released for each member, until there is room for all of them. None: not all
 * would fit if nothing else ran. Members that fit now count too, because what they take would be taken from them. O(nodes).
 */
export function nodesToKeepForGang(state: ClusterState, g: number, wanted: number, isAllowed: (n: number) => boolean): ReadonlyMap<number, number> {
  const { nodes, requests, groups } = state;
  const r = groups.request[g]!;
  const gpusNeeded = requests.gpuCount[r]! * requests.gpuMillis[r]!;
  const limits = new GangLimits(state, g);
  const found: { readonly n: number; readonly room: number; readonly missing: number }[] = [];
  state.predicates.eligible[requests.eligibility[r]!]!.forEach((n) => {
    const room = Math.min(wanted, limits.onNode, roomOfEmpty(state, n, r));
    if (room <= 0 || !isAllowed(n)) return;
    let missing = 0;
    for (let d = 0; d < requests.amount.length; d++) {
      const amount = requests.amount[d]![r]!;
      if (amount > 0) missing += Math.max(0, room * amount - nodes.free[d]![n]!) / nodes.total[d]![n]!;
    }
    if (gpusNeeded > 0) missing += Math.max(0, room * gpusNeeded - nodes.gpuFreeMillis[n]!) / (wholeGpu * nodes.gpuCount[n]!);
    found.push({ n, room, missing: missing / room });
  });
  found.sort((a, b) => a.missing - b.missing || b.room - a.room || a.n - b.n);
  const kept = new Map<number, number>();
  let left = wanted;
  for (const { n, room } of found) {
    const tasks = limits.take(n, Math.min(room, left));
    if (tasks === 0) continue;
    kept.set(n, tasks);
    if ((left -= tasks) === 0) return kept;
  }
  return new Map();
}

/** How many of `r` fit on `n` when nothing runs there. */
function roomOfEmpty({ nodes, requests }: ClusterState, n: number, r: number): number {
  let room = unlimited;
  for (let d = 0; d < requests.amount.length; d++) {
    const amount = requests.amount[d]![r]!;
    if (amount > 0) room = Math.min(room, Math.floor(nodes.total[d]![n]! / amount));
  }
  const count = requests.gpuCount[r]!;
  if (count === 0) return room;
  let places = 0;
  for (let i = nodes.gpuStart[n]!; i < nodes.gpuStart[n]! + nodes.gpuCount[n]!; i++) if (requests.allowsModel(r, nodes.deviceModel[i]!)) places += Math.floor(wholeGpu / requests.gpuMillis[r]!);
  return Math.min(room, Math.floor(places / count));
}

/** What a gang's rules about its own members allow: so many on a node, so many where an attribute has the same value, all where it has one value. */
class GangLimits {
  readonly onNode: number;
  readonly #byValue: { readonly valueOf: Int32Array; readonly most: number; readonly taken: Map<number, number> }[];
  readonly #near: readonly Int32Array[];
  #first: number | undefined;

  constructor(state: ClusterState, g: number) {
    const { maxPerNode, maxPer, affinities, hostPorts } = state.groups.rules[g]!;
    const own = affinities.filter((rule) => rule.isRequired && isOwn(state, g, rule));
    const limits = [...maxPer.map(({ key, count }) => ({ key, most: count })), ...own.filter(({ isAnti }) => isAnti).map(({ key }) => ({ key, most: 1 }))];
    this.onNode = Math.min(maxPerNode || unlimited, hostPorts.length > 0 ? 1 : unlimited, ...limits.map(({ most }) => most));
    this.#byValue = limits.filter(({ key }) => key !== "node.id").map(({ key, most }) => ({ valueOf: state.attribute(key).valueOf, most, taken: new Map() }));
    this.#near = own.filter(({ isAnti }) => !isAnti).map(({ key }) => state.attribute(key).valueOf);
  }

  /** So many of `tasks` may go to `n` beside those before. */
  take(n: number, tasks: number): number {
    const first = this.#first ?? n;
    if (this.#near.some((valueOf) => valueOf[n] !== valueOf[first])) return 0;
    let may = tasks;
    for (const { valueOf, most, taken } of this.#byValue) may = Math.min(may, most - (taken.get(valueOf[n]!) ?? 0));
    if (may <= 0) return 0;
    this.#first = first;
    for (const { valueOf, taken } of this.#byValue) taken.set(valueOf[n]!, (taken.get(valueOf[n]!) ?? 0) + may);
    return may;
  }
}
