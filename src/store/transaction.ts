import { SwarmError, assert } from "../lib/index.js";
import type { Cluster, Revision, Task } from "../model/index.js";
import type { ReadTx, TableName, Tables, WriteTx } from "./api.js";
import { canonicalRow } from "./codec.js";
import { PendingTable, shownBy, type Meta, type PendingTables, type Write } from "./pending.js";
import { Table, tableNames, type IndexName, type Row } from "./table.js";

export type CommittedTables = { readonly [K in TableName]: Table };

export const newTables = (): CommittedTables => Object.fromEntries(tableNames.map((name) => [name, new Table(name)])) as CommittedTables;

/** Reads what is committed. */
export class Reader implements ReadTx {
  constructor(protected readonly committed: CommittedTables, readonly index: number) {}

  get<K extends TableName>(table: K, id: string): Tables[K] | undefined { return this.committed[table].get(id) as Tables[K] | undefined; }
  list<K extends TableName>(table: K): Tables[K][] { return this.all(table) as Tables[K][]; }
  byName<K extends "service" | "network" | "volume" | "node" | "cluster">(table: K, name: string): Tables[K][] { return this.find(table, "name", name) as Tables[K][]; }
  tasksOfService(serviceId: string): Task[] { return this.find("task", "service", serviceId) as Task[]; }
  tasksOfNode(nodeId: string): Task[] { return this.find("task", "node", nodeId) as Task[]; }
  /** No index of its own, which would cost 120 bytes a task: it is asked for by people only, who name one task. */
  tasksOfSlot(serviceId: string, slot: number): Task[] { return this.tasksOfService(serviceId).filter((task) => task.slot === slot); }
  revisionsOfService(serviceId: string): Revision[] { return this.find("revision", "service", serviceId) as Revision[]; }

  cluster(): Cluster {
    const [cluster] = this.list("cluster");
    if (!cluster) throw new SwarmError("UNAVAILABLE", "the cluster's state has not reached this manager yet; try again in a moment");
    return cluster;
  }

  protected all(table: TableName): Row[] { return this.committed[table].rows(); }
  protected find(table: TableName, index: IndexName, key: string): Row[] { return this.committed[table].find(index, key); }
}

/** Reads also what is in flight and its own writes, and collects these. */
export class Transaction extends Reader implements WriteTx {
  readonly #inFlight: PendingTables;
  readonly #own: { [K in TableName]?: PendingTable } = {};
  /** Last write of each object, in the order of the first; undefined where an object was created and removed again. */
  readonly #writes: (Write | undefined)[] = [];
  readonly #provisionalVersion: number;
  readonly #nowMs: number;
  #meta: Meta | undefined;
  #read: Row | undefined;
  #readFrom: TableName | undefined;
  #isOpen = true;

  /** `provisionalVersion` stands for the raft index that the changes will get; unlike any version that was read before. */
  constructor(committed: CommittedTables, inFlight: PendingTables, index: number, options: { readonly provisionalVersion: number; readonly nowMs: number }) {
    super(committed, index);
    this.#inFlight = inFlight;
    this.#provisionalVersion = options.provisionalVersion;
    this.#nowMs = options.nowMs;
  }

  close(): readonly Write[] {
    this.#isOpen = false;
    return this.#writes.filter((write) => write !== undefined);
  }

  override get<K extends TableName>(table: K, id: string): Tables[K] | undefined {
    const write = this.#pending(table, id);
    return (write ? shownBy(write) : this.#below(table, id)) as Tables[K] | undefined;
  }

  isChanging(table: TableName, id: string): boolean { return this.#pending(table, id) !== undefined; }

  create<K extends TableName>(table: K, object: Tables[K]): void {
    assert(object.id !== "", `a new ${table} has an id`);
    const pending = this.#pending(table, object.id);
    if (pending ? pending.object : this.#below(table, object.id)) throw new SwarmError("ALREADY_EXISTS", `Cannot create ${table} "${object.id}": the id is taken.`);
    this.#write(table, object.id, canonicalRow(table, object, undefined), { createdAtMs: this.#nowMs, isCreation: true, own: this.#own[table]?.get(object.id) });
  }

  update<K extends TableName>(table: K, object: Tables[K]): void {
    const own = this.#own[table]?.get(object.id);
    const pending = own ?? this.#inFlight[table].get(object.id);
    const present = pending ? pending.object : this.#below(table, object.id);
    if (!present) throw new SwarmError("NOT_FOUND", `Cannot update ${table} "${object.id}": it does not exist any more.`);
    const meta = pending ? pending.meta : present.meta!;
    if (object.meta?.version !== meta.version) {
      throw new SwarmError("ABORTED", `Cannot update ${table} "${object.id}": it has changed since it was read (version ${object.meta?.version ?? 0}, now ${meta.version}); read it again and retry.`);
    }
    this.#write(table, object.id, canonicalRow(table, object, present), { createdAtMs: meta.createdAtMs, isCreation: own?.isCreation ?? false, own });
  }

  remove<K extends TableName>(table: K, id: string): void {
    if (!this.get(table, id)) throw new SwarmError("NOT_FOUND", `Cannot remove ${table} "${id}": it does not exist any more.`);
    const own = this.#own[table]?.get(id);
    const inFlight = this.#inFlight[table].get(id);
    if (inFlight ? inFlight.object : this.#below(table, id)) return this.#write(table, id, undefined, { createdAtMs: this.#nowMs, isCreation: false, own });
    this.#writes[own!.place] = undefined;
    this.#own[table]!.delete(id);
  }

  protected override all(table: TableName): Row[] {
    return this.#seen(table, super.all(table), (pending) => pending.rows());
  }

  protected override find(table: TableName, index: IndexName, key: string): Row[] {
    return this.#seen(table, super.find(table, index, key), (pending) => pending.find(index, key));
  }

  /** Each layer hides the rows below that it writes. */
  #seen(table: TableName, committed: Row[], select: (pending: PendingTable) => Row[]): Row[] {
    let rows = committed;
    for (const pending of [this.#inFlight[table], this.#own[table]]) {
      if (!pending || pending.size === 0) continue;
      rows = rows.filter(({ id }) => pending.get(id) === undefined).concat(select(pending));
    }
    return rows;
  }

  #pending(table: TableName, id: string): Write | undefined { return this.#own[table]?.get(id) ?? this.#inFlight[table].get(id); }

  /** Committed. Who updates an object has just read it: a search among a million costs more than the rest of an update. */
  #below(table: TableName, id: string): Row | undefined {
    if (this.#read?.id === id && this.#readFrom === table) return this.#read;
    this.#readFrom = table;
    return this.#read = this.committed[table].get(id);
  }

  /** `own`: what this transaction wrote of the object before. */
  #write(table: TableName, id: string, object: Write["object"], { createdAtMs, isCreation, own }: { createdAtMs: number; isCreation: boolean; own: Write | undefined }): void {
    assert(this.#isOpen, "a transaction is used only until its function returns");
    const place = own?.place ?? this.#writes.length;
    const write: Write = { table, id, object, isCreation, meta: this.#metaOf(createdAtMs), place, shown: undefined };
    this.#writes[place] = write;
    (this.#own[table] ??= new PendingTable(table)).set(write);
  }

  /** Objects of one age share it: a million metas of their own would take 80 MB. */
  #metaOf(createdAtMs: number): Meta {
    if (this.#meta?.createdAtMs !== createdAtMs) this.#meta = Object.freeze({ version: this.#provisionalVersion, createdAtMs, updatedAtMs: this.#nowMs });
    return this.#meta;
  }
}
