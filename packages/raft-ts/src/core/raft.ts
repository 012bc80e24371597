// The Raft state machine (Ongaro's dissertation; design after etcd-io/raft): messages, ticks and completions in, one `Ready` value out.
// Pure: no clock, disk, network or hidden randomness; the same calls give the same result.
//
// Storage is asynchronous. `ready()` hands out writes that are done in order; `persisted(id)` says that one is synced. Two rules keep
// it safe: an acknowledgement travels with the write that it acknowledges (Write.messages), and the leader counts its own log only as far as it is synced.
import type { RaftId } from "../api.js";
import { isVoter, memberOf, nextConfig, voters } from "./config.js";
import { decodeConfig, encodeConfig } from "./config-codec.js";
import { assert, entryBytes, RaftLog } from "./log.js";
import { Progress } from "./progress.js";
import { halvesOf, hasQuorum, quorumIndex, voteResult } from "./quorum.js";
import { Reads } from "./reads.js";
import type { Config, ConfigChange, CoreOptions, Draft, Entry, EntryKind, HardState, Message, ProposeResult, Ready, Refusal, Role, SnapshotMeta, Write } from "./types.js";

const refused = (why: Exclude<Refusal["why"], "unfit" | "quorum">): Refusal => ({ kind: "refused", why });

/** This member's log is shorter than what it acknowledged, and it does not know why: its directory was lost or replaced. */
export class LostLogError extends Error {}

export class RaftCore {
  readonly id: RaftId;
  term: number;
  vote: RaftId;
  role: Role = "follower";
  leader: RaftId | undefined;
  config: Config;
  recovering: boolean;
  transferee: RaftId | undefined;
  /** Ticks since a leader was last heard of. */
  leaderlessTicks = 0;
  /** Leader: the index of the entry with which its term began. */
  termStart = 0;
  /** Something happened since the last `ready()`. */
  isDirty = true;

  readonly log: RaftLog;
  readonly progress = new Map<RaftId, Progress>();
  private readonly options: CoreOptions;
  private votes = new Map<RaftId, boolean>();
  private ticks = 0;
  private electionElapsed = 0;
  private heartbeatElapsed = 0;
  private electionTimeout = 0;
  private transferElapsed = 0;
  /** No config change is proposed before this index is applied. */
  private pendingConfigIndex = 0;
  private uncommittedBytes = 0;
  private reads = new Reads();
  private readonly ackedRounds = new Map<RaftId, number>();
  /** The newest durable snapshot: what a member gets whose entries are compacted. */
  private snapshot: SnapshotMeta | undefined;

  private messages: Message[] = [];
  private acknowledgements: Message[] = [];
  private readyReads: { id: number; index: number }[] = [];
  private nextWriteId = 1;
  private written: HardState;
  private isCommitFlushDue = false;
  private selfVoteWrite = 0;
  private isTransfer = false;
  private snapshotToWrite: SnapshotMeta | undefined;
  /** A snapshot was accepted and the state machine does not hold it yet: nothing is applied meanwhile. */
  private restoringIndex: number | undefined;
  private recoveringToWrite: boolean | undefined;
  private recoverNonce = 0;
  private recoverTarget: number | undefined;
  /** Up to here the log is known to agree with the leader of this term. */
  private matched = 0;
  private matchedAtHeartbeat = 0;

  constructor(options: CoreOptions) {
    const { state } = options;
    this.options = options;
    this.id = options.id;
    this.term = state.hardState.term;
    this.vote = state.hardState.vote;
    this.config = state.config;
    this.recovering = state.recovering;
    this.snapshot = state.snapshot;
    this.log = new RaftLog(state.base, state.entries, state.hardState.commit, state.applied);
    this.written = { ...state.hardState, commit: this.log.commit };
    if (state.config.removed.includes(this.id)) this.role = "removed";
    this.resetTimers();
  }

  // ---- inputs ----

