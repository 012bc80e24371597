import { strict as assert } from "node:assert";
import { Hand, of } from "./hand-test-group.js";

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
