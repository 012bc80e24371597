// The values that go into and come out of the core. Indexes and terms are plain numbers, exact to 2^53.
import type { Member, RaftId } from "../api.js";

/** "noop": written by each new leader at once. "config": `data` is an encoded `Config` (config-codec.ts), the whole of it. */
export type EntryKind = "noop" | "data" | "config";

export interface Entry { readonly index: number; readonly term: number; readonly kind: EntryKind; readonly data: Uint8Array }

/** What must never be forgotten (Raft figure 2); `commit` may lag, it only saves work after a restart. vote 0: none. */
export interface HardState { readonly term: number; readonly vote: RaftId; readonly commit: number }

/** Members sorted by id, and the ids that were members once: they are never used again and are told so when they call. */
export interface Config { readonly members: readonly Member[]; readonly removed: readonly RaftId[] }

export interface SnapshotMeta { readonly index: number; readonly term: number; readonly config: Config }

interface Envelope { readonly from: RaftId; readonly to: RaftId; /** the sender's term, except where a variant says otherwise */ readonly term: number }

export type Message = Envelope & (
  /** `term` is the term that it would campaign for. `isTransfer`: the leader asked for it, so its lease does not count (Raft §4.2.3). */
  | { readonly type: "vote"; readonly isPre: boolean; readonly lastIndex: number; readonly lastTerm: number; readonly isTransfer: boolean }
  /** A granted pre-vote carries the request's term, a refusal the voter's own (etcd #8243). */
  | { readonly type: "vote-response"; readonly isPre: boolean; readonly isGranted: boolean }
  | { readonly type: "append"; readonly prevIndex: number; readonly prevTerm: number; readonly entries: readonly Entry[]; readonly commit: number }
  /** Accepted: the log is synced up to `index`. */
  | { readonly type: "append-response"; readonly index: number }
  /** Refused at `index`; nothing above (hintIndex, hintTerm) can match. */
  | { readonly type: "append-reject"; readonly index: number; readonly hintIndex: number; readonly hintTerm: number }
  /** `round` counts up for ever on one leader: an answer proves leadership as of the sending of that round (etcd-io/raft #397). */
  | { readonly type: "heartbeat"; readonly commit: number; readonly round: number }
  | { readonly type: "heartbeat-response"; readonly round: number }
  /** The header of a snapshot; its chunks travel beside it. */
  | { readonly type: "snapshot"; readonly snapshot: SnapshotMeta }
  | { readonly type: "timeout-now" }
  | { readonly type: "read"; readonly id: number }
  | { readonly type: "read-response"; readonly id: number; readonly index: number }
  /** "My log lost its end; it is good up to `lastIndex`": see `recovering` in raft.ts. */
  | { readonly type: "recover"; readonly lastIndex: number; readonly nonce: number }
  | { readonly type: "recover-response"; readonly lastIndex: number; readonly nonce: number }
  /** From a member that cannot campaign and hears of no leader: asks for nothing, but if it was removed it is told so. */
  | { readonly type: "hello" }
  /** "You are no longer a member." */
  | { readonly type: "removed" }
);

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** A message before its sender has put itself and its term on it. */
export type Draft = DistributiveOmit<Message, "from" | "term">;

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

export interface Ready {
  /** Send at once. */
  readonly messages: readonly Message[];
  readonly write?: Write;
  /** Apply in order, then call `applied(index of the last)`. Config entries are handed to `applyConfig`. */
  readonly committed: readonly Entry[];
  /** Local reads that may go on once `index` is applied. */
  readonly reads: readonly { readonly id: number; readonly index: number }[];
}

export type Role = "leader" | "candidate" | "pre-candidate" | "follower" | "removed";
