import type { TableName } from "./api.js";
import { Table, tableNames, type IndexName, type Row } from "./table.js";

export type Meta = NonNullable<Row["meta"]>;
/** A row in the making. */
export type OpenRow = Row & { meta: Meta | null };

/** One write that is not applied. */
export interface Write {
  readonly table: TableName;
  readonly id: string;
  /** The object as it will be, or undefined for a removal. Without meta and not frozen: it becomes the row once its raft index is known. Nobody outside is given it. */
  readonly object: OpenRow | undefined;
  readonly isCreation: boolean;
  /** Stands in until then. */
  readonly meta: Meta;
  /** Where it stands in its transaction. */
  readonly place: number;
  /** What those see who read it before it is applied: made when one does, which is seldom. */
  shown: Row | undefined;
}

/** What a transaction that runs now sees of a write; undefined: the object is gone. */
export function shownBy(write: Write): Row | undefined {
  if (write.object === undefined) return undefined;
  return write.shown ??= Object.freeze({ ...write.object, meta: write.meta });
}

/** Writes to one table, the last of each object: they hide its rows. */
export class PendingTable {
  readonly #writes = new Map<string, Write>();
  /** What is found by index: most transactions only get and update by id, so it is made when one searches, and let go of when nothing is pending. */
  #found: Table | undefined;

  constructor(private readonly name: TableName) {}

  get size(): number { return this.#writes.size; }
  get(id: string): Write | undefined { return this.#writes.get(id); }

  set(write: Write): void {
    this.#writes.set(write.id, write);
    if (this.#found) note(this.#found, write);
  }

  delete(id: string): void {
    this.#writes.delete(id);
    if (this.#writes.size === 0) this.#found = undefined;
    else this.#found?.delete(id);
  }

  clear(): void {
    this.#writes.clear();
    this.#found = undefined;
  }

  rows(): Row[] {
    const rows: Row[] = [];
    for (const write of this.#writes.values()) {
      const row = shownBy(write);
      if (row) rows.push(row);
    }
    return rows;
  }

  find(index: IndexName, key: string): Row[] {
    if (!this.#found) {
      this.#found = new Table(this.name);
      for (const write of this.#writes.values()) note(this.#found, write);
    }
    return this.#found.find(index, key);
  }
}

function note(found: Table, write: Write): void {
  const row = shownBy(write);
  if (row) found.set(row); else found.delete(write.id);
}

export type PendingTables = { readonly [K in TableName]: PendingTable };

export const newPendingTables = (): PendingTables => Object.fromEntries(tableNames.map((name) => [name, new PendingTable(name)])) as PendingTables;
