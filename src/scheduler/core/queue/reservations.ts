import type { ClusterState } from "../state/index.js";

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
export function bestNodeToKeep(state: ClusterState, g: number, isAllowed: (n: number) => boolean): number | undefined {
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
  return best;
}
