/**
 * The replicated tables: transactions, indexes, watching, snapshots. In: functions that read and write; committed entries. Out:
 * proposals; commits. A transaction runs on the leader against committed state plus what is in flight; every replica applies the
 * resulting changes. Does not know Raft (replication.ts joins the two) and does not judge what is written (control-api does).
 */
export type { Change, Commit, Proposer, ReadTx, Store, TableName, Tables, WriteTx } from "./api.js";
export { createStore, notLeaderMessage, type ReplicatedStore, type StoreOptions } from "./store.js";
export { maxTransactionBytes } from "./codec.js";
