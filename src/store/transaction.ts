import { SwarmError, assert } from "../lib/index.js";
import type { Cluster, Revision, Task } from "../model/index.js";
import type { ReadTx, TableName, Tables, WriteTx } from "./api.js";
import { deepFreeze } from "./freeze.js";
import { Layer, type Write } from "./layer.js";
import { slotKey, type Table } from "./table.js";

/** Reads through layers, bottom first: what a higher one decides about hides the lower ones. */
export class LayeredReader implements ReadTx {
  constructor(private readonly layers: readonly Layer[], readonly index: number) {}

  get<K extends TableName>(table: K, id: string): Tables[K] | undefined {
    for (let i = this.layers.length - 1; i > 0; i--) {
      const layer = this.layers[i]!;
      if (layer.decides(table, id)) return layer.tables[table].get(id) as Tables[K] | undefined;
    }
    return this.layers[0]!.tables[table].get(id) as Tables[K] | undefined;
  }

  list<K extends TableName>(table: K): Tables[K][] { return this.#collect(table, (rows) => rows.rows()); }
  byName<K extends "service" | "network" | "node" | "cluster">(table: K, name: string): Tables[K][] { return this.#collect(table, (rows) => rows.find("name", name)); }
  tasksOfService(serviceId: string): Task[] { return this.#collect("task", (rows) => rows.find("service", serviceId)); }
  tasksOfNode(nodeId: string): Task[] { return this.#collect("task", (rows) => rows.find("node", nodeId)); }
  tasksOfSlot(serviceId: string, slot: number): Task[] { return this.#collect("task", (rows) => rows.find("slot", slotKey(serviceId, slot))); }
  revisionsOfService(serviceId: string): Revision[] { return this.#collect("revision", (rows) => rows.find("service", serviceId)); }

  cluster(): Cluster {
    const [cluster] = this.list("cluster");
    if (!cluster) throw new SwarmError("UNAVAILABLE", "the cluster's state has not reached this manager yet; try again in a moment");
    return cluster;
  }

  #collect<K extends TableName>(table: K, select: (rows: Table<Tables[K]>) => Iterable<Tables[K]>): Tables[K][] {
    const relevant = this.layers.filter((layer, i) => i === 0 || !layer.isEmptyFor(table));
    const [bottom, ...above] = relevant as [Layer, ...Layer[]];
    const found = select(bottom.tables[table] as unknown as Table<Tables[K]>);
    if (above.length === 0) return [...found];
    const rows: Tables[K][] = [];
    const take = (from: Iterable<Tables[K]>, hiders: readonly Layer[]) => {
      for (const row of from) if (!hiders.some((layer) => layer.decides(table, row.id))) rows.push(row);
    };
    take(found, above);
    above.forEach((layer, i) => take(select(layer.tables[table] as unknown as Table<Tables[K]>), above.slice(i + 1)));
    return rows;
  }
}

/** Collects one transaction's writes in a layer of its own on top of what it reads. */
export class Transaction extends LayeredReader implements WriteTx {
  readonly #own: Layer;
  readonly #below: LayeredReader;
  readonly #writes = new Map<string, Write>();
  #isOpen = true;

  /** `provisionalVersion` stands for the raft index that the changes will get; unlike any version that was read before. */
  constructor(layers: readonly Layer[], index: number, private readonly options: { readonly provisionalVersion: number; readonly nowMs: number }) {
    const own = new Layer();
    super([...layers, own], index);
    this.#own = own;
    this.#below = new LayeredReader(layers, index);
  }

  /** Last write of each object, in the order of the first. An object that was created and removed again is not among them. */
  close(): readonly Write[] {
    this.#isOpen = false;
    return [...this.#writes.values()];
  }

  create<K extends TableName>(table: K, object: Tables[K]): void {
    assert(object.id !== "", `a new ${table} has an id`);
    if (this.get(table, object.id)) throw new SwarmError("ALREADY_EXISTS", `Cannot create ${table} "${object.id}": the id is taken.`);
    this.#put(table, object, { createdAtMs: this.options.nowMs, isCreation: true });
  }

  update<K extends TableName>(table: K, object: Tables[K]): void {
    const present = this.get(table, object.id);
    if (!present) throw new SwarmError("NOT_FOUND", `Cannot update ${table} "${object.id}": it does not exist any more.`);
    if (object.meta?.version !== present.meta?.version) {
      throw new SwarmError("ABORTED", `Cannot update ${table} "${object.id}": it has changed since it was read (version ${object.meta?.version ?? 0}, now ${present.meta?.version}); read it again and retry.`);
    }
    const isCreation = this.#writes.get(keyOf(table, object.id))?.isCreation ?? false;
    this.#put(table, object, { createdAtMs: present.meta?.createdAtMs ?? this.options.nowMs, isCreation });
  }

  remove<K extends TableName>(table: K, id: string): void {
    if (!this.get(table, id)) throw new SwarmError("NOT_FOUND", `Cannot remove ${table} "${id}": it does not exist any more.`);
    if (this.#below.get(table, id)) return this.#write({ table, id, object: undefined, isCreation: false });
    this.#own.forget(table, id);
    this.#writes.delete(keyOf(table, id));
  }

  #put<K extends TableName>(table: K, object: Tables[K], { createdAtMs, isCreation }: { createdAtMs: number; isCreation: boolean }): void {
    const meta = { version: this.options.provisionalVersion, createdAtMs, updatedAtMs: this.options.nowMs };
    this.#write({ table, id: object.id, object: deepFreeze({ ...object, meta }), isCreation });
  }

  #write(write: Write): void {
    assert(this.#isOpen, "a transaction is used only until its function returns");
    this.#own.write(write);
    this.#writes.set(keyOf(write.table, write.id), write);
  }
}

const keyOf = (table: TableName, id: string): string => `${table}/${id}`;
