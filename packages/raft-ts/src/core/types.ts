// The values that go into and come out of the core. Indexes and terms are plain numbers, exact to 2^53.
import type { Member, RaftId } from "../api.js";

/** "noop": written by each new leader at once. "config": `data` is an encoded `Config` (config-codec.ts), the whole of it. */
export type EntryKind = "noop" | "data" | "config";

/** One entry of the log. `index` counts from 1 without gaps, `term` never falls from one entry to the next. `data`: what was proposed, not copied; empty for "noop". */
export interface Entry { readonly index: number; readonly term: number; readonly kind: EntryKind; readonly data: Uint8Array }

/** What must never be forgotten (Raft figure 2); `commit` may lag, it only saves work after a restart. vote 0: none. */
export interface HardState { readonly term: number; readonly vote: RaftId; readonly commit: number }

/**
 * Who belongs to the group. It is a value: a change makes another one, and a config entry carries the whole of it. Not joint: `outgoing` is empty, and a majority of the voters
 * in `members` decides. Joint: a majority of those and one of `outgoing` are needed, for votes and for commits (Raft §6).
 */
export interface Config {
  /** The incoming configuration, sorted by id. */
  readonly members: readonly Member[];
  /** While joint: the voters of the configuration that is being left, sorted by id; a majority of them is needed too (Raft §6). Else empty. */
  readonly outgoing: readonly Member[];
  /** Ids that were members once: never used again, and told so when they call. A voter in `outgoing` alone is not yet one of them. */
  readonly removed: readonly RaftId[];
}

/** One step of a change of members; `proposeConfig` takes several at once. Priorities are integers from 0. */
export type ConfigChange =
  /** `staysLearner`: it is never promoted by the leader itself. */
  | { readonly kind: "add-learner"; readonly id: RaftId; readonly context: Uint8Array; readonly priority?: number; readonly staysLearner?: boolean }
  /** A voter at once, through a joint configuration. Nobody has heard of it yet, so it counts as missing: prefer a learner, which the leader promotes. */
  | { readonly kind: "add-voter"; readonly id: RaftId; readonly context: Uint8Array; readonly priority?: number }
  | { readonly kind: "promote"; readonly id: RaftId }
  /** Voter → learner that stays one. */
  | { readonly kind: "demote"; readonly id: RaftId }
  | { readonly kind: "remove"; readonly id: RaftId }
  | { readonly kind: "update"; readonly id: RaftId; readonly context?: Uint8Array; readonly priority?: number };

/** What a snapshot stands for: the state after all entries up to `index`, whose entry had `term`, and the members as of then. The bytes of the state are not in it. */
export interface SnapshotMeta { readonly index: number; readonly term: number; readonly config: Config }

interface Envelope { readonly from: RaftId; readonly to: RaftId; /** the sender's term, except where a variant says otherwise */ readonly term: number }

/** What the sender knows to be committed, whoever decided it and in whatever term: an entry at this index of this term. 0: nothing, or it is of an older version. */
interface CommitNews { readonly commit: number; readonly commitTerm: number }

/**
 * What one member says to another. It may be lost, late, repeated and out of order, but not changed, and `from` must be who really sent it. Indexes and terms are plain numbers, exact to
 * 2^53; 0 where there is no entry. Its form as bytes is up to whoever moves it.
 */
