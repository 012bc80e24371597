import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { encodeMessage } from "./codec.js";
import { FrameJoiner, maxMessageBytes, type Frame } from "./grpc-frames.js";
import { frameBytes, FrameWriter, type FrameStream } from "./grpc-writer.js";

const mebibyte = 1024 * 1024;
const from = 1, to = 2, term = 3;
const heartbeat = encodeMessage({ type: "heartbeat", from, to, term, commit: 1, round: 1 });
const append = encodeMessage({ type: "append", from, to, term, prevIndex: 1, prevTerm: 1, commit: 1, entries: [] });

/** Takes what is written and sends it only when it is told to, like a stream whose other side has stopped reading. */
class StalledStream implements FrameStream {
  writable = true;
  readonly frames: Frame[] = [];
  private readonly callbacks: (() => void)[] = [];
  write(frame: Frame, sent: () => void): void { assert.ok(this.writable, "nothing is written after the end"); this.frames.push(frame); this.callbacks.push(sent); }
  end(): void { this.writable = false; }
  /** One frame leaves; false when none is there. */
  sendOne(): boolean { const sent = this.callbacks.shift(); sent?.(); return sent !== undefined; }
  sendAll(): void { while (this.sendOne()); }
  /** What the other side makes of all of them. */
  joined(): Uint8Array[] { const joiner = new FrameJoiner(); return this.frames.flatMap((frame) => [...joiner.join(frame)]); }
}

/** As an append begins, so that it keeps its place, then random bytes that their sum goes before. */
function sealed(bytes: number): Uint8Array {
  const data = randomBytes(bytes);
  return Buffer.concat([append.subarray(0, 1), createHash("sha1").update(data).digest(), data]);
}
const sumOf = (message: Uint8Array): string => Buffer.from(message.subarray(1, 21)).toString("hex");
const isWhole = (message: Uint8Array): boolean => createHash("sha1").update(message.subarray(21)).digest().equals(message.subarray(1, 21));

