import assert from "node:assert/strict";
import { KeyedLock } from "./keyed-lock.js";

describe("keyed lock", () => {
  it("runs actions of one key in the order of asking, also after one that failed, and those of other keys beside them", async () => {
    const lock = new KeyedLock();
    const trace: string[] = [];
    let release!: () => void;
    const first = lock.run("a", () => new Promise<void>((resolve) => { trace.push("first"); release = resolve; }));
    const failing = lock.run("a", async () => { trace.push("failing"); throw new Error("no"); });
    const last = lock.run("a", async () => { trace.push("last"); return 3; });
    await lock.run("b", async () => { trace.push("other"); });
    assert.deepEqual(trace, ["first", "other"]);
    release();
    await assert.rejects(failing, /no/);
    assert.equal(await last, 3);
    await first;
    assert.deepEqual(trace, ["first", "other", "failing", "last"]);
  });

  it("says whether a key is held, and when nothing is", async () => {
    const lock = new KeyedLock();
    let release!: () => void;
    const held = lock.run("a", () => new Promise<void>((resolve) => { release = resolve; }));
    await Promise.resolve();
    assert.deepEqual([lock.isHeld("a"), lock.isHeld("b")], [true, false]);
    const idle = lock.idle();
    release();
    await Promise.all([held, idle]);
    assert.equal(lock.isHeld("a"), false);
  });
});
