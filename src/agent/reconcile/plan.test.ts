import assert from "node:assert/strict";
import type { ContainerState } from "../../engine/index.js";
import { newContainerSpec, newTask, newTaskSpec, newTaskStatus, type TaskState } from "../../model/index.js";
import { planTask, type TaskView } from "./plan.js";

const container = (fields: Partial<ContainerState> = {}): ContainerState => ({
  id: "t1", name: "web.1.t1", image: "busybox", labels: {}, phase: "running", pid: 7, createdAtMs: 0, startedAtMs: 0, exit: undefined, health: "none", healthLog: "", ...fields,
});
const exited = (exitCode: number, more = {}) => container({ phase: "exited", pid: 0, exit: { exitCode, isOomKilled: false, finishedAtMs: 1, ...more } });

function view(state: TaskState, desiredState: TaskState, fields: Partial<TaskView> = {}): TaskView {
  const spec = newTaskSpec({ container: newContainerSpec({ image: "busybox", stopGraceMs: 3_000 }) });
  return {
    assignment: { task: newTask({ id: "t1", slot: 1, desiredState }), spec, serviceName: "web", serviceLabels: {}, ports: [], nodeName: "a", volumes: [] },
    isAssigned: true, status: newTaskStatus({ state }), container: undefined, hasSandbox: false, isAttached: false, busy: undefined, ...fields,
  };
}
const kind = (v: TaskView) => planTask(v)?.kind;
const reported = (v: TaskView) => { const step = planTask(v); assert.equal(step?.kind, "report"); return step.kind === "report" ? step.report : undefined!; };

describe("agent: the plan for a task", () => {
  it("leads a new task from acceptance to running, one step at a time", () => {
    assert.equal(reported(view("ASSIGNED", "RUNNING")).state, "ACCEPTED");
    assert.equal(kind(view("ACCEPTED", "RUNNING")), "prepare");
    assert.equal(kind(view("TASK_READY", "RUNNING")), "start");
    assert.equal(kind(view("STARTING", "RUNNING", { container: container(), hasSandbox: true })), "attach");
    const running = reported(view("STARTING", "RUNNING", { container: container(), isAttached: true }));
    assert.deepEqual([running.state, running.container?.pid], ["RUNNING", 7]);
    assert.equal(kind(view("RUNNING", "RUNNING", { container: container(), isAttached: true })), undefined);
  });
  it("prepares a held-back task and starts it only when that is wanted", () => {
    assert.equal(kind(view("ACCEPTED", "TASK_READY")), "prepare");
    assert.equal(kind(view("TASK_READY", "TASK_READY")), undefined);
  });
  it("waits for health before it says running, and ends an unhealthy task with the check's last words", () => {
    assert.equal(kind(view("STARTING", "RUNNING", { container: container({ health: "starting" }), isAttached: true })), undefined);
    assert.equal(reported(view("STARTING", "RUNNING", { container: container({ health: "healthy" }), isAttached: true })).state, "RUNNING");
    const step = planTask(view("RUNNING", "RUNNING", { container: container({ health: "unhealthy", healthLog: "GET /\nconnection refused\n" }), isAttached: true }));
    assert.deepEqual(step, { kind: "stop", taskId: "t1", graceMs: 3_000, signal: "", then: { state: "FAILED", err: "unhealthy: connection refused" } });
  });
  it("says how a container ended", () => {
    const of = (c: ContainerState) => { const { state, err } = reported(view("RUNNING", "RUNNING", { container: c })); return [state, err]; };
    assert.deepEqual(of(exited(0)), ["COMPLETE", undefined]);
    assert.deepEqual(of(exited(3)), ["FAILED", "exited with code 3"]);
    assert.deepEqual(of(exited(137, { isOomKilled: true })), ["FAILED", "killed: out of memory"]);
    assert.equal(reported(view("RUNNING", "RUNNING")).err, "its container is gone");
  });
  it("stops what is no longer wanted, reports that, and takes everything away", () => {
    assert.equal(kind(view("RUNNING", "SHUTDOWN", { container: container() })), "stop");
    assert.equal(reported(view("PREPARING", "REMOVE")).state, "SHUTDOWN");
    assert.equal(kind(view("SHUTDOWN", "SHUTDOWN", { container: exited(143), hasSandbox: true })), "detach");
    assert.equal(kind(view("SHUTDOWN", "SHUTDOWN", { container: exited(143) })), "remove");
    assert.equal(kind(view("SHUTDOWN", "SHUTDOWN")), undefined);
    assert.equal(kind(view("SHUTDOWN", "SHUTDOWN", { isAssigned: false })), "forget");
  });
  it("keeps the container of a failed task for its log until the task leaves the list", () => {
    assert.equal(kind(view("FAILED", "SHUTDOWN", { container: exited(1), hasSandbox: true })), "detach");
    assert.equal(kind(view("FAILED", "SHUTDOWN", { container: exited(1) })), undefined);
    assert.equal(kind(view("FAILED", "SHUTDOWN", { container: exited(1), isAssigned: false })), "remove");
  });
  it("interrupts a pull that has become pointless, and lets any other step finish", () => {
    assert.equal(kind(view("PREPARING", "SHUTDOWN", { busy: "prepare" })), "interrupt");
    assert.equal(kind(view("STARTING", "SHUTDOWN", { busy: "start" })), undefined);
    assert.equal(kind(view("PREPARING", "RUNNING", { busy: "prepare" })), undefined);
  });
  it("stops a container that runs although its task has ended", () => assert.equal(kind(view("REJECTED", "SHUTDOWN", { container: container() })), "stop"));
});
