import assert from "node:assert/strict";
import { afterProbe, nextProbeMs, probeSettings, type HealthProgress } from "./health-state.js";

const config = (more = {}) => ({ test: [], intervalMs: 0, timeoutMs: 0, retries: 0, startPeriodMs: 0, startIntervalMs: 0, ...more });
const settings = probeSettings(config({ test: ["CMD", "x"], retries: 2, startPeriodMs: 1000, intervalMs: 500, startIntervalMs: 100 }), undefined)!;

describe("engine: health", () => {
  it("takes the image's probe where the container has none, with Docker's defaults", () => {
    const image = config({ test: ["CMD-SHELL", "check me"] });
    assert.deepEqual(probeSettings(undefined, image), { command: ["/bin/sh", "-c", "check me"], intervalMs: 30_000, timeoutMs: 30_000, retries: 3, startPeriodMs: 0, startIntervalMs: 5_000 });
    assert.equal(probeSettings(config({ intervalMs: 7 }), image)!.intervalMs, 7);
    assert.equal(probeSettings(config({ test: ["NONE"] }), image), undefined);
    assert.equal(probeSettings(undefined, undefined), undefined);
  });
  it("forgives failures in the start period, counts them after it, and recovers with one success", () => {
    let at: HealthProgress = { health: "starting", failures: 0 };
    at = afterProbe(at, false, 900, settings);
    assert.deepEqual(at, { health: "starting", failures: 0 });
    at = afterProbe(at, false, 1100, settings);
    assert.deepEqual(at, { health: "starting", failures: 1 });
    at = afterProbe(at, false, 1200, settings);
    assert.equal(at.health, "unhealthy");
    at = afterProbe(at, true, 1300, settings);
    assert.deepEqual(at, { health: "healthy", failures: 0 });
  });
  it("counts failures within the start period once it was healthy", () => {
    let at = afterProbe({ health: "starting", failures: 0 }, true, 10, settings);
    at = afterProbe(afterProbe(at, false, 20, settings), false, 30, settings);
    assert.equal(at.health, "unhealthy");
  });
  it("asks more often in the start period", () => {
    assert.equal(nextProbeMs({ health: "starting", failures: 0 }, 0, settings), 100);
    assert.equal(nextProbeMs({ health: "healthy", failures: 0 }, 0, settings), 500);
    assert.equal(nextProbeMs({ health: "starting", failures: 0 }, 1000, settings), 500);
  });
});
