/**
 * The public face: a replicated log of opaque bytes. `RaftNode.open` (node.ts) gives a `Raft`; the caller gives a `StateMachine`
 * and a `Transport` (`GrpcTransport` in grpc-transport.ts is one).
 */

import type { ConfigChange } from "./core/types.js";

/** A raft id: an integer from 1 to 2^48 - 1, chosen at random, never used again after its member was removed. */
export type RaftId = number;

/** A member as the group has written it down. */
export interface Member {
  readonly id: RaftId;
  /** It gets the log and neither votes nor counts for a majority. */
  readonly isLearner: boolean;
  /** Opaque to raft: address, node id. Every member knows those of all others; `Transport.setMembers` gets them. */
  readonly context: Uint8Array;
  /** An integer from 0, the default: a leader hands over to a voter of higher priority that has kept up for five election timeouts. */
  readonly priority?: number;
  /** A learner that the leader does not promote by itself; `addMember` with `isLearner` and `demote` make one. */
  readonly staysLearner?: boolean;
}

/**
 * One member of a group, made by the static `RaftNode.open(options)`, which resolves once the log is read back and the newest snapshot is restored, leader or no leader.
 * `open` rejects with a TypeError or RangeError (an option is wrong; nothing was made yet), with RaftError "storage" (the directory cannot be used), "corrupt" (its log is damaged beyond
 * repair, or the sealer's key does not fit), "unfit" (it belongs to another id), "removed" (recovery from a member that was removed), or with what `StateMachine.restore` threw.
 *
 * Calls that wait reject with RaftError "closed" after `close`, with "removed" once this member was removed, and after a failure with what it failed of: RaftError "storage" or "corrupt", or
 * the error that the state machine threw. That goes for every call below; the kinds that a call adds are said there. An aborted `signal` rejects with its reason: the caller
 * no longer waits, and what was asked for may still happen.
 */