  tick(): void {
    if (this.role === "removed") return;
    this.ticks++;
    if (this.log.commit > this.written.commit) { this.isCommitFlushDue = true; this.isDirty = true; }
    this.electionElapsed++;
    if (this.role === "leader") return this.tickLeader();
    this.leaderlessTicks++;
    if (this.electionElapsed >= this.electionTimeout) {
      this.electionElapsed = 0;
      this.electionTimeout = this.randomTimeout();
      if (this.canCampaign) this.campaign("pre");
      else for (const member of this.config.members) if (member.id !== this.id) this.send({ type: "hello", to: member.id });
    } else if (this.electionElapsed % this.options.heartbeatTicks === 0) this.askAgain();
  }

  private tickLeader(): void {
    if (this.transferee !== undefined && ++this.transferElapsed >= this.options.electionTicks) this.transferee = undefined;
    if (!this.hasActiveQuorum(this.config)) {
      this.options.log(`No majority answered for ${this.options.electionTicks} ticks: no longer leader in term ${this.term}`);
      return this.becomeFollower(this.term, undefined);
    }
    // The lease against other candidates (see stepHigherTerm) holds as long as a majority answers.
    this.electionElapsed = 0;
    if (++this.heartbeatElapsed >= this.options.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      this.isDirty = true;
      this.broadcastHeartbeat();
      this.tryTransfer();
    }
    this.promoteLearner();
  }

  step(m: Message): void {
    if (this.role === "removed" || m.to !== this.id) return;
    if (m.type === "removed") return this.becomeRemoved(`member ${m.from} says that it was removed`);
    if (this.config.removed.includes(m.from)) return this.send({ type: "removed", to: m.from });
    // Before the term is looked at: one that does not vote must not depose anybody.
    if (m.type === "hello") return;
    this.isDirty = true;
    if (m.term > this.term && !this.stepHigherTerm(m)) return;
    if (m.term < this.term) return this.stepLowerTerm(m);
    switch (m.type) {
      case "vote": return this.onVote(m);
      case "vote-response": return this.onVoteResponse(m);
      case "append": this.follow(m.from); return this.onAppend(m);
      case "heartbeat": this.follow(m.from); return this.onHeartbeat(m);
      case "snapshot": this.follow(m.from); return this.onSnapshot(m.snapshot);
      case "append-response": return this.onAppendResponse(m.from, m.index);
      case "append-reject": return this.onAppendReject(m);
      case "heartbeat-response": return this.onHeartbeatResponse(m.from, m.round);
      case "timeout-now": return this.campaign("transfer");
      case "read": if (this.role === "leader") this.reads.add(m.from, m.id, this.log.commit, this.hasOwnCommit); return;
      case "read-response": this.readyReads.push({ id: m.id, index: m.index }); return;
      case "propose": case "propose-response": return;
      case "recover": return this.onRecover(m);
      case "recover-response": if (m.nonce === this.recoverNonce) { this.recoverTarget = m.lastIndex; this.checkRecovered(); } return;
    }
  }

  /** False: the message goes no further. A pre-vote raises no term; nothing that is heard while a leader lives deposes it (lease, Raft §4.2.3). */
  private stepHigherTerm(m: Message): boolean {
    if (m.type === "vote") {
      const isInLease = this.leader !== undefined && this.electionElapsed < this.options.electionTicks;
      if (isInLease && !m.isTransfer) return false;
      if (m.isPre) return true;
    }
    if (m.type === "vote-response" && m.isPre && m.isGranted) return true;
    const isFromLeader = m.type === "append" || m.type === "heartbeat" || m.type === "snapshot";
    this.becomeFollower(m.term, isFromLeader ? m.from : undefined);
    return true;
  }

  /** A deposed leader, or a member that was away, learns our term, or else it could never follow again with pre-vote in force. */
  private stepLowerTerm(m: Message): void {
    if (m.type === "append" || m.type === "heartbeat" || m.type === "snapshot") this.acknowledge({ type: "append-response", to: m.from, index: 0 });
    else if (m.type === "vote" && m.isPre) this.acknowledge({ type: "vote-response", to: m.from, isPre: true, isGranted: false });
  }

  propose(data: Uint8Array): ProposeResult {
    if (this.role !== "leader") return refused("not-leader");
    if (this.transferee !== undefined) return refused("transferring");
    if (this.uncommittedBytes > 0 && this.uncommittedBytes + data.length > this.options.maxUncommittedBytes) return refused("busy");
    return this.appendOwn("data", data);
  }

