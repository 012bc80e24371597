import { strict as assert } from "node:assert";
import { encodeConfig } from "./config-codec.js";
import { configOf, entryOf, Hand, HandGroup, logOf, memberOf, of, vote } from "./hand-test-group.js";
import type { Config } from "./types.js";

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
    const config: Config = { members: [memberOf(1, { isLearner: true }), memberOf(2)], outgoing: [], removed: [] };
    assert.deepEqual(of(new Hand(1, { config }).step(vote(2, 1, 0, 0)).sync(), "vote-response").map((m) => m.isGranted), [true]);
  });

  it("a learner is not quiet for longer than its leader lives", () => {
    const config: Config = { members: [memberOf(1, { isLearner: true }), memberOf(2), memberOf(3)], outgoing: [], removed: [] };
    const a = new Hand(1, { config, hardState: { term: 1, vote: 0, commit: 0 } });
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 1 }).sync();
    a.ticks(9).sync();
    for (let tick = 0; tick < 30; tick++) {
      a.ticks(1).sync();
      assert.deepEqual(of(a.step(vote(3, 2, 9, 9, { isPre: true })).sync(), "vote-response").map((m) => m.isGranted), [true]);
    }
    assert.equal(a.core.leader, undefined);
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

  it("supports others once until its own timer begins anew, so that candidates that cannot win do not keep it from trying", () => {
    const a = new Hand(1);
    a.ticks(9).step(vote(2, 1, 0, 0, { isPre: true })).sync();
    a.ticks(2).step(vote(3, 1, 0, 0, { isPre: true })).sync();
    a.ticks(1).step(vote(2, 1, 0, 0, { isPre: true })).sync();
    assert.equal(a.core.role, "follower");
    a.ticks(1).sync();
    assert.equal(a.core.role, "pre-candidate");
  });

  it("members that all draw the same timeouts elect a leader all the same", () => {
    for (const size of [2, 3, 4, 5]) {
      const group = new HandGroup(configOf(...Array.from({ length: size }, (_, i) => i + 1)));
      group.tick(60);
      assert.ok(group.leader(), `${size} members`);
    }
  });

  it("half of an even number is no majority", () => {
    const a = new Hand(1, { config: configOf(1, 2, 3, 4) });
    a.ticks(10).sync();
    a.step({ type: "vote-response", from: 2, term: 1, isPre: true, isGranted: true }).sync();
    assert.equal(a.core.role, "pre-candidate");
    a.step({ type: "vote-response", from: 3, term: 1, isPre: true, isGranted: true }).sync();
    assert.equal(a.core.role, "candidate");
  });

  it("a deposed leader that comes back follows, whatever it tried before", () => {
    // hashicorp/raft #605: its pre-votes were refused for ever.
    const group = new HandGroup(configOf(1, 2, 3));
    group.elect(1);
    group.stop(1);
    group.tick(60);
    const second = group.leader()!;
    assert.notEqual(second.id, 1);
    group.start(1);
    group.tick(30);
    assert.deepEqual([group.get(1).core.role, group.get(1).core.leader, group.leader()!.id], ["follower", second.id, second.id]);
  });

  it("a higher term with a shorter log and a lower term with a longer log come to a leader", () => {
    // etcd #8501: with pre-vote each refused the other for ever.
    const group = new HandGroup(configOf(1, 2, 3));
    group.stop(3);
    group.join(1, configOf(1, 2, 3), { entries: logOf(1, 1, 1), hardState: { term: 2, vote: 0, commit: 1 } });
    group.join(2, configOf(1, 2, 3), { entries: logOf(1), hardState: { term: 7, vote: 0, commit: 1 } });
    group.tick(100);
    assert.equal(group.leader()!.id, 1);
    assert.equal(group.get(2).core.log.commit, group.get(1).core.log.lastIndex);
  });

  it("one that was removed, or never had a vote, and comes with a high term deposes nobody", () => {
    const a = new Hand(1, { config: { ...configOf(1, 2, 3), removed: [9] } }).lead(2);
    for (const from of [9, 10]) a.step(vote(from, 99, 99, 99)).step(vote(from, 99, 99, 99, { isPre: true })).sync();
    assert.deepEqual([a.core.role, a.core.term], ["leader", 1]);
    assert.deepEqual(of(a.sent, "removed").map((m) => m.to), [9, 9]);
  });

  it("the hard state is written whole, and only when there is something new", () => {
    const a = new Hand(1, { entries: logOf(3), hardState: { term: 3, vote: 2, commit: 1 } });
    a.sync();
    a.step({ type: "heartbeat", from: 2, term: 3, commit: 1, round: 1 }).turn();
    assert.equal(a.writes.length, 0);
    a.step(vote(3, 4, 5, 3, { isTransfer: true })).turn();
    assert.deepEqual(a.writes.map((w) => w.hardState), [{ term: 4, vote: 3, commit: 1 }]);
  });

  describe("with lease reads", () => {
    const lease = { readMode: "lease" } as const;

    it("a voter keeps its promise to a leader also after it has heard of a higher term", () => {
      const a = new Hand(1, { hardState: { term: 1, vote: 0, commit: 0 } }, lease);
      a.ticks(20).step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 1 }).sync();
      a.step({ type: "append-response", from: 3, term: 5, index: 0 }).sync();
      assert.deepEqual([a.core.term, a.core.leader], [5, undefined]);
      assert.deepEqual(of(a.ticks(9).step(vote(3, 6, 9, 9)).sync(), "vote-response"), []);
      assert.equal(a.core.term, 5);
      assert.deepEqual(of(a.ticks(1).step(vote(3, 6, 9, 9)).sync(), "vote-response").map((m) => m.isGranted), [true]);
    });

    it("one that has just started may have promised before: it votes for nobody for an election timeout, except in a handover", () => {
      const start = (): Hand => new Hand(1, { hardState: { term: 1, vote: 0, commit: 0 } }, lease);
      assert.deepEqual(of(start().ticks(9).step(vote(3, 2, 9, 9)).sync(), "vote-response"), []);
      assert.deepEqual(of(start().ticks(9).step(vote(3, 2, 9, 9, { isTransfer: true })).sync(), "vote-response").map((m) => m.isGranted), [true]);
      assert.deepEqual(of(start().ticks(10).step(vote(3, 2, 9, 9)).sync(), "vote-response").map((m) => m.isGranted), [true]);
      const lone = new Hand(1, { config: configOf(1) }, lease);
      lone.core.campaignNow();
      lone.sync();
      assert.equal(lone.core.role, "leader");
    });
  });
});
