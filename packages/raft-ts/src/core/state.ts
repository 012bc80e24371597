// What one member knows, and the few moves that every part of the core makes: sending, changing role, appending. The behaviour is in the files beside it, one subject each.
import type { RaftId } from "../api.js";
import { everyone, memberOf } from "./config.js";
import { assert, entryBytes, RaftLog } from "./log.js";
import { Progress } from "./progress.js";
import { halvesOf, hasQuorum, type Halves } from "./quorum.js";
import { ReadQueue } from "./read-queue.js";
import type { Config, CoreOptions, Entry, EntryKind, Forwarded, HardState, Message, ProposeResult, Role, SnapshotMeta } from "./types.js";
import type { ForwardWindow } from "./forward-window.js";

export interface ResolvedOptions extends CoreOptions { readonly readMode: "safe" | "lease"; readonly leaseMarginTicks: number }

export class CoreState {
  readonly id: RaftId;
  readonly options: ResolvedOptions;
  readonly log: RaftLog;

  // ---- never forgotten ----
  term: number;
  vote: RaftId;
  /** What was last given to be written. */
  written: HardState;

  // ---- role ----
  role: Role = "follower";
  leader: RaftId | undefined;
  /** Since the start of this core. */
  ticks = 0;
  electionElapsed = 0;
  electionTimeout = 0;
  /** It has put off its own campaign for another candidate since the last time that its timer began. */
  hasYielded = false;
  /** Ticks since a leader was last heard of. */
  leaderlessTicks = 0;
  /** Times that the connection to the leader broke since it was last heard of. */
  leaderBreaks = 0;
  /** The tick at which a leader, or this start, last made it promise its vote to nobody (lease reads). */
  promisedAt = 0;

  // ---- candidate ----
  readonly votes = new Map<RaftId, boolean>();
  /** The write that makes the own vote durable; 0: it is. */
  selfVoteWrite = 0;
  isTransfer = false;

  // ---- members ----
  config!: Config;
  halves!: Halves;
  /** The index of the entry or snapshot that `config` came from. */
  configIndex: number;
  private removedIds: ReadonlySet<RaftId> = new Set();
  hasPriorities = false;

  // ---- leader ----
  readonly progress = new Map<RaftId, Progress>();
  /** The index of the entry with which its term began. */
  termStart = 0;
  heartbeatElapsed = 0;
  /** Of the entries beyond the commit index. */
  uncommittedBytes = 0;
  /** As of the last `ready()`. */
  commitAtReady = 0;
  /** No config change is proposed before this index is applied. */
  pendingConfigIndex = 0;
  readonly reads = new ReadQueue();
  transferee: RaftId | undefined;
  transferElapsed = 0;
  /** A member was told in this term to campaign at once: its votes go past every promise, whenever they arrive, so there is no lease any more. */
  isLeaseGone = false;
  /** Answers to rounds up to this one give no lease. */
  leaseFloorRound = 0;
  /** It is not in the incoming configuration and has tried once to hand over. */
  hasTriedHandover = false;
  /** It leaves: it stays until a majority has answered this heartbeat round. 0: it does not leave. */
  leavingRound = 0;
  /** A voter that should lead rather, and since which tick. */
  betterLeader: RaftId | undefined;
  betterSince = 0;
  readonly forwardWindows = new Map<RaftId, ForwardWindow[]>();

  // ---- follower ----
  /** Proposals on their way to the leader of this term → their bytes. */
  readonly forwards = new Map<number, number>();
  forwardBytes = 0;
  /** Tells the lives of this member apart; drawn when it is first needed. */
  forwardLife = 0;
  lastForwardId = -1;
  /** Up to here the log is known to agree with the leader of this term. */
  matched = 0;
  matchedAtHeartbeat = 0;

  // ---- a log that lost its end ----
  recovering: boolean;
  recoverNonce = 0;
  recoverTarget: number | undefined;

  // ---- snapshots ----
  /** The newest durable snapshot: what a member gets whose entries are compacted. */
  snapshot: SnapshotMeta | undefined;
  /** A snapshot was accepted and the state machine does not hold it yet: nothing is applied meanwhile. */
  restoringIndex: number | undefined;

