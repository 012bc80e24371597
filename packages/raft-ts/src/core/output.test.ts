import { strict as assert } from "node:assert";
import { encodeConfig } from "./config-codec.js";
import { configOf, entryOf, Hand, logOf } from "./hand-test-group.js";

const append = (from: number, to: number, commit: number) => ({
  type: "append", from: 2, term: 1, prevIndex: from - 1, prevTerm: from > 1 ? 1 : 0, commit, entries: Array.from({ length: to - from + 1 }, (_, i) => entryOf(from + i, 1, "0123456789")),
} as const);
const indexes = (hand: Hand): number[] => hand.applied.map((e) => e.index);

describe("the core: what is handed out", () => {
  it("entries to apply come once, also while earlier ones are not acknowledged", () => {
    const a = new Hand(1);
    a.holdsApply = true;
    a.step(append(1, 2, 2)).sync();
    a.step(append(3, 4, 4)).sync();
    assert.deepEqual([indexes(a), a.core.log.applied], [[1, 2, 3, 4], 0]);
    a.core.applied(3);
    a.sync();
    assert.deepEqual([indexes(a), a.core.log.applied], [[1, 2, 3, 4], 3]);
    a.core.applied(1);
    assert.equal(a.core.log.applied, 3);
    assert.throws(() => a.core.applied(5), /only what was handed out/);
  });

  it("no more than maxApplyBytes are out, but one entry always is", () => {
    const a = new Hand(1, {}, { maxApplyBytes: 60 });
    a.holdsApply = true;
    a.step(append(1, 5, 5)).sync();
    assert.deepEqual(indexes(a), [1, 2]);
    a.core.applied(1);
    a.sync();
    assert.deepEqual(indexes(a), [1, 2, 3]);
    a.core.applied(3);
    a.sync();
    assert.deepEqual(indexes(a), [1, 2, 3, 4, 5]);
    const b = new Hand(1, {}, { maxApplyBytes: 1 });
    b.step(append(1, 3, 3)).sync();
    assert.deepEqual(indexes(b), [1, 2, 3]);
  });

  it("the commit index is written alone only when no entry came for a tick to take it along", () => {
    const a = new Hand(1);
    for (let commit = 0; commit < 5; commit++) {
      a.step(append(commit + 1, commit + 1, commit)).sync();
      a.ticks(1).turn();
      assert.equal(a.writes.length, 0);
    }
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 5, round: 1 });
    a.ticks(1).turn();
    assert.equal(a.writes.length, 0);
    a.ticks(1).turn();
    assert.deepEqual(a.writes.map((w) => [w.hardState?.commit, w.mustSync]), [[5, false]]);
  });

  it("what is held back does not hold back the commit index that is written", () => {
    // etcd #10063
    const a = new Hand(1, {}, { maxApplyBytes: 1 });
    a.holdsApply = true;
    a.step(append(1, 4, 3)).turn();
    assert.equal(a.writes[0]!.hardState?.commit, 3);
    a.sync();
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 4, round: 1 }).ticks(2).turn();
    assert.deepEqual(a.writes.map((w) => [w.hardState?.commit, w.mustSync]), [[4, false]]);
    assert.deepEqual(indexes(a), [1]);
  });

  it("nothing is applied that is not on the own disk", () => {
    const a = new Hand(1);
    a.step(append(1, 2, 2)).turn();
    assert.deepEqual(indexes(a), []);
    a.sync();
    assert.deepEqual(indexes(a), [1, 2]);
  });

  it("a config entry takes effect at its turn, and is not acknowledged before", () => {
    const change = { ...entryOf(3, 1, "", "config"), data: encodeConfig(configOf(1, 2)) };
    const a = new Hand(1, { entries: [...logOf(1, 1), change], hardState: { term: 1, vote: 0, commit: 3 } });
    const { committed } = a.core.ready();
    assert.deepEqual(committed.map((e) => e.index), [1, 2, 3]);
    a.core.applied(2);
    assert.throws(() => a.core.applied(3), /given to applyConfig/);
    a.core.applyConfig(change);
    a.core.applied(3);
    assert.equal(a.core.config.members.length, 2);
  });

  it("an acknowledgement does not wait for a write when all before it is on disk", () => {
    const a = new Hand(1);
    a.step(append(1, 2, 0)).sync();
    assert.deepEqual(a.step(append(1, 2, 0)).turn().map((m) => m.type), ["append-response"]);
    assert.deepEqual(a.step(append(3, 3, 0)).turn(), []);
    assert.deepEqual(a.step(append(1, 2, 0)).turn(), []);
    assert.equal(a.sync().length, 2);
  });
});
