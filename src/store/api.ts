import type { Cluster, Network, Node, Revision, Service, Task, Volume } from "../model/index.js";

/** What the store holds, by table. */
export interface Tables { cluster: Cluster; node: Node; service: Service; revision: Revision; task: Task; network: Network; volume: Volume }
export type TableName = keyof Tables;

/**
 * A consistent view; valid only until the function it was given to returns. Objects are shared and frozen: copy to change
 * (`{ ...task, nodeId }`).
 */
export interface ReadTx {
  get<K extends TableName>(table: K, id: string): Tables[K] | undefined;
  list<K extends TableName>(table: K): Tables[K][];
  /** Service, node, network, volume by name (node: hostname, may be several; task: none). */
  byName<K extends "service" | "network" | "volume" | "node" | "cluster">(table: K, name: string): Tables[K][];
  tasksOfService(serviceId: string): Task[];
  tasksOfNode(nodeId: string): Task[];
  /** Looks through the service's tasks. */
  tasksOfSlot(serviceId: string, slot: number): Task[];
  revisionsOfService(serviceId: string): Revision[];
  /** The one cluster object. */
  cluster(): Cluster;
  /** Raft index of this view. */
  readonly index: number;
}

/**
 * What is written is copied: fields that the type does not have are left out, and missing ones get their zero value, as on every replica. Parts that
 * are those of the present object (`{ ...task, nodeId }`: its status, its networks) stay the same objects in the new one.
 */
export interface WriteTx extends ReadTx {
  /** Whether a change of the object is in flight or made here: what `watch` last told of it is out of date. Costs nearly nothing, unlike getting one of many objects. */
  isChanging(table: TableName, id: string): boolean;
  /** Throws ALREADY_EXISTS for a taken id. Meta is set by the store. */
  create<K extends TableName>(table: K, object: Tables[K]): void;
  /** Throws NOT_FOUND; ABORTED when object.meta.version is not the present one. */
  update<K extends TableName>(table: K, object: Tables[K]): void;
  remove<K extends TableName>(table: K, id: string): void;
}

export type Change = {
  [K in TableName]: { readonly table: K; readonly kind: "created" | "updated" | "removed"; readonly object: Tables[K]; readonly previous: Tables[K] | undefined }
}[TableName];

/** One committed transaction. `changes` is empty exactly when the whole state was replaced by a snapshot: look again at everything. */
export interface Commit { readonly index: number; readonly changes: readonly Change[] }

export interface Store {
  view<T>(read: (tx: ReadTx) => T): T;
  /**
   * Leader only. Runs `write` now, against committed state plus what is in flight; resolves with its result once the changes are
   * committed and applied; what it throws changes nothing. No change: resolves at once. Pipelined.
   */
  update<T>(write: (tx: WriteTx) => T): Promise<T>;
  /** Called after each commit, in order, synchronously: take note and return. Returns the handle that ends it. */
  watch(listener: (commit: Commit) => void): () => void;
  readonly index: number;
}

/** What the store needs from replication. */
export interface Proposer {
  /** Resolves when committed and applied here; rejects with SwarmError UNAVAILABLE (not leader, leadership lost). */
  propose(data: Uint8Array): Promise<void>;
  readonly isLeader: boolean;
}
