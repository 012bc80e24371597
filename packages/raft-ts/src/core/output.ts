// What a turn hands out: messages, one write with the acknowledgements that wait for it, entries to apply.
import { assert } from "./log.js";
import { startRoundIfNeeded } from "./reads.js";
import { replicateAll } from "./replication.js";
import type { CoreState } from "./state.js";
import type { Entry, HardState, Ready, Write } from "./types.js";

const nothing: readonly never[] = [];

export function takeReady(s: CoreState): Ready {
  let isNewsHeldBack = false;
  if (s.role === "leader") {
    startRoundIfNeeded(s);
    isNewsHeldBack = replicateAll(s);
  }
  const write = takeWrite(s);
  const committed = takeCommitted(s);
  // No spreads here and below: they took two thirds of the core's time with one proposal a turn.
  const ready: Ready = { messages: s.messages, write, committed, reads: s.readyReads, forwarded: s.forwarded };
  s.messages = [];
  if (s.readyReads.length > 0) s.readyReads = [];
  if (s.forwarded.length > 0) s.forwarded = [];
  s.isDirty = isNewsHeldBack;
  return ready;
}

function takeWrite(s: CoreState): Write | undefined {
  const { hasNewVoteState, snapshotToWrite: snapshot, recoveringToWrite: recovering } = s;
  const isCommitSyncDue = s.commitToSync > s.syncedCommit && s.commitToSync > (s.commitSyncs.at(-1)?.commit ?? 0);
  const mustSync = hasNewVoteState || s.log.hasUnwritten || snapshot !== undefined || recovering !== undefined || isCommitSyncDue;
  if (!mustSync && !s.isCommitFlushDue && s.acknowledgements.length === 0) return undefined;
  const id = s.nextWriteId++;
  const commit = Math.max(s.log.commit, s.commitToSync);
  if (isCommitSyncDue) s.commitSyncs.push({ id, commit });
  // The commit index goes with every entry that is written: a member that holds a config entry must, after a restart, know that
  // the config entry before it was committed, or it might campaign with the members of two changes ago (etcd #7280).
  const hasHardState = hasNewVoteState || s.isCommitFlushDue || (mustSync && commit !== s.written.commit);
  // Term and vote in one record (hashicorp/raft #661), always whole.
  const hardState: HardState = { term: s.term, vote: s.vote, commit };
  if (hasHardState) { s.written = hardState; s.isCommitFlushDue = false; }
  const write: Write = { id, mustSync, hardState: hasHardState ? hardState : undefined, snapshot, recovering, entries: s.log.takeUnwritten(id), messages: s.acknowledgements };
  s.acknowledgements = [];
  s.snapshotToWrite = undefined;
  s.recoveringToWrite = undefined;
  return write;
}

/**
 * The commit index goes to disk with the entries that follow; alone only when none came for a tick. A write of its own in a stream of entries would make the next of them wait
 * for a sync of its own (1 commit in 100 at 1,000 a second).
 */
export function flushCommitWhenIdle(s: CoreState): void {
  const { commit } = s.written;
  if (s.log.commit === commit) { s.laggingCommit = -1; return; }
  if (s.laggingCommit === commit) { s.isCommitFlushDue = true; s.isDirty = true; }
  s.laggingCommit = commit;
}

/** Only what is on the own disk: an entry that this member would not know after a crash is never applied (etcd #14370). */
function takeCommitted(s: CoreState): readonly Entry[] {
  if (s.restoringIndex !== undefined || s.role === "removed") return nothing;
  const entries = s.log.takeCommitted(Math.min(s.log.commit, s.log.stable), s.options.maxApplyBytes);
  for (let i = entries.length - 1; i >= 0; i--) if (entries[i]!.kind === "config") { s.handedOutConfigIndex = entries[i]!.index; break; }
  return entries;
}

/** Entries up to `index` are in the state machine. */
export function acknowledgeApplied(s: CoreState, index: number): void {
  if (s.restoringIndex !== undefined || index <= s.log.applied) return;
  assert(s.handedOutConfigIndex > index || s.handedOutConfigIndex <= s.configIndex, "a config entry is given to applyConfig before it is acknowledged");
  s.log.acknowledgeApplied(index);
  s.isDirty = true;
}
