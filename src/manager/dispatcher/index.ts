/**
 * Managers' side of the agents' sessions, on every manager. In: the local replica of the store, agents' messages. Out: what each node
 * must hold (complete, then changes), nodes' states and tasks' statuses written by the leader. Sessions, heartbeats and assignments are
 * served from the local replica; only writes go to the leader. Decides nothing about where tasks run or whether they restart.
 */
export { startDispatcher, type Dispatcher, type DispatcherOptions, type SessionHandle } from "./dispatcher.js";
export type { LeaderView } from "./status-intake.js";
export { UsageTable, type HostUse, type TaskUse } from "./usage-table.js";
