// Changes of members (Raft §4, §6; after etcd-io/raft they take effect when they are applied): one step for one voter, a joint configuration for several, learners that are
// promoted when they have caught up, and a leader that goes.
import type { RaftId } from "../api.js";
import { decodeConfig, encodeConfig } from "./config-codec.js";
import { everyone, hasVote, isJoint, isVoter, leaveJoint, nextConfig } from "./config.js";
import { halvesOf, hasQuorum, type Halves } from "./quorum.js";
import { confirmedRound, releaseReads } from "./reads.js";
import { broadcastHeartbeat, maybeCommit } from "./replication.js";
import type { CoreState } from "./state.js";
import { bestSuccessor, transfer } from "./transfer.js";
import type { Config, ConfigChange, Entry, ProposeResult } from "./types.js";

/** One at a time: the one before must be applied, and an entry of this term committed (Ongaro 2015: else two changes can overlap). */
export function proposeConfig(s: CoreState, changes: readonly ConfigChange[]): ProposeResult {
  const judged = judgeConfig(s, changes);
  return judged.kind === "refused" ? judged : appendConfig(s, judged.config);
}

/** What `proposeConfig` would say now; nothing is appended. */
export function judgeConfig(s: CoreState, changes: readonly ConfigChange[]): Extract<ProposeResult, { kind: "refused" }> | { readonly kind: "fit"; readonly config: Config } {
  if (s.role !== "leader") return { kind: "refused", why: "not-leader" };
  if (s.transferee !== undefined || s.leavingRound !== 0) return { kind: "refused", why: "transferring" };
  if (s.log.applied < s.pendingConfigIndex || isJoint(s.config)) return { kind: "refused", why: "pending-config" };
  const next = nextConfig(s.config, changes, s.id);
  if (next.kind === "same") return { kind: "refused", why: "no-change" };
  if (next.kind === "unfit") return { kind: "refused", why: "unfit", reason: next.reason };
  const halves = halvesOf(next.config);
  if (!isSameVoters(s.halves, halves) && !hasQuorum(halves, s.canVote)) {
    // A new leader knows only after an election timeout who does not answer.
    return hasQuorum(halves, s.mayVote) ? { kind: "refused", why: "pending-config" } : { kind: "refused", why: "quorum", missing: missingOf(s, halves) };
  }
  return { kind: "fit", config: next.config };
}

const isSameVoters = (a: Halves, b: Halves): boolean => b.outgoing.length === 0 && a.incoming.length === b.incoming.length && a.incoming.every((id, i) => id === b.incoming[i]);
const missingOf = (s: CoreState, halves: Halves): RaftId[] => [...new Set([...halves.incoming, ...halves.outgoing])].filter((id) => !s.canVote(id)).sort((a, b) => a - b);

function appendConfig(s: CoreState, config: Config): ProposeResult {
  const result = s.append("config", encodeConfig(config));
  s.pendingConfigIndex = result.index;
  return result;
}

/** A committed config entry takes effect. */
export function applyConfig(s: CoreState, entry: Entry): void {
  // A snapshot has brought a newer one meanwhile.
  if (entry.index <= s.configIndex) return;
  const before = s.config;
  s.setConfig(decodeConfig(entry.data), entry.index);
  s.isDirty = true;
  if (s.role !== "leader") {
    // No candidate comes here: it does not campaign with a committed change that is not applied, and one that learns of such a commit gives its campaign up.
    // If nobody told it, it may be the only one that knows, and the others may need its vote as long as they do not: it stays, without a vote, and greets them until one tells it to go.
    if (s.wasRemoved(s.id) && entry.index > s.commitByItself) s.becomeRemoved("its removal was committed");
    return;
  }
  s.trackMembers();
  const now = everyone(s.config);
  for (const { id } of everyone(before)) {
    if (id === s.id || now.some((m) => m.id === id)) continue;
    s.progress.delete(id);
    s.send({ type: "removed", from: s.id, to: id, term: s.term });
  }
  // Also one that was demoted could not win any more.
  if (s.transferee !== undefined && !isVoter(s.config, s.transferee)) s.transferee = undefined;
  if (!hasVote(s.config, s.id)) startLeaving(s);
  maybeCommit(s);
  releaseReads(s);
}

/**
 * A joint configuration is left by itself as soon as it is applied, with one entry (etcd #12136: not several), by whoever leads then. A leader that has no place in the
 * incoming one hands over first: its successor finishes the change, and tells it.
 */
export function leaveJointWhenDue(s: CoreState): void {
  if (s.role !== "leader" || !isJoint(s.config) || s.log.applied < s.pendingConfigIndex || s.transferee !== undefined) return;
  if (!isVoter(s.config, s.id) && !s.hasTriedHandover) {
    s.hasTriedHandover = true;
    const successor = bestSuccessor(s);
    if (successor !== undefined && transfer(s, successor)) return;
  }
  appendConfig(s, leaveJoint(s.config));
}

/**
 * Its own departure is applied: it leads on, without a vote, until a majority of those that stay has heard so. If it went at once, the others might still believe that they
 * need it for a majority.
 */
function startLeaving(s: CoreState): void {
  broadcastHeartbeat(s);
  s.leavingRound = s.reads.round;
  finishLeaving(s);
}

/** Ends the leader's part once that round is answered. */
export function finishLeaving(s: CoreState): void {
  if (s.role !== "leader" || s.leavingRound === 0 || confirmedRound(s) < s.leavingRound) return;
  s.options.log(`No longer leader in term ${s.term}: it is not among the voters any more`);
  if (s.wasRemoved(s.id)) s.becomeRemoved("its removal was committed");
  else s.becomeFollower(s.term, undefined);
}

/** A member says that we were removed. A leader on its way out learns from it that this one has heard. */
export function onRemoved(s: CoreState, from: RaftId): void {
  if (s.role !== "leader" || s.leavingRound === 0) return s.becomeRemoved(`member ${from} says that it was removed`);
  const progress = s.progress.get(from);
  if (!progress) return;
  progress.heard(s.ticks);
  progress.ackedRound = Math.max(progress.ackedRound, s.leavingRound);
  finishLeaving(s);
}

/** Learner first, voter once it is up to date: a new voter that is far behind would stop commits (Raft §4.2.1). */
export function promoteLearner(s: CoreState): void {
  if (s.log.applied < s.pendingConfigIndex || s.transferee !== undefined || isJoint(s.config)) return;
  for (const member of s.config.members) {
    if (!member.isLearner || member.staysLearner) continue;
    const progress = s.progress.get(member.id);
    if (!progress || !s.isActive(member.id) || progress.state !== "replicate") continue;
    if (progress.match === 0 || progress.match + s.options.promotionLag < s.log.lastIndex) continue;
    if (proposeConfig(s, [{ kind: "promote", id: member.id }]).kind === "appended") return;
  }
}