  /** One at a time: the one before must be applied, and an entry of this term committed (Ongaro 2015: else two changes can overlap). */
  proposeConfig(changes: readonly ConfigChange[]): ProposeResult {
    if (this.role !== "leader") return refused("not-leader");
    if (this.transferee !== undefined) return refused("transferring");
    if (this.log.applied < this.pendingConfigIndex) return refused("pending-config");
    const next = nextConfig(this.config, changes, this.id);
    if (next.kind === "same") return refused("no-change");
    if (next.kind === "unfit") return { kind: "refused", why: "unfit", reason: next.reason };
    if (next.config.outgoing.length > 0) return { kind: "refused", why: "unfit", reason: "it moves more than one voter" };
    const missing = voters(next.config).map((m) => m.id).filter((id) => !this.canVote(id));
    if (changes.some((c) => c.kind === "remove" || c.kind === "promote") && !this.hasActiveQuorum(next.config, (id) => this.canVote(id))) return { kind: "refused", why: "quorum", missing };
    const result = this.appendOwn("config", encodeConfig(next.config));
    if (result.kind === "appended") this.pendingConfigIndex = result.index;
    return result;
  }

  /** Asks for an index at which a read is linearizable; it comes back in `Ready.reads` under `id`. False: no leader is known. */
  read(id: number): boolean {
    if (this.leader === undefined || this.role === "removed") return false;
    this.isDirty = true;
    if (this.role === "leader") this.reads.add(this.id, id, this.log.commit, this.hasOwnCommit);
    else this.send({ type: "read", to: this.leader, id });
    return true;
  }

  transfer(to: RaftId): boolean {
    if (this.role !== "leader" || to === this.id || !isVoter(this.config, to)) return false;
    this.transferee = to;
    this.transferElapsed = 0;
    this.isDirty = true;
    this.tryTransfer();
    return true;
  }

  /** The first member of a group does not wait for a leader that cannot be. */
  campaignNow(): void { this.isDirty = true; this.campaign("pre"); }

  unreachable(id: RaftId): void {
    const progress = this.progress.get(id);
    if (progress?.state === "replicate") { progress.becomeProbe(); progress.isProbeSent = true; }
  }

  /** The snapshot stream to `id` ended. The next answer or heartbeat answer says how to go on. */
  snapshotSent(id: RaftId, isDelivered: boolean): void {
    const progress = this.progress.get(id);
    if (progress?.state !== "snapshot") return;
    if (!isDelivered) progress.pendingSnapshot = 0;
    progress.becomeProbe();
    progress.isProbeSent = true;
    this.isDirty = true;
  }

  /** Is it worth taking this snapshot from the leader? */
  wantsSnapshot(meta: SnapshotMeta): boolean {
    return this.role !== "removed" && this.restoringIndex === undefined && meta.index > this.log.commit && this.log.term(meta.index) !== meta.term;
  }

  // ---- completions ----

  persisted(writeId: number): void {
    this.isDirty = true;
    this.log.writeDone(writeId);
    if (this.selfVoteWrite !== 0 && writeId >= this.selfVoteWrite) {
      this.selfVoteWrite = 0;
      if (this.role === "candidate") this.countVote(this.id, true);
    }
    if (this.role === "leader") this.maybeCommit();
    this.checkRecovered();
  }

  applied(index: number): void {
    assert(index <= this.log.commit, "only committed entries are applied");
    this.log.applied = Math.max(this.log.applied, index);
    this.isDirty = true;
  }

  /** The state machine holds the snapshot that `Ready.write.snapshot` brought. */
  restored(index: number): void {
    if (this.restoringIndex !== index) return;
    this.restoringIndex = undefined;
    this.log.applied = index;
    this.isDirty = true;
  }

  applyConfig(entry: Entry): void {
    const before = this.config;
    this.config = decodeConfig(entry.data);
    this.isDirty = true;
    if (this.config.removed.includes(this.id)) return this.becomeRemoved("its removal was committed");
    if (this.role !== "leader") return;
    for (const member of this.config.members) {
      if (this.progress.has(member.id)) continue;
      this.progress.set(member.id, this.newProgress());
    }
    for (const member of before.members) {
      if (memberOf(this.config, member.id)) continue;
      this.progress.delete(member.id);
      this.ackedRounds.delete(member.id);
      this.send({ type: "removed", to: member.id });
      if (this.transferee === member.id) this.transferee = undefined;
    }
    this.maybeCommit();
    this.releaseReads();
  }

