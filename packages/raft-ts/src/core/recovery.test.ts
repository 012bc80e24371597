import { strict as assert } from "node:assert";
import { entryOf, Hand, logOf, of } from "./hand-test-group.js";

describe("the core: recovery", () => {
  it("asks its leader how far it must come, and is whole once it has synced that far", () => {
    const a = new Hand(1, { entries: logOf(1), hardState: { term: 2, vote: 0, commit: 3 }, recovering: true });
    const ask = of(a.step({ type: "heartbeat", from: 2, term: 2, commit: 3, round: 1 }).sync(), "recover")[0]!;
    assert.equal(ask.lastIndex, 1);
    a.step({ type: "recover-response", from: 2, term: 2, lastIndex: 3, nonce: ask.nonce + 1 }).sync();
    a.step({ type: "append", from: 2, term: 2, prevIndex: 1, prevTerm: 1, commit: 3, entries: [entryOf(2, 1), entryOf(3, 2)] }).sync();
    assert.equal(a.core.recovering, true);
    a.step({ type: "recover-response", from: 2, term: 2, lastIndex: 3, nonce: ask.nonce }).turn();
    assert.equal(a.core.recovering, false);
    assert.ok(a.writes.some((w) => w.recovering === false && w.mustSync));
  });

  it("a leader forgets what the asker once acknowledged", () => {
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    a.step({ type: "recover", from: 3, term: 1, lastIndex: 0, nonce: 5 });
    const out = a.sync();
    assert.deepEqual(of(out, "recover-response").map((m) => [m.lastIndex, m.nonce]), [[1, 5]]);
    assert.deepEqual(of(out, "append").filter((m) => m.to === 3).map((m) => [m.prevIndex, m.entries.length]), [[0, 1]]);
  });

  it("a member whose log is not whole is no support for removing another", () => {
    const a = new Hand(1).lead(2).ack(2, 1).ack(3, 1);
    a.sync();
    a.step({ type: "recover", from: 3, term: 1, lastIndex: 0, nonce: 5 }).sync();
    assert.deepEqual(a.core.proposeConfig([{ kind: "remove", id: 2 }]), { kind: "refused", why: "quorum", missing: [3] });
    a.ack(3, 1).sync();
    assert.equal(a.core.proposeConfig([{ kind: "remove", id: 2 }]).kind, "appended");
  });

  it("keeps the first answer of a term: on a busy log a later one might never be reached", () => {
    const a = new Hand(1, { entries: logOf(1), hardState: { term: 2, vote: 0, commit: 3 }, recovering: true });
    const ask = of(a.step({ type: "heartbeat", from: 2, term: 2, commit: 3, round: 1 }).sync(), "recover")[0]!;
    for (const lastIndex of [2, 9]) a.step({ type: "recover-response", from: 2, term: 2, lastIndex, nonce: ask.nonce }).sync();
    a.step({ type: "append", from: 2, term: 2, prevIndex: 1, prevTerm: 1, commit: 2, entries: [entryOf(2, 1)] }).sync();
    assert.equal(a.core.recovering, false);
  });
});
