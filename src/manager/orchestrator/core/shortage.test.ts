import assert from "node:assert/strict";
import fc from "fast-check";
import { newNode, newNodeDescription, newResources, newTask, newTaskStatus, type ClusterSpec, type Resources, type Task } from "../../../model/index.js";
import { hasShrunk, tasksInExcess, type Holder } from "./shortage.js";

const nodeWith = (resources: Partial<Resources>) => newNode({ id: "n", description: newNodeDescription({ hostname: "h4", resources: newResources(resources) }), status: { state: "READY", message: "", addr: "", sinceMs: 0 } });
const holder = (id: string, reservations: Partial<Resources>, fields: { priority?: number; atMs?: number; task?: Partial<Task> } = {}): Holder => ({
  task: newTask({ id, nodeId: "n", desiredState: "RUNNING", meta: { version: 1, createdAtMs: fields.atMs ?? 1, updatedAtMs: 1 }, status: newTaskStatus({ state: "RUNNING" }), ...fields.task }),
  reservations: newResources(reservations), priority: fields.priority ?? 0,
});
const fpgas = (...ids: string[]): Partial<Task> => ({ assigned: [{ kind: "fpga", count: ids.length, ids }] });
const inExcess = (resources: Partial<Resources>, holders: readonly Holder[], overcommit: ClusterSpec["overcommit"] = []) => [...tasksInExcess(nodeWith(resources), holders, overcommit, 100).keys()].sort();

describe("a node that has less than before", () => {
  it("keeps all its tasks while they fit", () => {
    assert.deepEqual(inExcess({ cpuMillis: 2_000 }, [holder("a", { cpuMillis: 1_000 }), holder("b", { cpuMillis: 1_000 })]), []);
  });

  it("lets go of the lowest priority first, of one priority the youngest, and of no more than needed", () => {
    const tasks = [
      holder("high", { cpuMillis: 1_000 }, { priority: 10, atMs: 9 }), holder("old", { cpuMillis: 1_000 }, { atMs: 1 }),
      holder("young", { cpuMillis: 1_000 }, { atMs: 5 }), holder("low", { cpuMillis: 1_000 }, { priority: -5, atMs: 1 }),
    ];
    assert.deepEqual(inExcess({ cpuMillis: 3_000 }, tasks), ["low"]);
    assert.deepEqual(inExcess({ cpuMillis: 2_500 }, tasks), ["low", "young"]);
    assert.deepEqual(inExcess({ cpuMillis: 1_000 }, tasks), ["low", "old", "young"]);
    assert.deepEqual(inExcess({}, tasks), ["high", "low", "old", "young"]);
  });

  it("spares a small one where a large one that must go as well makes it unnecessary", () => {
    assert.deepEqual(inExcess({ memoryBytes: 100 }, [holder("small", { memoryBytes: 10 }, { priority: -1 }), holder("large", { memoryBytes: 150 }), holder("mine", { memoryBytes: 90 }, { priority: 5 })]), ["large"]);
  });

  it("lets go of nobody who has nothing of what is short", () => {
    const reasons = tasksInExcess(nodeWith({ cpuMillis: 4_000, memoryBytes: 100 }), [holder("cpu", { cpuMillis: 4_000 }, { priority: -9 }), holder("memory", { memoryBytes: 200 })], [], 100);
    assert.deepEqual([...reasons], [["memory", "node h4 has less memory than its tasks have reserved"]]);
  });

  it("is held to what it promises, not to what it has, where it is over-committed", () => {
    const tasks = [holder("a", { cpuMillis: 2_000 }), holder("b", { cpuMillis: 1_000 }, { atMs: 2 })];
    const rule = (constraint: string) => [{ constraint, cpuPercent: 150, memoryPercent: 0 }];
    assert.deepEqual(inExcess({ cpuMillis: 2_000 }, tasks, rule("")), []);
    assert.deepEqual(inExcess({ cpuMillis: 2_000 }, tasks, rule("node.hostname==h4")), []);
    assert.deepEqual(inExcess({ cpuMillis: 2_000 }, tasks, rule("node.hostname==h5")), ["b"]);
  });

  it("counts no task that is being stopped, has ended, or loses its device by name", () => {
    const one = { cpuMillis: 1_000 };
    const tasks = [
      holder("stays", one), holder("stopped", one, { task: { desiredState: "SHUTDOWN" } }), holder("ended", one, { task: { status: newTaskStatus({ state: "FAILED" }) } }), holder("lost", one, { task: fpgas("f9") }),
    ];
    assert.deepEqual(inExcess({ cpuMillis: 1_000, generic: [{ kind: "fpga", count: 0, ids: ["f1"] }] }, tasks), []);
  });

  it("counts generic resources that have no names", () => {
    const counted = (id: string, count: number, atMs: number) => holder(id, {}, { atMs, task: { assigned: [{ kind: "fpga", count, ids: [] }] } });
    assert.deepEqual(inExcess({ generic: [{ kind: "fpga", count: 2, ids: [] }] }, [counted("a", 2, 1), counted("b", 1, 2)]), ["b"]);
    assert.deepEqual(inExcess({ generic: [{ kind: "fpga", count: 3, ids: [] }] }, [counted("a", 2, 1), counted("b", 1, 2)]), []);
  });

  it("fits what is left, gives up nobody who could stay, and says the same of the rest once some are stopped", () => {
    const amount = fc.integer({ min: 0, max: 8 });
    fc.assert(fc.property(fc.array(fc.record({ cpu: amount, memory: amount, priority: fc.integer({ min: -2, max: 2 }), atMs: amount }), { maxLength: 12 }), amount, amount, (wanted, cpu, memory) => {
      const holders = wanted.map((each, i) => holder(`t${i}`, { cpuMillis: each.cpu, memoryBytes: each.memory }, each));
      const leaving = inExcess({ cpuMillis: cpu, memoryBytes: memory }, holders);
      const fits = (without: readonly string[]) => {
        const staying = holders.filter(({ task }) => !without.includes(task.id));
        return staying.reduce((sum, { reservations }) => sum + reservations!.cpuMillis, 0) <= cpu && staying.reduce((sum, { reservations }) => sum + reservations!.memoryBytes, 0) <= memory;
      };
      assert.ok(fits(leaving));
      for (const id of leaving) assert.ok(!fits(leaving.filter((other) => other !== id)), `${id} could stay`);
      const [first] = leaving;
      if (first === undefined) return;
      const rest = inExcess({ cpuMillis: cpu, memoryBytes: memory }, holders.filter(({ task }) => task.id !== first));
      assert.ok(rest.every((id) => leaving.includes(id)), "nobody else has to go");
    }));
  });

  it("is told from one that has as much or more", () => {
    const before = newResources({ cpuMillis: 4, memoryBytes: 8, generic: [{ kind: "fpga", count: 2, ids: [] }] });
    assert.equal(hasShrunk(before, before), false);
    assert.equal(hasShrunk({ ...before, cpuMillis: 5, generic: [...before.generic, { kind: "licence", count: 0, ids: ["a"] }] }, before), false);
    assert.equal(hasShrunk(before, undefined), false);
    for (const less of [{ cpuMillis: 3 }, { memoryBytes: 7 }, { generic: [] }, { generic: [{ kind: "fpga", count: 0, ids: ["f1"] }] }]) assert.equal(hasShrunk({ ...before, ...less }, before), true);
  });
});
