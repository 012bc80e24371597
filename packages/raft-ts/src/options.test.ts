import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { RaftOptions } from "./api.js";
import { ListMachine } from "./node-test-group.js";
import { RaftNode } from "./node.js";
import { resolveOptions, type World } from "./options.js";
import { MemoryNetwork } from "./testing.js";

const context = Buffer.from("here");
const good = (): RaftOptions => ({ id: 1, directory: "/nowhere", stateMachine: new ListMachine(), transport: new MemoryNetwork().transport(1), start: { kind: "join" } });

/** As from JavaScript, where no compiler looks at them. */
function resolve(wrong: Readonly<Record<string, unknown>>): ReturnType<typeof resolveOptions> { return resolveOptions(Object.assign(good(), wrong)); }

function refuses(kind: ErrorConstructor, message: RegExp, ...wrongs: readonly Readonly<Record<string, unknown>>[]): void {
  for (const wrong of wrongs) assert.throws(() => resolve(wrong), (error: Error) => error.constructor === kind && message.test(error.message), inspect(wrong));
}

/** A machine or the like without one of its functions. */
const without = <T extends object>(whole: T, ...names: readonly (keyof T)[]): T => Object.assign(Object.create(whole) as T, Object.fromEntries(names.map((name) => [name, undefined])));

