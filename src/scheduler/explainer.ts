import type { Clock } from "../lib/index.js";
import type { WaitingGroup } from "./core/queue/index.js";
import { explainBound, explainGroup, type Explanation } from "./explanation.js";
import type { Picture } from "./picture.js";
import type { ExplainedTask } from "./write.js";

/** The amounts in an explanation change with every task that ends; those who wait are told at most this often. */
const explainAgainMs = 1_000;
/** Of those who stay blocked what is said grows old: it is made again after so long, if anything has changed … */
const refreshAfterMs = 30_000;
/** … but at most for so many tasks a second: telling them may cost more than it is worth. */
const refreshedTasks = 500;
/** Text for one transaction, about: raft entries stay far below their limit. */
const mostCharacters = 2 ** 20;

const hasNewcomers = ({ newcomers }: WaitingGroup): boolean => newcomers === undefined || newcomers.size > 0;

/** Who is told why it waits, and when. Made for a group at once, of the state as it is then; tasks that come later are told the same. */
export class Explainer {
  readonly #due = new Set<WaitingGroup>();
  readonly #told = new WeakMap<WaitingGroup, Explanation>();
  readonly #outbox: { readonly group: WaitingGroup; readonly tasks: Iterator<number>; readonly explanation: Explanation }[] = [];
  readonly #bound: number[] = [];
  /** Those who were told of nodes that are kept: which ones may be others by now. */
  readonly #toldOfKept = new Set<WaitingGroup>();
  #reservationsSeen = 0;
  /** By request, for groups that differ in nothing else. */
  readonly #alike = new Map<number, { readonly changes: number; readonly explanation: Explanation }>();

  constructor(private readonly picture: Picture, private readonly clock: Clock, private readonly nameOf: (serviceId: string) => string) {}

  blocked(group: WaitingGroup): void { this.#due.add(group); }
  refused(t: number): void { this.#bound.push(t); }

  get hasWork(): boolean { return this.#bound.length > 0 || this.#outbox.length > 0 || this.nextDueMs() <= this.clock.now(); }

  /** Infinity: nobody. */
  nextDueMs(): number {
    let next = Infinity;
    for (const group of this.#due) {
      if (hasNewcomers(group)) return 0;
      next = Math.min(next, group.explainedAtMs + explainAgainMs);
    }
    return next;
  }

  /** What is to be said now, to at most `room` tasks, while there is time. */
  explain(room: number, isTimeUp: () => boolean): ExplainedTask[] {
    const { state, queue } = this.picture;
    const said: ExplainedTask[] = [];
    this.#noticeReservations();
    while (this.#bound.length > 0 && said.length < room) {
      const t = this.#bound.pop()!;
      if (queue.bound.has(t)) said.push({ taskId: state.tasks.ids[t]!, explanation: explainBound(this.picture, t) });
      if (isTimeUp()) break;
    }
    for (const group of this.#due) {
      if (this.#outbox.length > 0 && isTimeUp()) break;
      this.#explainGroup(group);
    }
    for (let characters = 0; this.#outbox.length > 0 && said.length < room && characters < mostCharacters;) {
      const { group, tasks, explanation } = this.#outbox[0]!;
      const next = tasks.next();
      if (next.done || group.place !== "blocked") { this.#outbox.shift(); continue; }
      if (!group.tasks.has(next.value)) continue;
      said.push({ taskId: state.tasks.ids[next.value]!, explanation });
      characters += 2 * explanation.err.length;
    }
    return said;
  }

  /** Some of those who are blocked and were told long ago: once a second. */
  refresh(nowMs: number): void {
    let tasks = 0;
    for (const group of this.picture.queue.blockedByNodes) {
      if (tasks >= refreshedTasks) return;
      if (group.explainedAtMs > this.picture.nodesChangedAtMs && group.explainedAtMs + refreshAfterMs > nowMs) continue;
      if (group.explainedAtMs + explainAgainMs > nowMs) continue;
      this.#due.add(group);
      tasks += group.tasks.size;
    }
  }

  /** Nodes are kept, or kept no more: who names them, and whose they are now, is told at once. */
  #noticeReservations(): void {
    const { queue } = this.picture;
    if (queue.reservations.version === this.#reservationsSeen) return;
    this.#reservationsSeen = queue.reservations.version;
    for (const group of this.#toldOfKept) {
      if (group.place === "blocked" && group.tasks.size > 0) this.#due.add(group);
      else this.#toldOfKept.delete(group);
    }
    for (const { g, key } of queue.reservations) {
      const owner = queue.groupOf(g);
      if (owner?.key === key && owner.place === "blocked" && !this.#toldOfKept.has(owner)) this.#due.add(owner);
    }
  }

  #explainGroup(group: WaitingGroup): void {
    if (group.place !== "blocked") { this.#due.delete(group); return; }
    const nowMs = this.clock.now();
    const told = this.#told.get(group);
    if (nowMs < group.explainedAtMs + explainAgainMs) {
      if (told && hasNewcomers(group)) this.#tell(group, [...group.newcomers ?? group.tasks], told);
      return;
    }
    this.#due.delete(group);
    group.explainedAtMs = nowMs;
    const explanation = this.#explanationOf(group);
    this.#told.set(group, explanation);
    if (explanation.namesKept) this.#toldOfKept.add(group);
    else this.#toldOfKept.delete(group);
    this.#tell(group, told?.err === explanation.err ? [...group.newcomers ?? group.tasks] : [...group.tasks], explanation);
  }

  #tell(group: WaitingGroup, tasks: readonly number[], explanation: Explanation): void {
    group.newcomers = new Set();
    if (tasks.length > 0) this.#outbox.push({ group, tasks: tasks[Symbol.iterator](), explanation });
  }

  #explanationOf(group: WaitingGroup): Explanation {
    const { state, queue } = this.picture;
    if (group.block?.cause.kind !== "nodes" || queue.reservations.size > 0 || queue.dependsOnTasks(group.g)) return explainGroup(this.picture, group, this.nameOf);
    const r = state.groups.request[group.g]!;
    const known = this.#alike.get(r);
    if (known?.changes === state.nodes.changes) return known.explanation;
    if (this.#alike.size > 1_000) this.#alike.clear();
    const explanation = explainGroup(this.picture, group, this.nameOf);
    this.#alike.set(r, { changes: state.nodes.changes, explanation });
    return explanation;
  }
}
