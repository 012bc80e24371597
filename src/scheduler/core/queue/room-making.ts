import type { Placer } from "../place/index.js";
import { planGang, planPreemption } from "../preempt/index.js";
import { leavesVolumesAsTheyAre, mayHaveVolumes, type ClusterState } from "../state/index.js";
import type { Quotas } from "./quotas.js";
import { bestNodeToKeep, nodesToKeepForGang, Reservations } from "./reservations.js";
import type { WaitingGroup } from "./waiting-group.js";

/** A group that waits so long while others are placed gets a node kept for it … */
export const keepAfterMs = 30_000;
/** … at most so long at a time; after that it pauses as long, and twice as long each time. */
export const keepForMs = 5 * 60_000;
/** At most so many nodes are kept, and no more than a tenth of all (but one). */
const mostKept = 16;
/** Plans of preemption in one slice: each reads the tasks of all nodes. */
const plansPerSlice = 4;
const longestPreemptPauseMs = 60_000;

/** What making room needs of the queue. */
export interface RoomMakingPorts {
  readonly state: ClusterState;
  readonly placer: Placer;
  readonly quotas: Quotas;
  /** Tasks placed so far. */
  placements(): number;
  /** Others may go there again. */
  nodeChanged(n: number): void;
  /** A task is to be stopped. */
  unwanted(t: number): void;
}

/** Rows of tasks to be stopped for one more of a group, or for all of a gang. */
export interface PlannedPreemption { readonly g: number; readonly victims: readonly number[] }

/**
 * What is done for groups that no node takes: a node is kept for one that starves, or tasks of lower priority are stopped, and their node is kept
 * until they have gone. For a gang all that is done at once: for all that wait of it, or not at all.
 */
export class RoomMaking {
  readonly reservations = new Reservations();
  /** Groups that are blocked because no node takes one more. */
  readonly #blocked = new Set<WaitingGroup>();
  /** Those of them that could make room by stopping others. */
  readonly #preemptors = new Set<WaitingGroup>();
  /** Those who were tried again, and in vain, while nobody was to be looked for for them: they are when that is over. */
  readonly #postponed = new Set<WaitingGroup>();
  readonly #pauses = new Map<string, { untilMs: number; lengthMs: number }>();
  #placementsAtTick = 0;
  /** The lowest priority of any group; undefined: to be looked up. */
  #lowest: number | undefined;

  constructor(private readonly ports: RoomMakingPorts) {}

