// The Raft state machine (Ongaro's dissertation; design after etcd-io/raft): messages, ticks and completions in, one `Ready` value out.
// Pure: no clock, disk, network or hidden randomness; the same calls give the same result. Here is the way in; what happens is in the files that are named below.
//
// Storage is asynchronous. `ready()` hands out writes that are done in order; `persisted(id)` says that one is synced. Two rules keep
// it safe: an acknowledgement travels with the write that it acknowledges (Write.messages), and the leader counts its own log only as far as it is synced.
// Applying is asynchronous too: `Ready.committed` hands each entry out once, `applied(index)` says that the state machine has it.
import type { RaftId } from "../api.js";
import { leaderUnreachable, tickDoubt } from "./doubt.js";
import { campaign, campaignNow, isQuietFor, learnCommit, onVote, onVoteResponse, ownVotePersisted, tickElection } from "./election.js";
import { follow, onAppend, onHeartbeat, onSnapshot, restored, wantsSnapshot } from "./follower.js";
import { forward, onPropose, onProposeResponse } from "./forwarding.js";
import type { RaftLog } from "./log.js";
import { applyConfig, finishLeaving, leaveJointWhenDue, onRemoved, promoteLearner, judgeConfig, proposeConfig } from "./membership.js";
import { acknowledgeApplied, flushCommitWhenIdle, takeReady } from "./output.js";
import type { Progress } from "./progress.js";
import { propose } from "./propose.js";
import { expireLease, read, releaseReads, serveRead } from "./reads.js";
import { checkRecovered, onRecover, onRecoverResponse } from "./recovery.js";
import { broadcastHeartbeat, maybeCommit, onAppendReject, onAppendResponse, onHeartbeatResponse, snapshotSent, unreachable } from "./replication.js";
import { CoreState } from "./state.js";
import { tickTransfer, transfer, tryTransfer } from "./transfer.js";
import type { Config, ConfigChange, CoreOptions, Entry, Message, ProposeResult, Ready, Role, SnapshotMeta } from "./types.js";

export { LostLogError } from "./recovery.js";

/** Throws on a broken invariant, and LostLogError when this member's log is shorter than what it acknowledged; it must not go on then. */
export class RaftCore {
  private readonly s: CoreState;
  constructor(options: CoreOptions) { this.s = new CoreState(options); }

  // ---- what it knows ----

  get id(): RaftId { return this.s.id; }
  get term(): number { return this.s.term; }
  /** 0: none in this term. */
  get vote(): RaftId { return this.s.vote; }
  get role(): Role { return this.s.role; }
  get leader(): RaftId | undefined { return this.s.leader; }
  get config(): Config { return this.s.config; }
  get log(): RaftLog { return this.s.log; }
  /** Leader: what it knows of each member, itself included; empty on others. */
  get progress(): ReadonlyMap<RaftId, Progress> { return this.s.progress; }
  /** The log lost a part that may have been acknowledged, see recovery.ts. */
  get recovering(): boolean { return this.s.recovering; }
  /** The state machine has not got the leader's snapshot yet: nothing is applied meanwhile. */
  get isRestoring(): boolean { return this.s.restoringIndex !== undefined; }
  /** Leader: who it is handing over to. */
  get transferee(): RaftId | undefined { return this.s.transferee; }
  /** Leader: the index of the entry with which its term began. */
  get termStart(): number { return this.s.termStart; }
  /** Ticks since a leader was last heard of. */
  get leaderlessTicks(): number { return this.s.leaderlessTicks; }
  /** Ticks since the start. */
  get ticks(): number { return this.s.ticks; }
  /** Bytes of entries that are appended and not committed, as the leader counts them. */
  get uncommittedBytes(): number { return this.s.uncommittedBytes; }
  /** Something happened since the last `ready()`. */
  get isDirty(): boolean { return this.s.isDirty; }
  /** Leader: the member was heard of within an election timeout. */
  isActive(id: RaftId): boolean { return this.s.isActive(id); }

