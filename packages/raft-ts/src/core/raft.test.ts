import { strict as assert } from "node:assert";
import { decodeMessage, encodeMessage } from "../codec.js";
import type { RaftId } from "../api.js";
import { emptyConfig } from "./config.js";
import { decodeConfig, encodeConfig } from "./config-codec.js";
import { LostLogError, RaftCore } from "./raft.js";
import type { Config, CoreOptions, Entry, EntryKind, Message, Ready, RestoredState, SnapshotMeta, Write } from "./types.js";

const configOf = (...ids: number[]): Config => ({ members: ids.map((id) => ({ id, isLearner: false, context: new Uint8Array(0) })), outgoing: [], removed: [] });
const entryOf = (index: number, term: number, text = "", kind: EntryKind = "data"): Entry => ({ index, term, kind, data: Buffer.from(text) });
const logOf = (...terms: number[]): Entry[] => terms.map((term, i) => entryOf(i + 1, term));

/** A core whose disk and network are moved by hand. */
class Hand {
  readonly core: RaftCore;
  readonly sent: Message[] = [];
  readonly writes: Write[] = [];
  readonly applied: Entry[] = [];
  readonly reads: { id: number; index: number }[] = [];

  constructor(readonly id: RaftId, state: Partial<RestoredState> = {}, options: Partial<CoreOptions> = {}) {
    this.core = new RaftCore({
      id, electionTicks: 10, heartbeatTicks: 1, maxMessageBytes: 1 << 20, maxInflight: 256, maxInflightBytes: 1 << 24, maxUncommittedBytes: 1 << 20, maxApplyBytes: 1 << 20, promotionLag: 10,
      random: () => 0, log: () => {},
      state: { hardState: { term: 0, vote: 0, commit: 0 }, config: configOf(1, 2, 3), base: { index: 0, term: 0 }, entries: [], applied: 0, recovering: false, ...state },
      ...options,
    });
  }

  /** Takes what is ready; writes wait for `sync`. Returns what was sent at once. */
  turn(): Message[] {
    const out: Message[] = [];
    while (this.core.isDirty) {
      const ready: Ready = this.core.ready();
      out.push(...ready.messages);
      this.reads.push(...ready.reads);
      if (ready.write) this.writes.push(ready.write);
      for (const entry of ready.committed) {
        this.applied.push(entry);
        if (entry.kind === "config") this.core.applyConfig(entry);
        this.core.applied(entry.index);
      }
    }
    this.sent.push(...out);
    return out;
  }

  /** The disk catches up. Returns what may be sent now. */
  sync(): Message[] {
    const out = this.turn();
    while (this.writes.length > 0) {
      const write = this.writes.shift()!;
      out.push(...write.messages);
      this.core.persisted(write.id);
      out.push(...this.turn());
    }
    return out;
  }

  step(message: { type: Message["type"]; from: RaftId; term: number } & Record<string, unknown>): this {
    // Through the codec, so that every message in these tests is also a test of it.
    const whole = { to: this.id, ...message } as unknown as Message;
    this.core.step(decodeMessage(encodeMessage(whole), whole.from, this.id));
    return this;
  }
  ticks(count: number): this { for (let i = 0; i < count; i++) this.core.tick(); return this; }

  /** Elected in the term after its own, with the votes of `voters`. */
  lead(...voters: RaftId[]): this {
    this.ticks(10).sync();
    for (const from of voters) this.step({ type: "vote-response", from, term: this.core.term + 1, isPre: true, isGranted: true });
    this.sync();
    for (const from of voters) this.step({ type: "vote-response", from, term: this.core.term, isPre: false, isGranted: true });
    assert.equal(this.core.role, "leader");
    this.sync();
    return this;
  }
  ack(from: RaftId, index: number): this { return this.step({ type: "append-response", from, term: this.core.term, index }); }
}

const of = <T extends Message["type"]>(messages: readonly Message[], type: T): Extract<Message, { type: T }>[] => messages.filter((m) => m.type === type) as Extract<Message, { type: T }>[];
const vote = (from: RaftId, term: number, lastIndex: number, lastTerm: number, extra = {}): { type: "vote"; from: RaftId; term: number } & Record<string, unknown> => ({ type: "vote", from, term, isPre: false, lastIndex, lastTerm, isTransfer: false, ...extra });

