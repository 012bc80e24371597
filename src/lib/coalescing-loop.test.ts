import { strict as assert } from "node:assert";
import { SwarmError, silentLogger, startCoalescingLoop } from "./index.js";
import { FakeClock } from "./testing.js";

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("coalescing loop", () => {
  it("runs once for many wakes of one turn, and once more for those that come during a run", async () => {
    let runs = 0;
    let release: () => void = () => {};
    const loop = startCoalescingLoop({ name: "t", clock: new FakeClock(), random: () => 0, log: silentLogger, run: () => { runs++; return new Promise((r) => { release = r; }); } });
    loop.wake(); loop.wake();
    await settle();
    assert.equal(runs, 1);
    loop.wake(); loop.wake();
    await settle();
    assert.equal(runs, 1);
    release();
    await settle();
    assert.equal(runs, 2);
    release();
    await settle();
    assert.equal(runs, 2);
    await loop.stop();
  });

  it("runs again after a back-off when a run failed", async () => {
    const clock = new FakeClock();
    let runs = 0;
    const loop = startCoalescingLoop({ name: "t", clock, random: () => 0, log: silentLogger, run: async () => { if (runs++ === 0) throw new SwarmError("UNAVAILABLE", "no leader"); } });
    loop.wake();
    await settle();
    loop.wake();
    await settle();
    assert.equal(runs, 1);
    clock.advance(50);
    await settle();
    assert.equal(runs, 2);
    await loop.stop();
  });

  it("wakes at the earliest time that was asked for, and never after stop", async () => {
    const clock = new FakeClock();
    let runs = 0;
    const loop = startCoalescingLoop({ name: "t", clock, random: () => 0, log: silentLogger, run: async () => { runs++; } });
    loop.wakeAt(clock.now() + 500); loop.wakeAt(clock.now() + 100); loop.wakeAt(clock.now() + 900);
    clock.advance(99); await settle();
    assert.equal(runs, 0);
    clock.advance(1); await settle();
    assert.equal(runs, 1);
    loop.wakeAt(clock.now() + 10);
    await loop.stop();
    clock.advance(1000); await settle();
    assert.equal(runs, 1);
  });
});