  get blocked(): Iterable<WaitingGroup> { return this.#blocked; }
  get hasPreemptors(): boolean { return this.#preemptors.size > 0; }
  forgetPreemptors(): void { this.#preemptors.clear(); }

  block(group: WaitingGroup, nowMs: number, mayPreempt: boolean): void {
    this.#blocked.add(group);
    if (mayPreempt && this.#couldPreempt(group)) (group.preemptAgainAtMs <= nowMs ? this.#preemptors : this.#postponed).add(group);
  }

  /** It is so from now on. */
  preemptionAllowed(): void {
    for (const group of this.#blocked) if (this.#couldPreempt(group)) this.#preemptors.add(group);
  }

  /** It is tried again. */
  wake(group: WaitingGroup): void {
    this.#blocked.delete(group);
    this.#preemptors.delete(group);
    this.#postponed.delete(group);
  }

  /** It does not wait any more. */
  forget(group: WaitingGroup): void {
    if (group.blockedAtMs !== 0) {
      this.wake(group);
      this.#pauses.delete(group.key);
    }
    if (this.reservations.size > 0) for (const { n } of this.reservations.of(group.key)) this.#endReservation(n);
  }

  // ---- keeping nodes ----

  /** Those who were to make room for it were not stopped after all. */
  giveUp(key: string): void {
    for (const { n, reason } of this.reservations.of(key)) if (reason === "preemption") this.#endReservation(n);
  }

  #endReservation(n: number): void {
    this.reservations.end(this.ports.state, n);
    this.ports.nodeChanged(n);
  }

  /** One of those for whom node `n` may be kept is there, or needs it no more. */
  arrivedAt(key: string, n: number): void {
    const reservation = this.reservations.at(n);
    if (reservation?.key === key && --reservation.tasks <= 0) this.#endReservation(n);
  }

  /** These of the group were placed. */
  arrived(group: WaitingGroup, placed: ArrayLike<number>): void {
    if (this.reservations.of(group.key).length === 0) return;
    for (let i = 0; i < placed.length; i++) this.arrivedAt(group.key, this.ports.state.tasks.nodeOf(placed[i]!));
    // Others went elsewhere: what was kept for them is not needed any more.
    let needed = group.tasks.size;
    for (const reservation of this.reservations.of(group.key)) {
      if (needed <= 0) this.#endReservation(reservation.n);
      needed -= reservation.tasks;
    }
  }

  /** What time alone brings: nodes kept for those who starve, nodes that were kept for long enough, another look at who may stop others. To be called about every second. */
  tick(nowMs: number): void {
    const { state } = this.ports;
    const ended = new Set<string>();
    for (const reservation of [...this.reservations]) {
      if (reservation.untilMs > nowMs && state.nodes.alive.has(reservation.n)) continue;
      if (reservation.untilMs <= nowMs) ended.add(reservation.key);
      this.#endReservation(reservation.n);
      // With one node less all the others are of no use to a gang: they are chosen anew.
      if (state.groups.rules[reservation.g]!.isGang && reservation.reason === "room") for (const { n, reason } of this.reservations.of(reservation.key)) if (reason === "room") this.#endReservation(n);
    }
    for (const key of ended) {
      const lengthMs = 2 * (this.#pauses.get(key)?.lengthMs ?? keepForMs / 2);
      this.#pauses.set(key, { untilMs: nowMs + lengthMs, lengthMs });
    }
    const hasChanged = this.ports.placements() !== this.#placementsAtTick;
    this.#placementsAtTick = this.ports.placements();
    if (this.#blocked.size === 0) return;
    this.#keepForStarving(nowMs);
    this.#lowest = undefined;
    for (const group of this.#postponed) {
      if (group.preemptAgainAtMs > nowMs) continue;
      this.#postponed.delete(group);
      if (this.#couldPreempt(group)) this.#preemptors.add(group);
    }
    if (hasChanged) for (const group of this.#blocked) if (group.preemptAgainAtMs <= nowMs && this.#couldPreempt(group)) this.#preemptors.add(group);
  }

  /** Those who wait for long, while others are placed. */
  #keepForStarving(nowMs: number): void {
    const { state } = this.ports;
    const most = Math.min(mostKept, Math.max(1, Math.floor(state.nodes.alive.count() / 10)));
    if (this.reservations.size >= most) return;
    const starving: WaitingGroup[] = [];
    for (const group of this.#blocked) {
      if (group.blockedAtMs + keepAfterMs > nowMs || group.placementsBefore === this.ports.placements() || (this.#pauses.get(group.key)?.untilMs ?? 0) > nowMs) continue;
      if (this.reservations.of(group.key).length === 0) starving.push(group);
    }
    starving.sort((a, b) => b.priority - a.priority || a.sinceMs - b.sinceMs);
    for (const group of starving) {
      if (this.reservations.size >= most) break;
      // A node that cannot have its volumes is of no use to it, whatever room it makes.
      const isAllowed = (n: number) => this.reservations.at(n) === undefined && mayHaveVolumes(state, group.g, n);
      const nodes = state.groups.rules[group.g]!.isGang ? nodesToKeepForGang(state, group.g, group.tasks.size, isAllowed) : bestNodeToKeep(state, group.g, isAllowed);
      if (nodes.size === 0) { this.#pauses.set(group.key, { untilMs: nowMs + keepForMs, lengthMs: keepForMs }); continue; }
      // A gang needs all of its nodes at the same time, or none: where they are more than may be kept, it has them alone, and whoever comes after it waits until it has.
      if (this.reservations.size + nodes.size > most && this.reservations.size > 0) break;
      for (const [n, tasks] of nodes) this.reservations.hold(state, { n, g: group.g, key: group.key, priority: group.priority, reason: "room", tasks, untilMs: nowMs + keepForMs });
    }
  }

  // ---- preemption ----

  #couldPreempt({ priority }: WaitingGroup): boolean { return priority > this.#lowestPriority(); }

  #lowestPriority(): number {
    if (this.#lowest !== undefined) return this.#lowest;
    const { groups } = this.ports.state;
    let lowest = Infinity;
    for (let g = 0; g < groups.size; g++) if (groups.users[g]! > 0 && groups.priority[g]! < lowest) lowest = groups.priority[g]!;
    return this.#lowest = lowest;
  }

  /** Room for groups that may stop others, and for `refused`: bound tasks, with their node. As much as there is time for; the rest is made by the next call. */
  preempt(refused: Iterable<readonly [t: number, n: number]>, nowMs: number, isTimeUp: () => boolean): PlannedPreemption[] {
    const { state, quotas } = this.ports;
    const planned: PlannedPreemption[] = [];
    this.#lowest = undefined;
    for (const [t, n] of refused) {
      const g = state.tasks.groupOf(t);
      if (state.groups.priority[g]! <= this.#lowestPriority() || quotas.room(state, g) === 0 || this.reservations.at(n)?.key === state.groups.keys[g]! || this.#wantsNoMore(g)) continue;
      this.#preemptOnce(g, nowMs, n, planned);
    }
    let plans = 0;
    for (const group of this.#preemptors) {
      if (plans >= plansPerSlice || (plans > 0 && isTimeUp())) break;
      const promised = this.#promisedTo(group.key);
      if (promised >= Math.min(group.tasks.size, quotas.room(state, group.g)) || this.#wantsNoMore(group.g)) { this.#preemptors.delete(group); continue; }
      const { isGang } = state.groups.rules[group.g]!;
      plans += isGang ? plansPerSlice : 1;
      if (isGang ? this.#preemptForGang(group, nowMs, planned) : this.#preemptOnce(group.g, nowMs, undefined, planned)) continue;
      this.#preemptors.delete(group);
      group.preemptPauseMs = Math.min(longestPreemptPauseMs, Math.max(1_000, 2 * group.preemptPauseMs));
      group.preemptAgainAtMs = nowMs + group.preemptPauseMs;
    }
    return planned;
  }

  #promisedTo(key: string): number { return this.reservations.of(key).reduce((sum, { reason, tasks }) => sum + (reason === "preemption" ? tasks : 0), 0); }

  /** Where a task keeps its volumes from the next one, room is made for one at a time: what the next one lacks is seen then. */
  #wantsNoMore(g: number): boolean {
    const { state } = this.ports;
    return state.groups.rules[g]!.volumes.length > 0 && this.#promisedTo(state.groups.keys[g]!) > 0 && !leavesVolumesAsTheyAre(state, g);
  }

  /** Makes room for one more of `g`, by marking those who have to go and keeping their node. False: nobody of lower priority could make any. */
  #preemptOnce(g: number, nowMs: number, onlyNode: number | undefined, planned: PlannedPreemption[]): boolean {
    const { state, placer } = this.ports;
    const key = state.groups.keys[g]!, priority = state.groups.priority[g]!;
    const plan = this.reservations.opened(state, key, priority, () => planPreemption(state, g, {
      canFit: (group, n) => placer.canFit(group, n), claimed: (n) => this.#claimedAt(n, key), ...(onlyNode === undefined ? {} : { onlyNode }),
    }));
    if (!plan) return false;
    for (const t of plan.victims) { state.setCounts(t, false); this.ports.unwanted(t); }
    const present = this.reservations.at(plan.node);
    if (present?.key === key && present.reason === "preemption") present.tasks++;
    else this.reservations.hold(state, { n: plan.node, g, key, priority, reason: "preemption", tasks: 1, untilMs: nowMs + keepForMs });
    if (plan.victims.length > 0) planned.push({ g, victims: plan.victims });
    return true;
  }

  /** Makes room for all that waits of a gang at once, and keeps all of its nodes. False: not all would fit, whoever was stopped. */
  #preemptForGang(group: WaitingGroup, nowMs: number, planned: PlannedPreemption[]): boolean {
    const { state, placer, quotas } = this.ports;
    const { g, key, priority } = group;
    const members = [...group.tasks];
    if (quotas.room(state, g) < members.length) return false;
    const plan = this.reservations.opened(state, key, priority, () => planGang(state, g, members, { canFit: (of, n) => placer.canFit(of, n), place: (of, tasks) => placer.place(of, tasks) }));
    if (!plan) return false;
    for (const t of plan.victims) { state.setCounts(t, false); this.ports.unwanted(t); }
    for (const { n } of this.reservations.of(key)) if (!plan.nodes.has(n)) this.#endReservation(n);
    for (const [n, tasks] of plan.nodes) this.reservations.hold(state, { n, g, key, priority, reason: "preemption", tasks, untilMs: nowMs + keepForMs });
    if (plan.victims.length > 0) planned.push({ g, victims: plan.victims });
    return true;
  }

  /** Tasks of the group that are to go to `n` already. */
  #claimedAt(n: number, key: string): number {
    const reservation = this.reservations.at(n);
    return reservation?.key === key && reservation.reason === "preemption" ? reservation.tasks : 0;
  }
}