export type Message = Envelope & (
  /** `term` is the term that it would campaign for. `isTransfer`: the leader asked for it, so its lease does not count (Raft §4.2.3). */
  | CommitNews & { readonly type: "vote"; readonly isPre: boolean; readonly lastIndex: number; readonly lastTerm: number; readonly isTransfer: boolean }
  /** A granted pre-vote carries the request's term, a refusal the voter's own (etcd #8243). */
  | CommitNews & { readonly type: "vote-response"; readonly isPre: boolean; readonly isGranted: boolean }
  | { readonly type: "append"; readonly prevIndex: number; readonly prevTerm: number; readonly entries: readonly Entry[]; readonly commit: number }
  /** Accepted: the log is synced up to `index`. */
  | { readonly type: "append-response"; readonly index: number }
  /** Refused at `index`; nothing above (hintIndex, hintTerm) can match. */
  | { readonly type: "append-reject"; readonly index: number; readonly hintIndex: number; readonly hintTerm: number }
  /** `round` counts up for ever on one leader: an answer proves leadership as of the sending of that round (etcd-io/raft #397). */
  | { readonly type: "heartbeat"; readonly commit: number; readonly round: number }
  /** `isPromise`: the sender votes for nobody for an election timeout from now on (lease reads). */
  | { readonly type: "heartbeat-response"; readonly round: number; readonly isPromise: boolean }
  /** The header of a snapshot; its chunks travel beside it. */
  | { readonly type: "snapshot"; readonly snapshot: SnapshotMeta }
  | { readonly type: "timeout-now" }
  | { readonly type: "read"; readonly id: number }
  | { readonly type: "read-response"; readonly id: number; readonly index: number }
  /** "My log lost its end; it is good up to `lastIndex`": see recovery.ts. */
  | { readonly type: "recover"; readonly lastIndex: number; readonly nonce: number }
  | { readonly type: "recover-response"; readonly lastIndex: number; readonly nonce: number }
  /** A proposal on its way to the leader. `life` tells the lives of the sender apart, `id` counts up within one (forwarding.ts). The leader takes it in exactly this `term`. */
  | { readonly type: "propose"; readonly life: number; readonly id: number; readonly data: Uint8Array }
  /** Accepted: appended at `index` in this `term`. Else `why`: "not-leader" cannot say whether an earlier copy was appended; after the others it never was and never will be. */
  | { readonly type: "propose-response"; readonly life: number; readonly id: number; readonly isAccepted: boolean; readonly index: number; readonly why: ForwardRefusal }
  /** From a member that cannot campaign and hears of no leader: asks for nothing, but if it was removed it is told so. */
  | CommitNews & { readonly type: "hello" }
  /** "You are no longer a member." */
  | { readonly type: "removed" }
);

/** "none": accepted. */
export type ForwardRefusal = "none" | "not-leader" | "busy" | "transferring";

/** One step of durable writing. Steps are done in order; `persisted(id)` is called once it and all before it are synced. */
export interface Write {
  readonly id: number;
  readonly hardState?: HardState;
  /** Written behind the entry before the first one; what was there from its index on is void. */
  readonly entries: readonly Entry[];
  /** A snapshot from the leader that replaces the whole log (its file is durable already). Comes before `entries`. */
  readonly snapshot?: SnapshotMeta;
  /** false: may stay in the page cache (a new commit index, or nothing but `messages`). */
  readonly mustSync: boolean;
  /** The recovering mark changed to this value: it must be durable together with the write. */
  readonly recovering?: boolean;
  /** Acknowledgements: sent once this write and all before it are synced, never earlier. */
  readonly messages: readonly Message[];
}

/**
 * What is to be done after the calls since the last `ready()`, in this order: send `messages`, begin `write`, apply `committed`, let `reads` go on. None of it needs to be
 * over before the core is called again, or `ready()`; that a write or an apply is over is told by `persisted` and `applied`. Nothing in it may be changed.
 */
export interface Ready {
  /** Send at once. */
  readonly messages: readonly Message[];
  /** Begin it after every write that came before; undefined: nothing to write. */
  readonly write?: Write;
  /**
   * Apply in order; each entry is handed out once. `applied(index)` acknowledges, whenever that is: more may be handed out before, up to `maxApplyBytes`
   * in all. Config entries are handed to `applyConfig` in their place in that order.
   */
  readonly committed: readonly Entry[];
  /** Local reads that may go on once `index` is applied. */
  readonly reads: readonly { readonly id: number; readonly index: number }[];
  /** What became of proposals that were forwarded (`forward`), each once. */
  readonly forwarded: readonly Forwarded[];
}

