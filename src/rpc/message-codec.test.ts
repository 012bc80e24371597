import assert from "node:assert/strict";
import fc from "fast-check";
import protobuf from "protobufjs";
import { codeOf } from "../lib/index.js";
import { newNode, newRevision, newServiceSpec, newTask, newTaskStatus, type Node, type Task } from "../model/index.js";
import { messageCodec } from "./message-codec.js";
import { codec, messageType } from "./proto.js";
import { WireReader, WireWriter } from "./wire.js";

/** What proto-loader makes of a message, by protobufjs's own reflection: the reference. */
const conversion = { longs: Number, enums: String, defaults: true, arrays: true, objects: true } as const;
const stored = ["Cluster", "Node", "Service", "Revision", "Task", "Network", "StoreTransaction", "StoreSnapshotChunk"];

/** Values of a field as callers may give them: also left out, null, and zero. */
function messages(type: protobuf.Type, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const fields = type.fieldsArray.map((field): [string, fc.Arbitrary<unknown>] => [field.name, fieldValues(field.resolve(), depth)]);
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
}

function fieldValues(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  if (field.map) return fc.dictionary(fc.string({ maxLength: 5 }).filter((key) => key !== "__proto__"), oneValues(field, depth), { maxKeys: 3 }).map((map) => ({ ...map }));
  if (field.repeated) return fc.array(oneValues(field, depth), { maxLength: depth > 3 ? 1 : 3 });
  if (field.resolvedType instanceof protobuf.Type) return depth > 5 ? fc.constant(null) : fc.option(oneValues(field, depth));
  return oneValues(field, depth);
}

function oneValues(field: protobuf.Field, depth: number): fc.Arbitrary<unknown> {
  if (field.resolvedType instanceof protobuf.Type) return messages(field.resolvedType, depth + 1);
  if (field.resolvedType instanceof protobuf.Enum) return fc.constantFrom(...Object.keys(field.resolvedType.values));
  switch (field.type) {
    case "bool": return fc.boolean();
    case "uint32": return fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
    case "int32": return fc.oneof(fc.nat({ max: 300 }), fc.integer());
    case "int64": return fc.oneof(fc.nat({ max: 300 }), fc.maxSafeInteger(), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 32 - 1, -(2 ** 32), -(2 ** 63), 2 ** 63 - 1024, 2 ** 60));
    case "uint64": return fc.maxSafeNat();
    case "double": return fc.double({ noNaN: true });
    case "float": return fc.float({ noNaN: true });
    case "bytes": return fc.uint8Array({ maxLength: 10 }).map((bytes) => Buffer.from(bytes));
    default: return fc.oneof(fc.constant(""), fc.string({ maxLength: 60 }), fc.string({ unit: "grapheme", maxLength: 60 }), fc.string({ minLength: 100, maxLength: 300 }));
  }
}

const isFrozenBelow = (value: unknown): boolean => typeof value !== "object" || value === null || ArrayBuffer.isView(value) || (Object.isFrozen(value) && Object.values(value).every(isFrozenBelow));