  /** A snapshot of the state machine is durable; entries up to `compactTo` may go. */
  snapshotTaken(meta: SnapshotMeta, compactTo: number): void {
    if (this.snapshot && this.snapshot.index >= meta.index) return;
    this.snapshot = meta;
    this.log.compact(Math.min(compactTo, meta.index));
  }

  // ---- output ----

  ready(): Ready {
    if (this.role === "leader") {
      if (this.reads.needsRound) this.broadcastHeartbeat();
      for (const id of this.progress.keys()) if (id !== this.id) this.replicate(id);
    }
    const write = this.takeWrite();
    const committed = this.restoringIndex !== undefined || this.role === "removed" ? []
      : this.log.slice(this.log.applied + 1, Math.min(this.log.commit, this.log.stable), this.options.maxApplyBytes);
    const ready: Ready = { messages: this.messages, ...(write && { write }), committed, reads: this.readyReads, forwarded: [] };
    this.messages = [];
    this.readyReads = [];
    this.isDirty = false;
    return ready;
  }

  private takeWrite(): Write | undefined {
    const hasVoteState = this.term !== this.written.term || this.vote !== this.written.vote;
    const hasEntries = this.log.hasUnwritten;
    const snapshot = this.snapshotToWrite;
    const recovering = this.recoveringToWrite;
    const mustSync = hasVoteState || hasEntries || snapshot !== undefined || recovering !== undefined;
    if (!mustSync && !this.isCommitFlushDue && this.acknowledgements.length === 0) return undefined;
    const id = this.nextWriteId++;
    const hardState: HardState = { term: this.term, vote: this.vote, commit: this.log.commit };
    // The commit index goes with every entry that is written: a member that holds a config entry must, after a restart, know that
    // the config entry before it was committed, or it might campaign with the members of two changes ago (etcd #7280).
    const hasHardState = hasVoteState || this.isCommitFlushDue || (mustSync && hardState.commit !== this.written.commit);
    if (hasHardState) { this.written = hardState; this.isCommitFlushDue = false; }
    const write: Write = {
      id, mustSync, ...(hasHardState && { hardState }), ...(snapshot && { snapshot }), ...(recovering !== undefined && { recovering }),
      entries: this.log.takeUnwritten(id), messages: this.acknowledgements,
    };
    this.acknowledgements = [];
    this.snapshotToWrite = undefined;
    this.recoveringToWrite = undefined;
    return write;
  }

  private send(draft: Draft, term = this.term): void { this.isDirty = true; this.messages.push({ ...draft, from: this.id, term } as Message); }
  private acknowledge(draft: Draft, term = this.term): void { this.isDirty = true; this.acknowledgements.push({ ...draft, from: this.id, term } as Message); }

  // ---- roles ----

  private randomTimeout(): number { return this.options.electionTicks + this.options.random(this.options.electionTicks); }

  private resetTimers(): void {
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    this.electionTimeout = this.randomTimeout();
  }

  private becomeFollower(term: number, leader: RaftId | undefined): void {
    assert(term >= this.term, "the term never goes back");
    if (term > this.term) {
      this.term = term;
      this.vote = 0;
      this.matched = 0;
      this.recoverTarget = undefined;
      this.recoverNonce = 0;
    }
    if (this.role === "leader" || leader !== undefined) this.leaderlessTicks = 0;
    this.role = "follower";
    this.leader = leader;
    this.leaveLeadership();
    this.resetTimers();
    this.isDirty = true;
  }

  private leaveLeadership(): void {
    this.progress.clear();
    this.ackedRounds.clear();
    this.votes.clear();
    this.reads = new Reads();
    this.transferee = undefined;
    this.selfVoteWrite = 0;
  }

  private becomeRemoved(why: string): void {
    this.options.log(`This member ends: ${why}`);
    this.role = "removed";
    this.leader = undefined;
    this.leaveLeadership();
    this.isDirty = true;
  }

