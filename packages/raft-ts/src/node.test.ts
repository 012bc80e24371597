import { strict as assert } from "node:assert";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RaftError } from "./api.js";
import { encodeMessage } from "./codec.js";
import { emptyConfig } from "./core/config.js";
import { contextOf, TestGroup, until } from "./node-test-group.js";
import { nodeDisk, type Disk } from "./wal/disk.js";

describe("a raft group on real disks", function () {
  this.timeout(30_000);
  let group: TestGroup;
  beforeEach(() => { group = new TestGroup(); });
  afterEach(() => group.destroy());

  it("a first member leads alone and commits", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    const { index } = await one.propose("a");
    assert.deepEqual(one.values(), ["a"]);
    assert.ok(index > 1);
  });

  it("members join, are promoted, and hold the same entries", async () => {
    const leader = await group.three();
    await Promise.all(Array.from({ length: 100 }, (_, i) => leader.propose(`v${i}`)));
    await group.converge();
    assert.equal(group.get(3).values().length, 100);
    assert.deepEqual(leader.raft.status().members.map((m) => m.isLearner), [false, false, false]);
  });

  it("everything acknowledged is there after all were killed and started again", async () => {
    const leader = await group.three();
    await Promise.all(Array.from({ length: 50 }, (_, i) => leader.propose(`v${i}`)));
    for (const id of [1, 2, 3]) await group.kill(id);
    for (const id of [1, 2, 3]) await group.start(id);
    const next = await group.leader();
    await next.propose("after");
    await group.converge();
    for (const id of [1, 2, 3]) assert.deepEqual(group.get(id).values(), [...Array.from({ length: 50 }, (_, i) => `v${i}`), "after"]);
  });

  const isKind = (kind: string) => (error: unknown): boolean => error instanceof RaftError && error.kind === kind && error.message.length > 20;

  it("the others elect a leader when theirs dies, and lose nothing that was acknowledged", async () => {
    const one = await group.three();
    const acknowledged: string[] = [];
    const writing = Promise.allSettled(Array.from({ length: 500 }, async (_, i) => { await one.propose(`v${i}`); acknowledged.push(`v${i}`); }));
    await until(() => acknowledged.length > 0, "some are acknowledged");
    await group.kill(1);
    await writing;
    const next = await group.leader();
    await next.propose("after");
    for (const value of acknowledged) assert.ok(next.values().includes(value), value);
    await group.start(1);
    await group.converge();
    assert.deepEqual(group.get(1).values(), next.values());
  });

  it("a leader without a majority steps down, refuses, and what it had not committed is gone after healing", async () => {
    const one = await group.three();
    group.network.partition([1], [2, 3]);
    const lost = one.propose("lost");
    const dropped = assert.rejects(lost, isKind("dropped"));
    const next = await group.leader([2, 3]);
    await next.propose("kept");
    await dropped;
    await assert.rejects(one.propose("again"), isKind("not-leader"));
    await assert.rejects(one.raft.readIndex(), isKind("quorum"));
    assert.ok(one.raft.status().leaderlessMs > 0);
    group.network.heal();
    await until(() => one.values().includes("kept"), "the old leader follows");
    assert.deepEqual(one.values(), ["kept"]);
    assert.equal((await group.leader()).raft.status().leader, next.raft.id);
  });

  it("a member that was cut off does not depose the leader when it comes back", async () => {
    const one = await group.three();
    const { term } = one.raft.status();
    group.network.partition([1, 2], [3]);
    await until(() => group.get(3).raft.status().role === "candidate", "it misses its leader");
    await new Promise((resolve) => setTimeout(resolve, 500));
    group.network.heal();
    await until(() => group.get(3).raft.status().leader === 1, "it follows again");
    assert.equal(one.raft.status().term, term);
  });

  it("reads on any member see what was acknowledged before", async () => {
    const one = await group.three();
    for (let i = 0; i < 10; i++) {
      await one.propose(`v${i}`);
      const three = group.get(3);
      await three.raft.waitApplied(await three.raft.readIndex());
      assert.equal(three.values().length, i + 1);
    }
    const one_ = await Promise.all(Array.from({ length: 50 }, () => one.raft.readIndex()));
    assert.ok(one_.every((index) => index === one.raft.status().commitIndex));
  });

  it("a member that was away longer than the log reaches back gets a snapshot, and so does one that starts from nothing", async () => {
    group.options = { snapshotEntries: 100, trailingEntries: 20, catchUpBytes: 0 };
    const one = await group.three();
    await group.kill(3);
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 50 }, (_, k) => one.propose(`${i}-${k}`)));
    await group.start(3);
    await until(() => group.get(3).values().length === 500, "it has everything");
    assert.ok(group.get(3).machine.restores > 0);
    const four = await group.join(4);
    await until(() => four.values().length === 500, "the new one too");
    assert.deepEqual(four.values(), one.values());
    await group.kill(4);
    await group.start(4);
    await until(() => group.get(4).values().length === 500, "also after a restart");
  });

  it("a snapshot that its sender cannot read is no fault of the receiver's disk", async () => {
    await group.three();
    const header = encodeMessage({ type: "snapshot", from: 1, to: 3, term: 2, snapshot: { index: 1000, term: 2, config: emptyConfig } });
    async function* missing(): AsyncGenerator<Uint8Array> { yield new Uint8Array(1); throw Object.assign(new Error("ENOENT: no such file"), { code: "ENOENT" }); }
    await assert.rejects(group.network.reach(1, 3)!.receiveSnapshot(1, header, missing()), /sender's stream broke/);
    assert.equal(group.get(3).raft.status().role, "follower");
  });

  it("leadership goes to the member that was named", async () => {
    const one = await group.three();
    await one.raft.transferLeadership(3);
    assert.equal((await group.leader()).raft.id, 3);
    await assert.rejects(one.raft.transferLeadership(2), isKind("not-leader"));
  });

  it("of two members the leader can go: it hands over first", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await group.join(2);
    await one.raft.removeMember(1);
    assert.equal(one.raft.status().role, "removed");
    await assert.rejects(one.propose("x"), isKind("removed"));
    const two = await group.leader([2]);
    await two.propose("alone");
    assert.equal(two.raft.status().members.length, 1);
    await assert.rejects(two.raft.removeMember(2), isKind("quorum"));
    await assert.rejects(two.raft.addMember({ id: 1, context: Buffer.from("again") }), isKind("removed"));
  });

  it("a follower can leave by itself", async () => {
    await group.three();
    await group.get(2).raft.removeMember(2);
    assert.equal(group.get(2).raft.status().role, "removed");
    await until(() => group.get(3).raft.status().members.length === 2, "the others know");
  });

  it("a member is not removed when the rest could not commit", async () => {
    const one = await group.three();
    await group.kill(3);
    await until(() => one.raft.status().members.some((m) => !m.isActive), "the leader misses it");
    await assert.rejects(one.raft.removeMember(2), isKind("quorum"));
    assert.equal(one.raft.status().members.length, 3);
    await one.raft.removeMember(3);
    assert.equal(one.raft.status().members.length, 2);
  });

  it("a leader does not go when those that stay would have no majority, also when it leads only since just now", async () => {
    const one = await group.three();
    await group.kill(3);
    await until(() => one.raft.status().members.some((m) => !m.isActive), "the leader misses it");
    await assert.rejects(one.raft.removeMember(1), (error: RaftError) => error.kind === "quorum" && error.missing.join() === "3");
    assert.equal(one.raft.status().role, "leader", "and it has not handed over");
    await one.raft.transferLeadership(2);
    await assert.rejects(group.get(2).raft.removeMember(1), (error: RaftError) => error.kind === "quorum" && error.missing.join() === "3");
    await assert.rejects(one.raft.removeMember(1), (error: RaftError) => error.kind === "quorum" && error.missing.join() === "3");
    assert.equal(group.get(2).raft.status().members.length, 3);
  });

  it("what is no change of members, no bytes and no index is told so, and changes nothing", async () => {
    const one = await group.three();
    const { raft } = one;
    await one.propose("before");
    const before = raft.status().lastIndex;
    const wrong: [string, () => Promise<unknown>, RegExp][] = [
      ["an unknown kind", () => raft.changeMembers([{ kind: "promot", id: 2 } as never]), /kind "promot" is not known/],
      ["no kind", () => raft.changeMembers([{ id: 3 } as never]), /kind "undefined" is not known/],
      ["no array", () => raft.changeMembers(undefined as never), /array/],
      ["a string for an entry", () => raft.propose("text" as never), /Uint8Array, not a value of type string/],
      ["another array", () => raft.propose(new Uint16Array(2) as never), /not a Uint16Array/],
      ["nothing for an entry", () => raft.propose(null as never), /not null/],
      ["a context that is no bytes", () => raft.addMember({ id: 9, context: "x" as never }), /context of member 9 is a Uint8Array/],
      ["an address that is no bytes", () => raft.updateMember(2, { context: "x" as never }), /context of member 2 is a Uint8Array/],
      ["no id", () => raft.removeMember(Number.NaN), /positive integer/],
      ["no index", () => raft.waitApplied(Number.NaN), /integer from 0/],
      ["a voter as a learner", () => raft.addMember({ id: 2, context: contextOf(2), isLearner: true }), /votes already/],
      ["a transfer to nobody", () => raft.transferLeadership(77), /not in the group/],
      ["a change by a follower", () => group.get(2).raft.removeMember(99), /Cannot remove member 99 here: member 1 is the leader/],
    ];
    for (const [what, call, message] of wrong) await assert.rejects(call(), message, what);
    assert.equal(raft.status().lastIndex, before);
    assert.equal(raft.status().members.length, 3);
    await one.propose("after");
  });

  it("a member that was added to stay a learner is promoted when it is added again", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await group.start(2);
    await one.raft.addMember({ id: 2, context: contextOf(2), isLearner: true });
    assert.equal(one.raft.status().members.find((m) => m.id === 2)?.isLearner, true);
    await one.raft.addMember({ id: 2, context: Buffer.from("moved") });
    const member = one.raft.status().members.find((m) => m.id === 2);
    assert.deepEqual([member?.isLearner, Buffer.from(member!.context).toString()], [false, "moved"]);
  });

  it("the wait for a member that never comes can be given up", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    const waiting = new AbortController();
    const added = one.raft.addMember({ id: 5, context: contextOf(5) }, { signal: waiting.signal });
    await until(() => one.raft.status().members.length === 2, "it is known");
    waiting.abort(new Error("enough"));
    await assert.rejects(added, /enough/);
  });

  it("a log is one member's and one process's", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await one.propose("kept");
    await assert.rejects(group.start(1), (error: RaftError) => error.kind === "storage" && /has it open already/.test(error.message));
    await group.kill(1);
    await assert.rejects(group.start(2, { kind: "join" }, { directory: group.directoryOf(1) }), (error: RaftError) => error.kind === "unfit" && /it is that of member 1/.test(error.message));
    const again = await group.start(1);
    await until(() => again.values().includes("kept"), "it has what it acknowledged");
  });

  it("a log that was written with a key is not read without one, and stays as it is", async () => {
    const sealer = { seal: (plain: Uint8Array) => plain.map((byte) => byte ^ 0x5a), open: (sealed: Uint8Array) => sealed.map((byte) => byte ^ 0x5a) };
    const one = await group.start(1, { kind: "bootstrap", context: contextOf(1) }, { sealer });
    await one.leads();
    await one.propose("sealed");
    await group.kill(1);
    await assert.rejects(group.start(1), (error: RaftError) => error.kind === "corrupt" && /written with a key/.test(error.message));
    const again = await group.start(1, { kind: "join" }, { sealer });
    await until(() => again.values().includes("sealed"), "it is there");
  });

  it("a state machine that answers with a promise ends the member with a word", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    one.machine.apply = (async () => {}) as never;
    await assert.rejects(one.propose("x"), /apply returned a promise/);
  });

  it("a closed member leads nobody", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await one.raft.close();
    const { role, isReady, leader } = one.raft.status();
    assert.deepEqual([role, isReady, leader, one.raft.metrics().isLeader], ["follower", false, undefined, 0]);
  });

  it("changes asked for at once are made one after the other", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await Promise.all([2, 3, 4, 5].map((id) => group.join(id)));
    assert.equal(one.raft.status().members.filter((m) => !m.isLearner).length, 5);
  });

  it("a follower whose log was damaged repairs it from the leader before it votes again", async () => {
    const one = await group.three();
    for (let i = 0; i < 20; i++) await one.propose(`v${i}`);
    await group.converge();
    await group.kill(3);
    const directory = group.directoryOf(3);
    const file = join(directory, readdirSync(directory).filter((name) => name.endsWith(".seg")).sort().at(-1)!);
    const bytes = readFileSync(file);
    const at = bytes.indexOf("v12");
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(file, bytes);
    await group.kill(2);
    await group.start(3);
    // Alone with the leader of before it follows and is whole again.
    await until(() => group.get(3).values().length === 20, "it has everything");
    await one.propose("needs both");
    await until(() => group.logs.some((line) => line.startsWith("3") && line.includes("whole again")), "it says so");
    await group.kill(1);
    await group.start(2);
    const next = await group.leader();
    await next.propose("and now it votes");
    assert.equal(next.values().length, 22);
  });

  it("a member that came back with an empty directory under its old id ends and says why", async () => {
    const one = await group.three();
    await one.propose("x");
    await group.kill(3);
    for (const name of readdirSync(group.directoryOf(3))) writeFileSync(join(group.directoryOf(3), name), "");
    await group.kill(2).then(() => group.start(2));
    const { rmSync } = await import("node:fs");
    rmSync(group.directoryOf(3), { recursive: true });
    const three = await group.start(3);
    await until(() => three.raft.status().role === "failed", "it ends");
    assert.match(three.raft.status().failure!.message, /join again under a new id/);
    const leader = await group.leader();
    await leader.raft.removeMember(3);
    await group.join(4);
  });

  it("a member that holds committed entries ends when the group went on without them, because another had lost its disk", async () => {
    const one = await group.three();
    await group.converge();
    await group.kill(3);
    for (let i = 0; i < 20; i++) await one.propose(`lost${i}`);
    await group.converge();
    await group.kill(1);
    await group.kill(2);
    rmSync(group.directoryOf(2), { recursive: true });
    await Promise.all([group.start(2), group.start(3)]);
    const leader = await group.leader([2, 3]);
    for (let i = 0; i < 40; i++) await leader.propose(`other${i}`);
    const again = await group.start(1);
    await until(() => again.raft.status().role === "failed", "it notices");
    const { failure } = again.raft.status();
    assert.ok(failure instanceof RaftError && failure.kind === "corrupt");
    assert.match(failure.message, /is committed here in term \d+, and by member \d, the leader, in term \d+/);
  });

  it("a log of which only the mark is left is missed", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await one.propose("kept");
    await group.kill(1);
    const directory = group.directoryOf(1);
    for (const name of readdirSync(directory)) if (name !== "mark") rmSync(join(directory, name));
    const files = readdirSync(directory);
    await assert.rejects(group.bootstrap(1), (error: RaftError) => error.kind === "corrupt" && /its segments and its vote are gone/.test(error.message));
    assert.deepEqual(readdirSync(directory).filter((name) => name !== "vote"), files);
  });

  it("a new member gets the log while so much is written that snapshots chase each other", async () => {
    group.options = { snapshotEntries: 50, trailingEntries: 5 };
    const one = await group.bootstrap(1);
    await one.leads();
    let isOver = false;
    const writers = Array.from({ length: 20 }, async (_, k) => { for (let i = 0; !isOver; i++) await one.propose(`${k}-${i}`); });
    try { await group.join(2); } finally { isOver = true; }
    await Promise.all(writers);
    await group.converge();
    assert.deepEqual(group.get(2).values(), one.values());
  });

  it("a leader whose disk fills up ends, acknowledges nothing, and the others go on", async () => {
    let isFull = false;
    const disk: Disk = { ...nodeDisk, open: async (path, mode) => {
      const file = await nodeDisk.open(path, mode);
      const write = (bytes: Uint8Array, at: number): Promise<void> => isFull ? Promise.reject(Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" })) : file.writeSynced!(bytes, at);
      return { ...file, write, writeSynced: write };
    } };
    const one = await group.start(1, { kind: "bootstrap", context: Buffer.from("member 1") }, { disk });
    await one.leads();
    await group.join(2);
    await group.join(3);
    isFull = true;
    await assert.rejects(one.propose("too much"), (error: RaftError) => isKind("storage")(error) && /free space/.test(error.message));
    assert.equal(one.raft.status().role, "failed");
    await assert.rejects(one.propose("more"), isKind("storage"));
    const next = await group.leader([2, 3]);
    await next.propose("the others go on");
  });

  it("refuses what is too large, gives up a wait when told to, and ends what waits when closed", async () => {
    group.options = { maxEntryBytes: 1000 };
    const one = await group.three();
    await assert.rejects(one.propose("x".repeat(1001)), isKind("too-large"));
    group.network.partition([1], [2], [3]);
    const abort = new AbortController();
    const waiting = one.raft.propose(Buffer.from("y"), { signal: abort.signal });
    const applied = one.raft.waitApplied(10_000);
    const ended = Promise.all([assert.rejects(waiting, /enough/), assert.rejects(applied, isKind("closed"))]);
    abort.abort(new Error("enough"));
    await group.kill(1);
    await ended;
    await assert.rejects(one.raft.readIndex(), isKind("closed"));
  });

  it("several members change at once: all of them or none", async () => {
    const one = await group.three();
    await group.start(4);
    await one.raft.addMember({ id: 4, context: Buffer.from("member 4"), isLearner: true });
    assert.equal(one.raft.status().members.find((m) => m.id === 4)?.staysLearner, true);
    await one.raft.changeMembers([{ kind: "promote", id: 4 }, { kind: "remove", id: 2 }, { kind: "demote", id: 3 }]);
    assert.deepEqual(one.raft.status().members.map((m) => [m.id, m.isLearner]), [[1, false], [3, true], [4, false]]);
    await until(() => group.get(2).raft.status().role === "removed", "the removed one knows");
    await assert.rejects(one.raft.changeMembers([{ kind: "remove", id: 1 }, { kind: "remove", id: 4 }]), isKind("unfit"));
    await one.propose("with two voters");
  });

  it("who is missed is named when a change is refused", async () => {
    const one = await group.three();
    await group.kill(3);
    await until(() => one.raft.status().members.some((m) => !m.isActive), "the leader misses it");
    await assert.rejects(one.raft.removeMember(2), (error: RaftError) => error.kind === "quorum" && /member 3/.test(error.message) && error.missing.join() === "3");
  });

  it("a follower sends proposals to the leader, each once, also over a bad network", async () => {
    group.options = { forwardProposals: true };
    await group.three();
    group.network.dropRate = 0.2;
    const two = group.get(2);
    await Promise.all(Array.from({ length: 50 }, (_, i) => two.propose(`f${i}`)));
    group.network.heal();
    assert.deepEqual([...two.values()].sort(), Array.from({ length: 50 }, (_, i) => `f${i}`).sort());
  });

  it("a forwarded proposal waits for a leader, and is given up when none comes", async () => {
    group.options = { forwardProposals: true };
    await group.three();
    await group.kill(1);
    const two = group.get(2);
    await until(() => two.raft.status().leader !== 1, "the leader is missed");
    await two.propose("after the election");
    await group.kill(3);
    await until(() => two.raft.status().leader === undefined, "no leader is left");
    await assert.rejects(two.propose("never"), isKind("not-leader"));
    assert.deepEqual(two.values(), ["after the election"]);
  });

  it("the last member that is left goes on alone; the others are told when they come back", async () => {
    group.options = { snapshotEntries: 20, trailingEntries: 5 };
    const one = await group.three();
    for (let i = 0; i < 50; i++) await one.propose(`v${i}`);
    await group.converge();
    for (const id of [1, 2, 3]) await group.kill(id);
    const two = await group.start(2, { kind: "recover" });
    await two.leads();
    await two.propose("alone");
    assert.equal(two.values().length, 51);
    assert.deepEqual(two.raft.status().members.map((m) => m.id), [2]);
    assert.ok(group.logs.some((line) => line.startsWith("2 warn") && /Members 1, 3 are out/.test(line)));
    await group.start(1);
    await group.start(3);
    await until(() => [1, 3].every((id) => group.get(id).raft.status().role === "removed"), "the others know");
    // It stays so without being told again, and grows again with new members.
    await group.kill(1);
    await group.kill(3);
    await group.kill(2);
    await group.start(2);
    const joined = await group.join(4);
    await until(() => joined.values().length === 51, "the new one has everything");
    await assert.rejects(group.start(5, { kind: "recover" }), isKind("storage"));
  });

  it("two members, of which one is lost, are recovered though the log of the other is damaged", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    await group.join(2);
    for (let i = 0; i < 20; i++) await one.propose(`v${i}`);
    await group.kill(2);
    await group.kill(1);
    const directory = group.directoryOf(1);
    const file = join(directory, readdirSync(directory).filter((name) => name.endsWith(".seg")).sort().at(-1)!);
    const bytes = readFileSync(file);
    bytes[bytes.indexOf("v12")]! ^= 1;
    writeFileSync(file, bytes);
    const again = await group.start(1, { kind: "recover" });
    await again.leads();
    assert.deepEqual(again.values(), Array.from({ length: 12 }, (_, i) => `v${i}`));
    assert.ok(group.logs.some((line) => /damaged on its own disk/.test(line)));
  });

  it("the status shows how each member follows, and metrics count", async () => {
    const one = await group.three();
    for (let i = 0; i < 5; i++) await one.propose(`v${i}`);
    await group.kill(3);
    for (let i = 0; i < 5; i++) await one.propose(`w${i}`);
    const of = (id: number) => one.raft.status().members.find((m) => m.id === id)?.progress;
    assert.equal(of(1), undefined);
    assert.deepEqual([of(2)?.state, of(2)?.lagEntries], ["replicate", 0]);
    await until(() => of(3)!.lagEntries >= 5 && of(3)!.lastHeardMs > 0, "the lag of the dead one shows");
    const { proposals, logSyncs, messagesSent, isLeader, commitIndex } = one.raft.metrics();
    assert.deepEqual([proposals, isLeader, commitIndex], [10, 1, one.raft.status().commitIndex]);
    assert.ok(logSyncs > 10 && messagesSent > 10);
  });

  it("a voter of higher priority gets to lead", async () => {
    const one = await group.three();
    await one.raft.updateMember(3, { priority: 5 });
    await until(() => group.get(3).raft.status().isReady, "it leads", 20_000);
  });

  it("with leases the leader reads without asking, and a cut off leader does not", async () => {
    group.options = { readMode: "lease" };
    const one = await group.three();
    await one.propose("a");
    assert.equal(await one.raft.readIndex(), one.raft.status().commitIndex);
    group.network.partition([1], [2, 3]);
    await (await group.leader([2, 3])).propose("b");
    await assert.rejects(one.raft.readIndex(), isKind("quorum"));
  });

  it("options that cannot work are refused with their range", async () => {
    for (const [options, words] of [[{ tickMs: Number.NaN }, /"tickMs" is NaN/], [{ electionTicks: 1.5 }, /"electionTicks" is 1.5/], [{ maxInflight: -1 }, /from 1 to/], [{ heartbeatTicks: 8 }, /twice heartbeatTicks/]] as const) {
      await assert.rejects(group.start(1, { kind: "join" }, options), (error: Error) => error instanceof RangeError && words.test(error.message));
    }
  });

  it("listeners hear of each change of leader, once at the start, and no more after they end", async () => {
    const one = await group.bootstrap(1);
    await one.leads();
    const seen: string[] = [];
    const end = one.raft.onChange((status) => seen.push(`${status.role} ${status.isReady} ${status.members.length}`));
    await group.join(2);
    end();
    const count = seen.length;
    await group.join(3);
    assert.equal(seen[0], "leader true 1");
    assert.equal(seen.at(-1), "leader true 2");
    assert.equal(seen.length, count);
  });
});
