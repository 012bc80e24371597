// The leader's side of the log: appends, snapshots and heartbeats to the others, their answers, and what is committed (Raft §5.3, §5.4.2).
import type { RaftId } from "../api.js";
import { assert, entryBytes } from "./log.js";
import type { Progress } from "./progress.js";
import { quorumIndex } from "./quorum.js";
import type { CoreState } from "./state.js";
import type { Entry, Message } from "./types.js";

const noEntries: readonly Entry[] = [];

/**
 * Sends everybody what it may have now. A new commit index that has no entries to go with waits for the next call, which true asks for: whoever hears of the commit in this turn
 * often proposes again at once, and then the entries carry it. Half of all messages, where one proposal is made after the other. That a configuration is committed is told at
 * once: to a member that it removes there is no later.
 */
export function replicateAll(s: CoreState): boolean {
  const { log } = s;
  const isNews = log.commit > s.commitAtReady && !log.hasConfig(s.commitAtReady, log.commit);
  s.commitAtReady = log.commit;
  let isHeldBack = false;
  for (const progress of s.progress.values()) {
    if (progress.id === s.id) continue;
    if (isNews && progress.state === "replicate" && progress.next > log.lastIndex && progress.sentCommit >= 0) isHeldBack ||= progress.sentCommit < log.commit;
    else replicate(s, progress);
  }
  return isHeldBack;
}

function replicate(s: CoreState, progress: Progress): void {
  const { log } = s;
  while (!progress.isPaused) {
    // A full window lets only an empty append pass: it tells the commit index, and its refusal shows what was lost (etcd #14633).
    const hasEntries = progress.next <= log.lastIndex && progress.mayTakeEntries;
    if (!hasEntries && progress.state === "replicate" && progress.sentCommit >= log.commit) return;
    const prevIndex = progress.next - 1;
    const prevTerm = log.term(prevIndex);
    if (prevTerm === undefined) return sendSnapshot(s, progress);
    const entries = hasEntries ? log.slice(progress.next, log.lastIndex, s.options.maxMessageBytes) : noEntries;
    s.send({ type: "append", from: s.id, to: progress.id, term: s.term, prevIndex, prevTerm, entries, commit: log.commit });
    progress.sentCommit = log.commit;
    if (progress.state === "probe") { progress.isProbeSent = true; return; }
    if (entries.length === 0) return;
    progress.next += entries.length;
    progress.inflights.add(progress.next - 1, bytesOf(entries));
  }
}

function bytesOf(entries: readonly Entry[]): number {
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) bytes += entryBytes(entries[i]!);
  return bytes;
}

function sendSnapshot(s: CoreState, progress: Progress): void {
  if (!s.isActive(progress.id) || !s.snapshot) { progress.isProbeSent = true; return; }
  assert(s.snapshot.index >= s.log.firstIndex - 1, "the newest snapshot covers everything compacted");
  progress.becomeSnapshot(s.snapshot.index);
  s.send({ type: "snapshot", from: s.id, to: progress.id, term: s.term, snapshot: s.snapshot });
}

export function broadcastHeartbeat(s: CoreState): void {
  const round = s.reads.startRound(s.ticks);
  for (const { id, match } of s.progress.values()) {
    // Never a commit beyond what it is known to have: it may hold other entries there.
    if (id !== s.id) s.send({ type: "heartbeat", from: s.id, to: id, term: s.term, commit: Math.min(match, s.log.commit), round });
  }
}

export function onAppendResponse(s: CoreState, from: RaftId, index: number): void {
  const progress = s.progress.get(from);
  if (s.role !== "leader" || !progress) return;
  progress.heard(s.ticks);
  if (index > s.log.lastIndex) return;
  const isNew = progress.accepted(index);
  if (!isNew && !(progress.state === "probe" && index === progress.match && index > 0)) return;
  if (progress.state === "probe") progress.becomeReplicate();
  // Also when it came further than the snapshot that it waits for (etcd-io/raft #110): what counts is that our log goes on from there.
  else if (progress.state === "snapshot" && progress.match + 1 >= s.log.firstIndex) progress.becomeReplicate();
  else if (progress.state === "replicate") progress.inflights.freeTo(index);
  if (progress.state !== "replicate" || progress.next <= s.log.lastIndex || progress.sentCommit < s.log.commit) s.isDirty = true;
  if (isNew) maybeCommit(s);
}

export function onAppendReject(s: CoreState, m: Extract<Message, { type: "append-reject" }>): void {
  const progress = s.progress.get(m.from);
  if (s.role !== "leader" || !progress) return;
  progress.heard(s.ticks);
  const hint = m.hintTerm > 0 ? s.log.findConflict(m.hintIndex, m.hintTerm).index : m.hintIndex;
  if (progress.refused(m.index, hint) && progress.state === "replicate") progress.becomeProbe();
}

export function onHeartbeatResponse(s: CoreState, m: Extract<Message, { type: "heartbeat-response" }>): void {
  const progress = s.progress.get(m.from);
  if (s.role !== "leader" || !progress) return;
  progress.heard(s.ticks);
  if (progress.isProbeSent) { progress.isProbeSent = false; s.isDirty = true; }
  // An append may have been lost: ask again with an empty one, whose refusal shows it.
  if (progress.state === "replicate" && progress.match < s.log.lastIndex) { progress.sentCommit = -1; s.isDirty = true; }
  progress.ackedRound = Math.max(progress.ackedRound, m.round);
  if (m.isPromise && m.round > s.leaseFloorRound) progress.promisedAt = Math.max(progress.promisedAt, s.reads.tickOf(m.round));
}

/**
 * The commit index follows what a majority has synced. A change of members is committed here once the leader would know so after a crash: a member that hears of its own removal ends, and
 * a leader that then forgot about it would wait for that member's vote for ever.
 */
export function maybeCommit(s: CoreState): void {
  if (s.role !== "leader") return;
  let index = quorumIndex(s.halves, s.matchOf);
  // Counting replicas of an older term's entry proves nothing (Raft figure 8).
  if (index <= s.log.commit || s.log.term(index) !== s.term) return;
  const change = s.log.firstConfig(s.log.commit, index);
  if (change !== undefined && change > s.syncedCommit) {
    if (index > s.commitToSync) { s.commitToSync = index; s.isDirty = true; }
    index = change - 1;
    if (index === s.log.commit) return;
  }
  const hadOwnCommit = s.hasOwnCommit;
  for (let i = s.log.commit + 1; i <= index; i++) s.uncommittedBytes -= entryBytes(s.log.entry(i)!);
  assert(s.uncommittedBytes >= 0, "what was committed was counted before");
  s.log.commit = s.commitByItself = index;
  s.isDirty = true;
  if (!hadOwnCommit && s.hasOwnCommit) s.reads.ownTermCommitted(s.log.commit);
}

/** The connection to `id` broke: what was on its way to it may be lost. */
export function unreachable(s: CoreState, id: RaftId): void {
  const progress = s.progress.get(id);
  if (progress?.state === "replicate") { progress.becomeProbe(); progress.isProbeSent = true; }
}

/** The snapshot stream to `id` ended. The next answer or heartbeat answer says how to go on. */
export function snapshotSent(s: CoreState, id: RaftId, isDelivered: boolean): void {
  const progress = s.progress.get(id);
  if (progress?.state !== "snapshot") return;
  if (!isDelivered) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  progress.isProbeSent = true;
  s.isDirty = true;
}