  /** Config changes take effect when applied, so a member that has one committed but not applied may not know who votes (etcd #7280). */
  private get canCampaign(): boolean {
    return isVoter(this.config, this.id) && !this.recovering && this.restoringIndex === undefined
      && !this.log.some(this.log.applied, this.log.commit, (entry) => entry.kind === "config");
  }

  /** "transfer" skips the pre-vote: the leader itself asked, and its heartbeats would make the pre-vote fail. */
  private campaign(kind: "pre" | "real" | "transfer"): void {
    if (this.role === "leader" || this.role === "removed" || !this.canCampaign) return;
    this.leaveLeadership();
    this.leader = undefined;
    this.resetTimers();
    this.isDirty = true;
    const isPre = kind === "pre";
    if (isPre) {
      this.role = "pre-candidate";
    } else {
      this.role = "candidate";
      this.term++;
      this.vote = this.id;
      this.matched = 0;
      // The own vote counts once it is on disk, like anybody's.
      this.selfVoteWrite = this.nextWriteId;
    }
    this.isTransfer = kind === "transfer";
    for (const request of this.voteRequests()) {
      if (isPre) this.send(request, this.term + 1);
      // After the sync: the request tells of log entries, and votes won with entries that a crash then takes away would elect a shorter log.
      else this.acknowledge(request);
    }
    if (isPre) this.countVote(this.id, true);
  }

  private voteRequests(): Draft[] {
    return voters(this.config).filter(({ id }) => id !== this.id && !this.votes.has(id)).map(({ id }) => ({
      type: "vote", to: id, isPre: this.role === "pre-candidate", lastIndex: this.log.lastIndex, lastTerm: this.log.lastTerm, isTransfer: this.isTransfer,
    }));
  }

  /** The first request of an election often goes into a connection that broke long ago, unnoticed because followers tell each other nothing. */
  private askAgain(): void {
    if (this.role === "pre-candidate") for (const request of this.voteRequests()) this.send(request, this.term + 1);
    // Not before the own vote is on disk, see campaign.
    if (this.role === "candidate" && this.selfVoteWrite === 0) for (const request of this.voteRequests()) this.send(request);
  }

  private countVote(from: RaftId, isGranted: boolean): void {
    if (!this.votes.has(from)) this.votes.set(from, isGranted);
    switch (voteResult(halvesOf(this.config), this.votes)) {
      case "won": if (this.role === "pre-candidate") this.campaign("real"); else this.becomeLeader(); return;
      case "lost": return this.becomeFollower(this.term, undefined);
      case "pending": return;
    }
  }

  private becomeLeader(): void {
    assert(this.role === "candidate", "only a candidate becomes leader");
    this.leaveLeadership();
    this.role = "leader";
    this.leader = this.id;
    this.leaderlessTicks = 0;
    this.resetTimers();
    for (const member of this.config.members) {
      this.progress.set(member.id, this.newProgress());
    }
    this.uncommittedBytes = 0;
    for (let index = this.log.commit + 1; index <= this.log.lastIndex; index++) this.uncommittedBytes += entryBytes(this.log.entry(index)!);
    const start = this.appendOwn("noop", new Uint8Array(0));
    this.termStart = start.kind === "appended" ? start.index : 0;
    this.pendingConfigIndex = this.termStart;
    this.options.log(`Leader in term ${this.term}`);
  }

  /** It counts as heard of now, or a new leader, or one that adds a member, would depose itself. */
  private newProgress(): Progress {
    const progress = new Progress(this.log.lastIndex + 1, this.options.maxInflight, this.options.maxInflightBytes);
    progress.heardAt = this.ticks;
    return progress;
  }

  /** Heard of within an election timeout. The leader itself always. */
  isActive(id: RaftId): boolean {
    const progress = this.progress.get(id);
    return id === this.id || (progress !== undefined && this.ticks - progress.heardAt <= this.options.electionTicks);
  }

  private appendOwn(kind: EntryKind, data: Uint8Array): ProposeResult {
    const entry: Entry = { index: this.log.lastIndex + 1, term: this.term, kind, data };
    this.log.append(entry);
    this.uncommittedBytes += entryBytes(entry);
    this.isDirty = true;
    return { kind: "appended", index: entry.index, term: entry.term };
  }

  // ---- votes ----

