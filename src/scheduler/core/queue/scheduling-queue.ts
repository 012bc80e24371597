import { groupPrefix, type ProjectQuota } from "../../../model/index.js";
import type { Placer } from "../place/index.js";
import { nowhere, type ClusterState } from "../state/index.js";
import { BlockedGroups } from "./blocked-groups.js";
import { needsMoreThanAmounts } from "./blocked-requests.js";
import { BoundTasks } from "./bound-tasks.js";
import { Freed } from "./freed.js";
import { gangReadiness } from "./gang.js";
import { Quotas } from "./quotas.js";
import { ReadyQueue } from "./ready-queue.js";
import type { Reservations } from "./reservations.js";
import { RoomMaking, type PlannedPreemption } from "./room-making.js";
import { newWaitingGroup, type BlockCause, type WaitingGroup } from "./waiting-group.js";

/** Tasks of one group decided about in one turn: a group of a million shares with the others of its priority. Gangs are never divided. */
export const tasksPerTurn = 1_000;
/** Where tasks choose among volumes each of them looks at all nodes. */
const tasksWithVolumesPerTurn = 4;

/** What was decided, to be written. Tasks are placed in the state already; victims do not count any more. */
export interface Batch {
  readonly placed: readonly number[];
  /** Bound tasks that their node refuses. */
  readonly refused: readonly number[];
  /** Groups of which tasks are left that fit nowhere now. */
  readonly blocked: readonly WaitingGroup[];
  readonly preemptions: readonly PlannedPreemption[];
  /** A decision that is too large for this thread now: its tasks are away until `settle`. */
  readonly heavy: HeavyDecision | undefined;
}

export interface HeavyDecision {
  readonly group: WaitingGroup;
  readonly tasks: Int32Array;
}

export interface DecideOptions {
  readonly nowMs: number;
  readonly maxTasks: number;
  readonly mayPreempt: boolean;
  /** The slice is over; asked between groups. */
  readonly isTimeUp: () => boolean;
  /** Where to place so many tasks of `g`: elsewhere if it would hold this thread for too long, later if nobody else is free for it now. By default here. */
  readonly where?: (g: number, tasks: number) => "here" | "elsewhere" | "later";
}

/**
 * Which waiting tasks are decided about when. Knows every waiting task: bound to a node, ready (ready-queue.ts), or blocked until what it lacks may be there
 * (blocked-groups.ts). Told of everything that comes and goes; changes the state only by placing, by keeping nodes and by marking victims (room-making.ts).
 */
export class SchedulingQueue {
  readonly quotas = new Quotas();
  readonly freed = new Freed();
  readonly ready = new ReadyQueue();
  readonly blocked = new BlockedGroups();
  readonly bound = new BoundTasks();
  /** Tasks placed so far. */
  placements = 0;
  /** Groups decided about so far: a blocked one that is tried again and again would show here. */
  tries = 0;
  /** By row of the group. */
  readonly #groups: (WaitingGroup | undefined)[] = [];
  #waiting = 0;
  /** Too large for this thread, while the other one was busy. */
  readonly #later: WaitingGroup[] = [];
  /** Decisions that are made elsewhere now, and what was freed since the first of them began. */
  #away = 0;
  readonly #meanwhile = new Freed();
  readonly #rooms: RoomMaking;
  #placementsAtWake = 0;

