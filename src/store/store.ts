import { SwarmError, assert, messageOf, type Clock, type Logger } from "../lib/index.js";
import type { Change, Commit, Proposer, ReadTx, Store, WriteTx } from "./api.js";
import { decodeSnapshot, decodeTransaction, encodeSnapshot, encodeTransaction, type StoredTransaction } from "./codec.js";
import { newPendingTables, type Meta, type Write } from "./pending.js";
import { Reader, Transaction, newTables } from "./transaction.js";
import { tableNames } from "./table.js";

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
interface InFlight extends StoredTransaction {
  readonly writes: readonly Write[];
  /** As proposed. */
  readonly data: Uint8Array;
  readonly reject: (error: SwarmError) => void;
  state: "proposed" | "applied" | "skipped" | "dropped";
}

class ReplicatedTables implements ReplicatedStore {
  #committed = newTables();
  /** What #inFlight will have changed once all of it is committed. */
  readonly #pending = newPendingTables();
  /** Oldest first. */
  #inFlight: InFlight[] = [];
  #index = 0;
  #lastTransaction = 0;
  #sequence = 0;
  #isWriting = false;
  #proposer: Proposer | undefined;
  /** Replaced when it changes, so that who watches or stops watching meanwhile does not disturb a commit that is being told. */
  #listeners: readonly ((commit: Commit) => void)[] = [];
  readonly #random: () => number;

  constructor(private readonly options: StoreOptions) { this.#random = options.random ?? Math.random; }

  get index(): number { return this.#index; }
  setProposer(proposer: Proposer): void { this.#proposer = proposer; }
  view<T>(read: (tx: ReadTx) => T): T { return read(new Reader(this.#committed, this.#index)); }

  watch(listener: (commit: Commit) => void): () => void {
    const entry = (commit: Commit) => listener(commit);   // the same function may watch twice
    this.#listeners = [...this.#listeners, entry];
    return () => { this.#listeners = this.#listeners.filter((other) => other !== entry); };
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
    const tx = new Transaction(this.#committed, this.#pending, this.#index, { provisionalVersion: -++this.#sequence, nowMs });
    let result: T;
    this.#isWriting = true;
    try { result = write(tx); } finally { this.#isWriting = false; }
    const writes = tx.close();
    if (writes.length === 0) return Promise.resolve(result);

    const id = 1 + Math.floor(this.#random() * 2 ** 52);
    const transaction = { id, after: this.#inFlight.at(-1)?.id ?? 0, timestampMs: nowMs, writes };
    const data = encodeTransaction(transaction);
    return new Promise<T>((resolve, reject) => {
      const entry: InFlight = { ...transaction, data, reject, state: "proposed" };
      this.#inFlight.push(entry);
      for (const w of writes) this.#pending[w.table].set(w);
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
      const oldest = this.#inFlight[0];
      // What was proposed here need not be read again, which is two thirds of the work: its writes are canonical, so that other replicas read the same.
      const isOldest = oldest !== undefined && isSameData(oldest.data, data);
      const transaction: StoredTransaction = isOldest ? oldest : decodeTransaction(data);
      const own = isOldest ? oldest : this.#inFlight.find(({ id }) => id === transaction.id);
      this.#index = index;
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
    // Rows are immutable: arrays of references, taken in this turn, are the snapshot (20 ms for a million rows).
    const tables = tableNames.map((table) => ({ table, rows: this.#committed[table].rows() }));
    return encodeSnapshot({ index: this.#index, lastTransaction: this.#lastTransaction }, tables);
  }

  async restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void> {
    const restored = newTables();
    const header = await decodeSnapshot(chunks, (table, row) => { restored[table].set(row); });
    this.#committed = restored;
    this.#index = index;
    this.#lastTransaction = header.lastTransaction;
    const [first] = this.#inFlight;
    if (first) this.#drop(first, new SwarmError("UNAVAILABLE", "Cannot tell whether the change was stored: this manager fell behind and was given a new copy of the state; look, and try again."));
    this.#publish({ index, changes: [] });
  }

  #apply({ writes, timestampMs }: StoredTransaction, index: number): Change[] {
    const changes: Change[] = [];
    let meta: Meta | undefined;
    for (const { table, id, object, isCreation } of writes) {
      const rows = this.#committed[table];
      if (object === undefined) {
        const previous = rows.delete(id);
        if (previous) changes.push({ table, kind: "removed", object: previous, previous } as Change);
        continue;
      }
      const cell = rows.cellOf(id);
      const previous = cell?.row;
      const createdAtMs = isCreation ? timestampMs : previous?.meta?.createdAtMs ?? timestampMs;
      // Rows of the same age share it, which saves 80 bytes each.
      if (meta?.createdAtMs !== createdAtMs) meta = Object.freeze({ version: index, createdAtMs, updatedAtMs: timestampMs });
      object.meta = meta;
      rows.setIn(cell, Object.freeze(object));
      changes.push({ table, kind: previous ? "updated" : "created", object, previous } as Change);
    }
    return changes;
  }

  #publish(commit: Commit): void {
    for (const listener of this.#listeners) {
      try {
        listener(commit);
      } catch (error) {
        this.options.log.error("a listener of the store failed", { index: commit.index, error: error instanceof Error ? error.stack ?? error.message : String(error) });
      }
    }
  }

  /** Its changes are committed: what is pending lets go of the rows that nothing later in flight writes. */
  #settle(entry: InFlight): void {
    entry.state = "applied";
    if (this.#inFlight[0] === entry) this.#inFlight.shift();
    else this.#inFlight = this.#inFlight.filter((other) => other !== entry);
    for (const write of entry.writes) {
      const pending = this.#pending[write.table];
      if (pending.get(write.id) === write) pending.delete(write.id);
    }
  }

  /** `entry` failed: whatever ran after it saw changes that will not be, and fails with it. */
  #drop(entry: InFlight, error: SwarmError): void {
    if (entry.state === "dropped") return;
    const at = this.#inFlight.indexOf(entry);
    if (at < 0) return entry.reject(error);   // applied and nevertheless failed: replication could not say so
    const dropped = this.#inFlight.slice(at);
    this.#inFlight = this.#inFlight.slice(0, at);
    for (const table of tableNames) this.#pending[table].clear();
    for (const kept of this.#inFlight) for (const write of kept.writes) this.#pending[write.table].set(write);
    for (const one of dropped) {
      one.state = "dropped";
      one.reject(one === entry ? error : new SwarmError("UNAVAILABLE", `Cannot store the change: one that it was built on failed (${error.message})`, { cause: error }));
    }
  }
}

/** Raft gives the leader the very bytes that it was given. */
const isSameData = (a: Uint8Array, b: Uint8Array): boolean => a === b || (a.byteLength === b.byteLength && Buffer.compare(a, b) === 0);
