import { RowIndex, capacityFor, grown, isAlike, sharedColumn, type TypedArray } from "./columns.js";

/** In `node`: it waits for one. */
export const nowhere = -1;

/** Where in TaskTable.links of a task a list's two are. */
export const onNode = 0;
export const ofService = 2;

/**
 * Tasks that hold something on a node or wait for one, a row each; rows are used again. Placed tasks are in two doubly linked lists,
 * of their node and of their service: who asks for counts of one service walks its tasks, and a million pairs (service, node) need no map.
 */
export class TaskTable {
  size = 0;
  capacity = 0;
  ids: string[] = [];
  node = new Int32Array(0);
  group = new Int32Array(0);
  /** 1: wanted; 0: it is being stopped, holds what it has to the end, and does not count when tasks are spread. */
  counts = new Uint8Array(0);
  /** When it was created, Unix milliseconds: the youngest is the cheapest to stop. */
  sinceMs = new Float64Array(0);
  /** Bit i: it holds (a share of) device i of its node. */
  gpuMask = new Int32Array(0);
  /**
   * Four for each task: the next and the previous one on its node, the next and the previous one of its service. Side by side, because whoever comes or goes needs all of
   * them: one line of the cache, not four.
   */
  links = new Int32Array(0);
  #free: number[] = [];
  #rows = new RowIndex(this.ids, (t) => this.ids[t] !== "");

  rowOf(id: string): number | undefined { return this.#rows.get(id); }
  nextOnNode(t: number): number { return this.links[t << 2]!; }
  nextOfService(t: number): number { return this.links[(t << 2) | ofService]!; }
  get count(): number { return this.size - this.#free.length; }

  add(id: string, group: number, sinceMs: number): number {
    const t = this.#free.pop() ?? this.size++;
    if (this.size > this.capacity) this.#reserve(this.size);
    this.ids[t] = id;
    this.node[t] = nowhere;
    this.group[t] = group;
    this.counts[t] = 0;
    this.sinceMs[t] = sinceMs;
    this.gpuMask[t] = 0;
    this.#rows.set(id, t);
    return t;
  }

  /** Puts `t` in front of the list `list` (onNode, ofService), whose first task is `first`. */
  link(t: number, list: number, first: number): void {
    const { links } = this;
    const at = (t << 2) | list;
    links[at] = first;
    links[at + 1] = nowhere;
    if (first !== nowhere) links[((first << 2) | list) + 1] = t;
  }

  /** Takes `t` out of the list `list`, whose first task is `first`. Returns which one is the first then. */
  unlink(t: number, list: number, first: number): number {
    const { links } = this;
    const after = links[(t << 2) | list]!, before = links[((t << 2) | list) + 1]!;
    if (after !== nowhere) links[((after << 2) | list) + 1] = before;
    if (before === nowhere) return after;
    links[(before << 2) | list] = after;
    return first;
  }

  remove(t: number): void {
    this.#rows.delete(this.ids[t]!);
    this.ids[t] = "";
    this.#free.push(t);
  }

  *rows(): Iterable<number> { for (let t = 0; t < this.size; t++) if (this.ids[t] !== "") yield t; }

  get columns(): readonly TypedArray[] { return [this.node, this.group, this.counts, this.sinceMs, this.gpuMask, this.links]; }
  get lists(): readonly unknown[][] { return [this.ids]; }

  /** One with room for as much, `spare` if that has it; lists are copied with it, columns by whoever asked (RowsCopy), then `settle` makes it complete. */
  emptyCopy(spare: TaskTable | undefined): TaskTable {
    if (spare && isAlike(spare, this)) return spare;
    const copy = new TaskTable();
    copy.capacity = this.capacity;
    copy.ids = this.ids.slice();
    copy.node = sharedColumn(this.node);
    copy.group = sharedColumn(this.group);
    copy.counts = sharedColumn(this.counts);
    copy.sinceMs = sharedColumn(this.sinceMs);
    copy.gpuMask = sharedColumn(this.gpuMask);
    copy.links = sharedColumn(this.links);
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
    this.node = grown(this.node, capacity);
    this.group = grown(this.group, capacity);
    this.counts = grown(this.counts, capacity);
    this.sinceMs = grown(this.sinceMs, capacity);
    this.gpuMask = grown(this.gpuMask, capacity);
    this.links = grown(this.links, capacity << 2);
  }
}