  constructor(readonly state: ClusterState, readonly placer: Placer) {
    this.#rooms = new RoomMaking({
      state, placer, quotas: this.quotas, placements: () => this.placements, nodeChanged: (n) => this.nodeChanged(n), unwanted: (t) => this.unwanted(t),
    });
  }

  /** Nodes that are kept for groups. */
  get reservations(): Reservations { return this.#rooms.reservations; }

  // ---- what comes and goes ----

  /** A task that waits; `nodeId`: "" or the one node that it may go to. */
  add(t: number, nodeId: string): void {
    if (nodeId !== "") return this.bound.add(t, nodeId);
    const g = this.state.tasks.groupOf(t);
    let group = this.#groups[g];
    // One whose tasks were all away, and are gone, may have left its row to another.
    if (!group || group.key !== this.state.groups.keys[g]) {
      group = newWaitingGroup(g, this.state.groups.keys[g]!, this.state.groups.priority[g]!, this.state.tasks.sinceMs[t]!);
      this.#groups[g] = group;
      this.ready.push(group);
    }
    group.tasks.add(t);
    this.#waiting++;
    group.newcomers?.add(t);
    // A newcomer fits no better than those that are blocked, but must be told why; and a gang may be complete now.
    if (group.place === "blocked") this.#wake(group);
  }

  /** It waits no more, for whatever reason. Before its row goes. */
  drop(t: number): void {
    if (this.bound.has(t)) {
      const n = this.state.nodes.rowOf(this.bound.nodeOf(t));
      if (n !== undefined) this.#rooms.arrivedAt(this.state.groups.keys[this.state.tasks.groupOf(t)]!, n);
      return this.bound.remove(t);
    }
    const group = this.#groups[this.state.tasks.groupOf(t)];
    if (!group?.tasks.delete(t)) return;
    this.#waiting--;
    group.newcomers?.delete(t);
    // A gang of fewer may fit.
    if (group.place === "blocked" && group.tasks.size > 0 && this.state.groups.rules[group.g]!.isGang) this.#wake(group);
    this.#forgetIfEmpty(group);
  }

  /** Who is blocked may make room by stopping others, and could not before. */
  preemptionAllowed(): void { this.#rooms.preemptionAllowed(); }

  isWaiting(t: number): boolean { return this.bound.has(t) || (this.#groups[this.state.tasks.groupOf(t)]?.tasks.has(t) ?? false); }

  /** A task is on a node now, whoever put it there. */
  arrived(t: number): void {
    const g = this.state.tasks.groupOf(t);
    this.quotas.count(this.state, g, 1);
    this.#noteService(g);
  }

  /** A task gives node `n` back what it held there. Before its row goes. */
  left(t: number, n: number): void {
    const g = this.state.tasks.groupOf(t);
    this.quotas.count(this.state, g, -1);
    if (!this.#anybodyListens) return;
    const { project, hostPorts } = this.state.groups.rules[g]!;
    if (project !== "") this.freed.projects.add(project);
    for (const port of hostPorts) this.freed.port(port, n);
    for (const { volumeId } of this.state.volumes.heldBy(t)) this.volumeChanged(volumeId);
    this.freed.nodes.add(n);
    this.#noteService(g);
  }

  /** A task holds what it holds, but is not wanted any more. */
  unwanted(t: number): void { this.#noteService(this.state.tasks.groupOf(t)); }

  nodeChanged(n: number): void {
    if (!this.#anybodyListens) return;
    this.freed.nodes.add(n);
    this.freed.changedNodes.add(n);
  }

  /** One of the cluster's volumes is free for others, or other than it was. */
  volumeChanged(id: string): void {
    if (!this.#anybodyListens) return;
    this.freed.volumes.add(id);
    const group = this.state.volumes.get(id)?.volume?.spec?.group ?? "";
    if (group !== "") this.freed.volumes.add(`${groupPrefix}${group}`);
  }

  /** Who is decided about later sees things as they are then. */
  get #anybodyListens(): boolean {
    return this.blocked.size > 0 || this.bound.waitsForAny || this.#away > 0;
  }

  setQuotas(quotas: readonly ProjectQuota[]): void { for (const project of this.quotas.setLimits(quotas)) this.freed.projects.add(project); }

  #noteService(g: number): void {
    const serviceId = this.state.services.ids[this.state.groups.service[g]!]!;
    if (this.blocked.watchesService(serviceId)) this.freed.services.add(serviceId);
  }

  // ---- deciding ----

  get hasWork(): boolean {
    return this.bound.hasReady || !this.freed.isEmpty || this.#mayLookAgain || this.ready.peek() !== undefined || this.#rooms.hasPreemptors;
  }

  /** More may fit where some were awakened and placed; when nobody was placed, nobody else would be. */
  get #mayLookAgain(): boolean { return this.freed.again.size > 0 && this.placements > this.#placementsAtWake; }

  /** Those that are being decided about elsewhere are not among them. */
  get waitingTasks(): number { return this.bound.size + this.#waiting; }

  *groups(): Iterable<WaitingGroup> { for (const group of this.#groups) if (group) yield group; }
  get blockedByNodes(): Iterable<WaitingGroup> { return this.#rooms.blocked; }
  /** Whether its fitting depends on more than amounts and eligibility. */
  dependsOnTasks(g: number): boolean { return needsMoreThanAmounts(this.state, g); }
  groupOf(g: number): WaitingGroup | undefined { return this.#groups[g]; }

  /** Decides until nothing is ready, enough is placed, or the time is up. */
  decide(options: DecideOptions): Batch {
    const batch = new Deciding(options);
    this.#wakeAwakened();
    // Tasks that can only be on one node come first: the others can go elsewhere.
    while (this.bound.hasReady && batch.hasTime) this.#decideBound(batch);
    while (batch.hasTime && !batch.heavy) {
      const group = this.ready.pop();
      if (!group) break;
      this.#decideGroup(group, batch);
    }
    if (options.mayPreempt) batch.preemptions = this.#rooms.preempt(this.#withNodes(batch.refused), options.nowMs, options.isTimeUp);
    else this.#rooms.forgetPreemptors();
    return batch;
  }

  #wakeAwakened(): void {
    const { freed } = this;
    if (this.#mayLookAgain) freed.lookAgain();
    if (freed.isEmpty) return;
    this.#placementsAtWake = this.placements;
    for (const n of freed.nodes) if (this.bound.waitsForAny) this.bound.wake(this.state.nodes.ids[n]!);
    if (freed.volumes.size > 0 && this.bound.waitsForAny) this.bound.wakeWhere((t) => this.state.groups.rules[this.state.tasks.groupOf(t)]!.volumes.length > 0);
    for (const group of this.blocked.awakened(this.state, freed, (g, n) => this.placer.canFit(g, n))) this.#wake(group);
    if (this.reservations.size > 0) {
      for (const n of freed.nodes) {
        const reservation = this.reservations.at(n);
        const owner = reservation && this.#groups[reservation.g];
        if (owner?.place === "blocked" && this.state.fits(n, this.state.groups.request[owner.g]!)) this.#wake(owner);
      }
    }
    if (this.#away > 0) this.#meanwhile.addAll(freed);
    freed.clear();
  }

  #wake(group: WaitingGroup): void {
    if (group.place !== "blocked") return;
    this.blocked.remove(group);
    this.#rooms.wake(group);
    this.ready.push(group);
  }

  #decideBound(batch: Deciding): void {
    const { state, placer } = this;
    for (const t of this.bound.take(batch.room, (row) => state.groups.priority[state.tasks.groupOf(row)]!)) {
      const g = state.tasks.groupOf(t);
      const n = state.nodes.rowOf(this.bound.nodeOf(t));
      this.tries++;
      const isPlaced = n !== undefined && this.quotas.room(state, g) > 0 && this.reservations.opened(state, state.groups.keys[g]!, state.groups.priority[g]!, () => placer.placeOn(t, n));
      if (!isPlaced) { batch.refused.push(t); continue; }
      this.bound.remove(t);
      this.#placed(t, batch.placed);
      this.#rooms.arrivedAt(state.groups.keys[g]!, n);
    }
  }

  #decideGroup(group: WaitingGroup, batch: Deciding): void {
    const { state } = this;
    this.tries++;
    group.tries++;
    const quotaRoom = this.quotas.room(state, group.g);
    const isGang = state.groups.rules[group.g]!.isGang;
    if (isGang) {
      const readiness = gangReadiness(state, group.g, group.tasks.size, group.sinceMs, batch.options.nowMs);
      if (readiness !== undefined) return this.#block(group, { kind: "gathering", untilMs: readiness.untilMs }, batch, group.tasks.size);
    }
    const wanted = isGang ? group.tasks.size : Math.min(group.tasks.size, state.groups.rules[group.g]!.volumes.length > 0 ? tasksWithVolumesPerTurn : tasksPerTurn, batch.room);
    const asked = Math.min(wanted, quotaRoom);
    if (asked === 0 || (isGang && asked < wanted)) return this.#block(group, { kind: "quota", project: state.groups.rules[group.g]!.project }, batch, asked);
    const tasks = firstOf(group.tasks, asked);
    batch.spent(asked > 8 || this.#looksAtAllNodes(group.g) ? 8 : 1);
    switch (group.mustStay ? "here" : batch.options.where?.(group.g, asked)) {
      case "elsewhere":
        for (const t of tasks) group.tasks.delete(t);
        this.#waiting -= tasks.length;
        batch.heavy = { group, tasks };
        this.#away++;
        return;
      case "later":
        this.#later.push(group);
        return;
    }
    const placed = this.reservations.size === 0 ? this.placer.place(group.g, tasks, asked) : this.reservations.opened(state, group.key, group.priority, () => this.placer.place(group.g, tasks, asked));
    this.#settle(group, tasks, placed, batch, asked < wanted ? { kind: "quota", project: state.groups.rules[group.g]!.project } : undefined);
  }

  #looksAtAllNodes(g: number): boolean {
    const rules = this.state.groups.rules[g]!;
    return rules.spread.length > 0 || rules.preferences.length > 0 || rules.strategy === "BALANCED" || needsMoreThanAmounts(this.state, g);
  }

  /** `tasks[0 … placed)` are on nodes now, the rest fits nowhere. */
  #settle(group: WaitingGroup, tasks: Int32Array, placed: number, batch: Deciding, limit: BlockCause | undefined): void {
    const { state } = this;
    if (state.groups.rules[group.g]!.isGang && placed < tasks.length) {
      for (let i = 0; i < placed; i++) state.unplace(tasks[i]!);
      return this.#block(group, { kind: "nodes" }, batch, placed);
    }
    for (let i = 0; i < placed; i++) {
      group.tasks.delete(tasks[i]!);
      this.#waiting--;
      group.newcomers?.delete(tasks[i]!);
      this.#placed(tasks[i]!, batch.placed);
    }
    if (this.reservations.size > 0) this.#rooms.arrived(group, tasks.subarray(0, placed));
    if (group.tasks.size === 0) this.#forgetIfEmpty(group);
    else if (placed < tasks.length) this.#block(group, { kind: "nodes" }, batch, 0);
    else if (limit) this.#block(group, limit, batch, 0);
    else this.ready.push(group);
  }

  /**
   * The answer to a heavy decision: `nodes[i]` for `tasks[i]`, in order, nowhere = none. What does not fit any more as things are now is decided about again;
   * so is everything when there is no answer (undefined).
   */
  settleHeavy({ group, tasks }: HeavyDecision, isStillWaiting: (i: number) => boolean, nodes: Int32Array | undefined, options: DecideOptions): Batch {
    const batch = new Deciding(options);
    const { state } = this;
    for (const other of this.#later.splice(0)) if (other.place === "ready") this.ready.push(other);
    // What was freed since is for those, too, who will be blocked now.
    this.freed.addAll(this.#meanwhile);
    if (--this.#away === 0) this.#meanwhile.clear();
    const waiting = [...tasks.keys()].filter(isStillWaiting);
    const present = this.#groups[group.g];
    const owner = present?.key === group.key ? present : waiting.length > 0 ? this.#revive(group) : undefined;
    if (!owner) return batch;
    if (waiting.length === 0) { this.#requeue(owner); return batch; }
    const { isGang } = state.groups.rules[owner.g]!;
    const back = owner.tasks.size > 0 ? [...owner.tasks] : [];
    owner.tasks.clear();
    this.#waiting -= back.length;
    for (const i of waiting) owner.tasks.add(tasks[i]!);
    for (const t of back) owner.tasks.add(t);
    this.#waiting += owner.tasks.size;
    if (!nodes) {
      owner.mustStay = true;
      this.#requeue(owner);
      return batch;
    }
    const placed: number[] = [];
    let isStale = false;
    this.reservations.opened(state, owner.key, owner.priority, () => {
      for (const i of waiting) {
        const n = nodes[i]!;
        if (n === nowhere || this.quotas.room(state, owner.g) <= placed.length) continue;
        if (state.nodes.alive.has(n) && this.placer.placeOn(tasks[i]!, n)) placed.push(tasks[i]!);
        else isStale = true;
      }
    });
    this.tries++;
    if (isGang && placed.length < waiting.length) {
      for (const t of placed) state.unplace(t);
      if (isStale) this.#requeue(owner);
      else this.#block(owner, { kind: "nodes" }, batch, placed.length);
      return batch;
    }
    this.#waiting -= placed.length;
    for (const t of placed) { owner.tasks.delete(t); owner.newcomers?.delete(t); this.#placed(t, batch.placed); }
    if (this.reservations.size > 0) this.#rooms.arrived(owner, placed);
    if (owner.tasks.size === 0) this.#forgetIfEmpty(owner);
    else if (isStale || placed.length === waiting.length) this.#requeue(owner);
    else this.#block(owner, { kind: "nodes" }, batch, 0);
    return batch;
  }

  #revive(group: WaitingGroup): WaitingGroup {
    this.#groups[group.g] = group;
    return group;
  }

  #requeue(group: WaitingGroup): void {
    if (group.place === "blocked") this.#wake(group);
    else this.ready.push(group);
  }

  #placed(t: number, placed: number[]): void {
    placed.push(t);
    this.placements++;
    this.arrived(t);
  }

  #block(group: WaitingGroup, cause: BlockCause, batch: Deciding, fitted: number): void {
    if (group.blockedAtMs === 0) {
      group.blockedAtMs = batch.options.nowMs;
      group.placementsBefore = this.placements;
    }
    group.fitted = fitted;
    this.blocked.remove(group);
    this.blocked.add(this.state, group, cause);
    if (cause.kind === "nodes") this.#rooms.block(group, batch.options.nowMs, batch.options.mayPreempt);
    batch.blocked.push(group);
  }

  #forgetIfEmpty(group: WaitingGroup): void {
    if (group.tasks.size > 0) return;
    if (group.blockedAtMs !== 0) this.blocked.remove(group);
    if (this.#groups[group.g] === group) this.#groups[group.g] = undefined;
    this.#rooms.forget(group);
  }

  /** Those who were to make room for this revision were not stopped after all. */
  giveUpRoom(key: string): void { this.#rooms.giveUp(key); }

  /** What time alone brings: gangs that go without the rest, and what is done for those who starve. To be called about every second. */
  tick(nowMs: number): void {
    for (const group of this.blocked.overdue(nowMs)) this.#wake(group);
    this.#rooms.tick(nowMs);
  }

  /** Bound tasks whose node is there, with it. */
  *#withNodes(tasks: Iterable<number>): Iterable<readonly [t: number, n: number]> {
    for (const t of tasks) {
      const n = this.state.nodes.rowOf(this.bound.nodeOf(t));
      if (n !== undefined) yield [t, n];
    }
  }
}

/** One call of `decide`. */
class Deciding implements Batch {
  readonly placed: number[] = [];
  readonly refused: number[] = [];
  readonly blocked: WaitingGroup[] = [];
  preemptions: readonly PlannedPreemption[] = [];
  heavy: HeavyDecision | undefined;

  constructor(readonly options: DecideOptions) {}

  get room(): number { return Math.max(0, this.options.maxTasks - this.placed.length - this.refused.length); }
  /** The clock is read once for several small decisions: it costs as much as a tenth of one. */
  get hasTime(): boolean {
    if (this.room <= 0) return false;
    if (this.#unlooked < 8) return true;
    this.#unlooked = 0;
    return !this.options.isTimeUp();
  }
  #unlooked = 0;
  /** A decision was made, `size` small ones' worth. */
  spent(size: number): void { this.#unlooked += size; }
}

function firstOf(tasks: ReadonlySet<number>, count: number): Int32Array {
  const rows = new Int32Array(count);
  let at = 0;
  for (const t of tasks) {
    if (at === count) break;
    rows[at++] = t;
  }
  return rows;
}
