/**
 * raft-ts replicates a log of opaque bytes over a group of members: a deterministic core (core/), a write-ahead log and snapshots on disk (wal/), a
 * driver that joins them (node.ts), and a transport over gRPC (grpc-transport.ts). In: `propose(bytes)`. Out: `StateMachine.apply`, on every member in one order.
 * It knows nothing of what the bytes mean, and imports nothing of the project around it.
 */
export * from "./api.js";
export { RaftNode } from "./node.js";
export { GrpcTransport, type GrpcTransportOptions, type IncomingCall } from "./grpc-transport.js";
export type { PeerTarget } from "./grpc-peer.js";
