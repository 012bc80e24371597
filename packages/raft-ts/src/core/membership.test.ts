import { strict as assert } from "node:assert";
import type { RaftId } from "../api.js";
import { decodeConfig } from "./config-codec.js";
import { configOf, Hand, HandGroup, logOf, memberOf, of, vote } from "./hand-test-group.js";

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
});
