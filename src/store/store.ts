import { SwarmError, assert, messageOf, type Clock, type Logger } from "../lib/index.js";
import type { Change, Commit, Proposer, ReadTx, Store, TableName, Tables, WriteTx } from "./api.js";
import { decodeSnapshot, decodeTransaction, encodeSnapshot, encodeTransaction, type StoredTransaction } from "./codec.js";
import { deepFreeze } from "./freeze.js";
import { Layer, type Write } from "./layer.js";
import { LayeredReader, Transaction } from "./transaction.js";
import { tableNames, type Table } from "./table.js";

/** The store as replication sees it: a state machine, and where its proposals go. */
export interface ReplicatedStore extends Store {
  /** Committed entries in index order, each once. */
  applyEntries(entries: readonly { readonly index: number; readonly data: Uint8Array }[]): void;
  /** The state as of this call, in chunks; later entries do not show in it. */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces the whole state; what is in flight is rejected. Reads see the old state until the last chunk was read. */
  restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void>;
  /** Until it is called, `update` rejects: there is no leader. */
  setProposer(proposer: Proposer): void;
}

export interface StoreOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** [0, 1): transaction ids. */
  readonly random?: () => number;
}

/** In every refusal that comes before anything was proposed: the call may be made again, at the leader. */
export const notLeaderMessage = "this manager is not the leader";

export function createStore(options: StoreOptions): ReplicatedStore {
  return new ReplicatedTables(options);
}

/** A transaction that ran here and is not settled. */
interface InFlight {
  readonly id: number;
  readonly writes: readonly Write[];
  readonly reject: (error: SwarmError) => void;
  state: "proposed" | "applied" | "skipped" | "dropped";
}

class ReplicatedTables implements ReplicatedStore {
  #committed = new Layer();
  /** What #inFlight will have changed once all of it is committed. `#writer` says which transaction last decided about a row. */
  readonly #overlay = new Layer();
  readonly #writer = new Map<string, number>();
  #inFlight: InFlight[] = [];
  #index = 0;
  #lastTransaction = 0;
  #sequence = 0;
  #isWriting = false;
  #proposer: Proposer | undefined;
  readonly #listeners = new Set<(commit: Commit) => void>();
  readonly #random: () => number;

