import assert from "node:assert/strict";
import { FakeClock } from "../../lib/testing.js";
import { UsageTable } from "./usage-table.js";

const task = (taskId: string, cpuP95Millis = 100) => ({ taskId, windowMs: 60_000, cpuP95Millis, memoryPeakBytes: 2 ** 20 });

describe("what nodes and tasks use, on the leader", () => {
  it("is the last report of each node; tasks that it names no more are forgotten", () => {
    const table = new UsageTable(new FakeClock());
    const told: string[] = [];
    const end = table.onChange((nodeId, use) => told.push(`${nodeId} ${use?.cpuMillis}`));
    table.note("n1", { cpuMillis: 500, memoryBytes: 1, tasks: [task("a"), task("b")] });
    table.note("n1", { cpuMillis: 700, memoryBytes: 1, tasks: [task("b", 200)] });
    assert.deepEqual([table.node("n1")?.cpuMillis, table.task("a"), table.task("b")?.cpuP95Millis, table.nodeCount], [700, undefined, 200, 1]);
    end();
    table.clear();
    assert.deepEqual([told, table.node("n1"), table.task("b")], [["n1 500", "n1 700"], undefined, undefined]);
  });

  it("a task that moved is where it was reported last", () => {
    const table = new UsageTable(new FakeClock());
    table.note("n1", { cpuMillis: 1, memoryBytes: 1, tasks: [task("a", 1)] });
    table.note("n2", { cpuMillis: 1, memoryBytes: 1, tasks: [task("a", 2)] });
    table.note("n1", { cpuMillis: 1, memoryBytes: 1, tasks: [] });
    assert.deepEqual([table.task("a")?.nodeId, table.task("a")?.cpuP95Millis], ["n2", 2]);
  });

  it("a node that falls silent is unknown after two minutes; numbers that are none are not believed", () => {
    const clock = new FakeClock();
    const table = new UsageTable(clock);
    table.note("n1", { cpuMillis: 1, memoryBytes: 1, tasks: [task("a", -5), task("b", NaN), task("c")] });
    table.note("n2", { cpuMillis: Infinity, memoryBytes: 1, tasks: [] });
    assert.deepEqual([table.task("a"), table.task("b"), table.task("c")?.cpuP95Millis, table.node("n2")], [undefined, undefined, 100, undefined]);
    clock.advance(119_000);
    table.forgetSilent();
    assert.ok(table.node("n1"));
    clock.advance(2_000);
    table.forgetSilent();
    assert.equal(table.node("n1"), undefined);
  });
});