  // ---- inputs ----

  tick(): void {
    const { s } = this;
    if (s.role === "removed") return;
    s.ticks++;
    flushCommitWhenIdle(s);
    s.electionElapsed++;
    if (s.role === "leader") return this.tickLeader();
    tickDoubt(s);
    tickElection(s);
  }

  private tickLeader(): void {
    const { s } = this;
    tickTransfer(s);
    if (!s.hasActiveQuorum) {
      s.options.log(`No majority answered for ${s.options.electionTicks} ticks: no longer leader in term ${s.term}`);
      return s.becomeFollower(s.term, undefined);
    }
    // The lease against other candidates (isQuietFor) holds as long as a majority answers.
    s.electionElapsed = 0;
    if (++s.heartbeatElapsed >= s.options.heartbeatTicks) {
      s.heartbeatElapsed = 0;
      broadcastHeartbeat(s);
      releaseReads(s);
      tryTransfer(s);
    }
    leaveJointWhenDue(s);
    promoteLearner(s);
  }

  /** A message from another member; the transport vouches for `from`. Messages may be lost, late, repeated and out of order. */
  step(m: Message): void {
    const { s } = this;
    if (s.role === "removed" || m.to !== s.id) return;
    if (m.type === "removed") return onRemoved(s, m.from);
    // Once we would know it after a crash: we might need its vote, and whoever hears this ends.
    if (s.wasRemoved(m.from)) return s.acknowledge({ type: "removed", from: s.id, to: m.from, term: s.term });
    // Most answers of followers ask for nothing to be done: those two kinds say themselves when they do.
    if (m.type !== "heartbeat-response" && m.type !== "append-response") s.isDirty = true;
    if (m.type === "vote" || m.type === "vote-response" || m.type === "hello") learnCommit(s, m);
    // Before the term is looked at: one that does not vote must not depose anybody, and proposals raise no term.
    if (m.type === "hello") return;
    if (m.type === "propose") return onPropose(s, m);
    if (m.type === "propose-response") return onProposeResponse(s, m);
    if (m.type === "vote" && isQuietFor(s, m)) return;
    if (m.term > s.term) this.stepHigherTerm(m);
    else if (m.term < s.term) return this.stepLowerTerm(m);
    switch (m.type) {
      case "vote": return onVote(s, m);
      case "vote-response": return onVoteResponse(s, m);
      case "append": follow(s, m.from); return onAppend(s, m);
      case "heartbeat": follow(s, m.from); return onHeartbeat(s, m);
      case "snapshot": follow(s, m.from); return onSnapshot(s, m.from, m.snapshot);
      case "append-response": onAppendResponse(s, m.from, m.index); if (s.transferee === m.from) tryTransfer(s); return;
      case "append-reject": return onAppendReject(s, m);
      case "heartbeat-response": onHeartbeatResponse(s, m); releaseReads(s); return finishLeaving(s);
      case "timeout-now": return campaign(s, "transfer");
      case "read": return serveRead(s, m.from, m.id);
      case "read-response": s.readyReads.push({ id: m.id, index: m.index }); return;
      case "recover": return onRecover(s, m);
      case "recover-response": return onRecoverResponse(s, m);
    }
  }

  /** Pre-votes raise no term, neither asked for nor granted. */
  private stepHigherTerm(m: Message): void {
    if (m.type === "vote" && m.isPre) return;
    if (m.type === "vote-response" && m.isPre && m.isGranted) return;
    const isFromLeader = m.type === "append" || m.type === "heartbeat" || m.type === "snapshot";
    this.s.becomeFollower(m.term, isFromLeader ? m.from : undefined);
  }

