import type { Revision, Task } from "../model/index.js";
import type { TableName, Tables } from "./api.js";

/** What rows are found by beside their id. A key of undefined: the row is not in that index. */
type KeyOf<T> = (row: T) => string | undefined;

const indexesOf: { readonly [K in TableName]: Readonly<Record<string, KeyOf<Tables[K]>>> } = {
  cluster: { name: (row) => row.spec?.name },
  node: { name: (row) => row.description?.hostname },
  service: { name: (row) => row.spec?.name },
  network: { name: (row) => row.spec?.name },
  revision: { service: (row: Revision) => row.serviceId },
  task: { service: (row: Task) => row.serviceId, node: (row: Task) => row.nodeId || undefined, slot: (row: Task) => slotKey(row.serviceId, row.slot) },
};

export const tableNames = Object.keys(indexesOf) as readonly TableName[];
export const slotKey = (serviceId: string, slot: number): string => `${serviceId}/${slot}`;

type Row = { readonly id: string };

/** Rows by id and by each of the table's indexes. Rows are immutable, so that a list of them is a consistent snapshot. */
export class Table<T extends Row = Row> {
  readonly #rows = new Map<string, T>();
  readonly #indexes: { readonly name: string; readonly keyOf: KeyOf<T>; readonly index: Index<T> }[];

  constructor(name: TableName) {
    this.#indexes = Object.entries(indexesOf[name]).map(([index, keyOf]) => ({ name: index, keyOf: keyOf as unknown as KeyOf<T>, index: new Index<T>() }));
  }

  get size(): number { return this.#rows.size; }
  get(id: string): T | undefined { return this.#rows.get(id); }
  has(id: string): boolean { return this.#rows.has(id); }
  rows(): Iterable<T> { return this.#rows.values(); }
  find(index: string, key: string): Iterable<T> {
    return this.#indexes.find(({ name }) => name === index)?.index.find(key) ?? [];
  }

  set(row: T): void {
    const previous = this.#rows.get(row.id);
    this.#rows.set(row.id, row);
    for (const { keyOf, index } of this.#indexes) {
      const [before, after] = [previous && keyOf(previous), keyOf(row)];
      if (before !== undefined && before !== after) index.delete(before, row.id);
      if (after !== undefined) index.set(after, row);
    }
  }

  delete(id: string): void {
    const previous = this.#rows.get(id);
    if (!previous) return;
    this.#rows.delete(id);
    for (const { keyOf, index } of this.#indexes) {
      const key = keyOf(previous);
      if (key !== undefined) index.delete(key, id);
    }
  }

  clear(): void {
    this.#rows.clear();
    for (const { index } of this.#indexes) index.clear();
  }
}

/** A bucket with one row is the row itself: of a million slots nearly all hold one or two tasks, and a Map each would cost 200 MB. */
class Index<T extends Row> {
  readonly #buckets = new Map<string, T | Map<string, T>>();

  find(key: string): Iterable<T> {
    const bucket = this.#buckets.get(key);
    if (bucket === undefined) return [];
    return bucket instanceof Map ? bucket.values() : [bucket];
  }

  set(key: string, row: T): void {
    const bucket = this.#buckets.get(key);
    if (bucket instanceof Map) bucket.set(row.id, row);
    else if (bucket === undefined || bucket.id === row.id) this.#buckets.set(key, row);
    else this.#buckets.set(key, new Map([[bucket.id, bucket], [row.id, row]]));
  }

  delete(key: string, id: string): void {
    const bucket = this.#buckets.get(key);
    if (bucket instanceof Map) {
      bucket.delete(id);
      if (bucket.size === 1) for (const last of bucket.values()) this.#buckets.set(key, last);
    } else if (bucket?.id === id) this.#buckets.delete(key);
  }

  clear(): void { this.#buckets.clear(); }
}