  // ---- what the next `ready()` hands out ----
  /** Something happened since the last `ready()`. */
  isDirty = true;
  messages: Message[] = [];
  acknowledgements: Message[] = [];
  readyReads: { id: number; index: number }[] = [];
  forwarded: Forwarded[] = [];
  nextWriteId = 1;
  persistedWriteId = 0;
  isCommitFlushDue = false;
  /** At the last tick the commit index was ahead of this one, which had been given to be written; -1: it was not. */
  laggingCommit = -1;
  /** To be known after a crash, as it has a change of members: a leader does not call it committed before that, others tell nobody of it (`acknowledge`). */
  commitToSync = 0;
  /** Writes on their way that make a commit index durable, in order. */
  readonly commitSyncs: { readonly id: number; readonly commit: number }[] = [];
  /** The commit index that this member would know after a crash, at least. */
  syncedCommit: number;
  /** The last commit index that it found on its disk or, as leader, by its own count: perhaps nobody else knows it yet. */
  commitByItself: number;
  snapshotToWrite: SnapshotMeta | undefined;
  recoveringToWrite: boolean | undefined;
  /** The last config entry that was handed out to be applied. */
  handedOutConfigIndex = 0;

  constructor(options: CoreOptions) {
    const { state } = options;
    const { electionTicks, readMode = "safe", leaseMarginTicks = Math.ceil(electionTicks / 5) } = options;
    if (!(leaseMarginTicks >= 1 && leaseMarginTicks < electionTicks)) throw new RangeError(`leaseMarginTicks ${leaseMarginTicks} is not from 1 to below electionTicks (${electionTicks})`);
    this.options = { ...options, readMode, leaseMarginTicks };
    this.id = options.id;
    this.term = state.hardState.term;
    this.vote = state.hardState.vote;
    this.log = new RaftLog(state.base, state.entries, state.hardState.commit, state.applied);
    this.written = { ...state.hardState, commit: this.log.commit };
    this.syncedCommit = this.log.commit;
    this.commitByItself = this.log.commit;
    this.recovering = state.recovering;
    this.snapshot = state.snapshot;
    this.configIndex = state.applied;
    this.setConfig(state.config, state.applied);
    this.resetTimers();
  }

  // ---- messages ----

  send(message: Message): void {
    this.isDirty = true;
    this.messages.push(message);
  }

  /** For messages between members that have no leader (learnCommit). It stays true whatever this member forgets: a majority has the entry on disk. */
  get commitNews(): { commit: number; commitTerm: number } { return { commit: this.log.commit, commitTerm: this.log.term(this.log.commit)! }; }

  /** Sends no sooner than everything so far is on disk. */
  acknowledge(message: Message): void {
    this.isDirty = true;
    (this.isDurable ? this.messages : this.acknowledgements).push(message);
  }

  private get isDurable(): boolean {
    return this.persistedWriteId === this.nextWriteId - 1 && this.acknowledgements.length === 0 && !this.hasNewVoteState && !this.log.hasUnwritten
      && this.snapshotToWrite === undefined && this.recoveringToWrite === undefined && this.commitToSync <= this.syncedCommit;
  }

  get hasNewVoteState(): boolean { return this.term !== this.written.term || this.vote !== this.written.vote; }

  // ---- members ----

  setConfig(config: Config, index: number): void {
    this.config = config;
    this.configIndex = index;
    this.halves = halvesOf(config);
    this.removedIds = new Set(config.removed);
    this.hasPriorities = config.members.some((m) => (m.priority ?? 0) > 0);
  }

  wasRemoved(id: RaftId): boolean { return this.removedIds.has(id); }

  priorityOf(id: RaftId): number { return memberOf(this.config, id)?.priority ?? 0; }

  /** Heard of within an election timeout. The leader itself always. An arrow function, as it is handed to the quorum functions. */
  readonly isActive = (id: RaftId): boolean => {
    const progress = this.progress.get(id);
    return id === this.id || (progress !== undefined && this.ticks - progress.heardAt <= this.options.electionTicks);
  };

