import assert from "node:assert/strict";
import { taskLabel } from "../agent/index.js";
import { busyNsOf, hostUsage, usedMemoryOf } from "./host-usage.js";

describe("what a host uses", () => {
  it("is what its processors were busy with, and the memory that programs hold", () => {
    assert.equal(busyNsOf("cpu  100 20 30 4000 50 6 7 8 90 0\ncpu0 1 2 3 4\n"), 171 * 10_000_000);
    assert.equal(usedMemoryOf("MemTotal:       1000 kB\nMemFree:          10 kB\nMemAvailable:    400 kB\n"), 600 * 1_024);
    assert.deepEqual([busyNsOf(""), usedMemoryOf("")], [0, 0]);
  });

  it("of containers only those of tasks that run, without the page cache that can go", async () => {
    const container = (id: string, labels: Record<string, string>, phase: string) => ({ id, labels, phase }) as never;
    const usage = await hostUsage({
      list: async () => [container("a", { [taskLabel]: "t1" }, "running"), container("b", {}, "running"), container("c", { [taskLabel]: "t2" }, "exited")],
      stats: async function* () { yield { cpu: { totalNs: 77 }, memory: { usageBytes: 1_000, details: { inactive_file: 400 } } } as never; },
    });
    assert.deepEqual(usage.tasks, [{ taskId: "t1", cpuNs: 77, memoryBytes: 600 }]);
    assert.ok(usage.cpuBusyNs > 0 && usage.memoryBytes > 0);
  });
});