  constructor(private readonly options: StoreOptions) { this.#random = options.random ?? Math.random; }

  get index(): number { return this.#index; }
  setProposer(proposer: Proposer): void { this.#proposer = proposer; }
  view<T>(read: (tx: ReadTx) => T): T { return read(new LayeredReader([this.#committed], this.#index)); }

  watch(listener: (commit: Commit) => void): () => void {
    const entry = (commit: Commit) => listener(commit);   // the same function may watch twice
    this.#listeners.add(entry);
    return () => { this.#listeners.delete(entry); };
  }

  update<T>(write: (tx: WriteTx) => T): Promise<T> {
    try {
      return this.#run(write);
    } catch (error) { return Promise.reject(error as Error); }
  }

  #run<T>(write: (tx: WriteTx) => T): Promise<T> {
    assert(!this.#isWriting, "no transaction runs inside another");
    if (!this.#proposer?.isLeader) throw new SwarmError("UNAVAILABLE", `Cannot write the cluster's state: ${notLeaderMessage}`);
    const nowMs = this.options.clock.now();
    const tx = new Transaction([this.#committed, this.#overlay], this.#index, { provisionalVersion: -++this.#sequence, nowMs });
    let result: T;
    this.#isWriting = true;
    try { result = write(tx); } finally { this.#isWriting = false; }
    const writes = tx.close();
    if (writes.length === 0) return Promise.resolve(result);

    const id = 1 + Math.floor(this.#random() * 2 ** 52);
    const data = encodeTransaction({ id, after: this.#inFlight.at(-1)?.id ?? 0, timestampMs: nowMs, writes });
    return new Promise<T>((resolve, reject) => {
      const entry: InFlight = { id, writes, reject, state: "proposed" };
      this.#inFlight.push(entry);
      for (const w of writes) this.#overWrite(w, id);
      this.#proposer!.propose(data).then(
        () => {
          if (entry.state === "applied") return resolve(result);
          this.#drop(entry, new SwarmError("UNAVAILABLE", "Cannot store the change: a change before it was lost; try again."));
        },
        (error: unknown) => this.#drop(entry, error instanceof SwarmError ? error : new SwarmError("UNAVAILABLE", `Cannot store the change: ${messageOf(error)}.`, { cause: error })),
      );
    });
  }

  applyEntries(entries: readonly { readonly index: number; readonly data: Uint8Array }[]): void {
    for (const { index, data } of entries) {
      assert(index > this.#index, `entries are applied in order (${index} after ${this.#index})`);
      const transaction = decodeTransaction(data);
      this.#index = index;
      const own = this.#inFlight.find(({ id }) => id === transaction.id);
      if (transaction.after !== 0 && transaction.after !== this.#lastTransaction) {
        this.options.log.warn("skipped a transaction: one that it was built on was lost", { index });
        if (own) own.state = "skipped";
        continue;
      }
      this.#lastTransaction = transaction.id;
      const changes = this.#apply(transaction, index);
      if (own) this.#settle(own);
      if (changes.length > 0) this.#publish({ index, changes });
    }
  }

  snapshot(): AsyncIterable<Uint8Array> {
    // Rows are immutable: arrays of references, taken in this turn, are the snapshot (10 ms for a million rows).
    const tables = tableNames.map((table) => ({ table, rows: [...this.#committed.tables[table].rows()] }));
    return encodeSnapshot({ index: this.#index, lastTransaction: this.#lastTransaction }, tables);
  }

  async restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void> {
    const restored = new Layer();
    const header = await decodeSnapshot(chunks, (table, object) => (restored.tables[table] as unknown as Table).set(object));
    this.#committed = restored;
    this.#index = index;
    this.#lastTransaction = header.lastTransaction;
    const [first] = this.#inFlight;
    if (first) this.#drop(first, new SwarmError("UNAVAILABLE", "Cannot tell whether the change was stored: this manager fell behind and was given a new copy of the state; look, and try again."));
    this.#publish({ index, changes: [] });
  }

  #apply(transaction: StoredTransaction, index: number): Change[] {
    const changes: Change[] = [];
    for (const { table, id, object, isCreation } of transaction.writes) {
      const rows = this.#committed.tables[table] as unknown as Table<Tables[TableName]>;
      const previous = rows.get(id);
      if (object === undefined) {
        if (!previous) continue;
        rows.delete(id);
        changes.push({ table, kind: "removed", object: previous, previous } as Change);
        continue;
      }
      const createdAtMs = isCreation || !previous ? transaction.timestampMs : previous.meta!.createdAtMs;
      const stamped = deepFreeze({ ...object, meta: { version: index, createdAtMs, updatedAtMs: transaction.timestampMs } });
      rows.set(stamped);
      changes.push({ table, kind: previous ? "updated" : "created", object: stamped, previous } as Change);
    }
    return changes;
  }

  #publish(commit: Commit): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(commit);
      } catch (error) {
        this.options.log.error("a listener of the store failed", { index: commit.index, error: error instanceof Error ? error.stack ?? error.message : String(error) });
      }
    }
  }

  #overWrite(write: Write, id: number): void {
    this.#overlay.write(write);
    this.#writer.set(`${write.table}/${write.id}`, id);
  }

  /** Its changes are committed: the overlay lets go of the rows that nothing later in flight decides about. */
  #settle(entry: InFlight): void {
    entry.state = "applied";
    this.#inFlight = this.#inFlight.filter((other) => other !== entry);
    for (const { table, id } of entry.writes) {
      const key = `${table}/${id}`;
      if (this.#writer.get(key) !== entry.id) continue;
      this.#writer.delete(key);
      this.#overlay.forget(table, id);
    }
  }

  /** `entry` failed: whatever ran after it saw changes that will not be, and fails with it. */
  #drop(entry: InFlight, error: SwarmError): void {
    if (entry.state === "dropped") return;
    const at = this.#inFlight.indexOf(entry);
    if (at < 0) return entry.reject(error);   // applied and nevertheless failed: replication could not say so
    const dropped = this.#inFlight.slice(at);
    this.#inFlight = this.#inFlight.slice(0, at);
    this.#overlay.clear();
    this.#writer.clear();
    for (const kept of this.#inFlight) for (const write of kept.writes) this.#overWrite(write, kept.id);
    for (const one of dropped) {
      one.state = "dropped";
      one.reject(one === entry ? error : new SwarmError("UNAVAILABLE", `Cannot store the change: one that it was built on failed (${error.message})`, { cause: error }));
    }
  }
}
