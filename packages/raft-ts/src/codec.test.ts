import { strict as assert } from "node:assert";
import fc from "fast-check";
import { decodeMessage, encodeMessage, mayOvertake } from "./codec.js";
import { Writer } from "./core/bytes.js";
import { configOf } from "./core/hand-test-group.js";
import type { Entry, EntryKind, Message } from "./core/types.js";

const from = 1, to = 2, term = 2 ** 40;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const entryOf = (index: number, entryTerm: number, text: string, kind: EntryKind = "data"): Entry => ({ index, term: entryTerm, kind, data: bytesOf(text) });
const large = Number.MAX_SAFE_INTEGER;
const messages: Message[] = [
  { type: "vote", from, to, term, isPre: true, lastIndex: large, lastTerm: 3, isTransfer: false, commit: large, commitTerm: 2 },
  { type: "vote-response", from, to, term, isPre: false, isGranted: true, commit: 300, commitTerm: 2 },
  { type: "append", from, to, term, prevIndex: 4, prevTerm: 3, commit: 2, entries: [entryOf(5, 3, "x"), entryOf(6, 4, "", "noop"), entryOf(7, 4, "c", "config")] },
  { type: "append", from, to, term, prevIndex: 4, prevTerm: 3, commit: 2, entries: [] },
  { type: "append-response", from, to, term, index: large },
  { type: "append-reject", from, to, term, index: 9, hintIndex: 8, hintTerm: 7 },
  { type: "heartbeat", from, to, term, commit: 3, round: large },
  { type: "heartbeat-response", from, to, term, round: 5, isPromise: true },
  { type: "snapshot", from, to, term, snapshot: { index: 9, term: 8, config: { ...configOf(1, 2), outgoing: configOf(2, 3).members, removed: [7] } } },
  { type: "timeout-now", from, to, term }, { type: "read", from, to, term, id: 4 }, { type: "read-response", from, to, term, id: 4, index: 5 },
  { type: "recover", from, to, term, lastIndex: 4, nonce: 2 ** 32 }, { type: "recover-response", from, to, term, lastIndex: 4, nonce: 2 ** 32 },
  { type: "propose", from, to, term, life: 2 ** 40, id: 3, data: bytesOf("data") },
  { type: "propose-response", from, to, term, life: 2 ** 40, id: 3, isAccepted: false, index: 0, why: "busy" },
  { type: "hello", from, to, term, commit: 300, commitTerm: 2 }, { type: "removed", from, to, term },
];

/** How long the message is in a version that did not have its last fields yet; undefined: it has no such fields. */
function withoutNews(message: Message): number | undefined {
  switch (message.type) {
    case "heartbeat-response": return encodeMessage(message).length - 1;
    case "vote": case "vote-response": case "hello": return encodeMessage(message).length - new Writer().int(message.commit).int(message.commitTerm).finish().length;
    default: return undefined;
  }
}

describe("messages as bytes", () => {
  for (const message of messages) {
    it(`give back the same: ${message.type}`, () => {
      const decoded = decodeMessage(encodeMessage(message), from, to);
      assert.deepEqual(decoded, message);
    });

    it(`that end early are refused: ${message.type}`, () => {
      const bytes = encodeMessage(message);
      const older = withoutNews(message);
      for (let length = 0; length < bytes.length; length++) if (length !== older) assert.throws(() => decodeMessage(bytes.subarray(0, length), from, to), RangeError);
    });
  }

  for (const message of messages) {
    it(`that go on behind the end are refused: ${message.type}`, () => {
      const bytes = encodeMessage(message);
      for (const rest of [[0], [1, 2, 3], [...bytes]]) assert.throws(() => decodeMessage(Uint8Array.of(...bytes, ...rest), from, to), /^RangeError: Cannot decode: the bytes go on behind the end/);
    });
  }

  it("only those whose place among the others counts may not overtake", () => {
    const inOrder = new Set(messages.filter((m) => !mayOvertake(encodeMessage(m))).map((m) => m.type));
    assert.deepEqual([...inOrder].sort(), ["append", "propose"]);
  });

  it("any bytes are a message or a RangeError", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(20), (rest, type) => {
      try { decodeMessage(Uint8Array.of(type, ...rest), from, to); } catch (error) { assert.ok(error instanceof RangeError); }
    }));
  });

  it("of a version whose members told each other no commits tell none", () => {
    for (const message of messages) {
      if (message.type !== "vote" && message.type !== "vote-response" && message.type !== "hello") continue;
      assert.deepEqual(decodeMessage(encodeMessage(message).subarray(0, withoutNews(message)), from, to), { ...message, commit: 0, commitTerm: 0 });
    }
  });

  it("an answer of a version that knew no leases promises nothing", () => {
    const bytes = encodeMessage({ type: "heartbeat-response", from, to, term, round: 5, isPromise: true });
    const message = decodeMessage(bytes.subarray(0, -1), from, to);
    assert.ok(message.type === "heartbeat-response" && message.round === 5 && !message.isPromise);
  });
});
