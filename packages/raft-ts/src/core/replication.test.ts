import { strict as assert } from "node:assert";
import { configOf, entryOf, Hand, HandGroup, logOf, of } from "./hand-test-group.js";
import { LostLogError } from "./raft.js";
import type { Message } from "./types.js";

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

  it("a full window lets nothing but empty appends pass, however often the member is heard of", () => {
    // etcd #14633: each heartbeat let one more through.
    const a = new Hand(1, {}, { maxInflight: 2, maxMessageBytes: 1 }).lead(2).ack(2, 1);
    a.sync();
    for (let i = 0; i < 5; i++) a.propose(`${i}`);
    a.sync();
    for (let i = 0; i < 5; i++) {
      a.step({ type: "heartbeat-response", from: 2, term: 1, round: 1 });
      assert.deepEqual(of(a.sync(), "append").filter((m) => m.to === 2).map((m) => [m.prevIndex, m.entries.length]), [[3, 0]]);
    }
    // What was lost shows in the refusal of such a one.
    a.step({ type: "append-reject", from: 2, term: 1, index: 3, hintIndex: 1, hintTerm: 1 });
    assert.deepEqual(of(a.sync(), "append").filter((m) => m.to === 2).map((m) => [m.prevIndex, m.entries.length]), [[1, 1]]);
  });

  it("the window is limited in bytes too, and empty again after a change of state", () => {
    // etcd-io/raft #54: bytes that stayed counted stalled replication.
    const a = new Hand(1, {}, { maxInflightBytes: 100, maxMessageBytes: 1 }).lead(2).ack(2, 1);
    a.sync();
    for (let i = 0; i < 9; i++) a.core.propose(Buffer.alloc(34));
    const toTwo = (messages: readonly Message[]): number => of(messages, "append").filter((m) => m.to === 2 && m.entries.length > 0).length;
    assert.equal(toTwo(a.sync()), 2);
    for (let round = 0; round < 5; round++) {
      a.core.unreachable(2);
      a.step({ type: "heartbeat-response", from: 2, term: 1, round: 1 });
      assert.equal(toTwo(a.sync()), 1);
      assert.equal(toTwo(a.ack(2, 2 + round).sync()), 2);
    }
  });

  it("a member that has everything is probed no longer after its connection broke", () => {
    // etcd-io/raft #52
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    a.core.unreachable(2);
    assert.equal(a.core.progress.get(2)!.state, "probe");
    a.step({ type: "heartbeat-response", from: 2, term: 1, round: 1 });
    assert.deepEqual(of(a.sync(), "append").map((m) => [m.to, m.prevIndex, m.entries.length]), [[2, 1, 0]]);
    a.ack(2, 1).sync();
    assert.equal(a.core.progress.get(2)!.state, "replicate");
  });

  it("what was compacted while a member was slow goes to it as a snapshot, never as a guess", () => {
    // etcd-io/raft #31: a term of 0 for a compacted entry looked like a match.
    const a = new Hand(1, { config: configOf(1, 2, 3) }, { maxInflight: 1, maxMessageBytes: 1 }).lead(2).ack(2, 1).ack(3, 1);
    for (let i = 0; i < 5; i++) a.propose(`${i}`);
    a.sync();
    // Member 3 answers no more; its window is full.
    for (let index = 2; index <= 6; index++) a.ack(2, index).sync();
    assert.equal(a.core.log.commit, 6);
    a.core.snapshotTaken({ index: 6, term: 1, config: configOf(1, 2, 3) }, 6);
    a.sent.length = 0;
    a.step({ type: "heartbeat-response", from: 3, term: 1, round: 1 });
    const out = a.sync();
    assert.deepEqual([of(out, "append").filter((m) => m.to === 3).length, of(out, "snapshot").map((m) => [m.to, m.snapshot.index])], [0, [[3, 6]]]);
    assert.deepEqual(of(a.ticks(1).sync(), "heartbeat").filter((m) => m.to === 3).map((m) => m.commit), [1]);
  });

  it("what is uncommitted is counted alike by the leader that appended it and by its successor", () => {
    // cockroach #31618: a count that drifts refuses all proposals in the end.
    const group = new HandGroup(configOf(1, 2, 3), { maxUncommittedBytes: 400 });
    group.elect(1);
    for (let round = 0; round < 6; round++) {
      const leader = group.leader()!;
      group.loses = (m) => m.type === "append-response";
      for (let i = 0; i < 5; i++) leader.propose(`value ${i}`);
      leader.change({ kind: "update", id: 2, context: Buffer.from(`round ${round}`) });
      group.settle();
      group.loses = () => false;
      group.stop(leader.id);
      group.tick(40);
      const second = group.leader()!;
      assert.notEqual(second.id, leader.id);
      group.start(leader.id);
      group.tick(12);
      assert.deepEqual([second.core.uncommittedBytes, leader.core.role], [0, "follower"], `round ${round}`);
      assert.equal(second.propose("x").kind, "appended");
      group.tick(1);
    }
  });
});