  private onVote(m: Extract<Message, { type: "vote" }>): void {
    const isFree = this.vote === m.from || (this.vote === 0 && this.leader === undefined) || (m.isPre && m.term > this.term);
    // Not asked here: am I a voter? One that was promoted without knowing it yet must vote (etcd abb533c).
    const isGranted = isFree && !this.recovering && this.log.isUpToDate(m.lastIndex, m.lastTerm) && !this.goesFirst(m);
    // A grant carries the request's term, or a candidate that is behind takes it for an old one (etcd #8243).
    this.acknowledge({ type: "vote-response", to: m.from, isPre: m.isPre, isGranted }, isGranted ? m.term : this.term);
    if (!isGranted) return;
    if (m.isPre) this.electionElapsed = Math.min(this.electionElapsed, this.electionTimeout - Math.ceil(this.options.electionTicks / 3));
    else { this.vote = m.from; this.electionElapsed = 0; }
  }

  /**
   * Two that miss the leader at once would share the votes and then wait for another election timeout. So of two whose logs are equal the higher id
   * goes on, and whoever supports another gives it some ticks (above) before it tries itself. Only pre-votes are held back so: they decide nothing.
   */
  private goesFirst(m: Extract<Message, { type: "vote" }>): boolean {
    return m.isPre && this.role === "pre-candidate" && this.id > m.from && m.lastIndex === this.log.lastIndex && m.lastTerm === this.log.lastTerm;
  }

  private onVoteResponse(m: Extract<Message, { type: "vote-response" }>): void {
    if (m.isPre ? this.role !== "pre-candidate" : this.role !== "candidate") return;
    if (m.isPre && m.isGranted && m.term !== this.term + 1) return;
    this.countVote(m.from, m.isGranted);
  }

  // ---- follower ----

  private follow(from: RaftId): void {
    assert(this.role !== "leader", `one leader in a term: ${from} and ${this.id} in ${this.term}`);
    if (this.role !== "follower") this.becomeFollower(this.term, from);
    this.leader = from;
    this.electionElapsed = 0;
    this.leaderlessTicks = 0;
  }

  private onAppend(m: Extract<Message, { type: "append" }>): void {
    if (m.prevIndex < this.log.commit) {
      // What is committed agrees with any leader.
      this.matched = Math.max(this.matched, this.log.commit);
      return this.acknowledge({ type: "append-response", to: m.from, index: this.log.commit });
    }
    if (this.log.term(m.prevIndex) !== m.prevTerm) {
      const hint = this.log.findConflict(Math.min(m.prevIndex, this.log.lastIndex), m.prevTerm);
      return this.acknowledge({ type: "append-reject", to: m.from, index: m.prevIndex, hintIndex: hint.index, hintTerm: hint.term });
    }
    this.log.merge(m.entries);
    const last = m.prevIndex + m.entries.length;
    this.matched = Math.max(this.matched, last);
    this.commitTo(Math.min(m.commit, last));
    this.acknowledge({ type: "append-response", to: m.from, index: last });
  }

  private onHeartbeat(m: Extract<Message, { type: "heartbeat" }>): void {
    if (this.recovering && (this.recoverTarget === undefined || this.matched === this.matchedAtHeartbeat)) this.askForRecovery(m.from);
    this.matchedAtHeartbeat = this.matched;
    if (m.commit > this.log.lastIndex) {
      // The leader tells no member of a commit beyond what it acknowledged.
      if (!this.recovering) throw new LostLogError(`the log ends at ${this.log.lastIndex}, but this member acknowledged entries up to ${m.commit}`);
    } else if (!this.recovering || m.commit <= this.matched) {
      this.commitTo(m.commit);
    }
    this.send({ type: "heartbeat-response", to: m.from, round: m.round, isPromise: false });
  }

  private commitTo(index: number): void {
    if (index <= this.log.commit) return;
    assert(index <= this.log.lastIndex, `commit index ${index} lies within the log (${this.log.lastIndex})`);
    this.log.commit = index;
  }