  /** It has answered this leader lately, and its log is whole: it can give its vote to a successor. */
  readonly canVote = (id: RaftId): boolean => {
    const progress = this.progress.get(id);
    return this.isActive(id) && (id === this.id || (progress !== undefined && progress.hasAnswered && progress.match >= progress.recoverTarget));
  };

  /** The same, or it is too early to say: it still has time to answer a new leader. */
  readonly mayVote = (id: RaftId): boolean => this.canVote(id) || (this.isActive(id) && this.progress.get(id)?.hasAnswered === false);

  /** Synced up to there, as the leader knows. */
  readonly matchOf = (id: RaftId): number => id === this.id ? this.log.stable : this.progress.get(id)?.match ?? 0;

  // ---- roles ----

  resetTimers(): void {
    this.electionElapsed = 0;
    this.leaderBreaks = 0;
    this.heartbeatElapsed = 0;
    this.hasYielded = false;
    this.electionTimeout = this.randomTimeout();
  }

  randomTimeout(): number {
    const { electionTicks, random } = this.options;
    // Half of it is spread enough: of two that try at once one gives way (goesFirst), and the wait for a new leader is shorter.
    const timeout = electionTicks + random(Math.ceil(electionTicks / 2));
    // One that should rather not lead gives the others a chance first.
    if (!this.hasPriorities) return timeout;
    const own = this.priorityOf(this.id);
    return this.config.members.some((m) => !m.isLearner && (m.priority ?? 0) > own) ? timeout + Math.ceil(electionTicks / 2) : timeout;
  }

  enterTerm(term: number, vote: RaftId): void {
    assert(term > this.term, "the term never goes back");
    this.term = term;
    this.vote = vote;
    this.matched = 0;
    this.recoverTarget = undefined;
    this.recoverNonce = 0;
    this.dropForwards();
  }

  becomeFollower(term: number, leader: RaftId | undefined): void {
    assert(term >= this.term, "the term never goes back");
    if (term > this.term) this.enterTerm(term, 0);
    if (this.role === "leader" || leader !== undefined) this.leaderlessTicks = 0;
    this.role = "follower";
    this.leader = leader;
    this.leaveLeadership();
    this.resetTimers();
    this.isDirty = true;
  }

  becomeRemoved(why: string): void {
    this.options.log(`This member ends: ${why}`);
    this.role = "removed";
    this.leader = undefined;
    this.leaveLeadership();
    this.dropForwards();
    this.isDirty = true;
  }

  /** Forgets all that belongs to a candidate or leader. */
  leaveLeadership(): void {
    this.progress.clear();
    this.votes.clear();
    this.reads.reset();
    this.forwardWindows.clear();
    this.transferee = undefined;
    this.betterLeader = undefined;
    this.selfVoteWrite = 0;
    this.isLeaseGone = false;
    this.leaseFloorRound = 0;
    this.hasTriedHandover = false;
    this.leavingRound = 0;
  }

  /** Their term is over: whether they were appended only the log will tell. */
  private dropForwards(): void {
    for (const id of this.forwards.keys()) this.forwarded.push({ id, result: { kind: "dropped" } });
    this.forwards.clear();
    this.forwardBytes = 0;
  }

  // ---- leader ----

  get hasOwnCommit(): boolean { return this.log.commit >= this.termStart; }
  get hasActiveQuorum(): boolean { return hasQuorum(this.halves, this.isActive); }

  /** It counts as heard of now, or a new leader, or one that adds a member, would depose itself. */
  trackMembers(): void {
    for (const { id } of everyone(this.config)) {
      if (this.progress.has(id)) continue;
      const progress = new Progress(id, this.log.lastIndex + 1, this.options.maxInflight, this.options.maxInflightBytes);
      progress.heardAt = this.ticks;
      this.progress.set(id, progress);
    }
  }

  append(kind: EntryKind, data: Uint8Array): Extract<ProposeResult, { kind: "appended" }> {
    const entry: Entry = { index: this.log.lastIndex + 1, term: this.term, kind, data };
    this.log.append(entry);
    this.uncommittedBytes += entryBytes(entry);
    this.isDirty = true;
    return { kind: "appended", index: entry.index, term: entry.term };
  }
}