export interface Raft {
  /** This member's own. */
  readonly id: RaftId;
  /**
   * Appends `data`; resolves when it is committed (synced on a majority) and applied here, with the index and term of its entry. Pipelined: call again at once.
   * The bytes are kept, not copied, until a snapshot has taken their place and they are compacted: they must not be changed any more, also not after this has resolved.
   *
   * Rejects with RaftError "not-leader" (on a follower; with `forwardProposals` only when no leader takes it for five election timeouts), "too-large" (above `maxEntryBytes`),
   * "busy" (above `maxUncommittedBytes`, or leadership is being handed over: nothing was appended, try again) or "dropped" (leadership was lost: it may or may not take effect).
   */
  propose(data: Uint8Array, options?: { signal?: AbortSignal }): Promise<{ readonly index: number; readonly term: number }>;
  /**
   * On the leader: joins as a learner, promoted once it has caught up; resolves when it is a voter. With `isLearner`: resolves when it is known, and it stays a learner.
   * Without limit of time for the catching up: give up with `signal`. An id that is a member already gets this context and priority; a learner that was to stay one is promoted.
   *
   * Rejects like `changeMembers`, with a RangeError when the id is none, and with RaftError "removed" when a member of this id was removed before, now or while it caught up.
   */
  addMember(member: NewMember, options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * On the leader, or on the member that is to go: a follower asks the leader for its own removal, a leader first hands leadership over. Resolves when a majority knows;
   * when there is no such member, once a majority has confirmed that the leader still leads. The id is never used again. Rejects like `changeMembers`, and with "quorum" when it is the only voter,
   * or when no leader confirms a follower's own removal in ten election timeouts.
   */
  removeMember(id: RaftId): Promise<void>;
  /** On the leader: another context (bytes alone mean that), another priority, or both; what is not given stays. Resolves when a majority knows. Rejects like `changeMembers`. */
  updateMember(id: RaftId, change: Uint8Array | { readonly context?: Uint8Array; readonly priority?: number }): Promise<void>;
  /**
   * On the leader: several changes at once, through a joint configuration (Raft §6) where one step would not be safe; all take effect or none does. Resolves when the old configuration is
   * left and a majority knows; at once when nothing would change. Changes are made one after the other: a second call waits for the first.
   *
   * Rejects with RaftError "not-leader", "quorum" (the voters that answer could not form a majority afterwards; `missing` has the ids of the others), "unfit" (the change does not fit the
   * members as they are), "busy" (another change has not finished within ten election timeouts) or "dropped" (leadership was lost: it may or may not take effect).
   */
  changeMembers(changes: readonly MemberChange[]): Promise<void>;
  /**
   * On any member: resolves with an index such that a state machine that has applied it is up to date as of this call. Calls of one turn of the event loop share one question to the leader.
   * Rejects with RaftError "quorum" when no leader with a majority answers within three election timeouts.
   */
  readIndex(options?: { signal?: AbortSignal }): Promise<number>;
  /** On any member: resolves once `index` has been applied here, at once when it is already. Without limit of time: give a `signal`. */
  waitApplied(index: number, signal?: AbortSignal): Promise<void>;
  /**
   * On the leader: hands leadership to the voter `to`, or else to the active one of the highest priority and then with most of the log. Resolves when another leads;
   * at once when `to` is this member. Rejects with RaftError "not-leader", "quorum" (`to` is no voter, no other is active, or nobody leads afterwards) or "busy" (it did not take over
   * within an election timeout; this one leads on).
   */
  transferLeadership(to?: RaftId): Promise<void>;
  /** A view of this moment, of which nothing changes later. Never throws, also after the end. */
  status(): RaftStatus;
  /** Numbers of this moment. Never throws, also after the end. */
  metrics(): RaftMetrics;
  /**
   * Called at once with the present state, then on each change of leader, term, role, readiness or membership, and no more after `close`. What it throws later is logged.
   * Returns the function that ends it.
   */
  onChange(listener: (status: RaftStatus) => void): () => void;
  /**
   * Resolves when nothing is left but the files: what waits is rejected with "closed", the transport is closed, writes that were begun are finished. A second call gives the same promise.
   * Needed after a failure or a removal too. A leader does not hand over by it: `transferLeadership` before it spares the group an election.
   */
  close(): Promise<void>;
}

/** What `addMember` takes. */
export interface NewMember {
  /** One that no member ever had; the member is started with it and `start: { kind: "join" }`. */
  readonly id: RaftId;
  /** Opaque to raft, and what the others' transports find it by. */
  readonly context: Uint8Array;
  /** An integer from 0, the default: see `Member.priority`. */
  readonly priority?: number;
  /** It gets the log and never votes, until it is promoted by `changeMembers`. Default: false. */
  readonly isLearner?: boolean;
}

/**
 * One step of `changeMembers`, by its `kind`: "add-learner" and "add-voter" (`id`, `context`, `priority?`), "promote" (learner to voter), "demote" (voter to a learner that stays one),
 * "remove" (all three: `id`), "update" (`id`, `context?`, `priority?`). Prefer learners, which the leader promotes: a voter that has nothing of the log yet counts as missing.
 */
export type MemberChange = ConfigChange;

/** The state of this member, and of the group as this member sees it. */
export interface RaftStatus {
  readonly id: RaftId;
  /** "learner": also one that waits to be added. "removed": it was told so; "failed": see `failure`. Both have ended, and are only to be closed. */
  readonly role: "leader" | "candidate" | "follower" | "learner" | "removed" | "failed";
  /** undefined: none known. */
  readonly leader: RaftId | undefined;
  /** The leader has committed an entry of its own term and applied everything before it: its state machine may decide. False on all others. */
  readonly isReady: boolean;
  /** Counts up with each election; 0 before the first. */
  readonly term: number;
  /** The last entry that this member knows to be on a majority's disks; 0: none. */
  readonly commitIndex: number;
  /** The last entry that the state machine has; at most `commitIndex`. */
  readonly appliedIndex: number;
  /** The last entry of this member's log, synced or not. */
  readonly lastIndex: number;
  /** By id; while a joint configuration is being left, those on their way out as well. Empty: waits to be added. */
  readonly members: readonly MemberStatus[];
  /** Milliseconds since a leader was last heard of, in whole ticks; 0 on the leader. */
  readonly leaderlessMs: number;
  /** role "failed": why the node ended itself (disk full, I/O error, a state machine that threw). */
  readonly failure?: Error;
}

/** A member as seen from this one. Only the leader hears of all: elsewhere little is known of the others. */
export interface MemberStatus extends Member {
  /** The last entry that is synced there. On members other than the leader: 0 for all but itself. */
  readonly matchIndex: number;
  /** On the leader: heard of within an election timeout. On the others: true for itself and the leader, false for all else. */
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
  /** The last entry that is known to be synced there; 0: none. */
  readonly matchIndex: number;
  /** The next entry to be sent to it. */
  readonly nextIndex: number;
  /** Appends on their way to it. */
  readonly inFlight: number;
  /** Entries that it does not have yet. */
  readonly lagEntries: number;
  /** Milliseconds since it was last heard of, in whole ticks. */
  readonly lastHeardMs: number;
}

/** Numbers for monitoring. Totals count from the start of this node, and only up; the others are of this moment. */
export interface RaftMetrics {
  /** As in `status()`. */
  readonly term: number;
  /** 1 on the leader. */
  readonly isLeader: 0 | 1;
  /** 1: a leader is known. */
  readonly hasLeader: 0 | 1;
  /** Voters and learners. */
  readonly members: number;
  /** As in `status()`. */
  readonly commitIndex: number;
  /** As in `status()`. */
  readonly appliedIndex: number;
  /** As in `status()`. */
  readonly lastIndex: number;
  /** Of the log: those since the last snapshot, and `trailingEntries` before it. */
  readonly entriesInMemory: number;
  /** On the leader: of entries appended and not committed, with some bytes for each entry; `maxUncommittedBytes` bounds it. 0 on others. */
  readonly uncommittedBytes: number;
  /** Total: proposals that were appended here or sent on to the leader; those that were refused at once are not counted. */
  readonly proposals: number;
  /** Total: entries of this leader whose proposers were told "dropped". */
  readonly proposalsDropped: number;
  /** Total: committed entries, raft's own among them. */
  readonly entriesApplied: number;
  /** Total: questions for a read index; all calls of `readIndex` in one turn of the event loop are one. */
  readonly reads: number;
  /** Total: times that another leader, or the same in a later term, became known. */
  readonly leaderChanges: number;
  /** Total: messages given to the transport, whether they arrived or not; snapshots are counted apart. */
  readonly messagesSent: number;
  /** Total: bytes of `messagesSent`, before the transport wraps them. */
  readonly bytesSent: number;
  /** Total: messages that the transport delivered. */
  readonly messagesReceived: number;
  /** Total: bytes of `messagesReceived`. */
  readonly bytesReceived: number;
  /** Total: writes of the log that had to be synced; several may share one of `logSyncs`. */
  readonly logWrites: number;
  /** Total: milliseconds from the asking to the end of each of `logWrites`; divided by it, what a write waits for the disk. */
  readonly logWriteMs: number;
  /** Total: syncs of a file of the log. */
  readonly logSyncs: number;
  /** Total: bytes written to the log. */
  readonly logBytesWritten: number;
  /** Total: own snapshots that are on disk. */
  readonly snapshotsTaken: number;
  /** Total: snapshots that were begun to be sent to others. */
  readonly snapshotsSent: number;
  /** Total: snapshots of a leader that arrived whole. */
  readonly snapshotsReceived: number;
}

/**
 * What is replicated. All methods are called in order, one at a time, never re-entered; the same entries must lead to the same state on every member.
 * One that throws, or rejects, ends the node (role "failed"). Only chunks of `snapshot` that fail are logged and taken again later, unless the error is one of the operating system.
 */
export interface StateMachine {
  /**
   * Committed entries in index order, each once (a restart begins after the restored snapshot). Indexes have gaps: raft has entries of its own. `data` is what is in the log:
   * it must not be changed.
   * Synchronous: an entry counts as applied when this returns. A promise is not waited for; returning one is an error that ends the node.
   */
  apply(entries: readonly { readonly index: number; readonly data: Uint8Array }[]): void;
  /** An immutable view of the state as of the last applied entry, in chunks of any size; entries may be applied while it is being read. A generator takes its view when it is first asked. */
  snapshot(): AsyncIterable<Uint8Array>;
  /** Replaces the whole state by that of `snapshot` on some member, as of `index`. The chunks are read from a disk or a network, and reading them may throw. */
  restore(chunks: AsyncIterable<Uint8Array>, index: number): Promise<void>;
}

/**
 * What a RaftError means, and what to do:
 *
 * * "not-leader": ask the leader, `status().leader`.
 * * "dropped": leadership was lost before the commit; the outcome is unknown: look before trying again.
 * * "busy": too much waits, or another change is under way. Nothing happened: try again.
 * * "too-large": above `maxEntryBytes`. Nothing happened: split it.
 * * "quorum": no majority, or none after this change; `missing` has the voters that are missed, where they are known.
 * * "unfit": a change of members does not fit them as they are, or a directory belongs to another id; the message says why.
 * * "removed": this member was removed and has ended; or the member that was asked for was removed before, and ids are never used again.
 * * "closed": `close` was called.
 * * "storage": the disk failed, and the node has ended; or, from `open`, the directory cannot be used, or another process holds it.
 * * "corrupt": the log is damaged beyond repair, or the sealer's key does not fit it. The node has ended.
 */
export type RaftErrorKind = "not-leader" | "dropped" | "busy" | "too-large" | "quorum" | "unfit" | "removed" | "closed" | "storage" | "corrupt";

/** An error that a caller can act on, by its `kind`. The message says what was tried, why not, and what to do. `cause`: the error of the disk below it, where there is one. */
export class RaftError extends Error {
  /** "quorum": the voters that are missed. Else empty. */
  readonly missing: readonly RaftId[];
  constructor(readonly kind: RaftErrorKind, message: string, options?: { cause?: unknown; missing?: readonly RaftId[] }) {
    super(message, options);
    this.name = "RaftError";
    this.missing = options?.missing ?? [];
  }
}

/**
 * Encrypts what goes to disk: the records of the log and the chunks of snapshots are what `seal` returned. In clear stay term and vote (file `vote`), how far the log was synced
 * (file `mark`), the lengths of records, and the index and term in the name of a snapshot.
 */
export interface Sealer {
  /** Synchronous, of any length, called for each record. `plain` is not kept. */
  seal(plain: Uint8Array): Uint8Array;
  /** Undoes `seal`, also one of an earlier run. It throws when the key does not fit: `open` then rejects with RaftError "corrupt". */
  open(sealed: Uint8Array): Uint8Array;
}

/** How a member begins. With state in the directory "bootstrap" and "join" mean the same, to go on: a program may give the same one at every start. */
export type RaftStart =
  /** The first member of a new group, alone: it leads at once. `context` and `priority` are its own, see `Member`. Ignored on a directory with state. */
  | { readonly kind: "bootstrap"; readonly context: Uint8Array; readonly priority?: number }
  /** Waits to be added by the leader. Ignored on a directory with state. */
  | { readonly kind: "join" }
  /**
   * A majority is lost for good: this member goes on as the only one of its group, with what it has. What the others acknowledged and it never got is LOST. The others are removed:
   * should they come back, they are told so and must join anew. Make sure that no majority of them still runs, or there will be two groups. Once: every start with it does it again.
   */
  | { readonly kind: "recover"; /** a new one for this member */ readonly context?: Uint8Array };

/** What `RaftNode.open` takes. An option that is unknown, or of a value that cannot work, is refused with a TypeError or RangeError before anything is made. */
export interface RaftOptions {
  /** Of this member: an integer from 1 to 2^48 - 1, drawn at random once and kept; a new one after it was removed. */
  readonly id: RaftId;
  /** Log segments and snapshots live here; made if absent. Held by one process at a time, and for good by one id. */
  readonly directory: string;
  readonly stateMachine: StateMachine;
  /** For this node alone: it starts it and closes it. */
  readonly transport: Transport;
  readonly start: RaftStart;
  /** Milliseconds; from 1 to 60,000, the same on all members. Default: 100. */
  readonly tickMs?: number;
  /** A follower campaigns after so many ticks without a leader, drawn anew from [it, 1.5 times it): 8 means 8 to 11. At least twice `heartbeatTicks`. Default: 8. */
  readonly electionTicks?: number;
  /** Default: 1. With 8 election ticks and every fifth message lost there is no election in an hour; with 2 there are four. */
  readonly heartbeatTicks?: number;
  /** Of one proposal; larger ones are refused with "too-large". Default: 4 MiB. */
  readonly maxEntryBytes?: number;
  /** Of the entries in one append; a larger single entry goes alone. Default: 1 MiB. */
  readonly maxMessageBytes?: number;
  /** Appends on their way to one member. Default: 256. */
  readonly maxInflight?: number;
  /** Bytes of the entries in them. Default: 64 MiB. */
  readonly maxInflightBytes?: number;
  /** Of entries that the leader has appended and not committed; above it proposals are refused with "busy". Default: 64 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Of entries handed to the state machine in one turn; one entry always fits. Default: 1 MiB. */
  readonly maxApplyBytes?: number;
  /** A learner that is so many entries behind, or fewer, is promoted. Default: 100. */
  readonly promotionLag?: number;
  /** A follower's proposals go to the leader through raft's own messages, each at most once; without it they are refused with "not-leader". Default: false. */
  readonly forwardProposals?: boolean;
  /** "lease": a leader that a majority answered lately serves reads without asking; trusts that clocks run alike to a tenth. The same on all members. Default: "safe". */
  readonly readMode?: "safe" | "lease";
  /** A snapshot each so many entries, or 64 MiB of them. Default: 10,000. */
  readonly snapshotEntries?: number;
  /** Entries kept behind a snapshot for slow followers, within 16 MiB. Default: 2,000. */
  readonly trailingEntries?: number;
  /** Bytes of entries kept beyond that for members that answer and still need them: what follows a snapshot that is on its way to a new member. Default: 64 MiB. */
  readonly catchUpBytes?: number;
  /** Of one file of the log; from 4096. Default: 16 MiB. */
  readonly segmentBytes?: number;
  /** Default: none, and the disk holds plain bytes. The same key at every start. */
  readonly sealer?: Sealer;
  /** Told what an operator may want to know. It should not throw; if it does, that is ignored. Default: nobody is told. */
  readonly log?: (level: "debug" | "info" | "warn" | "error", message: string, fields?: Record<string, unknown>) => void;
}

/** Moves messages between members. Losing, repeating or reordering them is allowed; changing them is not. */
export interface Transport {
  /** Never blocks and never throws; full queues drop. Bytes are one encoded raft message each, and are not changed later. */
  send(to: RaftId, messages: readonly Uint8Array[]): void;
  /**
   * A snapshot in chunks, on a stream of its own, with back-pressure. `header` is an encoded raft message. Resolves when the receiver's `receiveSnapshot` has, rejects when that
   * did or the stream broke: the leader then sends it again. It must not wait for ever: the member gets no entries meanwhile.
   */
  sendSnapshot(to: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** Set once by the node. `from` is proved by the transport, not by the message. */
  start(receiver: TransportReceiver): void;
  /** The members changed: connections to others may be dropped. This member is among them once it was added. */
  setMembers(members: readonly Member[]): void;
  /** Called once, by `Raft.close`: nothing is delivered after it. */
  close(): Promise<void>;
}

/** The node, as its transport sees it. Messages that come after the end of the node are ignored. */
export interface TransportReceiver {
  /** One message as the other's `send` got it. Never throws: a malformed one is logged and dropped. The bytes are kept, so the buffer must not be used again. */
  receive(from: RaftId, message: Uint8Array): void;
  /** A snapshot as the other's `sendSnapshot` got it. Resolves when it is on disk or not wanted; rejects when it cannot be taken, which is to be told to the sender. */
  receiveSnapshot(from: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void>;
  /** A connection to the member broke or could not be opened: it is probed with care, and a leader that is gone is noticed early. Saying it too often does no harm. */
  unreachable(id: RaftId): void;
}