  private onSnapshot(meta: SnapshotMeta): void {
    const to = this.leader!;
    if (meta.index <= this.log.commit) return this.acknowledge({ type: "append-response", to, index: this.log.commit });
    this.matched = Math.max(this.matched, meta.index);
    if (this.log.term(meta.index) === meta.term) {
      this.commitTo(meta.index);
      return this.acknowledge({ type: "append-response", to, index: meta.index });
    }
    if (this.restoringIndex !== undefined) return;
    this.log.reset(meta.index, meta.term);
    this.config = meta.config;
    this.snapshot = meta;
    this.snapshotToWrite = meta;
    this.restoringIndex = meta.index;
    this.acknowledge({ type: "append-response", to, index: meta.index });
  }

  // ---- leader ----

  private replicate(id: RaftId): void {
    const progress = this.progress.get(id)!;
    while (!progress.isPaused) {
      const hasEntries = progress.next <= this.log.lastIndex;
      if (!hasEntries && progress.state === "replicate" && progress.sentCommit >= this.log.commit) return;
      const prevIndex = progress.next - 1;
      const prevTerm = this.log.term(prevIndex);
      if (prevTerm === undefined) return this.sendSnapshot(id, progress);
      const entries = hasEntries ? this.log.slice(progress.next, this.log.lastIndex, this.options.maxMessageBytes) : [];
      this.send({ type: "append", to: id, prevIndex, prevTerm, entries, commit: this.log.commit });
      progress.sentCommit = this.log.commit;
      if (progress.state === "probe") { progress.isProbeSent = true; return; }
      if (entries.length === 0) return;
      progress.next += entries.length;
      progress.inflights.add(progress.next - 1, entries.reduce((sum, entry) => sum + entryBytes(entry), 0));
    }
  }

  private sendSnapshot(id: RaftId, progress: Progress): void {
    if (!this.isActive(id) || !this.snapshot) { progress.isProbeSent = true; return; }
    assert(this.snapshot.index >= this.log.firstIndex - 1, "the newest snapshot covers everything compacted");
    progress.becomeSnapshot(this.snapshot.index);
    this.send({ type: "snapshot", to: id, snapshot: this.snapshot });
  }

  private broadcastHeartbeat(): void {
    const round = ++this.reads.round;
    for (const [id, progress] of this.progress) {
      // Never a commit beyond what it is known to have: it may hold other entries there.
      if (id !== this.id) this.send({ type: "heartbeat", to: id, commit: Math.min(progress.match, this.log.commit), round });
    }
    this.releaseReads();
  }

  private onAppendResponse(from: RaftId, index: number): void {
    const progress = this.progress.get(from);
    if (this.role !== "leader" || !progress) return;
    progress.heardAt = this.ticks;
    if (index > this.log.lastIndex) return;
    const isNew = progress.accepted(index);
    if (!isNew && !(progress.state === "probe" && index === progress.match && index > 0)) return;
    if (progress.state === "probe") progress.becomeReplicate();
    // Also when it came further than the snapshot that it waits for (etcd-io/raft #110): what counts is that our log goes on from there.
    else if (progress.state === "snapshot" && progress.match + 1 >= this.log.firstIndex) progress.becomeReplicate();
    else if (progress.state === "replicate") progress.inflights.freeTo(index);
    if (isNew) this.maybeCommit();
    if (this.transferee === from) this.tryTransfer();
  }

  private onAppendReject(m: Extract<Message, { type: "append-reject" }>): void {
    const progress = this.progress.get(m.from);
    if (this.role !== "leader" || !progress) return;
    progress.heardAt = this.ticks;
    const hint = m.hintTerm > 0 ? this.log.findConflict(m.hintIndex, m.hintTerm).index : m.hintIndex;
    if (progress.refused(m.index, hint) && progress.state === "replicate") progress.becomeProbe();
  }

  private onHeartbeatResponse(from: RaftId, round: number): void {
    const progress = this.progress.get(from);
    if (this.role !== "leader" || !progress) return;
    progress.heardAt = this.ticks;
    progress.isProbeSent = false;
    if (progress.state === "replicate") {
      if (progress.inflights.isFull) progress.inflights.freeFirst();
      // An append may have been lost: ask again with an empty one, whose refusal shows it.
      if (progress.match < this.log.lastIndex) progress.sentCommit = -1;
    }
    this.ackedRounds.set(from, Math.max(round, this.ackedRounds.get(from) ?? 0));
    this.releaseReads();
  }

  private get hasOwnCommit(): boolean { return this.log.commit >= this.termStart; }