describe("rpc: generated codecs", () => {
  for (const name of stored) {
    it(`read and write ${name} as protobufjs does, and give what they take`, () => {
      const type = messageType(name);
      const { encode, decode, normalize } = codec<object>(name);
      fc.assert(fc.property(messages(type), (message) => {
        const reference = type.toObject(type.fromObject(message), conversion) as object;
        const whole = normalize(message);
        assert.deepEqual(plain(whole), plain(reference));
        assert.deepEqual(Object.keys(whole), type.fieldsArray.map((field) => field.name), "every field, in order");
        assert.ok(isFrozenBelow(whole));
        const bytes = encode(message);
        assert.deepEqual(plain(type.toObject(type.decode(bytes), conversion) as object), plain(reference), "protobufjs reads it");
        assert.deepEqual(decode(bytes), whole, "it reads itself");
        assert.deepEqual(decode(type.encode(type.fromObject(message)).finish()), whole, "it reads protobufjs");
        assert.ok(isFrozenBelow(decode(bytes)));
        assert.deepEqual(normalize(whole), whole);
      }), { numRuns: 60, seed: 7 });
    });
  }

  it("bring every string back, also halves of surrogate pairs and long ones", () => {
    const { encode, decode } = codec<Task>("Task");
    for (const text of ["", "a", "é", "漢字", "😀", "\ud800", "\udc00x", "x".repeat(127), "x".repeat(128), `${"x".repeat(126)}é`, `${"y".repeat(20_000)}😀`, "é".repeat(9_000), "\0"]) {
      assert.equal(decode(encode({ id: text })).id, text);
    }
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => decode(encode({ id: text, stopReason: text })).stopReason === text));
  });

  it("make of what a field cannot hold what the wire would", () => {
    const { normalize, decode, encode } = codec<Task>("Task");
    const odd = { id: 7, slot: -1, revision: 2.9, notBeforeMs: Number.NaN, desiredState: "NO_SUCH", status: { state: 4, timestampMs: -1.5, err: undefined }, networks: null, colour: "red" };
    const whole = normalize(odd);
    assert.deepEqual([whole.id, whole.slot, whole.revision, whole.notBeforeMs, whole.desiredState, whole.status!.timestampMs, whole.networks], ["7", 2 ** 32 - 1, 2, 0, "NEW", -1, []]);
    assert.ok(!("colour" in whole));
    assert.deepEqual(decode(encode(odd)), whole);
    for (const notBeforeMs of [2 ** 63, 1e300, Infinity, -Infinity]) assert.equal(decode(encode({ notBeforeMs })).notBeforeMs, notBeforeMs < 0 ? -(2 ** 63) : 2 ** 63 - 1024);
    assert.throws(() => normalize({ networks: {} }), /networks is no array/);
    assert.throws(() => normalize({ status: "up" }), /status is no object/);
    assert.throws(() => normalize({ networks: [null] }), /networks is no object/);
  });

  it("take over the parts that a message has in common with the one before", () => {
    const { normalize } = codec<Task>("Task");
    const before = normalize(newTask({ id: "t", status: newTaskStatus({ hostPorts: [{ protocol: "TCP", targetPort: 80, publishedPort: 8080, mode: "HOST" }] }) }));
    const after = normalize({ ...before, status: { ...before.status, state: "RUNNING" } }, before);
    assert.equal(after.networks, before.networks);
    assert.notEqual(after.status, before.status);
    assert.equal(after.status!.hostPorts, before.status!.hostPorts);
    assert.equal(normalize({ ...before }, before).status, before.status);
  });

  it("leave as many levels open as asked", () => {
    const { normalize } = codec<Node>("Node");
    const open = normalize(newNode({ id: "n" }), undefined, 1);
    open.id = "other";
    assert.ok(isFrozenBelow(open.spec) && !Object.isFrozen(open));
    assert.notEqual(normalize(open, open, 1), open, "what is open is not shared");
  });

  it("pass over fields and enum values that they do not know", () => {
    const { decode, encode } = codec<Task>("Task");
    const later = protobuf.parse('syntax = "proto3"; message Task { string id = 1; int32 desired_state = 7; string a = 900; fixed64 b = 901; fixed32 c = 902; int64 d = 903; }').root.lookupType("Task");
    const task = decode(later.encode({ id: "t", desiredState: 77, a: "new", b: 1, c: 2, d: -3 }).finish());
    assert.deepEqual([task.id, task.desiredState, task.slot], ["t", 77, 0]);
    assert.deepEqual(decode(encode(task)), task);
  });

  it("refuse what is no message, whatever it is", () => {
    const { decode, encode } = codec<object>("Revision");
    const whole = encode(newRevision("s1", 1, newServiceSpec({ name: "web", labels: { a: "1" } })));
    const outcomes = new Set<string>();
    for (let length = 0; length < whole.byteLength; length++) {
      try { decode(whole.subarray(0, length)); outcomes.add("read"); } catch (error) { outcomes.add(String(codeOf(error))); }
    }
    assert.deepEqual([...outcomes].sort(), ["DATA_LOSS", "read"]);   // a cut between two fields cannot be seen
    fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try { decode(bytes); } catch (error) { assert.equal(codeOf(error), "DATA_LOSS"); }
    }), { numRuns: 2_000 });
  });

  it("say which field they do not support", () => {
    const type = protobuf.parse('syntax = "proto3"; message Choice { oneof one { string a = 1; string b = 2; } }').root.lookupType("Choice");
    assert.throws(() => messageCodec(type), /"\.Choice\.a"/);
  });
});

describe("rpc: the wire format", () => {
  it("leaves nothing of a message that could not be written, and of a large one no buffer", () => {
    const writer = new WireWriter();
    writer.bytes(new Uint8Array(20_000_000));
    writer.clear();
    writer.string("a");
    const bytes = writer.finish();
    assert.deepEqual([...bytes], [1, 97]);
    assert.equal(bytes.buffer.byteLength, 2, "a message holds no more memory than its own");
    assert.equal(new WireReader(bytes).string(), "a");
  });
});

/** Map fields of the reference have their keys in insertion order as ours do; buffers compare by bytes. */
const plain = (value: object): unknown => structuredClone(value);
