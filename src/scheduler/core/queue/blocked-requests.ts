import type { ClusterState } from "../state/index.js";
import type { WaitingGroup } from "./waiting-group.js";

/** Groups of one request and priority, which any of them that has no rules of its own speaks for. */
interface Alike {
  readonly r: number;
  readonly priority: number;
  /** Its fitting depends on more than amounts and eligibility: it is alone in here. */
  readonly hasRules: boolean;
  readonly groups: Set<WaitingGroup>;
}

/**
 * Blocked groups by the scarcest amount that they ask for, in levels of an eighth of an octave: a node with so much of it free is looked at by those
 * whose level is not above it. While nothing that is given back is large enough for anybody, that is one comparison for each dimension,
 * however many wait.
 */
export class BlockedRequests {
  readonly #alike = new Map<string, Alike>();
  /** 0: GPUs; d + 1: dimension d. */
  readonly #lists: Levels[] = [];
  /** Who reserves nothing: any node that it may go to would do, so only nodes that change matter. */
  readonly #unreserved = new Set<Alike>();
  readonly #leave = new Map<Alike, () => void>();

  /** Returns what ends it. */
  add(state: ClusterState, group: WaitingGroup): () => void {
    const r = state.groups.request[group.g]!;
    const hasRules = needsMoreThanAmounts(state, group.g);
    const key = `${r} ${group.priority}${hasRules ? ` ${group.number}` : ""}`;
    let alike = this.#alike.get(key);
    if (!alike) {
      alike = { r, priority: group.priority, hasRules, groups: new Set() };
      this.#alike.set(key, alike);
      this.#leave.set(alike, this.#register(state, alike, scarcest(state, r)));
    }
    alike.groups.add(group);
    const entry = alike;
    return () => {
      entry.groups.delete(group);
      if (entry.groups.size > 0) return;
      this.#alike.delete(key);
      this.#leave.get(entry)?.();
      this.#leave.delete(entry);
    };
  }

  #register(state: ClusterState, alike: Alike, list: number | undefined): () => void {
    if (list === undefined) {
      this.#unreserved.add(alike);
      return () => this.#unreserved.delete(alike);
    }
    while (this.#lists.length <= list) this.#lists.push(new Levels());
    const amount = list === 0 ? state.requests.gpuCount[alike.r]! * state.requests.gpuMillis[alike.r]! : state.requests.amount[list - 1]![alike.r]!;
    const levels = this.#lists[list]!;
    const level = levelOf(amount);
    levels.add(level, alike);
    return () => levels.delete(level, alike);
  }

  /**
   * Adds to `found` who fits on node `n` now: the most important and oldest first, no more than there is room for. True: some were left out, look again
   * when those found were placed. `isOther`: the node itself has changed, not only what runs on it.
   */
  visit(state: ClusterState, n: number, isOther: boolean, canFit: (g: number, n: number) => boolean, found: Set<WaitingGroup>): boolean {
    const fitting: Alike[] = [];
    const look = (alike: Alike) => { if (state.isEligible(n, alike.r) && state.fits(n, alike.r)) fitting.push(alike); };
    for (let list = 0; list < this.#lists.length; list++) {
      const free = list === 0 ? state.nodes.gpuFreeMillis[n]! : state.nodes.free[list - 1]?.[n] ?? 0;
      if (free > 0) this.#lists[list]!.visitUpTo(levelOf(free), look);
    }
    if (isOther) for (const alike of this.#unreserved) look(alike);
    if (fitting.length === 0) return false;
    if (fitting.length > 1) fitting.sort((a, b) => b.priority - a.priority || firstOf(a).sinceMs - firstOf(b).sinceMs);
    return awaken(state, n, fitting, canFit, found);
  }
}

function awaken(state: ClusterState, n: number, fitting: readonly Alike[], canFit: (g: number, n: number) => boolean, found: Set<WaitingGroup>): boolean {
  const { nodes, requests } = state;
  const free = requests.amount.map((_, d) => nodes.free[d]![n]!);
  let isCut = false;
  for (const { r, hasRules, groups } of fitting) {
    let room = state.room(n, r);
    for (let d = 0; d < free.length; d++) if (requests.amount[d]![r]! > 0) room = Math.min(room, Math.floor(free[d]! / requests.amount[d]![r]!));
    for (const group of groups) {
      if (room <= 0) { isCut = true; break; }
      if (hasRules && !canFit(group.g, n)) continue;
      found.add(group);
      const tasks = Math.min(room, group.tasks.size);
      room -= tasks;
      for (let d = 0; d < free.length; d++) free[d]! -= tasks * requests.amount[d]![r]!;
    }
  }
  return isCut;
}

const firstOf = ({ groups }: Alike): WaitingGroup => { for (const group of groups) return group; throw new Error("invariant broken: nobody is registered for nobody"); };

/** Groups of the same request that need no more all fit where one does. */
export function needsMoreThanAmounts(state: ClusterState, g: number): boolean {
  const rules = state.groups.rules[g]!;
  return rules.hostPorts.length > 0 || rules.volumes.length > 0 || rules.maxPerNode > 0 || rules.maxPer.length > 0 || rules.affinities.some(({ isRequired }) => isRequired) || rules.isGang
    || state.repellersOf(g).length > 0;
}

/** Nodes that are asked which amount is the scarcest: an answer that is a little off costs some looks, never a wake-up. */
const sampledNodes = 256;

/** The list (0 = GPUs, d + 1) of the amount of `r` that the fewest nodes have free; undefined: it asks for none. */
function scarcest(state: ClusterState, r: number): number | undefined {
  const { nodes, requests } = state;
  const eligible = state.predicates.eligible[requests.eligibility[r]!]!;
  const stride = Math.max(1, Math.floor(nodes.size / sampledNodes));
  let best: number | undefined, fewest = Infinity;
  const judge = (list: number, has: (n: number) => boolean) => {
    let count = 0;
    for (let n = 0; n < nodes.size; n += stride) if (eligible.has(n) && has(n)) count++;
    if (count < fewest) { fewest = count; best = list; }
  };
  const gpuMillis = requests.gpuCount[r]! * requests.gpuMillis[r]!;
  if (gpuMillis > 0) judge(0, (n) => nodes.gpuFreeMillis[n]! >= gpuMillis);
  for (let d = 0; d < requests.amount.length; d++) {
    const amount = requests.amount[d]![r]!;
    if (amount > 0) judge(d + 1, (n) => nodes.free[d]![n]! >= amount);
  }
  return best;
}

const levelOf = (amount: number): number => Math.floor(8 * Math.log2(amount + 1));

class Levels {
  readonly #buckets: (Set<Alike> | undefined)[] = [];
  #lowest = Infinity;

  add(level: number, alike: Alike): void {
    (this.#buckets[level] ??= new Set()).add(alike);
    if (level < this.#lowest) this.#lowest = level;
  }

  delete(level: number, alike: Alike): void {
    const bucket = this.#buckets[level];
    if (!bucket?.delete(alike) || bucket.size > 0) return;
    this.#buckets[level] = undefined;
    if (level !== this.#lowest) return;
    this.#lowest = Infinity;
    for (let i = level; i < this.#buckets.length; i++) if (this.#buckets[i]) { this.#lowest = i; break; }
  }

  visitUpTo(level: number, visit: (alike: Alike) => void): void {
    for (let i = this.#lowest; i <= level && i < this.#buckets.length; i++) {
      const bucket = this.#buckets[i];
      if (bucket) for (const alike of bucket) visit(alike);
    }
  }
}