  private maybeCommit(): void {
    if (this.role !== "leader") return;
    const index = quorumIndex(halvesOf(this.config), (id) => id === this.id ? this.log.stable : this.progress.get(id)?.match ?? 0);
    // Counting replicas of an older term's entry proves nothing (Raft figure 8).
    if (index <= this.log.commit || this.log.term(index) !== this.term) return;
    const hadOwnCommit = this.hasOwnCommit;
    for (let i = this.log.commit + 1; i <= index; i++) this.uncommittedBytes -= entryBytes(this.log.entry(i)!);
    assert(this.uncommittedBytes >= 0, "what was committed was counted before");
    this.log.commit = index;
    this.isDirty = true;
    if (!hadOwnCommit && this.hasOwnCommit) this.reads.ownTermCommitted(this.log.commit);
  }

  private releaseReads(): void {
    if (this.role !== "leader") return;
    const confirmed = quorumIndex(halvesOf(this.config), (id) => id === this.id ? Number.MAX_SAFE_INTEGER : this.ackedRounds.get(id) ?? 0);
    for (const read of this.reads.take(Math.min(confirmed, this.reads.round))) {
      if (read.from === this.id) this.readyReads.push({ id: read.id, index: read.index });
      else this.send({ type: "read-response", to: read.from, id: read.id, index: read.index });
    }
  }

  private canVote(id: RaftId): boolean {
    const progress = this.progress.get(id);
    return this.isActive(id) && (id === this.id || (progress !== undefined && progress.match >= progress.recoverTarget));
  }

  /** Can the voters of `config` reach a majority as far as is known? */
  private hasActiveQuorum(config: Config, counts = (id: RaftId): boolean => this.isActive(id)): boolean {
    return hasQuorum(halvesOf(config), counts);
  }

  private tryTransfer(): void {
    if (this.transferee === undefined || this.progress.get(this.transferee)?.match !== this.log.lastIndex) return;
    this.send({ type: "timeout-now", to: this.transferee });
  }

  /** Learner first, voter once it is up to date: a new voter that is far behind would stop commits (Raft §4.2.1). */
  private promoteLearner(): void {
    if (this.log.applied < this.pendingConfigIndex || this.transferee !== undefined) return;
    for (const member of this.config.members) {
      const progress = this.progress.get(member.id);
      if (!member.isLearner || member.staysLearner || !progress || !this.isActive(member.id) || progress.state !== "replicate") continue;
      if (progress.match === 0 || progress.match + this.options.promotionLag < this.log.lastIndex) continue;
      if (this.proposeConfig([{ kind: "promote", id: member.id }]).kind === "appended") return;
    }
  }

  // ---- recovery of a log that lost its end ----

  private askForRecovery(leader: RaftId): void {
    if (this.recoverNonce === 0) this.recoverNonce = 1 + this.options.random(2 ** 32);
    this.send({ type: "recover", to: leader, lastIndex: this.log.lastIndex, nonce: this.recoverNonce });
  }

  private onRecover(m: Extract<Message, { type: "recover" }>): void {
    const progress = this.progress.get(m.from);
    if (this.role !== "leader" || !progress) return;
    progress.forget(Math.min(m.lastIndex, this.log.lastIndex), this.log.lastIndex);
    progress.heardAt = this.ticks;
    this.send({ type: "recover-response", to: m.from, lastIndex: this.log.lastIndex, nonce: m.nonce });
  }

  /**
   * Why it is enough to reach the end that the leader's log had after we asked: our term is never forgotten, so this leader is at least as new as
   * any to which we acknowledged. If it is the same one, its log held then all that we acknowledged to it. If it is newer, it was elected
   * without a vote given after the loss, so the majority that elected it shares a member, other than us since, with any majority that our lost acknowledgements helped
   * to form; its log holds what that majority committed.
   */
  private checkRecovered(): void {
    if (!this.recovering || this.recoverTarget === undefined) return;
    if (this.matched < this.recoverTarget || this.log.stable < this.recoverTarget) return;
    this.recovering = false;
    this.recoveringToWrite = false;
    this.recoverTarget = undefined;
    this.isDirty = true;
    this.options.log(`The log is whole again up to ${this.log.stable}`);
  }
}
