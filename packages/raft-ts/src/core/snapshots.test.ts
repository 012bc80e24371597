import { strict as assert } from "node:assert";
import { encodeConfig } from "./config-codec.js";
import { emptyConfig } from "./config.js";
import { configOf, entryOf, Hand, logOf, of } from "./hand-test-group.js";
import type { SnapshotMeta } from "./types.js";

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

  it("a member whose answer shows that it came further than the snapshot needs it no more", () => {
    // etcd-io/raft #110: the index that was applied was not the one that was waited for.
    const a = new Hand(1, compacted).lead(2).ack(2, 11);
    a.sync();
    a.step({ type: "append-reject", from: 3, term: 3, index: 10, hintIndex: 4, hintTerm: 1 });
    a.sync();
    assert.equal(a.core.progress.get(3)!.state, "snapshot");
    a.ack(3, 11).sync();
    assert.equal(a.core.progress.get(3)!.state, "replicate");
  });

  it("a snapshot takes the whole log with it, and its members count at once", () => {
    // scylladb #9551: entries behind it that were kept had other members.
    const joint = { ...configOf(1, 2, 3), outgoing: configOf(3, 4).members };
    const a = new Hand(3, { entries: logOf(1, 1, 1, 1), hardState: { term: 1, vote: 0, commit: 2 } });
    a.sync();
    a.step({ type: "snapshot", from: 1, term: 3, snapshot: { ...meta, config: joint } }).sync();
    assert.deepEqual([a.core.log.firstIndex, a.core.log.lastIndex, a.core.log.lastTerm], [11, 10, 2]);
    assert.deepEqual(a.core.config.outgoing.map((m) => m.id), [3, 4]);
    // An apply from before that ends only now, and its config entry, change nothing.
    a.core.applied(2);
    a.core.applyConfig({ index: 2, term: 1, kind: "config", data: encodeConfig(configOf(3)) });
    assert.deepEqual([a.core.log.applied, a.core.config.outgoing.length], [2, 2]);
    a.core.restored(10);
    assert.equal(a.core.log.applied, 10);
  });

  it("an apply that ends while a snapshot is being restored counts for nothing", () => {
    const a = new Hand(3, { entries: logOf(1, 1, 1, 1), hardState: { term: 1, vote: 0, commit: 3 } });
    a.holdsApply = true;
    a.sync();
    a.step({ type: "snapshot", from: 1, term: 3, snapshot: meta }).sync();
    a.core.applied(3);
    a.core.restored(10);
    a.core.applied(3);
    assert.equal(a.core.log.applied, 10);
  });

  it("a snapshot that is in the log already, or covered by the commit index, changes nothing", () => {
    const a = new Hand(3, { entries: logOf(1, 1, 1, 1), hardState: { term: 1, vote: 0, commit: 2 } });
    a.sync();
    assert.deepEqual([2, 4, 9].map((index) => a.core.wantsSnapshot({ ...meta, index, term: 1 })), [false, false, true]);
    a.step({ type: "snapshot", from: 1, term: 3, snapshot: { ...meta, index: 2, term: 1 } }).sync();
    a.step({ type: "snapshot", from: 1, term: 3, snapshot: { ...meta, index: 3, term: 1 } }).sync();
    assert.deepEqual([a.core.log.lastIndex, a.core.log.commit], [4, 3]);
  });
});