describe("raft options", () => {
  it("an option that is left out or undefined has its default", () => {
    for (const options of [{}, { tickMs: undefined, readMode: undefined, sealer: undefined, log: undefined }]) {
      const { tickMs, electionTicks, readMode, forwardProposals, sealer } = resolve(options);
      assert.deepEqual({ tickMs, electionTicks, readMode, forwardProposals, sealer }, { tickMs: 100, electionTicks: 8, readMode: "safe", forwardProposals: false, sealer: undefined });
    }
  });

  it("what a simulation brings is no unknown option", () => {
    const world: World = { disk: undefined, clock: { now: () => 7, soon: () => {}, every: () => () => {} }, random: () => 3, sendMessages: () => {} };
    assert.equal(resolve({ ...world }).clock.now(), 7);
  });

  it("options that are none are refused", async () => {
    await assert.rejects(RaftNode.open(JSON.parse("null") as RaftOptions), /Raft options are null: they must be an object with at least id, directory/);
  });

  it("an unknown option is refused, and the nearest known one named", () => {
    refuses(TypeError, /"tickMS" is unknown: did you mean "tickMs"\?/, { tickMS: 100 });
    refuses(TypeError, /"snapshotEntrys" is unknown: did you mean "snapshotEntries"\?/, { snapshotEntrys: 100 });
    refuses(TypeError, /"peers" is unknown: there are id, directory, /, { peers: [] });
    // What every object inherits is no option either.
    refuses(TypeError, /"toString" is unknown/, { toString: 1 });
  });

  it("an id is an integer from 1 below 2^48", () => {
    refuses(RangeError, /"id" is .*: it must be an integer from 1 to 281474976710655/, { id: 0 }, { id: -1 }, { id: 1.5 }, { id: 2 ** 48 }, { id: Number.NaN });
    refuses(TypeError, /"id" is (missing|'1'|null|1n): it must be an integer/, { id: undefined }, { id: "1" }, { id: null }, { id: 1n });
    assert.equal(resolve({ id: 2 ** 48 - 1 }).id, 2 ** 48 - 1);
  });

  it("a directory is a path", () => {
    refuses(TypeError, /"directory" is (missing|null|5): it must be the path/, { directory: undefined }, { directory: null }, { directory: 5 });
    refuses(RangeError, /"directory" is ''/, { directory: "" });
  });

  it("a state machine has all of its functions", () => {
    refuses(TypeError, /"stateMachine" is (missing|null): it must be an object with the functions apply, snapshot, restore$/, { stateMachine: undefined }, { stateMachine: null });
    for (const name of ["apply", "snapshot", "restore"] as const)
      refuses(TypeError, new RegExp(`"stateMachine" is an object: it has no function ${name}, and needs `), { stateMachine: without(new ListMachine(), name) });
  });

  it("a transport has all of its functions", () => {
    refuses(TypeError, /"transport" is missing: it must be an object with the functions start, send, sendSnapshot, setMembers, close$/, { transport: undefined });
    for (const name of ["start", "send", "sendSnapshot", "setMembers", "close"] as const)
      refuses(TypeError, new RegExp(`"transport" is an object: it has no function ${name}, and needs `), { transport: without(good().transport, name) });
  });

  it("a start is of a known kind: nothing else waits to be added by silence", () => {
    refuses(TypeError, /"start" is (missing|null|'join'): it must be \{ kind: "bootstrap", context \}/, { start: undefined }, { start: null }, { start: "join" });
    refuses(TypeError, /"start" is an object: its kind is (undefined|'bootstrp'); it must be/, { start: {} }, { start: { kind: "bootstrp", context } });
    const known = [{ kind: "join" }, { kind: "bootstrap", context, priority: 0 }, { kind: "bootstrap", context: new Uint8Array(0) }, { kind: "recover" }, { kind: "recover", context }];
    for (const start of known) assert.equal(resolve({ start }).start, start);
  });

  it("the first member's context is bytes and its priority an integer from 0", () => {
    const wrongs = [undefined, "here", null, [1]].map((wrong) => ({ start: { kind: "bootstrap", context: wrong } }));
    refuses(TypeError, /"start" is an object: its context is (undefined|'here'|null|an array) and must be a Uint8Array/, ...wrongs);
    refuses(TypeError, /"start" is .*: its priority is .* and must be an integer from 0/, ...[-1, 1.5, "1", null].map((priority) => ({ start: { kind: "bootstrap", context, priority } })));
    refuses(TypeError, /"start" is .*: its context is 'there' and must be a Uint8Array; leave it out to keep/, { start: { kind: "recover", context: "there" } });
  });

  it("numbers are integers within their range", () => {
    const numbers = [
      "tickMs", "electionTicks", "heartbeatTicks", "maxEntryBytes", "maxMessageBytes", "maxInflight", "maxInflightBytes", "maxUncommittedBytes", "maxApplyBytes", "promotionLag",
      "snapshotEntries", "trailingEntries", "segmentBytes",
    ];
    for (const name of numbers) {
      const message = new RegExp(`"${name}" is .*: it must be an integer from \\d+ to \\d+`);
      refuses(RangeError, message, { [name]: -1 }, { [name]: 2.5 }, { [name]: Number.NaN }, { [name]: Infinity }, { [name]: 2 ** 31 });
      refuses(TypeError, message, { [name]: "10" });
      refuses(TypeError, new RegExp(`"${name}" is null: .*; leave it out for the default$`), { [name]: null });
    }
    refuses(RangeError, /"electionTicks" is 5: it must be at least twice heartbeatTicks \(3\)/, { electionTicks: 5, heartbeatTicks: 3 });
  });

  it("the way to read, forwarding, the sealer and the log are what they must be", () => {
    refuses(RangeError, /"readMode" is 'fast': it must be "safe" or "lease"/, { readMode: "fast" });
    refuses(TypeError, /"readMode" is (null|true)/, { readMode: null }, { readMode: true });
    refuses(TypeError, /"forwardProposals" is .*: it must be true or false/, { forwardProposals: "no" }, { forwardProposals: 1 }, { forwardProposals: null });
    refuses(TypeError, /"sealer" is .*: it (must be an object with the functions|has no function (seal, )?open, and needs) seal, open/,
      { sealer: null }, { sealer: {} }, { sealer: { seal() {} } }, { sealer: "key" });
    refuses(TypeError, /"log" is .*: it must be a function/, { log: null }, { log: {} }, { log: "info" });
  });

  it("a refusal repeats no long value, and nothing of what is in an object", () => {
    assert.throws(() => resolve({ start: "x".repeat(10_000) }), (error: Error) => error.message.length < 400);
    assert.throws(() => resolve({ sealer: { key: "secret" } }), (error: Error) => !error.message.includes("secret"));
  });

  it("a log that throws, or that is asynchronous and fails, is nobody's end", async () => {
    const said: string[] = [];
    resolve({ log: (_: string, message: string) => { said.push(message); throw new Error("the log is full"); } }).log("info", "first");
    // A rejection that nobody takes would end this process.
    resolve({ log: async (_: string, message: string) => { said.push(message); throw new Error("the log is full"); } }).log("info", "second");
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(said, ["first", "second"]);
  });

  it("nothing is made on the disk before the options are right", async () => {
    const parent = mkdtempSync(join(tmpdir(), "raft-ts-options-"));
    try {
      const directory = join(parent, "m1");
      await assert.rejects(RaftNode.open(Object.assign(good(), { directory, start: {} })), TypeError);
      assert.equal(existsSync(directory), false);
    } finally { rmSync(parent, { recursive: true }); }
  });
});
