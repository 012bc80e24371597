// Elections: campaigns with pre-vote, votes, and who stays quiet while a leader lives (Raft §5.2, §5.4.1, §9.6; the leader's lease §4.2.3).
import { everyone, hasVote } from "./config.js";
import { commitTo } from "./follower.js";
import { assert, entryBytes } from "./log.js";
import { voteResult } from "./quorum.js";
import type { CoreState } from "./state.js";
import type { Message } from "./types.js";

type VoteRequest = Extract<Message, { type: "vote" }>;
type CommitNews = Extract<Message, { type: "vote" | "vote-response" | "hello" }>;

export function tickElection(s: CoreState): void {
  s.leaderlessTicks++;
  if (s.electionElapsed >= s.electionTimeout) {
    s.electionElapsed = 0;
    s.hasYielded = false;
    s.electionTimeout = s.randomTimeout();
    // One that does not campaign itself, perhaps because it does not know yet that it has a vote, must not stay quiet for a leader that is gone.
    s.leader = undefined;
    if (canCampaign(s)) campaign(s, "pre");
    else for (const { id } of everyone(s.config)) if (id !== s.id) s.send({ type: "hello", from: s.id, to: id, term: s.term, ...s.commitNews });
  } else if (s.electionElapsed % s.options.heartbeatTicks === 0) askAgain(s);
}

/** Config changes take effect when applied, so a member that has one committed but not applied may not know who votes (etcd #7280). */
export function canCampaign(s: CoreState): boolean {
  return hasVote(s.config, s.id) && !s.recovering && s.restoringIndex === undefined
    && !s.log.hasConfig(Math.max(s.log.applied, s.configIndex), s.log.commit);
}

/** "transfer" skips the pre-vote: the leader itself asked, and its heartbeats would make the pre-vote fail. */
export function campaign(s: CoreState, kind: "pre" | "real" | "transfer"): void {
  if (s.role === "leader" || s.role === "removed" || !canCampaign(s)) return;
  s.leaveLeadership();
  s.leader = undefined;
  s.resetTimers();
  s.isDirty = true;
  s.isTransfer = kind === "transfer";
  if (kind === "pre") {
    s.role = "pre-candidate";
    for (const request of voteRequests(s)) s.send(request);
    return countVote(s, s.id, true);
  }
  s.role = "candidate";
  s.enterTerm(s.term + 1, s.id);
  // The own vote counts once it is on disk, like anybody's.
  s.selfVoteWrite = s.nextWriteId;
  // After the sync: the request tells of log entries, and votes won with entries that a crash then takes away would elect a shorter log.
  for (const request of voteRequests(s)) s.acknowledge(request);
}

/** To those who have not answered. A pre-vote names the term that would come. */
function voteRequests(s: CoreState): VoteRequest[] {
  const isPre = s.role === "pre-candidate";
  const ids = new Set([...s.halves.incoming, ...s.halves.outgoing]);
  return [...ids].filter((id) => id !== s.id && !s.votes.has(id)).map((to) => ({
    type: "vote", from: s.id, to, term: isPre ? s.term + 1 : s.term, isPre, lastIndex: s.log.lastIndex, lastTerm: s.log.lastTerm, isTransfer: s.isTransfer, ...s.commitNews,
  }));
}

/** The first request of an election often goes into a connection that broke long ago, unnoticed because followers tell each other nothing. */
function askAgain(s: CoreState): void {
  // Not before the own vote is on disk, see campaign.
  if (s.role === "pre-candidate" || (s.role === "candidate" && s.selfVoteWrite === 0)) for (const request of voteRequests(s)) s.send(request);
}

/** A write is on disk: perhaps the one with the own vote. */
export function ownVotePersisted(s: CoreState, writeId: number): void {
  if (s.selfVoteWrite === 0 || writeId < s.selfVoteWrite) return;
  s.selfVoteWrite = 0;
  if (s.role === "candidate") countVote(s, s.id, true);
}

function countVote(s: CoreState, from: number, isGranted: boolean): void {
  if (!s.votes.has(from)) s.votes.set(from, isGranted);
  switch (voteResult(s.halves, s.votes)) {
    case "won": if (s.role === "pre-candidate") campaign(s, "real"); else becomeLeader(s); return;
    case "lost": return s.becomeFollower(s.term, undefined);
    case "pending": return;
  }
}

