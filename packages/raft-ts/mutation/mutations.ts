// Single-line mistakes that an implementation of Raft could make, each put into this one in place of the right line.
export interface Mutation {
  /** What the mistake is. */
  readonly name: string;
  /** Below packages/raft-ts/src. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly find: string;
  readonly replace: string;
}

const election = "core/election.ts", follower = "core/follower.ts", replication = "core/replication.ts", membership = "core/membership.ts", log = "core/log.ts", raft = "core/raft.ts";
const state = "core/state.ts", output = "core/output.ts", reads = "core/reads.ts", transfer = "core/transfer.ts", forwarding = "core/forwarding.ts", progress = "core/progress.ts", quorum = "core/quorum.ts";
const recovery = "core/recovery.ts", config = "core/config.ts", doubt = "core/doubt.ts";

export const mutations: readonly Mutation[] = [
  // ---- elections ----
  { name: "a vote does not look at the candidate's log", file: election, find: " && s.log.isUpToDate(m.lastIndex, m.lastTerm)", replace: "" },
  { name: "a vote looks at the length of the log alone", file: log, find: "return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);", replace: "return lastIndex >= this.lastIndex;" },
  { name: "a vote wants a longer log, not an equal one", file: log, find: "lastIndex >= this.lastIndex)", replace: "lastIndex > this.lastIndex)" },
  { name: "two votes in one term", file: election, find: "const isFree = s.vote === m.from || (s.vote === 0 && s.leader === undefined)", replace: "const isFree = true" },
  { name: "a repeated request for a vote is refused", file: election, find: "s.vote === m.from || (s.vote === 0", replace: "(s.vote === 0" },
  { name: "a vote is not remembered", file: election, find: "else { s.vote = m.from; s.electionElapsed = 0; }", replace: "else { s.electionElapsed = 0; }" },
  { name: "a vote is answered before it is on disk", file: election, find: `s.acknowledge({ type: "vote-response", from: s.id, to: m.from, term: isGranted`, replace: `s.send({ type: "vote-response", from: s.id, to: m.from, term: isGranted` },
  { name: "a candidate counts its own vote before it is on disk", file: election, find: "s.selfVoteWrite = s.nextWriteId;", replace: "countVote(s, s.id, true);" },
  { name: "a candidate asks for votes before its own is on disk", file: election, find: "for (const request of voteRequests(s)) s.acknowledge(request);", replace: "for (const request of voteRequests(s)) s.send(request);" },
  { name: "a candidate does not raise its term", file: election, find: "s.enterTerm(s.term + 1, s.id);", replace: "s.vote = s.id;" },
  { name: "no pre-vote", file: election, find: `if (canCampaign(s)) campaign(s, "pre");`, replace: `if (canCampaign(s)) campaign(s, "real");` },
  { name: "a granted pre-vote carries the voter's term (etcd #8243)", file: election, find: "term: isGranted ? m.term : s.term", replace: "term: s.term" },
  { name: "a pre-vote raises the term", file: raft, find: `if (m.type === "vote" && m.isPre) return;`, replace: "" },
  { name: "a granted pre-vote raises the term of who asked", file: raft, find: `if (m.type === "vote-response" && m.isPre && m.isGranted) return;`, replace: "" },
  { name: "a pre-vote uses up the vote", file: election, find: "if (m.isPre) yieldTo(s);\n    else {", replace: "{" },
  { name: "an old pre-vote's answer counts", file: election, find: "if (m.isPre && m.isGranted && m.term !== s.term + 1) return;", replace: "" },
  { name: "a vote's answer counts for a pre-vote", file: election, find: `if (m.isPre ? s.role !== "pre-candidate" : s.role !== "candidate") return;`, replace: `if (s.role !== "pre-candidate" && s.role !== "candidate") return;` },
  { name: "a request for votes disturbs a living leader", file: election, find: "return m.term > s.term && s.leader !== undefined && s.electionElapsed < s.options.electionTicks;", replace: "return false;" },
  { name: "a transfer is held up by the lease", file: election, find: "if (m.isTransfer) return false;", replace: "" },
  { name: "a transfer begins with a pre-vote", file: raft, find: `case "timeout-now": return campaign(s, "transfer");`, replace: `case "timeout-now": return campaign(s, "pre");` },
  { name: "the commit index goes to disk only with entries", file: output, find: "if (s.laggingCommit === commit) {", replace: "if (s.laggingCommit === -2) {" },
  { name: "a leader is doubted after one break of the connection", file: doubt, find: "const breaksToDoubt = 2;", replace: "const breaksToDoubt = 1;" },
  { name: "a leader that is heard is doubted", file: doubt, find: "s.electionElapsed >= missedHeartbeats * s.options.heartbeatTicks && ", replace: "" },
  { name: "a member doubts the leader although it promised its vote (lease reads)", file: doubt, find: " && !isPromising(s)) {", replace: ") {" },
  { name: "any break of a connection is taken for the leader's", file: doubt, find: "id === s.leader && ", replace: "" },
  { name: "breaks count after the leader was heard again", file: follower, find: "  s.leaderBreaks = 0;\n", replace: "" },
  { name: "a learner campaigns", file: election, find: "return hasVote(s.config, s.id) && ", replace: "return " },
  { name: "a member campaigns with a committed change that it has not applied (etcd #7280)", file: election, find: `    && !s.log.hasConfig(Math.max(s.log.applied, s.configIndex), s.log.commit);`, replace: ";" },
  { name: "a member whose log lost its end campaigns", file: election, find: " && !s.recovering && s.restoringIndex === undefined", replace: " && s.restoringIndex === undefined" },
  { name: "a member whose log lost its end votes", file: election, find: "const isGranted = isFree && !s.recovering && ", replace: "const isGranted = isFree && " },
  { name: "a request for votes does not tell what is committed", file: election, find: "isTransfer: s.isTransfer, ...s.commitNews,", replace: "isTransfer: s.isTransfer, commit: 0, commitTerm: 0," },
  { name: "the answer to a request for votes does not tell what is committed", file: election, find: "isPre: m.isPre, isGranted, ...s.commitNews });", replace: "isPre: m.isPre, isGranted, commit: 0, commitTerm: 0 });" },
  { name: "one that has no vote keeps what is committed to itself", file: election, find: "term: s.term, ...s.commitNews });\n  } else", replace: "term: s.term, commit: 0, commitTerm: 0 });\n  } else" },
  { name: "what another knows to be committed counts where the logs differ", file: election, find: " || s.log.term(commit) !== commitTerm) return;", replace: " || commit > s.log.lastIndex) return;" },
  { name: "what another knows to be committed is not listened to", file: raft, find: "learnCommit(s, m);", replace: "{}" },
  { name: "a leader takes over what another knows to be committed", file: election, find: `if (s.role === "leader" || commit <= s.log.commit`, replace: "if (commit <= s.log.commit" },
  { name: "a candidate goes on with the members of before a change", file: election, find: `if (isConfigAmong && s.role !== "follower") s.becomeFollower(s.term, undefined);`, replace: "" },
  { name: "half is a majority", file: quorum, find: "Math.floor(voterCount / 2) + 1", replace: "Math.ceil(voterCount / 2)" },
  { name: "all election timeouts are the same", file: state, find: "const timeout = electionTicks + random(Math.ceil(electionTicks / 2));", replace: "const timeout = electionTicks;" },
  { name: "a follower's timer goes on while it hears of the leader", file: follower, find: "  s.electionElapsed = 0;\n  s.hasYielded = false;", replace: "  s.hasYielded = false;" },
  { name: "a candidate does not give way to a leader of its term", file: follower, find: `if (s.role !== "follower") s.becomeFollower(s.term, from);`, replace: "" },
  { name: "a higher term that is heard of is not taken", file: raft, find: "if (m.term > s.term) this.stepHigherTerm(m);", replace: "" },
  { name: "messages of a term that is over are taken", file: raft, find: "else if (m.term < s.term) return this.stepLowerTerm(m);", replace: "" },
  { name: "whoever is behind is not told the term", file: raft, find: `if (m.type === "append" || m.type === "heartbeat" || m.type === "snapshot") s.acknowledge(`, replace: `if (m.type === "snapshot") s.acknowledge(` },
  { name: "a new leader writes no entry of its own", file: election, find: `s.termStart = s.append("noop", new Uint8Array(0)).index;`, replace: "s.termStart = s.log.lastIndex;" },
  { name: "the vote of the term before stays", file: state, find: "this.vote = vote;\n    this.matched", replace: "this.vote = this.vote || vote;\n    this.matched" },
  { name: "a leader without a majority goes on", file: raft, find: "if (!s.hasActiveQuorum) {", replace: "if (s.term < 0) {" },

  // ---- the log ----
  { name: "an append is taken without a look at the entry before it", file: follower, find: "if (log.term(m.prevIndex) !== m.prevTerm) {", replace: "if (m.prevIndex > log.lastIndex) {" },
  { name: "entries that conflict stay", file: log, find: "if (present?.term === entry.term) continue;", replace: "if (present) continue;" },
  { name: "an old append cuts what came after it", file: log, find: "if (present?.term === entry.term) continue;\n", replace: "" },
  { name: "a follower commits all that it has", file: follower, find: "commitTo(s, Math.min(m.commit, last));", replace: "commitTo(s, Math.min(m.commit, log.lastIndex));" },
  { name: "a follower acknowledges before its disk has the entries", file: follower, find: `{ s.acknowledge({ type: "append-response"`, replace: `{ s.send({ type: "append-response"` },
  { name: "a refusal gives no hint", file: follower, find: "index: m.prevIndex, hintIndex: hint.index, hintTerm: hint.term });", replace: "index: m.prevIndex, hintIndex: m.prevIndex - 1, hintTerm: 0 });" },
  { name: "a heartbeat tells of commits that the follower does not have", file: replication, find: "commit: Math.min(match, s.log.commit), round });", replace: "commit: s.log.commit, round });" },
  { name: "a leader counts its own entries before they are on disk", file: state, find: "id === this.id ? this.log.stable :", replace: "id === this.id ? this.log.lastIndex :" },
  { name: "replicas of an older term's entry are counted (Figure 8)", file: replication, find: "if (index <= s.log.commit || s.log.term(index) !== s.term) return;", replace: "if (index <= s.log.commit) return;" },
  { name: "committed entries are applied before they are on the own disk", file: output, find: "Math.min(s.log.commit, s.log.stable)", replace: "s.log.commit" },
  { name: "a write that was overtaken counts (the ABA of asynchronous appends)", file: log, find: "for (const write of this.pending) write.lastIndex = Math.min(write.lastIndex, index - 1);", replace: "" },
  { name: "what was cut counts as written", file: log, find: "    this.stable = Math.min(this.stable, index - 1);\n", replace: "" },
  { name: "what replaces a cut entry is not written", file: log, find: "    this.handedOut = Math.min(this.handedOut, index - 1);\n", replace: "" },
  { name: "the commit index is not kept with the entries", file: output, find: " || (mustSync && commit !== s.written.commit)", replace: "" },
  { name: "term and vote are written without entries only", file: output, find: "const hasHardState = hasNewVoteState || ", replace: "const hasHardState = (hasNewVoteState && !s.log.hasUnwritten) || " },
  { name: "an empty hard state overwrites term and vote", file: output, find: "const hardState: HardState = { term: s.term, vote: s.vote, commit };", replace: "const hardState: HardState = { term: hasNewVoteState ? s.term : 0, vote: hasNewVoteState ? s.vote : 0, commit };" },
  { name: "the term of a compacted entry is 0 (etcd-io/raft #31)", file: log, find: "return this.entry(index)?.term;", replace: "return this.entry(index)?.term ?? 0;" },
  { name: "a snapshot leaves the tail of the log", file: log, find: "    this.entries = [];\n    this.pending = [];", replace: "    this.entries = this.entries.slice(Math.max(0, index - this.baseIndex));\n    this.pending = [];" },
  { name: "an older snapshot is taken", file: follower, find: "if (meta.index <= s.log.commit) return accept(s, from, s.log.commit);", replace: "" },
  { name: "entries are applied while a snapshot is being restored", file: output, find: `if (s.restoringIndex !== undefined || s.role === "removed") return nothing;`, replace: `if (s.role === "removed") return nothing;` },
  { name: "a restart forgets the commit index of the snapshot", file: log, find: "this.commit = Math.max(Math.min(commit, this.lastIndex), applied);", replace: "this.commit = Math.min(commit, this.lastIndex);" },

  // ---- progress and flow control ----
  { name: "an answer that comes late takes the match back", file: progress, find: "if (isNew) { this.match = index; this.isProbeSent = false; }", replace: "this.match = index; this.isProbeSent = false;" },
  { name: "entries are sent although the window is full (etcd #14633)", file: replication, find: "const hasEntries = progress.next <= log.lastIndex && progress.mayTakeEntries;", replace: "const hasEntries = progress.next <= log.lastIndex;" },
  { name: "the bytes of the window stay when it is emptied (etcd-io/raft #54)", file: progress, find: "reset(): void { this.items = []; this.head = 0; this.bytes = 0; }", replace: "reset(): void { this.items = []; this.head = 0; }" },
  { name: "a probe waits for an answer for ever", file: replication, find: "if (progress.isProbeSent) { progress.isProbeSent = false; s.isDirty = true; }", replace: "" },
  { name: "an append that was lost is not noticed", file: replication, find: `if (progress.state === "replicate" && progress.match < s.log.lastIndex) { progress.sentCommit = -1; s.isDirty = true; }`, replace: "" },
  { name: "a member that waits for a snapshot and has its entries is left waiting (etcd-io/raft #110)", file: replication, find: `else if (progress.state === "snapshot" && progress.match + 1 >= s.log.firstIndex) progress.becomeReplicate();`, replace: "" },
  { name: "a snapshot that did not arrive counts as delivered", file: replication, find: "if (!isDelivered) progress.pendingSnapshot = 0;", replace: "" },
  { name: "a member that caught up stays in probe (etcd-io/raft #52)", file: replication, find: `if (!isNew && !(progress.state === "probe" && index === progress.match && index > 0)) return;`, replace: "if (!isNew) return;" },
  { name: "bytes of committed entries stay counted (cockroach #31618)", file: replication, find: "for (let i = s.log.commit + 1; i <= index; i++) s.uncommittedBytes -= entryBytes(s.log.entry(i)!);", replace: "" },
  { name: "a refusal of before moves the next index", file: progress, find: "if (this.next - 1 !== rejected) return false;", replace: "" },

  // ---- reads ----
  { name: "a read is confirmed by a heartbeat that was sent before it (etcd-io/raft #397)", file: "core/read-queue.ts", find: "round: this.round + 1 });", replace: "round: this.round });" },
  { name: "a new leader serves reads before it has committed (etcd #7331)", file: "core/read-queue.ts", find: "if (hasOwnCommit) this.waiting.push", replace: "if (hasOwnCommit || true) this.waiting.push" },
  { name: "reads are confirmed by nobody", file: reads, find: "id === s.id ? s.reads.round : s.progress.get(id)?.ackedRound ?? 0)", replace: "s.reads.round)" },
  { name: "reads wait through a change of leader", file: "core/read-queue.ts", find: "    this.waiting = [];\n    this.round = 0;", replace: "    this.round = 0;" },
  { name: "a lease lasts as long as the promise", file: reads, find: "return s.ticks < sentAt + electionTicks - leaseMarginTicks;", replace: "return s.ticks < sentAt + electionTicks;" },
  { name: "a lease outlives the handover of leadership", file: reads, find: "s.isLeaseGone || s.transferee !== undefined || ", replace: "" },
  { name: "a start forgets that it may have promised its vote", file: state, find: "promisedAt = 0;", replace: "promisedAt = -Infinity;" },
  { name: "a lease begins with the answer, not with the question", file: replication, find: "progress.promisedAt = Math.max(progress.promisedAt, s.reads.tickOf(m.round));", replace: "progress.promisedAt = s.ticks;" },

  // ---- members ----
  { name: "two changes of members at once", file: membership, find: "if (s.log.applied < s.pendingConfigIndex || isJoint(s.config)) return", replace: "if (s.term < 0) return" },
  { name: "a change of members in a term without a commit", file: election, find: "s.pendingConfigIndex = s.termStart;", replace: "" },
  { name: "several voters change without a joint configuration", file: config, find: "if (moved <= 1 && !isLeaderLeaving", replace: "if (moved <= 9 && !isLeaderLeaving" },
  { name: "while joint the incoming half decides alone", file: quorum, find: "return halves.outgoing.length === 0 ? incoming : Math.min(incoming, majorityIndex(halves.outgoing, matchOf));", replace: "return incoming;" },
  { name: "while joint the incoming half elects alone", file: quorum, find: `if (halves.outgoing.length === 0 || incoming === "lost") return incoming;`, replace: "return incoming;" },
  { name: "a joint configuration is never left", file: membership, find: "  appendConfig(s, leaveJoint(s.config));", replace: "" },
  { name: "a joint configuration is left more than once (etcd #12136)", file: membership, find: " || !isJoint(s.config) || s.log.applied < s.pendingConfigIndex || s.transferee", replace: " || !isJoint(s.config) || s.transferee" },
  { name: "a change that leaves no majority is accepted", file: membership, find: "if (!isSameVoters(s.halves, halves) && !hasQuorum(halves, s.canVote))", replace: "if (s.term < 0)" },
  { name: "two entries that are committed at one place are taken for one", file: follower, find: "if (own !== undefined && own !== term) throw", replace: "if (s.term < 0) throw" },
  { name: "a new leader counts on those that it has not heard", file: state, find: "progress.hasAnswered && ", replace: "" },
  { name: "a new leader takes those that it has not heard for missing", file: membership, find: "return hasQuorum(halves, s.mayVote) ? ", replace: "return s.term < 0 ? " },
  { name: "one whose log is damaged supports a change", file: membership, find: "!hasQuorum(halves, s.canVote))", replace: "!hasQuorum(halves, s.isActive))" },
  { name: "an id that was removed is taken again", file: config, find: "return removed.includes(change.id) ? ", replace: "return change.id < 0 ? " },
  { name: "who was removed is not told", file: raft, find: "if (s.wasRemoved(m.from)) return s.acknowledge(", replace: "if (s.wasRemoved(m.from)) return void (" },
  { name: "a learner is promoted at once", file: membership, find: "if (progress.match === 0 || progress.match + s.options.promotionLag < s.log.lastIndex) continue;", replace: "" },
  { name: "a learner counts for the majority", file: config, find: "config.members.filter((m) => !m.isLearner);\n/** The member", replace: "config.members;\n/** The member" },
  { name: "a removal is told before the leader would know of it after a crash", file: replication, find: "if (change !== undefined && change > s.syncedCommit) {", replace: "if (s.term < 0) {" },
  { name: "a member that was demoted is promoted again", file: membership, find: "if (!member.isLearner || member.staysLearner) continue;", replace: "if (!member.isLearner) continue;" },
  { name: "the target of a transfer stays although it was removed (etcd #11417)", file: membership, find: "if (s.transferee !== undefined && !isVoter(s.config, s.transferee)) s.transferee = undefined;", replace: "" },
  { name: "a leader that is removed does not hand over", file: membership, find: "if (successor !== undefined && transfer(s, successor)) return;", replace: "" },
  { name: "a member ends although it is the only one that knows of its removal", file: membership, find: " && entry.index > s.commitByItself", replace: "" },
  { name: "a member that starts takes what it knows for known by all", file: state, find: "this.commitByItself = this.log.commit;", replace: "this.commitByItself = 0;" },
  { name: "a leader that loses its lead takes what it knows for known by all", file: replication, find: "s.log.commit = s.commitByItself = index;", replace: "s.log.commit = index;" },
  { name: "a leader that was removed is answered by one that would forget it", file: follower, find: `const respond = s.commitToSync > s.syncedCommit ? "acknowledge" : "send";`, replace: `const respond = "send";` },
  { name: "a member is told of its removal by one that would forget it", file: raft, find: `return s.acknowledge({ type: "removed"`, replace: `return s.send({ type: "removed"` },
  { name: "a change of members that is committed is not written", file: follower, find: "if (s.log.hasConfig(s.log.commit, index)) s.commitToSync = Math.max(s.commitToSync, index);", replace: "" },
  { name: "a config of the log overwrites the newer one of a snapshot", file: membership, find: "if (entry.index <= s.configIndex) return;", replace: "" },

  // ---- transfers and forwarding ----
  { name: "proposals are taken while leadership is handed over", file: "core/propose.ts", find: "if (s.transferee !== undefined || s.leavingRound !== 0)", replace: "if (s.leavingRound !== 0)" },
  { name: "a target that is behind is told to campaign", file: transfer, find: "s.transferee === undefined || s.progress.get(s.transferee)?.match !== s.log.lastIndex", replace: "s.transferee === undefined" },
  { name: "a transfer is never given up", file: transfer, find: "if (s.transferee !== undefined && ++s.transferElapsed >= s.options.electionTicks) s.transferee = undefined;", replace: "" },
  { name: "a forwarded proposal that comes twice is appended twice", file: forwarding, find: "if (known !== \"new\") return respond(s, m, known.index, known.why);", replace: "" },
  { name: "a forwarded proposal of another term is taken", file: forwarding, find: "m.term !== s.term || ", replace: "" },
  { name: "a forwarded proposal is thought to be alive after its term", file: state, find: "    this.dropForwards();\n  }\n\n  becomeFollower", replace: "  }\n\n  becomeFollower" },

  // ---- a log that lost its end ----
  { name: "a log that lost its end counts as whole at once", file: recovery, find: "if (s.matched < s.recoverTarget || s.log.stable < s.recoverTarget) return;", replace: "" },
  { name: "a member without its log goes on in silence (moby #29180)", file: follower, find: "if (!s.recovering) throw new LostLogError(", replace: "if (s.term < 0) throw new LostLogError(" },
  { name: "a leader does not begin again below what was lost", file: recovery, find: "progress.forget(Math.min(m.lastIndex, s.log.lastIndex), s.log.lastIndex);", replace: "" },
];
