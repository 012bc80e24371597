import { strict as assert } from "node:assert";
import { Hand, memberOf, of } from "./hand-test-group.js";
import { ReadQueue } from "./read-queue.js";

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

  describe("by lease", () => {
    const lease = { readMode: "lease" } as const;
    /** Leads, and member 2 has just answered a round with a promise. */
    function leading(options = {}): Hand {
      const a = new Hand(1, {}, { ...lease, ...options }).lead(2).ack(2, 1);
      a.sync();
      beat(a, 2);
      return a;
    }
    /** One tick, and its round answered. */
    function beat(a: Hand, from: number, isPromise = true): void {
      const { round } = of(a.ticks(1).sync(), "heartbeat")[0]!;
      a.step({ type: "heartbeat-response", from, term: a.core.term, round, isPromise }).sync();
    }
    const isServed = (a: Hand, id: number): boolean => { a.core.read(id); a.sync(); return a.reads.some((r) => r.id === id); };

    it("a leader that a majority answered lately reads without asking, also for others", () => {
      const a = leading();
      assert.ok(isServed(a, 1));
      assert.deepEqual(of(a.step({ type: "read", from: 3, term: 1, id: 5 }).sync(), "read-response").map((m) => [m.to, m.id, m.index]), [[3, 5, 1]]);
    });

    it("for an election timeout less the margin since the round was sent", () => {
      for (const [leaseMarginTicks, lasts] of [[undefined, 7], [1, 8], [5, 4]] as const) {
        const a = leading({ ...(leaseMarginTicks && { leaseMarginTicks }) });
        a.ticks(lasts);
        assert.ok(isServed(a, 1), `margin ${leaseMarginTicks}`);
        a.ticks(1);
        assert.ok(!isServed(a, 2), `margin ${leaseMarginTicks}`);
        // It asks a majority instead.
        beat(a, 2);
        assert.deepEqual(a.reads.map((r) => r.id), [1, 2]);
      }
      assert.throws(() => new Hand(1, {}, { ...lease, leaseMarginTicks: 0 }), RangeError);
      assert.throws(() => new Hand(1, {}, { ...lease, leaseMarginTicks: 10 }), RangeError);
    });

    it("counts from the sending of the round, not from its answer", () => {
      const a = new Hand(1, {}, lease).lead(2).ack(2, 1);
      const { round } = of(a.ticks(1).sync(), "heartbeat")[0]!;
      a.ticks(8).sync();
      a.step({ type: "heartbeat-response", from: 2, term: 1, round, isPromise: true }).sync();
      assert.ok(!isServed(a, 1));
    });

    it("not from members that promise nothing, and not with the mode off", () => {
      const a = new Hand(1, {}, lease).lead(2).ack(2, 1);
      a.sync();
      beat(a, 2, false);
      assert.ok(!isServed(a, 1));
      assert.ok(!isServed(leading({ readMode: "safe" }), 1));
    });

    it("not before an entry of its own term is committed", () => {
      const a = new Hand(1, {}, lease).lead(2);
      a.sync();
      beat(a, 2);
      assert.ok(!isServed(a, 1));
    });

    it("not during a handover, nor after one in the same term that was given up", () => {
      const a = leading();
      a.core.transfer(2);
      assert.ok(!isServed(a, 1));
      for (let i = 0; i < 12; i++) beat(a, 2);
      assert.equal(a.core.transferee, undefined);
      a.sync();
      // The request to campaign may still be on its way, and its votes go past all promises.
      a.core.read(2);
      assert.ok(of(a.sync(), "heartbeat").length > 0);
    });

    it("not from what was heard before its own ticks were late", () => {
      const a = leading();
      const { round } = of(a.ticks(1).sync(), "heartbeat")[0]!;
      a.core.expireLease();
      assert.ok(!isServed(a, 1));
      a.step({ type: "heartbeat-response", from: 2, term: 1, round, isPromise: true }).sync();
      assert.ok(!isServed(a, 2));
      beat(a, 2);
      assert.ok(isServed(a, 3));
    });

    it("needs a majority of each half of a joint configuration", () => {
      const config = { members: [memberOf(1), memberOf(4), memberOf(5)], outgoing: [memberOf(1), memberOf(2), memberOf(3)], removed: [] };
      const a = new Hand(1, { config }, lease).lead(2, 4).ack(2, 1).ack(4, 1);
      a.sync();
      beat(a, 2);
      assert.ok(!isServed(a, 1));
      beat(a, 4);
      assert.ok(isServed(a, 2));
    });
  });

  it("promises nothing to a leader unless it reads by lease itself", () => {
    for (const [readMode, isPromise] of [["safe", false], ["lease", true]] as const) {
      const a = new Hand(1, {}, { readMode }).step({ type: "heartbeat", from: 2, term: 1, commit: 0, round: 4 });
      assert.deepEqual(of(a.sync(), "heartbeat-response").map((m) => [m.round, m.isPromise]), [[4, isPromise]]);
    }
  });

  it("more reads than ten thousand are dropped, and rounds of long ago give no lease", () => {
    const queue = new ReadQueue();
    for (let id = 0; id < 10_001; id++) queue.add(1, id, 0, id % 2 === 0);
    queue.ownTermCommitted(0);
    assert.equal(queue.take(Infinity).length, 10_000);
    for (let tick = 1; tick <= 2000; tick++) queue.startRound(tick);
    assert.deepEqual([0, 976, 977, 2000, 2001].map((round) => queue.tickOf(round)), [-Infinity, -Infinity, 977, 2000, -Infinity]);
  });

  it("the same question asked twice is not answered by what was sent for the first", () => {
    // etcd-io/raft #397: the answer to the first round came after another leader was elected.
    const a = new Hand(1).lead(2).ack(2, 1);
    a.sync();
    a.core.read(1);
    const first = of(a.sync(), "heartbeat")[0]!.round;
    a.propose("x");
    a.sync();
    a.ack(2, 2).sync();
    a.step({ type: "heartbeat-response", from: 2, term: 1, round: first }).sync();
    assert.deepEqual(a.reads, [{ id: 1, index: 1 }]);
    a.core.read(1);
    a.step({ type: "heartbeat-response", from: 3, term: 1, round: first }).sync();
    assert.equal(a.reads.length, 1);
  });
});
