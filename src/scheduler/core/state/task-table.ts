import { RowIndex, capacityFor, grown, isAlike, sharedColumn, type TypedArray } from "./columns.js";

/** In `node`: it waits for one. */
export const nowhere = -1;

// Of a task in TaskTable.#words: the next and the previous one on its node, the next and the previous one of its group, its node, its group with a bit (low) that says whether it counts.
const rowWords = 6;
/** Where a list's two are. */
export const onNode = 0;
export const ofGroup = 2;
const linkWords = 4;
const nodeAt = 4;
const groupAt = 5;

/**
 * Tasks that hold something on a node or wait for one, a row each; rows are used again. Placed tasks are in two doubly linked lists,
 * of their node and of their group: who asks for counts of one service walks its tasks, and a million pairs (service, node) need no map.
 */
export class TaskTable {
  size = 0;
  capacity = 0;
  ids: string[] = [];
  /** When it was created, Unix milliseconds: the youngest is the cheapest to stop. */
  sinceMs = new Float64Array(0);
  /** Bit i: it holds (a share of) device i of its node. */
  gpuMask = new Int32Array(0);
  /** Side by side, because whoever comes or goes needs all of it: one line of the cache, not seven. */
  #words = new Int32Array(0);
  #free: number[] = [];
  #rows = new RowIndex(this.ids, (t) => this.ids[t] !== "");

  rowOf(id: string): number | undefined { return this.#rows.get(id); }
  nextOnNode(t: number): number { return this.#words[t * rowWords + onNode]!; }
  nextOfGroup(t: number): number { return this.#words[t * rowWords + ofGroup]!; }
  nodeOf(t: number): number { return this.#words[t * rowWords + nodeAt]!; }
  groupOf(t: number): number { return this.#words[t * rowWords + groupAt]! >>> 1; }
  /** 1: wanted; 0: it is being stopped, holds what it has to the end, and does not count when tasks are spread. */
  countOf(t: number): number { return this.#words[t * rowWords + groupAt]! & 1; }
  get count(): number { return this.size - this.#free.length; }

  add(id: string, group: number, sinceMs: number): number {
    const t = this.#free.pop() ?? this.size++;
    if (this.size > this.capacity) this.#reserve(this.size);
    this.ids[t] = id;
    this.#words[t * rowWords + nodeAt] = nowhere;
    this.#words[t * rowWords + groupAt] = group << 1;
    this.sinceMs[t] = sinceMs;
    this.gpuMask[t] = 0;
    this.#rows.set(id, t);
    return t;
  }

  setNode(t: number, n: number): void { this.#words[t * rowWords + nodeAt] = n; }
  setCounts(t: number, counts: boolean): void { this.#words[t * rowWords + groupAt] = (this.#words[t * rowWords + groupAt]! & ~1) | (counts ? 1 : 0); }

  /** Puts `t` in front of the list `list` (onNode, ofGroup), whose first task is `first`. */
  link(t: number, list: number, first: number): void {
    const words = this.#words, at = t * rowWords + list;
    words[at] = first;
    words[at + 1] = nowhere;
    if (first !== nowhere) words[first * rowWords + list + 1] = t;
  }

  /** Puts wanted tasks[from] … tasks[to - 1] on node `n`, in front of its list and of their group's. Returns the last one: the first of both lists then. */
  linkRun(tasks: ArrayLike<number>, from: number, to: number, n: number, firstOnNode: number, firstOfGroup: number): number {
    const words = this.#words;
    let before = firstOnNode, beforeOfGroup = firstOfGroup;
    for (let i = from; i < to; i++) {
      const t = tasks[i]!, at = t * rowWords;
      words[at + onNode] = before;
      if (before !== nowhere) words[before * rowWords + onNode + 1] = t;
      words[at + ofGroup] = beforeOfGroup;
      if (beforeOfGroup !== nowhere) words[beforeOfGroup * rowWords + ofGroup + 1] = t;
      words[at + nodeAt] = n;
      words[at + groupAt]! |= 1;
      before = beforeOfGroup = t;
    }
    words[before * rowWords + onNode + 1] = nowhere;
    words[before * rowWords + ofGroup + 1] = nowhere;
    return before;
  }

  /** Takes `t` out of the list `list`, whose first task is `first`. Returns which one is the first then. */
  unlink(t: number, list: number, first: number): number {
    const words = this.#words, at = t * rowWords + list;
    const after = words[at]!, before = words[at + 1]!;
    if (after !== nowhere) words[after * rowWords + list + 1] = before;
    if (before === nowhere) return after;
    words[before * rowWords + list] = after;
    return first;
  }

  /** Visits the tasks next to `t` in its lists. */
  eachNeighbour(t: number, visit: (t: number) => void): void {
    for (let at = t * rowWords; at < t * rowWords + linkWords; at++) if (this.#words[at] !== nowhere) visit(this.#words[at]!);
  }

  remove(t: number): void {
    this.#rows.delete(this.ids[t]!);
    this.ids[t] = "";
    this.#free.push(t);
  }

  *rows(): Iterable<number> { for (let t = 0; t < this.size; t++) if (this.ids[t] !== "") yield t; }

  get columns(): readonly TypedArray[] { return [this.sinceMs, this.gpuMask, this.#words]; }
  get lists(): readonly unknown[][] { return [this.ids]; }

  /** One with room for as much, `spare` if that has it; lists are copied with it, columns by whoever asked (RowsCopy), then `settle` makes it complete. */
  emptyCopy(spare: TaskTable | undefined): TaskTable {
    if (spare && isAlike(spare, this)) return spare;
    const copy = new TaskTable();
    copy.capacity = this.capacity;
    copy.ids = this.ids.slice();
    copy.sinceMs = sharedColumn(this.sinceMs);
    copy.gpuMask = sharedColumn(this.gpuMask);
    copy.#words = sharedColumn(this.#words);
    return copy;
  }

  makeRoomFor(other: TaskTable): void { if (other.capacity > this.capacity) this.#reserve(other.capacity); }

  settle(from: TaskTable): void {
    this.size = this.ids.length = from.size;
    this.#free = from.#free.slice();
    this.#rows = RowIndex.of(this.ids, (t) => this.ids[t] !== "");
  }

  #reserve(size: number): void {
    const capacity = this.capacity = capacityFor(size, this.capacity);
    this.sinceMs = grown(this.sinceMs, capacity);
    this.gpuMask = grown(this.gpuMask, capacity);
    this.#words = grown(this.#words, capacity * rowWords);
  }
}
