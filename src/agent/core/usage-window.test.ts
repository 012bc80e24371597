import assert from "node:assert/strict";
import { UsageWindow, keptSamples, sampleEveryMs } from "./usage-window.js";

const sample = (i: number, fields: { busyMillis?: number; cpuNs?: number; memoryBytes?: number; tasks?: string[] } = {}) => ({
  atMs: i * sampleEveryMs, cpuBusyNs: i * (fields.busyMillis ?? 0) * sampleEveryMs * 1_000, memoryBytes: 500,
  tasks: (fields.tasks ?? ["t"]).map((taskId) => ({ taskId, cpuNs: fields.cpuNs ?? 0, memoryBytes: fields.memoryBytes ?? 0 })),
});

describe("what a host and its tasks use", () => {
  it("needs two samples, then tells the host's rate and each task's", () => {
    const window = new UsageWindow();
    assert.equal(window.report(), undefined);
    window.add(sample(0));
    assert.equal(window.report(), undefined);
    window.add(sample(1, { busyMillis: 1_500, cpuNs: 250 * sampleEveryMs * 1_000, memoryBytes: 64 }));
    assert.deepEqual(window.report(), { cpuMillis: 1_500, memoryBytes: 500, tasks: [{ taskId: "t", windowMs: sampleEveryMs, cpuP95Millis: 250, memoryPeakBytes: 64 }] });
  });

  it("a burst in one of a hundred samples is no need, memory's peak is", () => {
    const window = new UsageWindow();
    let cpuNs = 0;
    for (let i = 0; i <= 100; i++) {
      cpuNs += (i === 50 ? 4_000 : 100) * sampleEveryMs * 1_000;
      window.add(sample(i, { cpuNs, memoryBytes: i === 50 ? 900 : 100 }));
    }
    const [task] = window.report()!.tasks;
    assert.deepEqual([task!.cpuP95Millis, task!.memoryPeakBytes], [100, 900]);
  });

  it("forgets what is more than an hour ago, and tasks that are gone", () => {
    const window = new UsageWindow();
    window.add(sample(0));
    window.add(sample(1, { memoryBytes: 900, cpuNs: 1 }));
    for (let i = 2; i <= keptSamples + 1; i++) window.add(sample(i, { memoryBytes: 100, cpuNs: 1 }));
    const [task] = window.report()!.tasks;
    assert.deepEqual([task!.memoryPeakBytes, task!.windowMs], [100, keptSamples * sampleEveryMs]);
    window.add(sample(keptSamples + 2, { tasks: [] }));
    assert.deepEqual(window.report()!.tasks, []);
  });

  it("a counter that goes back begins anew", () => {
    const window = new UsageWindow();
    window.add(sample(0, { cpuNs: 5e9 }));
    window.add(sample(1, { cpuNs: 6e9 }));
    window.add(sample(2, { cpuNs: 1e9 }));
    assert.deepEqual(window.report()!.tasks, []);
    window.add(sample(3, { cpuNs: 1e9 + sampleEveryMs * 1e6 }));
    assert.equal(window.report()!.tasks[0]!.cpuP95Millis, 1_000);
  });
});