describe("the core: votes", () => {
  it("asks for pre-votes without raising its term, then for votes once its own is on disk", () => {
    const a = new Hand(1);
    const pre = of(a.ticks(10).turn(), "vote");
    assert.deepEqual(pre.map((m) => [m.to, m.isPre, m.term]), [[2, true, 1], [3, true, 1]]);
    assert.equal(a.core.term, 0);
    a.step({ type: "vote-response", from: 2, term: 1, isPre: true, isGranted: true });
    assert.deepEqual(of(a.turn(), "vote"), []);
    assert.deepEqual(of(a.sync(), "vote").map((m) => [m.to, m.isPre, m.term]), [[2, false, 1], [3, false, 1]]);
  });

  it("asks again who has not answered, and nobody for a vote before its own is on disk", () => {
    const a = new Hand(1, {}, { heartbeatTicks: 2 });
    a.ticks(10).turn();
    assert.deepEqual(of(a.ticks(2).turn(), "vote").map((m) => [m.to, m.isPre]), [[2, true], [3, true]]);
    a.step({ type: "vote-response", from: 2, term: 1, isPre: true, isGranted: true });
    assert.deepEqual(of(a.turn().concat(a.ticks(2).turn()), "vote"), []);
    assert.equal(of(a.sync(), "vote").length, 2);
    a.step({ type: "vote-response", from: 3, term: 1, isPre: false, isGranted: false });
    assert.deepEqual(of(a.ticks(2).turn(), "vote").map((m) => [m.to, m.isPre, m.term]), [[2, false, 1]]);
  });

  it("of two that miss the leader at once the higher id goes first, and the other helps it", () => {
    const [a, b] = [new Hand(1), new Hand(2)];
    a.ticks(10).turn();
    b.ticks(10).turn();
    assert.deepEqual(of(b.step(vote(1, 1, 0, 0, { isPre: true })).sync(), "vote-response").map((m) => m.isGranted), [false]);
    assert.deepEqual(of(a.step(vote(2, 1, 0, 0, { isPre: true })).sync(), "vote-response").map((m) => m.isGranted), [true]);
    // A newer log goes before a higher id.
    assert.deepEqual(of(b.step(vote(1, 1, 5, 1, { isPre: true })).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  it("who has just supported another waits some ticks before it tries itself", () => {
    const a = new Hand(1);
    a.ticks(9).step(vote(2, 1, 0, 0, { isPre: true })).sync();
    assert.deepEqual(of(a.ticks(3).turn(), "vote"), []);
    assert.equal(of(a.ticks(1).turn(), "vote").length, 2);
  });

  it("its own vote counts only once it is synced", () => {
    const a = new Hand(1);
    a.ticks(10).sync();
    a.step({ type: "vote-response", from: 2, term: 1, isPre: true, isGranted: true }).turn();
    // A vote that comes before (from an earlier life of this candidate) is one of two that it needs.
    a.step({ type: "vote-response", from: 2, term: 1, isPre: false, isGranted: true }).turn();
    assert.equal(a.core.role, "candidate");
    a.sync();
    assert.equal(a.core.role, "leader");
  });

  it("a vote leaves only with the write that remembers it", () => {
    const a = new Hand(1);
    assert.deepEqual(a.step(vote(2, 1, 0, 0)).turn(), []);
    assert.deepEqual(a.writes.map((w) => [w.hardState?.vote, w.mustSync, w.messages.length]), [[2, true, 1]]);
    assert.deepEqual(of(a.sync(), "vote-response").map((m) => m.isGranted), [true]);
    assert.deepEqual(of(a.step(vote(3, 1, 0, 0)).sync(), "vote-response").map((m) => m.isGranted), [false]);
    assert.deepEqual(of(a.step(vote(2, 1, 0, 0)).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  for (const [what, entries, index, term, isGranted] of [
    ["the same log", logOf(1, 2), 2, 2, true], ["a longer one", logOf(1, 2), 3, 2, true], ["a shorter one", logOf(1, 2), 1, 2, false],
    ["a newer last term, though shorter", logOf(1, 2), 1, 3, true], ["an older last term, though longer", logOf(1, 2), 9, 1, false],
  ] as const) {
    it(`a candidate with ${what} gets ${isGranted ? "the" : "no"} vote`, () => {
      const a = new Hand(1, { entries, hardState: { term: 3, vote: 0, commit: 0 } });
      assert.deepEqual(of(a.step(vote(2, 4, index, term)).sync(), "vote-response").map((m) => m.isGranted), [isGranted]);
    });
  }

  it("a granted pre-vote carries the request's term and changes nothing", () => {
    const a = new Hand(1, { hardState: { term: 3, vote: 2, commit: 0 } });
    assert.deepEqual(of(a.step(vote(2, 9, 0, 0, { isPre: true })).sync(), "vote-response").map((m) => [m.term, m.isGranted]), [[9, true]]);
    assert.deepEqual([a.core.term, a.core.vote], [3, 2]);
  });

  it("a new term frees the vote", () => {
    const a = new Hand(1, { hardState: { term: 3, vote: 2, commit: 0 } });
    assert.deepEqual(of(a.step(vote(3, 4, 0, 0)).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  it("while its leader lives it answers no candidate, unless the leader sent it", () => {
    const a = new Hand(1, { hardState: { term: 1, vote: 0, commit: 0 } });
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 1 }).sync();
    assert.deepEqual(a.step(vote(3, 5, 9, 9)).sync(), []);
    assert.deepEqual(a.step(vote(3, 5, 9, 9, { isPre: true })).sync(), []);
    assert.equal(a.core.term, 1);
    assert.deepEqual(of(a.step(vote(3, 5, 9, 9, { isTransfer: true })).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  it("a learner that was promoted without knowing votes", () => {
    const config: Config = { members: [{ id: 1, isLearner: true, context: new Uint8Array(0) }, { id: 2, isLearner: false, context: new Uint8Array(0) }], outgoing: [], removed: [] };
    assert.deepEqual(of(new Hand(1, { config }).step(vote(2, 1, 0, 0)).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  it("neither votes nor campaigns while its log is not whole", () => {
    const a = new Hand(1, { recovering: true });
    assert.deepEqual(of(a.step(vote(2, 1, 9, 9)).sync(), "vote-response").map((m) => m.isGranted), [false]);
    assert.equal(of(a.ticks(50).sync(), "vote").length, 0);
  });

  it("does not campaign with a committed change of members that is not applied", () => {
    const change = entryOf(2, 1, "", "config");
    const a = new Hand(1, { entries: [entryOf(1, 1), { ...change, data: encodeConfig(configOf(1, 2)) }], hardState: { term: 1, vote: 0, commit: 2 } });
    // Not taken by turn(): committed entries stay unapplied.
    a.ticks(30);
    assert.equal(a.core.role, "follower");
    a.turn();
    a.ticks(30);
    assert.equal(a.core.role, "pre-candidate");
  });

  it("a leader that hears from no majority steps down", () => {
    const a = new Hand(1).lead(2);
    a.ticks(8).step({ type: "heartbeat-response", from: 3, term: 1, round: 1 });
    a.ticks(8);
    assert.equal(a.core.role, "leader");
    a.ticks(8);
    assert.equal(a.core.role, "follower");
  });

  it("one that is behind with a high term cannot stop an election for ever", () => {
    // etcd #8243: the laggard's pre-vote is refused with our term, ours is granted with the request's.
    const a = new Hand(1, { entries: logOf(1, 1), hardState: { term: 2, vote: 0, commit: 0 } });
    const laggard = new Hand(3, { entries: logOf(1), hardState: { term: 5, vote: 0, commit: 0 } });
    const ask = of(a.ticks(10).sync(), "vote").find((m) => m.to === 3)!;
    laggard.core.step(ask);
    const answer = of(laggard.sync(), "vote-response")[0]!;
    a.core.step(answer);
    assert.equal(a.core.term, 5);
    const again = of(a.ticks(10).sync(), "vote").find((m) => m.to === 3)!;
    laggard.core.step(again);
    assert.equal(of(laggard.sync(), "vote-response")[0]!.isGranted, true);
  });
});

describe("the core: the log", () => {
  it("figure 8: an older term's entry on a majority is not committed until one of this term is", () => {
    const a = new Hand(1, { entries: logOf(1, 2), hardState: { term: 3, vote: 0, commit: 1 } }).lead(2);
    a.ack(2, 2).sync();
    assert.equal(a.core.log.commit, 1);
    a.ack(2, 3).sync();
    assert.equal(a.core.log.commit, 3);
  });

  it("the leader counts its own entry once it is synced", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    a.core.propose(Buffer.from("x"));
    a.turn();
    a.ack(2, 2).turn();
    assert.equal(a.core.log.commit, 1);
    a.sync();
    assert.equal(a.core.log.commit, 2);
  });

  it("a lone voter commits nothing before its sync", () => {
    const a = new Hand(1, { config: configOf(1) });
    a.ticks(10).sync();
    assert.equal(a.core.role, "leader");
    a.core.propose(Buffer.from("x"));
    a.turn();
    assert.deepEqual(a.applied.map((e) => e.kind), ["noop"]);
    a.sync();
    assert.deepEqual(a.applied.map((e) => e.kind), ["noop", "data"]);
  });

  it("a follower acknowledges entries with the write that holds them, and again only behind it", () => {
    const a = new Hand(1);
    const append = { type: "append", from: 2, term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [entryOf(1, 1, "x")] } as const;
    assert.deepEqual(of(a.step(append).turn(), "append-response"), []);
    assert.deepEqual(of(a.step(append).turn(), "append-response"), []);
    assert.deepEqual(a.writes.map((w) => [w.entries.length, w.messages.length]), [[1, 1], [0, 1]]);
    assert.deepEqual(of(a.sync(), "append-response").map((m) => m.index), [1, 1]);
  });

  it("what was committed goes to disk with the entries that follow it", () => {
    const a = new Hand(1);
    a.step({ type: "append", from: 2, term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [entryOf(1, 1)] }).sync();
    a.step({ type: "append", from: 2, term: 1, prevIndex: 1, prevTerm: 1, commit: 1, entries: [entryOf(2, 1)] }).turn();
    assert.equal(a.writes[0]!.hardState?.commit, 1);
  });

  it("an append that completes late does not count for what replaced its entries", () => {
    const a = new Hand(1);
    a.step({ type: "append", from: 2, term: 1, prevIndex: 0, prevTerm: 0, commit: 0, entries: [entryOf(1, 1, "a"), entryOf(2, 1, "b")] }).turn();
    a.step({ type: "append", from: 3, term: 2, prevIndex: 0, prevTerm: 0, commit: 0, entries: [entryOf(1, 2, "c"), entryOf(2, 2, "d")] }).turn();
    a.core.persisted(a.writes[0]!.id);
    assert.equal(a.core.log.stable, 0);
    a.core.persisted(a.writes[1]!.id);
    assert.equal(a.core.log.stable, 2);
  });

  it("conflicting logs meet in few steps", () => {
    // Figure 7 (f): the follower has terms 1,1,1,2,2,2,3,3,3,3,3; the leader 1,1,1,4,4,5,5,6,6,6.
    const follower = new Hand(2, { entries: logOf(1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3), hardState: { term: 7, vote: 0, commit: 3 } });
    const leader = new Hand(1, { entries: logOf(1, 1, 1, 4, 4, 5, 5, 6, 6, 6), hardState: { term: 7, vote: 0, commit: 3 } });
    let rounds = 0;
    let out: Message[] = leader.ticks(10).sync();
    leader.step({ type: "vote-response", from: 3, term: 8, isPre: true, isGranted: true });
    leader.sync();
    leader.step({ type: "vote-response", from: 3, term: 8, isPre: false, isGranted: true });
    out = leader.sync();
    while (leader.core.progress.get(2)!.match < 11) {
      assert.ok(++rounds < 6, "few rounds");
      for (const m of out.filter((message) => message.to === 2)) follower.core.step(m);
      for (const m of follower.sync()) leader.core.step(m);
      out = leader.sync();
    }
    assert.deepEqual(follower.core.log.slice(1, 99, 1 << 20).map((e) => e.term), [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]);
  });

  it("pipelines up to the window, then waits", () => {
    const a = new Hand(1, {}, { maxInflight: 2, maxMessageBytes: 1 }).lead(2).ack(2, 1);
    a.sync();
    for (let i = 0; i < 5; i++) a.core.propose(Buffer.from(`${i}`));
    const toTwo = (messages: readonly Message[]): number => of(messages, "append").filter((m) => m.to === 2 && m.entries.length > 0).length;
    assert.equal(toTwo(a.sync()), 2);
    assert.equal(toTwo(a.ack(2, 2).sync()), 1);
  });

  it("a lost append is found by the next heartbeat", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    a.core.propose(Buffer.from("lost"));
    a.sync();
    a.step({ type: "heartbeat-response", from: 2, term: 1, round: 2 });
    const probe = of(a.sync(), "append").find((m) => m.to === 2)!;
    assert.deepEqual([probe.prevIndex, probe.entries.length], [2, 0]);
    a.step({ type: "append-reject", from: 2, term: 1, index: 2, hintIndex: 1, hintTerm: 1 });
    assert.deepEqual(of(a.sync(), "append").map((m) => [m.prevIndex, m.entries.length]), [[1, 1]]);
  });

  it("refuses when too much is uncommitted, and counts down exactly", () => {
    const a = new Hand(1, {}, { maxUncommittedBytes: 100 }).lead(2).ack(2, 1);
    a.sync();
    for (let round = 0; round < 5; round++) {
      const results = Array.from({ length: 5 }, () => a.core.propose(Buffer.alloc(30)).kind);
      assert.deepEqual(results, ["appended", "appended", "refused", "refused", "refused"]);
      a.sync();
      a.ack(2, a.core.log.lastIndex).sync();
    }
  });

  it("a commit beyond the own log means that the log was lost: it ends", () => {
    const a = new Hand(1, { entries: logOf(1), hardState: { term: 1, vote: 0, commit: 0 } });
    assert.throws(() => a.step({ type: "heartbeat", from: 2, term: 1, commit: 5, round: 1 }), LostLogError);
  });
});

describe("the core: snapshots", () => {
  const meta: SnapshotMeta = { index: 10, term: 2, config: configOf(1, 2, 3) };
  const compacted = { base: { index: 10, term: 2 }, applied: 10, snapshot: meta, hardState: { term: 2, vote: 0, commit: 10 } };

  it("a member that needs compacted entries gets the snapshot, then the entries behind it", () => {
    const a = new Hand(1, compacted).lead(2).ack(2, 11);
    a.sync();
    a.step({ type: "append-reject", from: 3, term: 3, index: 10, hintIndex: 4, hintTerm: 1 });
    assert.deepEqual(of(a.sync(), "snapshot").map((m) => [m.to, m.snapshot.index]), [[3, 10]]);
    a.core.propose(Buffer.from("x"));
    assert.equal(of(a.sync(), "append").filter((m) => m.to === 3).length, 0);
    a.core.snapshotSent(3, true);
    a.ack(3, 10);
    const next = of(a.sync(), "append").find((m) => m.to === 3)!;
    assert.deepEqual([next.prevIndex, next.entries.length], [10, 2]);
    assert.equal(a.core.progress.get(3)!.state, "replicate");
  });

  it("a snapshot that was lost is sent again after the next heartbeat", () => {
    const a = new Hand(1, compacted).lead(2);
    a.step({ type: "append-reject", from: 3, term: 3, index: 10, hintIndex: 4, hintTerm: 1 });
    a.sync();
    a.core.snapshotSent(3, false);
    assert.equal(of(a.sync(), "snapshot").length, 0);
    a.step({ type: "heartbeat-response", from: 3, term: 3, round: 1 });
    assert.equal(of(a.sync(), "snapshot").length, 1);
  });

  it("a follower acknowledges a snapshot once it is on disk, and applies nothing before it is restored", () => {
    const a = new Hand(3, { config: emptyConfig, entries: logOf(1, 1), hardState: { term: 1, vote: 0, commit: 1 } });
    a.sync();
    const before = a.applied.length;
    assert.deepEqual(of(a.step({ type: "snapshot", from: 1, term: 3, snapshot: meta }).turn(), "append-response"), []);
    assert.equal(a.writes[0]!.snapshot?.index, 10);
    assert.deepEqual(of(a.sync(), "append-response").map((m) => m.index), [10]);
    a.step({ type: "append", from: 1, term: 3, prevIndex: 10, prevTerm: 2, commit: 11, entries: [entryOf(11, 3, "y")] }).sync();
    assert.equal(a.applied.length, before);
    a.core.restored(10);
    a.sync();
    assert.deepEqual(a.applied.slice(before).map((e) => e.index), [11]);
    assert.equal(a.core.config.members.length, 3);
  });
});

describe("the core: members", () => {
  it("one change at a time, and none before an entry of this term is committed", () => {
    const a = new Hand(1).lead(2);
    const add = (id: RaftId) => a.core.proposeConfig([{ kind: "add-learner", id, context: new Uint8Array(0) }]);
    assert.deepEqual(add(4), { kind: "refused", why: "pending-config" });
    a.ack(2, 1).sync();
    assert.equal(add(4).kind, "appended");
    assert.deepEqual(add(5), { kind: "refused", why: "pending-config" });
    a.sync();
    a.ack(2, 2).sync();
    assert.equal(add(5).kind, "appended");
  });

  it("a learner's acknowledgement commits nothing; it is promoted when it is near", () => {
    const a = new Hand(1, { config: configOf(1, 2) }).lead(2).ack(2, 1);
    a.sync();
    a.core.proposeConfig([{ kind: "add-learner", id: 4, context: Buffer.from("four") }]);
    a.sync();
    a.ack(2, 2).sync();
    a.core.propose(Buffer.from("x"));
    a.sync();
    a.ack(4, 3).sync();
    assert.equal(a.core.log.commit, 2);
    a.ticks(1).sync();
    const last = a.core.log.entry(a.core.log.lastIndex)!;
    assert.equal(last.kind, "config");
    assert.deepEqual(decodeConfig(last.data).members.map((m) => [m.id, m.isLearner]), [[1, false], [2, false], [4, false]]);
  });

  it("a removed member is told when the removal is applied, and whenever it calls", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    assert.equal(a.core.proposeConfig([{ kind: "remove", id: 3 }]).kind, "appended");
    a.sync();
    assert.deepEqual(of(a.ack(2, 2).sync(), "removed").map((m) => m.to), [3]);
    assert.deepEqual(of(a.step(vote(3, 99, 99, 99)).sync(), "removed").map((m) => m.to), [3]);
    assert.equal(a.core.term, 1);
    const three = new Hand(3);
    three.step({ type: "removed", from: 1, term: 1 });
    assert.equal(three.core.role, "removed");
    assert.deepEqual(three.ticks(50).sync(), []);
  });

  it("an id that was removed is not added again", () => {
    const a = new Hand(1, { config: { ...configOf(1, 2, 3), removed: [9] } }).lead(2).ack(2, 1);
    a.sync();
    assert.deepEqual(a.core.proposeConfig([{ kind: "add-learner", id: 9, context: new Uint8Array(0) }]), { kind: "refused", why: "unfit", reason: "member 9 was removed, and ids are never used again" });
  });

  it("hands over only to one that has everything, and takes no proposal meanwhile", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    a.core.propose(Buffer.from("x"));
    assert.ok(a.core.transfer(2));
    assert.deepEqual(of(a.sync(), "timeout-now"), []);
    assert.deepEqual(a.core.propose(Buffer.from("y")), { kind: "refused", why: "transferring" });
    assert.deepEqual(of(a.ack(2, 2).sync(), "timeout-now").map((m) => m.to), [2]);
    const b = new Hand(2, { entries: logOf(1, 1), hardState: { term: 1, vote: 1, commit: 1 } });
    assert.deepEqual(of(b.step({ type: "timeout-now", from: 1, term: 1 }).sync(), "vote").map((m) => [m.isPre, m.isTransfer, m.term]), [[false, true, 2], [false, true, 2]]);
  });

  it("a handover that does not come about is given up", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    a.core.transfer(2);
    for (let i = 0; i < 12; i++) { a.ticks(1); a.step({ type: "heartbeat-response", from: 3, term: 1, round: i }); }
    assert.equal(a.core.propose(Buffer.from("x")).kind, "appended");
  });
});

describe("the core: reads", () => {
  it("a new leader serves no read before it has committed an entry of its term", () => {
    const a = new Hand(1).lead(2);
    a.core.read(7);
    a.sync();
    a.step({ type: "heartbeat-response", from: 2, term: 1, round: 99 }).sync();
    assert.deepEqual(a.reads, []);
    const round = of(a.ack(2, 1).sync(), "heartbeat")[0]!.round;
    a.step({ type: "heartbeat-response", from: 2, term: 1, round }).sync();
    assert.deepEqual(a.reads, [{ id: 7, index: 1 }]);
  });

  it("a follower's read on a new leader waits too", () => {
    const a = new Hand(1).lead(2);
    a.step({ type: "read", from: 3, term: 1, id: 8 });
    const round = of(a.ticks(1).sync(), "heartbeat")[0]!.round;
    assert.deepEqual(of(a.step({ type: "heartbeat-response", from: 2, term: 1, round }).sync(), "read-response"), []);
    const next = of(a.ack(2, 1).sync(), "heartbeat")[0]!.round;
    assert.deepEqual(of(a.step({ type: "heartbeat-response", from: 2, term: 1, round: next }).sync(), "read-response").map((m) => [m.id, m.index]), [[8, 1]]);
  });

  it("a heartbeat tells nobody of a commit beyond what it is known to have", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    assert.deepEqual(of(a.ticks(1).sync(), "heartbeat").map((m) => [m.to, m.commit]), [[2, 1], [3, 0]]);
  });

  it("an answer to an earlier heartbeat confirms no later read", () => {
    const a = new Hand(1).lead(2).ack(2, 1);
    const old = of(a.ticks(1).sync(), "heartbeat")[0]!.round;
    a.core.read(1);
    const round = of(a.sync(), "heartbeat")[0]!.round;
    assert.ok(round > old);
    a.step({ type: "heartbeat-response", from: 2, term: 1, round: old }).sync();
    a.step({ type: "heartbeat-response", from: 3, term: 1, round: old }).sync();
    assert.deepEqual(a.reads, []);
    a.step({ type: "heartbeat-response", from: 3, term: 1, round }).sync();
    assert.deepEqual(a.reads, [{ id: 1, index: 1 }]);
  });
});

describe("the core: recovery", () => {
  it("asks its leader how far it must come, and is whole once it has synced that far", () => {
    const a = new Hand(1, { entries: logOf(1), hardState: { term: 2, vote: 0, commit: 3 }, recovering: true });
    const ask = of(a.step({ type: "heartbeat", from: 2, term: 2, commit: 3, round: 1 }).sync(), "recover")[0]!;
    assert.equal(ask.lastIndex, 1);
    a.step({ type: "recover-response", from: 2, term: 2, lastIndex: 3, nonce: ask.nonce + 1 }).sync();
    a.step({ type: "append", from: 2, term: 2, prevIndex: 1, prevTerm: 1, commit: 3, entries: [entryOf(2, 1), entryOf(3, 2)] }).sync();
    assert.equal(a.core.recovering, true);
    a.step({ type: "recover-response", from: 2, term: 2, lastIndex: 3, nonce: ask.nonce }).turn();
    assert.equal(a.core.recovering, false);
    assert.ok(a.writes.some((w) => w.recovering === false && w.mustSync));
  });

  it("a leader forgets what the asker once acknowledged", () => {
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    a.step({ type: "recover", from: 3, term: 1, lastIndex: 0, nonce: 5 });
    const out = a.sync();
    assert.deepEqual(of(out, "recover-response").map((m) => [m.lastIndex, m.nonce]), [[1, 5]]);
    assert.deepEqual(of(out, "append").filter((m) => m.to === 3).map((m) => [m.prevIndex, m.entries.length]), [[0, 1]]);
  });

  it("a member whose log is not whole is no support for removing another", () => {
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    a.step({ type: "recover", from: 3, term: 1, lastIndex: 0, nonce: 5 }).sync();
    assert.deepEqual(a.core.proposeConfig([{ kind: "remove", id: 2 }]), { kind: "refused", why: "quorum", missing: [3] });
    a.ack(3, 1).sync();
    assert.equal(a.core.proposeConfig([{ kind: "remove", id: 2 }]).kind, "appended");
  });
});
