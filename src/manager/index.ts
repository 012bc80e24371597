/**
 * One manager: replication, the control API, and while it leads the control loops. In: gRPC servers, an identity, a state directory. Out:
 * their handlers and a handle. Listens on nothing itself, runs no container.
 *
 *   manager.ts          puts the parts together          replication.ts     the only file that knows raft and the store
 *   leadership.ts       loops start and stop with it     raft-transport.ts  raft's messages over mutual TLS
 *   leader-forward.ts   calls reach the leader           membership.ts      becoming a member of the raft group
 *   role-manager.ts     promotion and demotion           bootstrap.ts       a new cluster's first objects
 */
export { startManager, type Manager, type ManagerConfig, type ManagerEnd, type ManagerStart } from "./manager.js";
export type { FirstManager } from "./bootstrap.js";
