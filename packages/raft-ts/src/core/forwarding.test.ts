import { strict as assert } from "node:assert";
import { configOf, Hand, HandGroup, of } from "./hand-test-group.js";
import type { Message } from "./types.js";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const follower = (options = {}): Hand => { const a = new Hand(2, {}, options).step({ type: "heartbeat", from: 1, term: 1, commit: 0, round: 1 }); a.sync(); return a; };
const proposal = (term: number, id: number, text: string, extra = {}): { type: "propose"; from: number; term: number } & Record<string, unknown> => ({ type: "propose", from: 2, term, life: 7, id, data: Buffer.from(text), ...extra });
const answers = (messages: readonly Message[]): unknown[] => of(messages, "propose-response").map((m) => [m.id, m.isAccepted, m.index, m.why]);

describe("the core: forwarding", () => {
  it("a follower's proposal is appended by its leader, and the follower learns where", () => {
    const group = new HandGroup(configOf(1, 2, 3));
    group.elect(1);
    assert.ok(group.get(2).core.forward(10, bytes("x")));
    group.tick(2);
    assert.deepEqual(group.get(2).forwarded, [{ id: 10, result: { kind: "appended", index: 2, term: 1 } }]);
    assert.deepEqual([1, 2, 3].map((id) => group.get(id).texts()), [["x"], ["x"], ["x"]]);
  });

  it("not without another member that leads", () => {
    assert.equal(new Hand(2).core.forward(1, bytes("x")), false);
    assert.equal(new Hand(1).lead(2).core.forward(1, bytes("x")), false);
  });

  it("what comes twice is appended once, and answered twice alike", () => {
    const a = new Hand(1).lead(2);
    assert.deepEqual(answers(a.step(proposal(1, 5, "x")).sync()), [[5, true, 2, "none"]]);
    a.step(proposal(1, 6, "y")).sync();
    assert.deepEqual(answers(a.step(proposal(1, 5, "x")).sync()), [[5, true, 2, "none"]]);
    assert.equal(a.core.log.lastIndex, 3);
  });

  it("what was refused once is refused again, as its sender may have tried under another id", () => {
    const a = new Hand(1, {}, { maxUncommittedBytes: 40 }).lead(2).ack(2, 1);
    a.sync();
    a.step(proposal(1, 1, "a long one, that fills it")).sync();
    assert.deepEqual(answers(a.step(proposal(1, 2, "x")).sync()), [[2, false, 0, "busy"]]);
    a.ack(2, a.core.log.lastIndex).sync();
    assert.deepEqual(answers(a.step(proposal(1, 2, "x")).sync()), [[2, false, 0, "busy"]]);
    assert.deepEqual(answers(a.step(proposal(1, 3, "x")).sync()), [[3, true, 3, "none"]]);
  });

  it("lives of one sender are told apart", () => {
    const a = new Hand(1).lead(2);
    a.step(proposal(1, 5, "x")).step(proposal(1, 5, "y", { life: 8 })).step(proposal(1, 5, "x")).sync();
    assert.equal(a.core.log.lastIndex, 3);
  });

  it("is taken in exactly the term in which it was sent, and changes nobody's term", () => {
    // etcd #11466
    const a = new Hand(1).lead(2);
    for (const term of [0, 2, 99]) assert.deepEqual(answers(a.step(proposal(term, term, "x")).sync()), [[term, false, 0, "not-leader"]]);
    assert.deepEqual([a.core.term, a.core.role, a.core.log.lastIndex], [1, "leader", 1]);
    const b = follower();
    b.core.forward(1, bytes("x"));
    b.sync();
    b.step({ type: "propose-response", from: 3, term: 50, life: 1, id: 1, isAccepted: false, index: 0, why: "busy" }).sync();
    assert.equal(b.core.term, 1);
  });

  it("one that leads no more, and one that is not a member, get nothing in", () => {
    const a = new Hand(1).lead(2);
    assert.deepEqual(answers(a.step(proposal(1, 1, "x", { from: 9 })).sync()), [[1, false, 0, "not-leader"]]);
    const b = follower();
    assert.deepEqual(answers(b.step(proposal(1, 1, "x", { from: 3 })).sync()), [[1, false, 0, "not-leader"]]);
  });

  it("a repeated question is sent again while it is pending, and its answer counts once", () => {
    const b = follower();
    assert.ok(b.core.forward(1, bytes("x")));
    assert.ok(b.core.forward(1, bytes("x")));
    const sent = of(b.sync(), "propose");
    assert.equal(sent.length, 2);
    const answer = { type: "propose-response", from: 1, term: 1, life: sent[0]!.life, id: 1, isAccepted: true, index: 4, why: "none" } as const;
    // An earlier life of this member used the same ids.
    b.step({ ...answer, life: answer.life + 1, index: 3 }).step(answer).step(answer).sync();
    assert.deepEqual(b.forwarded, [{ id: 1, result: { kind: "appended", index: 4, term: 1 } }]);
    assert.equal(b.core.forward(1, bytes("x")), false);
  });

  it("with the term ends what was pending in it: nobody can tell what became of it", () => {
    const b = follower();
    b.core.forward(1, bytes("x"));
    b.core.forward(2, bytes("y"));
    const { life } = of(b.sync(), "propose")[0]!;
    b.step({ type: "heartbeat", from: 3, term: 2, commit: 0, round: 1 }).sync();
    b.step({ type: "propose-response", from: 1, term: 1, life, id: 1, isAccepted: true, index: 4, why: "none" }).sync();
    assert.deepEqual(b.forwarded, [{ id: 1, result: { kind: "dropped" } }, { id: 2, result: { kind: "dropped" } }]);
    assert.ok(b.core.forward(3, bytes("z")));
  });

  it("an answer that it is not the leader leaves open what an earlier copy did", () => {
    const b = follower();
    b.core.forward(1, bytes("x"));
    b.core.forward(2, bytes("y"));
    const { life } = of(b.sync(), "propose")[0]!;
    const answer = { type: "propose-response", from: 1, term: 1, life, isAccepted: false, index: 0 } as const;
    b.step({ ...answer, id: 1, why: "not-leader" }).step({ ...answer, id: 2, why: "transferring" }).sync();
    assert.deepEqual(b.forwarded, [{ id: 1, result: { kind: "dropped" } }, { id: 2, result: { kind: "refused", why: "transferring" } }]);
  });

  it("a sender has no more pending than its leader remembers, in number and in bytes", () => {
    const b = follower({ maxUncommittedBytes: 5000 });
    for (let id = 0; id < 1024; id++) assert.ok(b.core.forward(id, new Uint8Array(1)));
    assert.equal(b.core.forward(1024, new Uint8Array(1)), false);
    const c = follower({ maxUncommittedBytes: 100 });
    assert.ok(c.core.forward(1, new Uint8Array(500)));
    assert.equal(c.core.forward(2, new Uint8Array(1)), false);
    const { life } = of(c.sync(), "propose")[0]!;
    c.step({ type: "propose-response", from: 1, term: 1, life, id: 1, isAccepted: true, index: 2, why: "none" }).sync();
    assert.ok(c.core.forward(2, new Uint8Array(90)));
    assert.equal(c.core.forward(3, new Uint8Array(11)), false);
  });

  it("what is older than the leader remembers is not answered, and not appended", () => {
    const a = new Hand(1).lead(2);
    for (let id = 0; id < 1500; id++) a.step(proposal(1, id, "x"));
    a.sync();
    const { lastIndex } = a.core.log;
    assert.deepEqual(answers(a.step(proposal(1, 3, "x")).step(proposal(1, 476, "x")).step(proposal(1, 475, "x")).sync()), [[476, true, 478, "none"]]);
    assert.equal(a.core.log.lastIndex, lastIndex);
  });
});