  /** A deposed leader, or a member that was away, learns our term, or else it could never follow again with pre-vote in force. */
  private stepLowerTerm(m: Message): void {
    const { s } = this;
    if (m.type === "append" || m.type === "heartbeat" || m.type === "snapshot") s.acknowledge({ type: "append-response", from: s.id, to: m.from, term: s.term, index: 0 });
    else if (m.type === "vote" && m.isPre) s.acknowledge({ type: "vote-response", from: s.id, to: m.from, term: s.term, isPre: true, isGranted: false, ...s.commitNews });
  }

  /** Appends `data` to the leader's log. Committed once an entry of this index and term comes out of `Ready.committed`. */
  propose(data: Uint8Array): ProposeResult { return propose(this.s, data); }

  /** Sends `data` to the leader; `Ready.forwarded` says what became of it (forwarding.ts). Ids count up. False: not possible now. */
  forward(id: number, data: Uint8Array): boolean { return forward(this.s, id, data); }

  /** One change of members, or several at once; a joint configuration on the way is left without being asked (membership.ts). */
  proposeConfig(changes: readonly ConfigChange[]): ProposeResult { return proposeConfig(this.s, changes); }
  /** What `proposeConfig` would refuse now; undefined: nothing. */
  refusalOf(changes: readonly ConfigChange[]): Extract<ProposeResult, { kind: "refused" }> | undefined { const judged = judgeConfig(this.s, changes); return judged.kind === "refused" ? judged : undefined; }

  /** Asks for an index at which a read is linearizable; it comes back in `Ready.reads` under `id`. False: no leader is known. */
  read(id: number): boolean { return read(this.s, id); }

  /** The ticks of this process are late (it was paused): a lease that counts them is worth nothing. */
  expireLease(): void { expireLease(this.s); }

  /** Hands leadership to a voter. False: not leader, or not a voter. Given up after an election timeout. */
  transfer(to: RaftId): boolean { return transfer(this.s, to); }

  /** Campaigns without waiting for a leader. */
  campaignNow(): void { campaignNow(this.s); }

  unreachable(id: RaftId): void {
    unreachable(this.s, id);
    leaderUnreachable(this.s, id);
  }

  /** The snapshot stream to `id` ended. */
  snapshotSent(id: RaftId, isDelivered: boolean): void { snapshotSent(this.s, id, isDelivered); }

  /** Is it worth taking this snapshot from the leader? */
  wantsSnapshot(meta: SnapshotMeta): boolean { return wantsSnapshot(this.s, meta); }

  // ---- completions ----

  /** The write of this id and all before it are synced. */
  persisted(writeId: number): void {
    const { s } = this;
    s.isDirty = true;
    s.persistedWriteId = Math.max(s.persistedWriteId, writeId);
    s.log.writeDone(writeId);
    while (s.commitSyncs.length > 0 && s.commitSyncs[0]!.id <= writeId) s.syncedCommit = s.commitSyncs.shift()!.commit;
    ownVotePersisted(s, writeId);
    maybeCommit(s);
    checkRecovered(s);
  }

  /** Entries up to `index`, all of them handed out, are in the state machine. */
  applied(index: number): void {
    acknowledgeApplied(this.s, index);
    leaveJointWhenDue(this.s);
  }

  /** The state machine holds the snapshot that `Ready.write.snapshot` brought. */
  restored(index: number): void { restored(this.s, index); }

  /** The turn of a committed config entry has come: it takes effect. */
  applyConfig(entry: Entry): void { applyConfig(this.s, entry); }

  /** A snapshot of the state machine is durable; entries up to `compactTo` may go. */
  snapshotTaken(meta: SnapshotMeta, compactTo: number): void {
    const { s } = this;
    if (s.snapshot && s.snapshot.index >= meta.index) return;
    s.snapshot = meta;
    s.log.compact(Math.min(compactTo, meta.index));
  }

  // ---- output ----

  /** Everything that is to be done since the last call. The order of doing: send `messages`, queue `write`, apply `committed`. */
  ready(): Ready { return takeReady(this.s); }
}
