// Linearizable reads (Raft §6.4): by a heartbeat round that a majority answers, or, where clocks are trusted, by a lease that such a round gave.
import type { RaftId } from "../api.js";
import { quorumIndex } from "./quorum.js";
import { broadcastHeartbeat } from "./replication.js";
import type { CoreState } from "./state.js";

/** False: no leader is known. */
export function read(s: CoreState, id: number): boolean {
  if (s.leader === undefined || s.role === "removed") return false;
  s.isDirty = true;
  if (s.role === "leader") serveRead(s, s.id, id);
  else s.send({ type: "read", from: s.id, to: s.leader, term: s.term, id });
  return true;
}

/** The leader: a read of its own, or one that a follower asks for. */
export function serveRead(s: CoreState, from: RaftId, id: number): void {
  if (s.role !== "leader") return;
  if (hasLease(s)) answer(s, from, id, s.log.commit);
  else s.reads.add(from, id, s.log.commit, s.hasOwnCommit);
}

function answer(s: CoreState, to: RaftId, id: number, index: number): void {
  if (to === s.id) { s.readyReads.push({ id, index }); s.isDirty = true; }
  else s.send({ type: "read-response", from: s.id, to, term: s.term, id, index });
}

/** Reads that arrived since the last round need one. */
export function startRoundIfNeeded(s: CoreState): void {
  if (!s.reads.needsRound) return;
  broadcastHeartbeat(s);
  releaseReads(s);
}

/** The last heartbeat round that a majority has answered: this member led when it was sent. */
export function confirmedRound(s: CoreState): number {
  return Math.min(s.reads.round, quorumIndex(s.halves, (id) => id === s.id ? s.reads.round : s.progress.get(id)?.ackedRound ?? 0));
}

export function releaseReads(s: CoreState): void {
  if (s.role !== "leader" || !s.reads.isWaiting) return;
  for (const { from, id, index } of s.reads.take(confirmedRound(s))) answer(s, from, id, index);
}

/**
 * A majority answered a round sent at tick t with the promise to vote for nobody for electionTicks from then on; so until t + electionTicks, by clocks that agree within
 * the margin, there is no other leader. Not once a handover was begun: its votes go past all promises, and may come late.
 */
function hasLease(s: CoreState): boolean {
  const { readMode, electionTicks, leaseMarginTicks } = s.options;
  if (readMode !== "lease" || s.isLeaseGone || s.transferee !== undefined || s.leavingRound !== 0 || !s.hasOwnCommit) return false;
  const sentAt = quorumIndex(s.halves, (id) => id === s.id ? s.ticks : s.progress.get(id)?.promisedAt ?? -Infinity);
  return s.ticks < sentAt + electionTicks - leaseMarginTicks;
}

export function expireLease(s: CoreState): void {
  s.leaseFloorRound = s.reads.round;
  for (const progress of s.progress.values()) progress.promisedAt = -Infinity;
}
