/**
 * The public face: a replicated log of opaque bytes. `RaftNode.open` (node.ts) gives a `Raft`; the caller gives a `StateMachine`
 * and a `Transport` (`GrpcTransport` in grpc-transport.ts is one).
 */

/** A raft id: a positive integer below 2^48, chosen at random, never used again after its member was removed. */
export type RaftId = number;

export interface Member {
  readonly id: RaftId;
  readonly isLearner: boolean;
  /** Opaque to raft: address, node id. */
  readonly context: Uint8Array;
  /** An integer from 0, the default: a leader hands over to a voter of higher priority that has kept up for five election timeouts. */
  readonly priority?: number;
  /** A learner that the leader does not promote by itself; `demote` makes one. */
  readonly staysLearner?: boolean;
}

export interface Raft {
  readonly id: RaftId;
  /** Appends `data`; resolves when it is committed (synced on a majority) and applied here, with its index. Pipelined: call again at once. */
  propose(data: Uint8Array, options?: { signal?: AbortSignal }): Promise<{ readonly index: number; readonly term: number }>;
  /** One change at a time. Rejects with RaftError "quorum" when the rest could not commit. */
  addMember(member: { id: RaftId; context: Uint8Array }): Promise<void>;   // joins as a learner, promoted by the leader once caught up; resolves when it is a voter
  removeMember(id: RaftId): Promise<void>;                                 // transfers leadership first when it is the leader's own
  updateMember(id: RaftId, context: Uint8Array): Promise<void>;
  /** Resolves with an index such that a state machine that has applied it is up to date as of this call (leader: read-index). */
  readIndex(options?: { signal?: AbortSignal }): Promise<number>;
  /** Resolves once `index` has been applied here. */
  waitApplied(index: number, signal?: AbortSignal): Promise<void>;
  transferLeadership(to?: RaftId): Promise<void>;
  status(): RaftStatus;
  /** Called at once with the present state, then on each change of leader, role or membership. Returns the handle that ends it. */
  onChange(listener: (status: RaftStatus) => void): () => void;
  close(): Promise<void>;
}

export interface RaftStatus {
  readonly id: RaftId;
  readonly role: "leader" | "candidate" | "follower" | "learner" | "removed" | "failed";
  /** undefined: none known. */
  readonly leader: RaftId | undefined;
  /** The leader has committed an entry of its own term and applied everything before it: its state machine may decide. */
  readonly isReady: boolean;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly lastIndex: number;
  readonly members: readonly (Member & { readonly matchIndex: number; readonly isActive: boolean })[];
  /** Milliseconds since a leader was last heard of; 0 on the leader. */
  readonly leaderlessMs: number;
  /** role "failed": why the node ended itself (disk full, I/O error). */
  readonly failure?: Error;
}

/** All methods are called in order, one at a time, never re-entered. */
export interface StateMachine {
  /** Committed entries in index order, each once (a restart begins after the restored snapshot). */
  apply(entries: readonly { readonly index: number; readonly data: Uint8Array }[]): void;
  /** An immutable view of the state as of the last applied entry, in chunks; entries may be applied while it is being read. */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces the whole state. */
  restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void>;
}

export type RaftErrorKind =
  | "not-leader"       // propose at the leader instead: see status().leader
  | "dropped"          // leadership was lost before commit: the outcome is unknown
  | "too-large" | "quorum" | "busy" | "removed" | "closed" | "corrupt" | "storage";

export class RaftError extends Error {
  constructor(readonly kind: RaftErrorKind, message: string, options?: { cause?: unknown }) { super(message, options); this.name = "RaftError"; }
}

/** Encrypts what goes to disk; the log and snapshots hold only what `seal` returned. */
export interface Sealer { seal(plain: Uint8Array): Uint8Array; open(sealed: Uint8Array): Uint8Array }

export interface RaftOptions {
  readonly id: RaftId;
  /** Log segments and snapshots live here; made if absent. */
  readonly directory: string;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  /** "bootstrap": the first member of a new group, alone. "join": wait to be added by the leader. On a directory with state both are ignored. */
  readonly start: { readonly kind: "bootstrap"; readonly context: Uint8Array } | { readonly kind: "join" };
  readonly tickMs?: number;               // 100
  readonly electionTicks?: number;        // 10, randomised to [10, 20)
  readonly heartbeatTicks?: number;       // 2
  readonly maxEntryBytes?: number;        // 4 MiB
  readonly snapshotEntries?: number;      // a snapshot each 10,000 entries
  readonly trailingEntries?: number;      // 2,000 kept for slow followers
  readonly segmentBytes?: number;         // 16 MiB
  readonly sealer?: Sealer;
  readonly log?: (level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
}

/** Moves messages between members. Losing, repeating or reordering them is allowed; changing them is not. */
export interface Transport {
  /** Never blocks and never throws; full queues drop. Bytes are one encoded raft message. */
  send(to: RaftId, messages: readonly Uint8Array[]): void;
  /** A snapshot in chunks, on a stream of its own, with back-pressure. `header` is an encoded raft message. */
  sendSnapshot(to: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Set once by the node. `from` is proved by the transport, not by the message. */
  start(receiver: TransportReceiver): void;
  /** The members changed: connections to others may be dropped. */
  setMembers(members: readonly Member[]): void;
  close(): Promise<void>;
}
export interface TransportReceiver {
  receive(from: RaftId, message: Uint8Array): void;
  receiveSnapshot(from: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  unreachable(id: RaftId): void;
}
