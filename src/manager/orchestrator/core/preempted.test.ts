import assert from "node:assert/strict";
import { newNode, newNodeDescription, newService, newServiceSpec, newTask, newTaskStatus, preemptedReason, type ServiceMode, type Task, type TaskState } from "../../../model/index.js";
import { superviseService } from "./supervise.js";

const node = newNode({ id: "n1", description: newNodeDescription({ hostname: "n1" }), status: { state: "READY", message: "", addr: "", sinceMs: 0 } });
const task = (state: TaskState, fields: Partial<Task> = {}): Task =>
  newTask({ id: "a", serviceId: "s", revision: 1, slot: 1, nodeId: "n1", meta: { version: 1, createdAtMs: 10, updatedAtMs: 10 }, status: newTaskStatus({ state }), ...fields });
const stopped = { desiredState: "SHUTDOWN" as const, stopReason: preemptedReason("db", 100) };

function steps(tasks: readonly Task[], mode: ServiceMode = "REPLICATED") {
  const spec = newServiceSpec({ name: "web", mode, replicas: 1 });
  return superviseService({
    service: newService({ id: "s", spec }), spec, tasks, nowMs: 20, maxSteps: 100, specOf: () => spec, node: () => node, volume: () => undefined, inExcess: () => new Map(), nodes: () => [node], newId: () => "new",
  }).steps;
}

describe("a task that was stopped for one of higher priority", () => {
  it("gets a successor that may go anywhere, held back until it has stopped", () => {
    const [step, ...others] = steps([task("RUNNING", stopped)]);
    assert.ok(step?.kind === "start" && others.length === 0);
    assert.deepEqual([step.task.slot, step.task.nodeId, step.task.desiredState, step.task.revision], [1, "", "TASK_READY", 1]);
  });

  it("gets one only, and it is let run once the other has stopped", () => {
    const successor = task("TASK_READY", { id: "b", nodeId: "n2", desiredState: "TASK_READY", meta: { version: 1, createdAtMs: 15, updatedAtMs: 15 } });
    assert.deepEqual(steps([task("RUNNING", stopped), successor]), []);
    assert.deepEqual(steps([task("SHUTDOWN", stopped), successor]), [{ kind: "release", taskId: "b" }]);
  });

  it("of a global service gets one on its node", () => {
    const [step, ...others] = steps([task("RUNNING", { ...stopped, slot: 0 })], "GLOBAL");
    assert.ok(step?.kind === "start" && others.length === 0);
    assert.equal(step.task.nodeId, "n1");
  });

  it("is no other than one that was stopped for good", () => {
    assert.deepEqual(steps([task("SHUTDOWN", { desiredState: "SHUTDOWN", stopReason: "" })]), []);
  });
});
