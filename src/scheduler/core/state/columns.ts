import { ShardedMap } from "../../../lib/index.js";

/**
 * Columns of a table (structure of arrays): typed arrays that grow together. A row is an integer; what it stands for (an id, a name) is
 * looked up only where words are needed. 8 bytes a number instead of an object of 100, and loops that run at memory speed.
 */
export type TypedArray = Float64Array | Int32Array | Int16Array | Uint16Array | Uint8Array | Uint32Array;

/** `column` with room for `capacity` rows; the same one when it has it. */
export function grown<T extends TypedArray>(column: T, capacity: number, fill = 0): T {
  if (column.length >= capacity) return column;
  const larger = column.buffer instanceof SharedArrayBuffer ? sharedColumn(column, capacity) : new (column.constructor as new (length: number) => T)(capacity);
  larger.set(column);
  if (fill !== 0) larger.fill(fill, column.length);
  return larger;
}

/**
 * A column of zeros of the kind of `column`, in shared memory, though nobody shares it: of that the engine counts nothing as its own. Columns of copies, which come and go,
 * would otherwise make it collect garbage every second time, all of it at once (a million tasks: 200 to 350 ms).
 */
export function sharedColumn<T extends TypedArray>(column: T, length = column.length): T {
  return new (column.constructor as new (buffer: SharedArrayBuffer) => T)(new SharedArrayBuffer(length * column.BYTES_PER_ELEMENT));
}

/** Whether the memory of `spare`, a copy that nobody uses any more, is of the right size for a copy of `table`. */
export const isAlike = (spare: RowTable, table: RowTable): boolean =>
  spare.capacity === table.capacity && spare.columns.length === table.columns.length && spare.columns.every((column, c) => column.length === table.columns[c]!.length);

/** Doubling, so that adding rows one by one copies each a constant number of times. */
export const capacityFor = (rows: number, present: number): number => (rows <= present ? present : Math.max(rows, present * 2, 64));

/** Rows of a map made, or of a table copied one by one, in a step: a few hundred microseconds. */
export const rowsPerStep = 1_000;

/** Strings to small integers and back, in the order in which they were first seen. */
export class Interner {
  names: string[] = [];
  #rows = new RowIndex(this.names, () => true);

  constructor(names: Iterable<string> = []) { for (const name of names) this.rowOf(name); }

  find(name: string): number | undefined { return this.#rows.get(name); }

  rowOf(name: string): number {
    const known = this.#rows.get(name);
    if (known !== undefined) return known;
    const row = this.names.length;
    this.names.push(name);
    this.#rows.set(name, row);
    return row;
  }

  copy(): Interner {
    const copy = new Interner();
    copy.names = this.names.slice();
    copy.#rows = RowIndex.of(copy.names, () => true);
    return copy;
  }
}

/**
 * Rows by what they stand for. That of a copied table is made when it is first asked: whoever only looks at rows pays for copies of arrays, not for a
 * map of a million strings (200,000 tasks: 3 ms instead of 40).
 */
export class RowIndex {
  #rows: ShardedMap<number> | undefined = new ShardedMap();

  /** `isThere`: rows that stand for nothing (any more) are left out. */
  constructor(private readonly ids: readonly string[], private readonly isThere: (row: number) => boolean) {}

  /** Of a table that is filled already. */
  static of(ids: readonly string[], isThere: (row: number) => boolean): RowIndex {
    const index = new RowIndex(ids, isThere);
    index.#rows = undefined;
    return index;
  }

  get(id: string): number | undefined { return (this.#rows ?? this.#make()).get(id); }
  set(id: string, row: number): void { this.#rows?.set(id, row); }
  delete(id: string): void { this.#rows?.delete(id); }

  #make(): ShardedMap<number> {
    for (const _ of this.makeSteps());
    return this.#rows!;
  }

  /** Makes it before it is asked for; the table must not change meanwhile. */
  *makeSteps(): Generator<void> {
    if (this.#rows) return;
    const rows = new ShardedMap<number>();
    for (let row = 0; row < this.ids.length; row++) {
      if (this.isThere(row)) rows.set(this.ids[row]!, row);
      if (row % rowsPerStep === rowsPerStep - 1) yield;
    }
    this.#rows = rows;
  }
}

/** A table as whoever copies it sees it. Every column has as many entries for each row as every other row of it has; columns that come later come last, or are empty before. */
export interface RowTable {
  readonly size: number;
  readonly capacity: number;
  readonly columns: readonly TypedArray[];
  readonly lists: readonly unknown[][];
}
