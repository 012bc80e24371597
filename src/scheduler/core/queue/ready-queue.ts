import type { WaitingGroup } from "./waiting-group.js";

/**
 * Groups that are to be decided about: those of higher priority first; within a priority in turns, so that a group of many tasks shares
 * with the others; within a turn who waits longest. Who comes (back) joins the turn after the present one: a stream of new services never gets in
 * front of one that waits already.
 */
export class ReadyQueue {
  readonly #heap: WaitingGroup[] = [];
  /** The present turn of each priority. */
  readonly #turns = new Map<number, number>();

  push(group: WaitingGroup): void {
    group.place = "ready";
    if (group.isQueued) return;
    group.isQueued = true;
    group.turn = (this.#turns.get(group.priority) ?? 0) + 1;
    const heap = this.#heap;
    let at = heap.push(group) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(group, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = group;
  }

  /** Groups that have lost all their tasks, or were blocked, meanwhile are passed over. */
  pop(): WaitingGroup | undefined {
    const group = this.peek();
    if (!group) return undefined;
    this.#removeTop();
    this.#turns.set(group.priority, group.turn);
    return group;
  }

  peek(): WaitingGroup | undefined {
    while (this.#heap.length > 0 && (this.#heap[0]!.tasks.size === 0 || this.#heap[0]!.place !== "ready")) this.#removeTop();
    return this.#heap[0];
  }

  /** Groups, of which some may have no task any more. */
  get size(): number { return this.#heap.length; }

  #removeTop(): void {
    const heap = this.#heap;
    heap[0]!.isQueued = false;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: WaitingGroup, b: WaitingGroup): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  if (a.turn !== b.turn) return a.turn < b.turn;
  return a.sinceMs !== b.sinceMs ? a.sinceMs < b.sinceMs : a.number < b.number;
}
