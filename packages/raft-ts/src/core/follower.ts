// The follower's side of the log: appends, heartbeats and snapshots from the leader (Raft §5.3, §7).
import type { RaftId } from "../api.js";
import { assert } from "./log.js";
import { askForRecovery, LostLogError } from "./recovery.js";
import type { CoreState } from "./state.js";
import type { Message, SnapshotMeta } from "./types.js";

/** A message that only the leader of this term sends. */
export function follow(s: CoreState, from: RaftId): void {
  assert(s.role !== "leader", `one leader in a term: ${from} and ${s.id} in ${s.term}`);
  if (s.role !== "follower") s.becomeFollower(s.term, from);
  s.leader = from;
  s.electionElapsed = 0;
  s.hasYielded = false;
  s.leaderlessTicks = 0;
  s.leaderBreaks = 0;
  s.promisedAt = s.ticks;
}

export function onAppend(s: CoreState, m: Extract<Message, { type: "append" }>): void {
  const { log } = s;
  if (m.prevIndex < log.commit) {
    // What is committed agrees with any leader, unless acknowledged entries were lost elsewhere.
    checkCommitted(s, m);
    s.matched = Math.max(s.matched, log.commit);
    return accept(s, m.from, log.commit);
  }
  if (log.term(m.prevIndex) !== m.prevTerm) {
    const hint = log.findConflict(Math.min(m.prevIndex, log.lastIndex), m.prevTerm);
    return s.acknowledge({ type: "append-reject", from: s.id, to: m.from, term: s.term, index: m.prevIndex, hintIndex: hint.index, hintTerm: hint.term });
  }
  log.merge(m.entries);
  const last = m.prevIndex + m.entries.length;
  s.matched = Math.max(s.matched, last);
  commitTo(s, Math.min(m.commit, last));
  accept(s, m.from, last);
}

/** Two entries that are committed at one place: whoever goes on with either serves what others do not have. */
function checkCommitted(s: CoreState, m: Extract<Message, { type: "append" }>): void {
  const last = Math.min(s.log.commit, m.commit);
  const check = (index: number, term: number): void => {
    const own = index <= last ? s.log.term(index) : undefined;
    if (own !== undefined && own !== term) throw new LostLogError(`entry ${index} is committed here in term ${own}, and by member ${m.from}, the leader, in term ${term}: a member came back without what it had acknowledged, and the group went on without it`);
  };
  check(m.prevIndex, m.prevTerm);
  for (const entry of m.entries) check(entry.index, entry.term);
}

function accept(s: CoreState, to: RaftId, index: number): void { s.acknowledge({ type: "append-response", from: s.id, to, term: s.term, index }); }

export function onHeartbeat(s: CoreState, m: Extract<Message, { type: "heartbeat" }>): void {
  if (s.recovering && (s.recoverTarget === undefined || s.matched === s.matchedAtHeartbeat)) askForRecovery(s, m.from);
  s.matchedAtHeartbeat = s.matched;
  if (m.commit > s.log.lastIndex) {
    // The leader tells no member of a commit beyond what it acknowledged.
    if (!s.recovering) throw new LostLogError(`the log ends at ${s.log.lastIndex}, but this member acknowledged entries up to ${m.commit}`);
  } else if (!s.recovering || m.commit <= s.matched) {
    commitTo(s, m.commit);
  }
  // A leader that was removed ends once a majority has answered; those must know of its removal after a crash, or they would wait for its vote for ever.
  const respond = s.commitToSync > s.syncedCommit ? "acknowledge" : "send";
  s[respond]({ type: "heartbeat-response", from: s.id, to: m.from, term: s.term, round: m.round, isPromise: s.options.readMode === "lease" });
}

export function commitTo(s: CoreState, index: number): void {
  if (index <= s.log.commit) return;
  assert(index <= s.log.lastIndex, `commit index ${index} lies within the log (${s.log.lastIndex})`);
  if (s.log.hasConfig(s.log.commit, index)) s.commitToSync = Math.max(s.commitToSync, index);
  s.log.commit = index;
}

/** Is it worth taking this snapshot from the leader? */
export function wantsSnapshot(s: CoreState, meta: SnapshotMeta): boolean {
  return s.role !== "removed" && s.restoringIndex === undefined && meta.index > s.log.commit && s.log.term(meta.index) !== meta.term;
}

export function onSnapshot(s: CoreState, from: RaftId, meta: SnapshotMeta): void {
  if (meta.index <= s.log.commit) return accept(s, from, s.log.commit);
  s.matched = Math.max(s.matched, meta.index);
  if (s.log.term(meta.index) === meta.term) {
    commitTo(s, meta.index);
    return accept(s, from, meta.index);
  }
  if (s.restoringIndex !== undefined) return;
  s.log.reset(meta.index, meta.term);
  s.setConfig(meta.config, meta.index);
  s.snapshot = meta;
  s.snapshotToWrite = meta;
  s.restoringIndex = meta.index;
  accept(s, from, meta.index);
}

/** The state machine holds the snapshot that `Ready.write.snapshot` brought. */
export function restored(s: CoreState, index: number): void {
  if (s.restoringIndex !== index) return;
  s.restoringIndex = undefined;
  s.log.applied = index;
  s.isDirty = true;
}