describe("what goes out on one stream", () => {
  let stream: StalledStream;
  let logs: string[];
  let writer: FrameWriter;
  beforeEach(() => { stream = new StalledStream(); logs = []; writer = new FrameWriter(stream, (_, message) => { logs.push(message); }); });

  it("a message that finds no room in the queue is dropped whole, and the next large one arrives as it was", () => {
    const messages = Array.from({ length: 8 }, () => sealed(4 * mebibyte));
    assert.equal(writer.send(messages), false);
    stream.sendAll();
    assert.equal(writer.send([messages[7]!]), true);
    stream.sendAll();
    assert.deepEqual(stream.joined(), [...messages.slice(0, 3), messages[7]]);
  });

  it("any messages over a stream that stalls at any time arrive whole and in their order, or not at all", () => {
    const sizes = fc.array(fc.array(fc.oneof(fc.integer({ min: 16, max: 2000 }), fc.integer({ min: frameBytes - 30, max: frameBytes + 30 }), fc.integer({ min: mebibyte, max: 6 * mebibyte })), { maxLength: 6 }), { maxLength: 12 });
    fc.assert(fc.property(sizes, fc.infiniteStream(fc.nat(12)), (turns, sent) => {
      stream = new StalledStream();
      writer = new FrameWriter(stream, () => {});
      const all: Uint8Array[] = [];
      const taken: Uint8Array[] = [];
      for (const turn of turns) {
        const messages = turn.map(sealed);
        all.push(...messages);
        if (writer.send(messages)) taken.push(...messages);
        for (let left = sent.next().value; left > 0; left--) stream.sendOne();
      }
      stream.sendAll();
      const joined = stream.joined();
      assert.ok(joined.every(isWhole));
      const arrived = new Set(joined.map(sumOf));
      assert.ok(taken.every((message) => arrived.has(sumOf(message))), "what was taken arrives");
      const places = joined.map((message) => all.findIndex((m) => sumOf(m) === sumOf(message)));
      assert.deepEqual(places, [...places].sort((a, b) => a - b));
    }), { numRuns: 25 });
  });

  for (const size of [20, 256]) {
    it(`a message of ${size} MiB is taken when little waits, and a heartbeat overtakes it`, function () {
      this.timeout(30_000);
      const message = Buffer.alloc(size * mebibyte + 100, append.subarray(0, 1));
      assert.equal(writer.send([append]), true);
      assert.equal(writer.send([message]), true);
      assert.equal(writer.send([message]), false, "but not two");
      assert.equal(writer.send([append, heartbeat]), false);
      assert.deepEqual(stream.frames.at(-1), { messages: [heartbeat] });
      assert.ok(stream.frames.length <= 3, "not behind more than two frames");
      stream.sendAll();
      const joined = stream.joined();
      assert.deepEqual(joined.map((m) => m.length), [append.length, heartbeat.length, message.length]);
      assert.ok(Buffer.compare(joined[2]!, message) === 0);
    });
  }

  it("an append keeps its place behind a large one", () => {
    const large = sealed(mebibyte);
    assert.equal(writer.send([large, append]), true);
    stream.sendAll();
    assert.deepEqual(stream.joined(), [large, append]);
  });

  it("what a receiver would refuse is not sent, and somebody is told once", () => {
    const message = Buffer.alloc(maxMessageBytes + 1, append.subarray(0, 1));
    for (let i = 0; i < 3; i++) assert.equal(writer.send([message]), false);
    assert.equal(stream.frames.length, 0);
    assert.deepEqual(logs, [`Cannot send a raft message of ${maxMessageBytes + 1} bytes: a receiver takes at most ${maxMessageBytes}; it is dropped`]);
  });

  it("at the end what waits goes out; of a stream that is given up nothing more", () => {
    const large = sealed(5 * mebibyte);
    writer.send([large]);
    writer.end();
    assert.deepEqual(stream.joined(), [large]);
    stream.sendAll();

    stream = new StalledStream();
    writer = new FrameWriter(stream, () => {});
    writer.send([large]);
    writer.abandon();
    const written = stream.frames.length;
    stream.sendAll();
    assert.equal(stream.frames.length, written);
  });
});

describe("the parts of large messages", () => {
  const [a, b] = [1, 2].map((fill) => {
    const stream = new StalledStream();
    const writer = new FrameWriter(stream, () => {});
    for (let i = 0; i < fill; i++) writer.send([Buffer.alloc(frameBytes * 3, fill)]);
    stream.sendAll();
    return stream.frames.slice(-3);
  }) as [Frame[], Frame[]];

  it("that do not belong together are refused, and nothing comes out afterwards", () => {
    const mixtures = { "no end": [a[0], a[1], b[0]], "no middle": [a[0], a[2]], "no start": [a[1]], "an end and a start": [a[0], b[1]], "twice": [a[0], a[0]], "a sender of two versions": [a[0], { part: a[1]!.part!, isLastPart: false }] };
    for (const [what, frames] of Object.entries(mixtures)) {
      const joiner = new FrameJoiner();
      const last = frames.pop()!;
      for (const frame of frames) assert.deepEqual(joiner.join(frame!), []);
      assert.throws(() => joiner.join(last), /^RangeError: Cannot join a raft message: .* parts are missing/, what);
      assert.deepEqual(b.flatMap((frame) => [...joiner.join(frame)]), [], what);
    }
  });

  it("of a sender of an older version, which says only where the last is, are joined", () => {
    const joiner = new FrameJoiner();
    const joined = [...a, ...b].flatMap(({ part, isLastPart }) => [...joiner.join({ part: part!, isLastPart: isLastPart! })]);
    assert.deepEqual(joined.map((m) => [m.length, m[0], m.at(-1)]), [[frameBytes * 3, 1, 1], [frameBytes * 3, 2, 2]]);
  });

  it("are refused above the largest message", () => {
    const joiner = new FrameJoiner(frameBytes * 2);
    joiner.join(a[0]!);
    joiner.join(a[1]!);
    assert.throws(() => joiner.join(a[2]!), /it has more than 524288 bytes/);
  });
});
