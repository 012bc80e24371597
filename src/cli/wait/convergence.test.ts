import assert from "node:assert/strict";
import { newContainerSpec, newRestartPolicy, newService, newServiceSpec, newTask, newTaskSpec, newTaskStatus, type RestartCondition, type Task, type TaskState } from "../../model/index.js";
import { slotsOf, verdictOf, type Observation } from "./convergence.js";

let clock = 0;
const task = (slot: number, state: TaskState, fields: Partial<Task> & { err?: string } = {}): Task => {
  const { err = "", ...rest } = fields;
  clock++;
  return newTask({ id: `t${clock}`, meta: { version: clock, createdAtMs: clock, updatedAtMs: clock }, slot, revision: 1, status: newTaskStatus({ state, err }), ...rest });
};

function look(tasks: Task[], options: { replicas?: number; revision?: number; upToDate?: number[]; condition?: RestartCondition; update?: "UPDATING" | "UPDATE_PAUSED" } = {}) {
  const { replicas = 1, revision = 1, upToDate = [revision], condition = "ANY", update } = options;
  const observation: Observation = {
    service: newService({
      id: "s", revision, updateStatus: update ? { state: update, startedAtMs: 1, completedAtMs: 0, message: "why", revision } : null,
      spec: newServiceSpec({ name: "web", replicas, task: newTaskSpec({ container: newContainerSpec(), restart: newRestartPolicy({ condition }) }) }),
    }),
    tasks: tasks.map((each) => ({ task: each, name: `web.${each.slot}`, serviceName: "web", nodeName: each.nodeId, image: "" })),
    desired: replicas, upToDateRevisions: new Set(upToDate),
  };
  const slots = slotsOf(observation);
  return { slots, verdict: verdictOf(observation, slots) };
}

describe("cli: convergence", () => {
  it("needs every slot to run the present revision", () => {
    assert.equal(look([task(1, "RUNNING")], { replicas: 2 }).verdict.kind, "progressing");
    assert.equal(look([task(1, "RUNNING"), task(2, "STARTING")], { replicas: 2 }).verdict.kind, "progressing");
    assert.equal(look([task(1, "RUNNING"), task(2, "RUNNING")], { replicas: 2 }).verdict.kind, "converged");
    assert.equal(look([], { replicas: 0 }).verdict.kind, "converged");
  });
  it("counts tasks of an equal older revision, and waits for the updater", () => {
    assert.equal(look([task(1, "RUNNING")], { revision: 2 }).verdict.kind, "progressing");
    assert.equal(look([task(1, "RUNNING")], { revision: 2, upToDate: [1, 2] }).verdict.kind, "converged");
    assert.equal(look([task(1, "RUNNING", { revision: 2 })], { revision: 2, update: "UPDATING" }).verdict.kind, "progressing");
    assert.equal(look([task(1, "RUNNING")], { revision: 2, update: "UPDATE_PAUSED" }).verdict.kind, "failing");
  });
  it("waits until what is scaled away has stopped", () => {
    assert.equal(look([task(1, "RUNNING"), task(2, "RUNNING")], { replicas: 1 }).verdict.kind, "progressing");
    const { slots, verdict } = look([task(1, "RUNNING"), task(2, "RUNNING", { desiredState: "REMOVE" })], { replicas: 1 });
    assert.equal(verdict.kind, "converged");
    assert.deepEqual(slots.map((slot) => slot.name), ["web.1"]);
  });
  it("tells waiting for room from working on it", () => {
    const { slots, verdict } = look([task(1, "PENDING", { err: "no node fits" })]);
    assert.deepEqual(verdict, { kind: "waiting", why: "no node fits" });
    assert.ok(slots[0]!.isPending);
    assert.equal(look([task(1, "PENDING", { err: "no node fits" }), task(2, "PREPARING")], { replicas: 2 }).verdict.kind, "progressing");
  });
  it("gives up after repeated failures of one slot, not of several slots once each", () => {
    const ended = (slot: number, state: TaskState) => task(slot, state, { desiredState: "SHUTDOWN", err: "broken" });
    assert.equal(look([ended(1, "FAILED"), ended(2, "FAILED"), ended(3, "FAILED"), task(1, "STARTING"), task(2, "STARTING"), task(3, "STARTING")], { replicas: 3 }).verdict.kind, "progressing");
    assert.deepEqual(look([ended(1, "REJECTED"), ended(1, "REJECTED"), task(1, "TASK_READY")]).verdict, { kind: "failing", why: "web.1: broken" });
    assert.equal(look([ended(1, "FAILED"), ended(1, "FAILED"), ended(1, "FAILED"), task(1, "TASK_READY")]).verdict.kind, "failing");
    assert.equal(look([ended(1, "FAILED"), ended(1, "FAILED"), ended(1, "FAILED"), task(1, "RUNNING")]).verdict.kind, "converged");
  });
  it("a task that was to run once is done when it has completed, and failing when it failed", () => {
    assert.equal(look([task(1, "COMPLETE")], { condition: "NONE" }).verdict.kind, "converged");
    assert.equal(look([task(1, "FAILED", { err: "exited with code 1" })], { condition: "NONE" }).verdict.kind, "failing");
    assert.equal(look([task(1, "COMPLETE")]).verdict.kind, "progressing");
  });
});
