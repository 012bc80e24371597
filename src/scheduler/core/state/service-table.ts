import { RowIndex, capacityFor, grown, isAlike, sharedColumn, type TypedArray } from "./columns.js";

/** Services that have tasks, each with the list of its groups (GroupTable.nextOfService). Rows are used again. */
export class ServiceTable {
  size = 0;
  capacity = 0;
  ids: string[] = [];
  /** The youngest, -1 = none. */
  firstGroup = new Int32Array(0);
  #groups = new Int32Array(0);
  #free: number[] = [];
  #rows = new RowIndex(this.ids, (s) => this.ids[s] !== "");

  rowOf(id: string): number | undefined { return this.#rows.get(id); }

  /** The row of the service, with one group more. */
  acquire(id: string): number {
    let s = this.#rows.get(id);
    if (s === undefined) {
      s = this.#free.pop() ?? this.size++;
      if (this.size > this.capacity) this.#reserve(this.size);
      this.ids[s] = id;
      this.firstGroup[s] = -1;
      this.#groups[s] = 0;
      this.#rows.set(id, s);
    }
    this.#groups[s]!++;
    return s;
  }

  release(s: number): void {
    if (--this.#groups[s]! > 0) return;
    this.#rows.delete(this.ids[s]!);
    this.ids[s] = "";
    this.#free.push(s);
  }

  get columns(): readonly TypedArray[] { return [this.firstGroup, this.#groups]; }
  get lists(): readonly unknown[][] { return [this.ids]; }

  emptyCopy(spare: ServiceTable | undefined): ServiceTable {
    if (spare && isAlike(spare, this)) return spare;
    const copy = new ServiceTable();
    copy.capacity = this.capacity;
    copy.ids = this.ids.slice();
    copy.firstGroup = sharedColumn(this.firstGroup);
    copy.#groups = sharedColumn(this.#groups);
    return copy;
  }

  makeRoomFor(other: ServiceTable): void { if (other.capacity > this.capacity) this.#reserve(other.capacity); }

  settle(from: ServiceTable): void {
    this.size = this.ids.length = from.size;
    this.#free = from.#free.slice();
    this.#rows = RowIndex.of(this.ids, (s) => this.ids[s] !== "");
  }

  indexSteps(): Generator<void> { return this.#rows.makeSteps(); }

  #reserve(size: number): void {
    this.capacity = capacityFor(size, this.capacity);
    this.firstGroup = grown(this.firstGroup, this.capacity);
    this.#groups = grown(this.#groups, this.capacity);
  }
}
