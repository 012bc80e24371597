import { strict as assert } from "node:assert";
import type { RaftId } from "../api.js";
import { decodeConfig, encodeConfig } from "./config-codec.js";
import { emptyConfig, isJoint, voters } from "./config.js";
import { configOf, entryOf, Hand, HandGroup, memberOf, of, vote } from "./hand-test-group.js";
import type { Config, ConfigChange, SnapshotMeta } from "./types.js";

const none = new Uint8Array(0);
const show = (config: Config): string => `${voters(config).map((m) => m.id)}${isJoint(config) ? ` from ${config.outgoing.map((m) => m.id)}` : ""}`;

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

  it("names the voters that a majority would miss", () => {
    const a = new Hand(1, { config: configOf(1, 2, 3, 4) }).lead(2, 3).ack(2, 1).ack(3, 1);
    a.sync();
    for (let tick = 0; tick < 12; tick++) a.ticks(1).step({ type: "heartbeat-response", from: 2, term: 1, round: 1 }).step({ type: "heartbeat-response", from: 3, term: 1, round: 1 }).sync();
    assert.deepEqual(a.change({ kind: "remove", id: 2 }, { kind: "remove", id: 3 }), { kind: "refused", why: "quorum", missing: [4] });
    assert.deepEqual(a.change({ kind: "add-voter", id: 7, context: none }, { kind: "add-voter", id: 8, context: none }), { kind: "refused", why: "quorum", missing: [4, 7, 8] });
    assert.equal(a.change({ kind: "remove", id: 4 }).kind, "appended");
  });

  it("a demoted voter is not promoted again, and its acknowledgement commits nothing", () => {
    const group = new HandGroup(configOf(1, 2, 3));
    const leader = group.elect(1);
    leader.change({ kind: "demote", id: 3 });
    group.tick(30);
    assert.deepEqual(leader.core.config.members.map((m) => m.isLearner), [false, false, true]);
    group.stop(2);
    leader.propose("x");
    group.settle();
    assert.equal(leader.core.log.commit, leader.core.log.lastIndex - 1);
  });

  it("a candidate that hears of its own demotion gives up, a new leader that commits it goes once a majority has heard", () => {
    const start = { entries: [entryOf(1, 1), { ...entryOf(2, 1, "", "config"), data: encodeConfig({ ...configOf(1, 2, 3), members: [memberOf(1, { isLearner: true }), memberOf(2), memberOf(3)] }) }], hardState: { term: 1, vote: 0, commit: 1 } };
    const a = new Hand(1, start);
    a.ticks(10).sync();
    assert.equal(a.core.role, "pre-candidate");
    a.step({ type: "heartbeat", from: 2, term: 1, commit: 2, round: 1 }).sync();
    assert.equal(a.core.role, "follower");
    assert.deepEqual(of(a.ticks(40).sync(), "vote"), []);
    const b = new Hand(1, start).lead(2);
    b.ack(2, 3).sync();
    assert.deepEqual([b.core.role, b.core.log.commit], ["leader", 3]);
    b.ack(3, 3).sync();
    const { round } = of(b.ticks(1).sync(), "heartbeat")[0]!;
    b.step({ type: "heartbeat-response", from: 2, term: 2, round }).sync();
    assert.equal(b.core.role, "leader");
    b.step({ type: "heartbeat-response", from: 3, term: 2, round }).sync();
    assert.equal(b.core.role, "follower");
  });

  describe("through a joint configuration", () => {
    const promote: readonly ConfigChange[] = [{ kind: "promote", id: 4 }, { kind: "promote", id: 5 }];
    const start: Config = { members: [...configOf(1, 2, 3).members, memberOf(4, { isLearner: true, staysLearner: true }), memberOf(5, { isLearner: true, staysLearner: true })], outgoing: [], removed: [] };
    const configs = (hand: Hand): string[] => hand.applied.filter((e) => e.kind === "config").map((e) => show(decodeConfig(e.data)));

    it("several change at once, and it is left by itself, once", () => {
      const group = new HandGroup(start);
      const leader = group.elect(1);
      assert.equal(leader.change(...promote, { kind: "remove", id: 2 }, { kind: "remove", id: 3 }).kind, "appended");
      group.settle();
      group.tick(5);
      assert.deepEqual(configs(leader), ["1,4,5 from 1,2,3", "1,4,5"]);
      assert.deepEqual([2, 3].map((id) => group.get(id).core.role), ["removed", "removed"]);
      leader.propose("x");
      group.tick(2);
      assert.deepEqual([4, 5].map((id) => group.get(id).texts()), [["x"], ["x"]]);
    });

    it("nothing is committed without a majority of each half", () => {
      const group = new HandGroup(start);
      const leader = group.elect(1);
      // The entry that begins it needs the old half alone.
      group.stop(4, 5);
      leader.change(...promote, { kind: "remove", id: 3 });
      group.settle();
      assert.equal(show(leader.core.config), "1,2,4,5 from 1,2,3");
      const { commit } = leader.core.log;
      leader.propose("x");
      group.settle();
      assert.equal(leader.core.log.commit, commit);
      group.start(4);
      group.tick(3);
      assert.deepEqual([show(leader.core.config), leader.texts()], ["1,2,4,5", ["x"]]);
    });

    it("no other change is taken before it is left, and no learner promoted", () => {
      const group = new HandGroup(start);
      const leader = group.elect(1);
      group.stop(4, 5);
      leader.change(...promote, { kind: "remove", id: 3 }, { kind: "add-learner", id: 6, context: none });
      group.settle();
      assert.deepEqual(leader.change({ kind: "remove", id: 2 }), { kind: "refused", why: "pending-config" });
    });

    it("who is on the way out is told once it is over, not before", () => {
      const group = new HandGroup(start);
      const leader = group.elect(1);
      group.stop(4, 5);
      leader.change(...promote, { kind: "remove", id: 3 });
      group.tick(3);
      assert.deepEqual([of(leader.sent, "removed"), group.get(3).core.role], [[], "follower"]);
      group.start(4, 5);
      group.tick(3);
      assert.equal(group.get(3).core.role, "removed");
    });

    it("a new leader leaves it, also when its predecessor's last entry was to do so", () => {
      for (const isLeaveWritten of [false, true]) {
        const group = new HandGroup(start);
        const first = group.elect(1);
        group.stop(4, 5);
        first.change(...promote, { kind: "remove", id: 3 });
        // The others hear of the joint configuration; of the entry that leaves it only if so told.
        if (!isLeaveWritten) group.loses = (m) => m.type === "append" && m.entries.some((e) => e.index === 3);
        group.tick(1);
        assert.ok(isJoint(first.core.config) && isJoint(group.get(2).core.config));
        assert.equal(group.get(2).core.log.lastIndex, isLeaveWritten ? 3 : 2);
        group.loses = () => false;
        group.stop(1);
        group.start(4, 5);
        group.tick(60);
        const second = group.leader()!;
        assert.ok(second.id !== 1 && !isJoint(second.core.config));
        assert.equal(configs(second).filter((c) => c === "1,2,4,5").length, 1, `${configs(second)}`);
      }
    });

    it("a restart in the middle of it, from the log or from a snapshot, forgets no half", () => {
      const group = new HandGroup(start);
      const leader = group.elect(1);
      group.stop(4, 5);
      leader.change(...promote, { kind: "remove", id: 3 });
      group.tick(1);
      const { log } = leader.core;
      const hardState = { term: leader.core.term, vote: 1, commit: log.commit };
      const fromLog = new Hand(1, { hardState, entries: log.slice(1, log.commit, 1 << 20) });
      fromLog.sync();
      const base = { index: log.commit, term: log.term(log.commit)! };
      const snapshot: SnapshotMeta = { ...base, config: decodeConfig(encodeConfig(leader.core.config)) };
      const fromSnapshot = new Hand(1, { hardState, config: snapshot.config, base, applied: base.index, snapshot });
      const sent = new Hand(7, { config: emptyConfig });
      sent.step({ type: "snapshot", from: 1, term: 1, snapshot }).sync();
      for (const hand of [fromLog, fromSnapshot, sent]) assert.equal(show(hand.core.config), "1,2,4,5 from 1,2,3");
      // Votes of the incoming half alone elect nobody.
      fromSnapshot.ticks(10).sync();
      for (const from of [4, 5]) fromSnapshot.step({ type: "vote-response", from, term: 2, isPre: true, isGranted: true }).sync();
      assert.equal(fromSnapshot.core.role, "pre-candidate");
      fromSnapshot.step({ type: "vote-response", from: 2, term: 2, isPre: true, isGranted: true }).sync();
      assert.equal(fromSnapshot.core.role, "candidate");
    });

    it("a leader that is to go hands over first, and its successor finishes the change", () => {
      for (const kind of ["remove", "demote"] as const) {
        const group = new HandGroup(configOf(1, 2, 3));
        const leader = group.elect(1);
        assert.equal(leader.change({ kind, id: 1 }).kind, "appended");
        group.tick(2);
        assert.equal(leader.core.role, kind === "remove" ? "removed" : "follower");
        assert.equal(group.leader()!.core.term, 2);
        group.tick(30);
        assert.equal(group.leader()!.core.term, 2, "no further election");
      }
    });

    it("the leader of two can go", () => {
      // swarmkit #1178: it left the other one without a majority.
      const group = new HandGroup(configOf(1, 2));
      const leader = group.elect(1);
      leader.change({ kind: "remove", id: 1 });
      group.tick(2);
      assert.deepEqual([leader.core.role, group.leader()!.id, show(group.get(2).core.config)], ["removed", 2, "2"]);
    });

    it("a leader to which nobody succeeds leaves it itself, and goes once a majority has heard", () => {
      for (const kind of ["remove", "demote"] as const) {
        const group = new HandGroup(configOf(1, 2, 3));
        const leader = group.elect(1);
        group.loses = (m) => m.type === "timeout-now";
        leader.change({ kind, id: 1 });
        group.tick(1);
        assert.equal(leader.core.transferee, 2);
        // The answers that would let it go are lost for a while.
        group.loses = (m) => m.type === "timeout-now" || (show(leader.core.config) === "2,3" && m.to === 1);
        group.tick(12);
        assert.deepEqual([show(leader.core.config), leader.core.role], ["2,3", "leader"]);
        assert.deepEqual(leader.propose("x"), { kind: "refused", why: "transferring" });
        // One of two that stay has heard; that is no majority.
        leader.step({ type: "removed", from: 2, term: 1 });
        assert.equal(leader.core.role, "leader");
        group.loses = () => false;
        group.tick(1);
        assert.equal(leader.core.role, kind === "remove" ? "removed" : "follower");
        group.tick(60);
        assert.ok(group.leader() && group.leader()!.id !== 1);
      }
    });
  });
});
