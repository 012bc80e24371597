import { strict as assert } from "node:assert";
import { configOf, Hand, HandGroup, logOf, memberOf, of } from "./hand-test-group.js";

describe("the core: handing over leadership", () => {
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

  it("one that loses its vote meanwhile is not waited for", () => {
    // hashicorp/raft #581: the target was demoted and the leader refused proposals for good.
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    assert.equal(a.change({ kind: "demote", id: 2 }).kind, "appended");
    assert.ok(a.core.transfer(2));
    a.sync();
    assert.deepEqual(a.propose("x"), { kind: "refused", why: "transferring" });
    a.ack(3, 2).sync();
    assert.equal(a.core.transferee, undefined);
    assert.equal(a.propose("x").kind, "appended");
    assert.equal(a.core.transfer(2), false);
  });

  it("goes past the promises that keep other candidates quiet", () => {
    const group = new HandGroup(configOf(1, 2, 3), { readMode: "lease" });
    group.tick(30);
    const old = group.leader()!;
    const to = old.id === 2 ? 3 : 2;
    assert.ok(old.core.transfer(to));
    group.settle();
    assert.equal(group.leader()!.id, to);
    assert.equal(old.core.role, "follower");
  });

  it("a heartbeat on its way does not hold the successor up", () => {
    const b = new Hand(2, { entries: logOf(1), hardState: { term: 1, vote: 1, commit: 1 } });
    b.step({ type: "heartbeat", from: 1, term: 1, commit: 1, round: 1 }).step({ type: "timeout-now", from: 1, term: 1 });
    b.step({ type: "heartbeat", from: 1, term: 1, commit: 1, round: 2 });
    assert.deepEqual([b.core.role, b.core.term], ["candidate", 2]);
  });

  describe("priorities", () => {
    const config = { members: [memberOf(1), memberOf(2, { priority: 2 }), memberOf(3, { priority: 1 })], outgoing: [], removed: [] };

    it("a leader hands over to a voter of the highest priority that has kept up for five election timeouts", () => {
      const group = new HandGroup(config);
      group.elect(1);
      group.tick(50);
      assert.equal(group.leader()!.id, 1);
      group.tick(5);
      assert.equal(group.leader()!.id, 2);
      group.tick(200);
      assert.equal(group.leader()!.id, 2);
    });

    it("one that comes and goes does not get it", () => {
      const group = new HandGroup(config);
      group.stop(2, 3);
      group.start(3);
      group.elect(1);
      for (let i = 0; i < 5; i++) {
        group.start(2); group.stop(3); group.tick(30);
        group.stop(2); group.start(3); group.tick(30);
      }
      assert.equal(group.leader()!.id, 1);
      group.tick(60);
      assert.equal(group.leader()!.id, 3);
    });

    it("of two that miss the leader at once the one of higher priority goes first, and the others wait longer", () => {
      const a = new Hand(2, { config });
      const b = new Hand(3, { config });
      a.ticks(10).turn();
      assert.equal(a.core.role, "pre-candidate");
      b.ticks(14).turn();
      assert.equal(b.core.role, "follower");
      b.ticks(1).turn();
      assert.equal(b.core.role, "pre-candidate");
      const ask = of(b.sent, "vote").find((m) => m.to === 2)!;
      a.core.step(ask);
      assert.deepEqual(of(a.sync(), "vote-response").map((m) => m.isGranted), [false]);
    });
  });
});
