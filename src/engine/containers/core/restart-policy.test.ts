import assert from "node:assert/strict";
import { delayToRestart, startsWithDaemon, type RestartRule } from "./restart-policy.js";

const rule = (name: RestartRule["name"], maximumRetries = 0): RestartRule => ({ name, maximumRetries });
const life = { exitCode: 1, ranMs: 50, isStoppedByUser: false, restartCount: 0, restartDelayMs: 0 };

describe("engine: restart policies", () => {
  it("wait 100 ms, then twice as long each time, at most a minute, and anew after a life of ten seconds", () => {
    const delays: number[] = [];
    for (let delay = 0; delays.length < 12;) delays.push(delay = delayToRestart(rule("always"), { ...life, restartDelayMs: delay })!);
    assert.deepEqual(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
    assert.equal(delayToRestart(rule("always"), { ...life, restartDelayMs: 60_000, ranMs: 10_000 }), 100);
  });
  it("follow what they are called", () => {
    const restarts = (r: RestartRule | undefined, more = {}) => delayToRestart(r, { ...life, ...more }) !== undefined;
    assert.deepEqual([undefined, rule("no"), rule("always"), rule("unless-stopped"), rule("on-failure")].map((r) => restarts(r)), [false, false, true, true, true]);
    assert.deepEqual([rule("always"), rule("on-failure")].map((r) => restarts(r, { exitCode: 0 })), [true, false]);
    assert.deepEqual([1, 2, 3].map((restartCount) => restarts(rule("on-failure", 2), { restartCount })), [true, false, false]);
    assert.deepEqual([rule("always"), rule("unless-stopped"), rule("on-failure")].map((r) => restarts(r, { isStoppedByUser: true })), [false, false, false]);
  });
  it("a new daemon starts what was stopped only for always", () => {
    const starts = (r: RestartRule, more = {}) => startsWithDaemon(r, { ...life, ...more });
    assert.deepEqual([rule("always"), rule("unless-stopped"), rule("on-failure")].map((r) => starts(r, { isStoppedByUser: true })), [true, false, false]);
    assert.deepEqual([rule("no"), rule("unless-stopped"), rule("on-failure")].map((r) => starts(r)), [false, true, true]);
  });
});
