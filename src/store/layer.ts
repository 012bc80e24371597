import type { TableName, Tables } from "./api.js";
import { Table, tableNames } from "./table.js";

/** One write: the object as it will be, or undefined for a removal. */
export interface Write { readonly table: TableName; readonly id: string; readonly object: Tables[TableName] | undefined; readonly isCreation: boolean }

/** All tables; above another layer also what it hides of the one below. */
export class Layer {
  readonly tables = Object.fromEntries(tableNames.map((name) => [name, new Table(name)])) as unknown as { readonly [K in TableName]: Table<Tables[K]> };
  readonly #removed = Object.fromEntries(tableNames.map((name) => [name, new Set<string>()])) as Record<TableName, Set<string>>;

  write({ table, id, object }: Write): void {
    if (object === undefined) {
      this.tables[table].delete(id);
      this.#removed[table].add(id);
    } else {
      (this.tables[table] as unknown as Table).set(object);
      this.#removed[table].delete(id);
    }
  }

  /** Says nothing about this row any more: the layer below shows through. */
  forget(table: TableName, id: string): void {
    this.tables[table].delete(id);
    this.#removed[table].delete(id);
  }

  /** Whether this layer decides about the row. */
  decides(table: TableName, id: string): boolean { return this.tables[table].has(id) || this.#removed[table].has(id); }
  isEmptyFor(table: TableName): boolean { return this.tables[table].size === 0 && this.#removed[table].size === 0; }

  clear(): void {
    for (const name of tableNames) { this.tables[name].clear(); this.#removed[name].clear(); }
  }
}