function becomeLeader(s: CoreState): void {
  assert(s.role === "candidate", "only a candidate becomes leader");
  s.leaveLeadership();
  s.role = "leader";
  s.leader = s.id;
  s.leaderlessTicks = 0;
  s.resetTimers();
  s.trackMembers();
  s.uncommittedBytes = 0;
  for (let index = s.log.commit + 1; index <= s.log.lastIndex; index++) s.uncommittedBytes += entryBytes(s.log.entry(index)!);
  s.termStart = s.append("noop", new Uint8Array(0)).index;
  s.pendingConfigIndex = s.termStart;
  s.options.log(`Leader in term ${s.term}`);
}

/** Does a living leader keep this request from being heard at all? Nothing that is heard while a leader lives deposes it (Raft §4.2.3). */
export function isQuietFor(s: CoreState, m: VoteRequest): boolean {
  if (m.isTransfer) return false;
  if (isPromising(s)) return true;
  return m.term > s.term && s.leader !== undefined && s.electionElapsed < s.options.electionTicks;
}

/**
 * A leader may be reading by a lease that this member's answer is part of; unlike `leader` the promise outlives a higher term that is heard of, and a start cannot
 * know what was promised before it. A lone voter promised only to itself.
 */
export function isPromising(s: CoreState): boolean {
  return s.options.readMode === "lease" && s.ticks - s.promisedAt < s.options.electionTicks && !(s.halves.outgoing.length === 0 && s.halves.incoming.length === 1 && s.halves.incoming[0] === s.id);
}

/** The first member of a group does not wait for a leader that cannot be. */
export function campaignNow(s: CoreState): void { if (!isPromising(s)) campaign(s, "pre"); }

export function onVote(s: CoreState, m: VoteRequest): void {
  const isFree = s.vote === m.from || (s.vote === 0 && s.leader === undefined) || (m.isPre && m.term > s.term);
  // Not asked here: am I a voter? One that was promoted without knowing it yet must vote (etcd abb533c).
  const isGranted = isFree && !s.recovering && s.log.isUpToDate(m.lastIndex, m.lastTerm) && !goesFirst(s, m);
  if (isGranted) {
    if (m.isPre) yieldTo(s);
    else { s.vote = m.from; s.electionElapsed = 0; }
  }
  // A grant carries the request's term, or a candidate that is behind takes it for an old one (etcd #8243).
  s.acknowledge({ type: "vote-response", from: s.id, to: m.from, term: isGranted ? m.term : s.term, isPre: m.isPre, isGranted, ...s.commitNews });
}

/**
 * Two that miss the leader at once would share the votes and then wait for another election timeout. So of two whose logs are equal the one of higher priority, then the
 * higher id, goes on, and whoever supports another gives it some ticks before it tries itself. Only pre-votes are held back so: they decide nothing.
 */
function goesFirst(s: CoreState, m: VoteRequest): boolean {
  if (!m.isPre || s.role !== "pre-candidate" || m.lastIndex !== s.log.lastIndex || m.lastTerm !== s.log.lastTerm) return false;
  const own = s.priorityOf(s.id), other = s.priorityOf(m.from);
  return own !== other ? own > other : s.id > m.from;
}

/** Once until its timer begins anew, or candidates that cannot win would keep it from ever trying (hashicorp/raft #609). */
function yieldTo(s: CoreState): void {
  if (s.hasYielded) return;
  s.hasYielded = true;
  s.electionElapsed = Math.min(s.electionElapsed, s.electionTimeout - Math.ceil(s.options.electionTicks / 3));
}

export function onVoteResponse(s: CoreState, m: Extract<Message, { type: "vote-response" }>): void {
  if (m.isPre ? s.role !== "pre-candidate" : s.role !== "candidate") return;
  if (m.isPre && m.isGranted && m.term !== s.term + 1) return;
  countVote(s, m.from, m.isGranted);
}

/**
 * Members that look for a leader tell each other what is committed. Without it they could wait for each other for ever: one that knows of the newest configuration and whose log is
 * too short to win, or that has no vote in it, and one that could win and does not know that it may, or that it needs nobody else. Safe, as it is a fact: what is committed is in the
 * log of every leader to come, and a log that agrees at one place agrees up to there (Raft §5.3).
 */
export function learnCommit(s: CoreState, { commit, commitTerm }: CommitNews): void {
  // A leader counts for itself, and what it has not counted is no news that it needs.
  if (s.role === "leader" || commit <= s.log.commit || s.log.term(commit) !== commitTerm) return;
  const isConfigAmong = s.log.hasConfig(s.log.commit, commit);
  commitTo(s, commit);
  // Who votes is another question then: it asks again once it has applied that.
  if (isConfigAmong && s.role !== "follower") s.becomeFollower(s.term, undefined);
}
