/**
 * The public face: a replicated log of opaque bytes. `RaftNode.open` (node.ts) gives a `Raft`; the caller gives a `StateMachine`
 * and a `Transport` (`GrpcTransport` in grpc-transport.ts is one).
 */

import type { ConfigChange } from "./core/types.js";

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
  /** Appends `data`; resolves when it is committed (synced on a majority) and applied here, with its index. Pipelined: call again at once. On a follower only with `forwardProposals`. */
  propose(data: Uint8Array, options?: { signal?: AbortSignal }): Promise<{ readonly index: number; readonly term: number }>;
  /**
   * Changes of members, made by the leader, one after the other. They reject with RaftError "quorum", and the `missing` ids, when the voters could not form a majority afterwards.
   * Joins as a learner, promoted by the leader once it has caught up; resolves when it is a voter (at once with `isLearner`, and then it stays a learner).
   */
  addMember(member: NewMember, options?: { signal?: AbortSignal }): Promise<void>;
  /** Hands leadership over first when it is the leader's own; a follower may ask for its own removal. */
  removeMember(id: RaftId): Promise<void>;
  updateMember(id: RaftId, change: Uint8Array | { readonly context?: Uint8Array; readonly priority?: number }): Promise<void>;
  /** Several at once, through a joint configuration (Raft §6): all take effect or none does. Resolves when the old configuration is left. */
  changeMembers(changes: readonly MemberChange[]): Promise<void>;
  /** Resolves with an index such that a state machine that has applied it is up to date as of this call (leader: read-index). */
  readIndex(options?: { signal?: AbortSignal }): Promise<number>;
  /** Resolves once `index` has been applied here. */
  waitApplied(index: number, signal?: AbortSignal): Promise<void>;
  transferLeadership(to?: RaftId): Promise<void>;
  status(): RaftStatus;
  metrics(): RaftMetrics;
  /** Called at once with the present state, then on each change of leader, role or membership. Returns the handle that ends it. */
  onChange(listener: (status: RaftStatus) => void): () => void;
  close(): Promise<void>;
}

export interface NewMember {
  readonly id: RaftId;
  readonly context: Uint8Array;
  readonly priority?: number;
  /** It gets the log and never votes, until it is promoted by `changeMembers`. */
  readonly isLearner?: boolean;
}

export type MemberChange = ConfigChange;

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
  readonly members: readonly MemberStatus[];
  /** Milliseconds since a leader was last heard of; 0 on the leader. */
  readonly leaderlessMs: number;
  /** role "failed": why the node ended itself (disk full, I/O error). */
  readonly failure?: Error;
}

export interface MemberStatus extends Member {
  readonly matchIndex: number;
  readonly isActive: boolean;
  /** On its way out: a voter of the configuration that is being left. */
  readonly isLeaving?: boolean;
  /** On the leader, of every other member. */
  readonly progress?: PeerProgress;
}

/** What the leader knows of a member's log. */
export interface PeerProgress {
  /** probe: where the logs meet is being looked for. replicate: it follows. snapshot: it is being sent one. */
  readonly state: "probe" | "replicate" | "snapshot";
  readonly matchIndex: number;
  readonly nextIndex: number;
  /** Appends on their way to it. */
  readonly inFlight: number;
  /** Entries that it does not have yet. */
  readonly lagEntries: number;
  readonly lastHeardMs: number;
}

/** Numbers for monitoring. Totals count from the start of this node, and only up. */
export interface RaftMetrics {
  readonly term: number; readonly isLeader: 0 | 1; readonly hasLeader: 0 | 1; readonly members: number;
  readonly commitIndex: number; readonly appliedIndex: number; readonly lastIndex: number;
  readonly entriesInMemory: number; readonly uncommittedBytes: number;
  /** Totals. */
  readonly proposals: number; readonly proposalsDropped: number; readonly entriesApplied: number; readonly reads: number; readonly leaderChanges: number;
  readonly messagesSent: number; readonly bytesSent: number; readonly messagesReceived: number; readonly bytesReceived: number;
  /** Synced writes of the log and the milliseconds from asking to done; several may share one of `logSyncs`. */
  readonly logWrites: number; readonly logWriteMs: number; readonly logSyncs: number; readonly logBytesWritten: number;
  readonly snapshotsTaken: number; readonly snapshotsSent: number; readonly snapshotsReceived: number;
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
  | "unfit"            // a change of members that does not fit them as they are
  | "too-large" | "quorum" | "busy" | "removed" | "closed" | "corrupt" | "storage";

export class RaftError extends Error {
  /** "quorum": the voters that are missed. */
  readonly missing: readonly RaftId[];
  constructor(readonly kind: RaftErrorKind, message: string, options?: { cause?: unknown; missing?: readonly RaftId[] }) {
    super(message, options);
    this.name = "RaftError";
    this.missing = options?.missing ?? [];
  }
}

/** Encrypts what goes to disk; the log and snapshots hold only what `seal` returned. */
export interface Sealer { seal(plain: Uint8Array): Uint8Array; open(sealed: Uint8Array): Uint8Array }

export type RaftStart =
  /** The first member of a new group, alone. Ignored on a directory with state. */
  | { readonly kind: "bootstrap"; readonly context: Uint8Array; readonly priority?: number }
  /** Waits to be added by the leader. Ignored on a directory with state. */
  | { readonly kind: "join" }
  /**
   * A majority is lost for good: this member goes on as the only one of its group, with what it has. What the others acknowledged and it never got is LOST. The others are removed:
   * should they come back, they are told so and must join anew. Make sure that no majority of them still runs, or there will be two groups. Once: every start with it does it again.
   */
  | { readonly kind: "recover"; /** a new one for this member */ readonly context?: Uint8Array };

export interface RaftOptions {
  readonly id: RaftId;
  /** Log segments and snapshots live here; made if absent. */
  readonly directory: string;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly start: RaftStart;
  readonly tickMs?: number;               // 100
  readonly electionTicks?: number;        // 8, randomised to [8, 12)
  readonly heartbeatTicks?: number;       // 1: with 8 election ticks and every fifth message lost, no election in an hour; with 2 it is four of them
  readonly maxEntryBytes?: number;        // 4 MiB
  readonly maxMessageBytes?: number;      // 1 MiB of entries in one append
  readonly maxInflight?: number;          // 256 appends on their way to one member, and
  readonly maxInflightBytes?: number;     // 64 MiB
  readonly maxUncommittedBytes?: number;  // 64 MiB; above it proposals are refused with "busy"
  readonly maxApplyBytes?: number;        // 1 MiB handed to the state machine in one turn
  readonly promotionLag?: number;         // 100 entries behind or fewer: a learner is promoted
  /** A follower's proposals go to the leader through raft's own messages; without it they are refused with "not-leader". */
  readonly forwardProposals?: boolean;    // false
  /** "lease": a leader that a majority answered lately serves reads without asking; trusts that clocks run alike to a tenth. The same on all members. */
  readonly readMode?: "safe" | "lease";   // safe
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