/** The answer to `forward(id, data)`. */
export interface Forwarded { readonly id: number; readonly result: ForwardResult }

/** "dropped": its term ended without an answer; it may or may not have been appended, and nobody can tell before the log goes on. */
export type ForwardResult = ProposeResult | { readonly kind: "dropped" };

/** "appended": it is in the leader's log at `index` in `term`, not committed yet. */
export type ProposeResult =
  | { readonly kind: "appended"; readonly index: number; readonly term: number }
  | Refusal;

/** Nothing was appended. */
export type Refusal =
  /** "busy": too many bytes wait to be committed. "pending-config": a change of members is under way, or this leader has committed nothing yet. */
  | { readonly kind: "refused"; readonly why: "not-leader" | "busy" | "transferring" | "pending-config" | "no-change" }
  /** The change does not fit the members as they are; `reason` is a clause that says why. */
  | { readonly kind: "refused"; readonly why: "unfit"; readonly reason: string }
  /** Without `missing` (voters that do not answer, or whose log is not whole) the new configuration has no majority. */
  | { readonly kind: "refused"; readonly why: "quorum"; readonly missing: readonly RaftId[] };

/** "pre-candidate": asks whether it would be elected, in no new term yet. "removed": it is told that it is no member; it does nothing any more. */
export type Role = "leader" | "candidate" | "pre-candidate" | "follower" | "removed";

/** What a `RaftCore` is made with: nothing is filled in and nothing is checked. Time is counted in ticks, each a call of `tick()`; sizes are bytes of `Entry.data`. */
export interface CoreOptions {
  /** Of this member: an integer from 1 to 2^48 - 1. */
  readonly id: RaftId;
  /** Ticks without a leader until it campaigns, drawn anew from [electionTicks, 1.5 * electionTicks); also how long a leader goes on without a majority. At least twice `heartbeatTicks`. */
  readonly electionTicks: number;
  /** Ticks between two heartbeats of the leader; from 1. */
  readonly heartbeatTicks: number;
  /** Of entries in one append; a larger single entry goes alone. */
  readonly maxMessageBytes: number;
  /** Appends on their way to one member: how many, and how many bytes of entries. */
  readonly maxInflight: number;
  readonly maxInflightBytes: number;
  /** Of entries that the leader has appended and not committed; beyond it `propose` answers "busy". One entry always fits. */
  readonly maxUncommittedBytes: number;
  /** Of entries that were handed out to be applied and not acknowledged. One entry always fits. */
  readonly maxApplyBytes: number;
  /** A learner is promoted when it is this many entries behind or nearer. */
  readonly promotionLag: number;
  /**
   * "safe" (default): each read asks a majority. "lease": a leader that a majority answered lately reads by itself. That trusts clocks: ticks of two members must not differ by
   * more than (leaseMarginTicks - 1) / (electionTicks - leaseMarginTicks), a sixth by default, and a process that stood still must say so (`expireLease`). Members that do not
   * read by lease do not count for one. A member that changes back to "safe" must stay down for an election timeout.
   */
  readonly readMode?: "safe" | "lease";
  /** From 1 to below electionTicks; a fifth of electionTicks unless given. */
  readonly leaseMarginTicks?: number;
  /** An integer in [0, bound). */
  readonly random: (bound: number) => number;
  /** What storage held; of a member with an empty disk all is 0 and empty, `config` is `emptyConfig`. */
  readonly state: RestoredState;
  /** Told in words what a human may want to know of: elections, hand-overs, removals. It must not throw. */
  readonly log: (message: string) => void;
}

/** What storage held at the start. */
export interface RestoredState {
  readonly hardState: HardState;
  /** As of `applied`. */
  readonly config: Config;
  readonly base: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
  /** What the state machine holds: the index of the restored snapshot. */
  readonly applied: number;
  readonly snapshot?: SnapshotMeta;
  /** The log lost a part that may have been acknowledged: no vote and no campaign until a leader has filled it again. */
  readonly recovering: boolean;
}
