import assert from "node:assert/strict";
import { newNode, newNodeDescription, newNodeSpec, newPlacement, newService, newServiceSpec, newTask, newTaskSpec, newTaskStatus, newUpdateConfig, type Node, type Task, type TaskState, type Toleration } from "../../../model/index.js";
import { moveTimeoutMs } from "./move.js";
import { superviseService } from "./supervise.js";
import type { ServiceView } from "./view.js";

const nodes = ["n1", "n2"].map((id) => newNode({ id, description: newNodeDescription({ hostname: id }), status: { state: "READY", message: "", addr: "", sinceMs: 0 } }));

const task = (id: string, slot: number, nodeId: string, state: TaskState, fields: Partial<Task> = {}): Task =>
  newTask({ id, serviceId: "s", revision: 1, slot, nodeId, meta: { version: 1, createdAtMs: 10, updatedAtMs: 10 }, status: newTaskStatus({ state }), ...fields });
const moved = { move: { nodeId: "n2", reason: "rebalance", sinceMs: 5 } };

function view(tasks: readonly Task[], options: { nowMs?: number; parallelism?: number; replicas?: number } = {}): ServiceView {
  const spec = newServiceSpec({ name: "web", replicas: options.replicas ?? new Set(tasks.map(({ slot }) => slot)).size, update: newUpdateConfig({ parallelism: options.parallelism ?? 1 }) });
  let ids = 0;
  return {
    service: newService({ id: "s", spec }), spec, tasks, nowMs: options.nowMs ?? 20, maxSteps: 100,
    specOf: () => spec, node: (id) => nodes.find((node) => node.id === id), volume: () => undefined, inExcess: () => new Map(), nodes: () => nodes, newId: () => `new${++ids}`,
  };
}

const words = (tasks: readonly Task[], options?: Parameters<typeof view>[1]) => superviseService(view(tasks, options)).steps.map((step) => {
  switch (step.kind) {
    case "start": return `start ${step.task.slot} on ${step.task.nodeId}`;
    case "stop": return `stop ${step.taskId}: ${step.reason}`;
    case "give-up-move": return `give up ${step.taskId}: ${step.reason}`;
    default: return `${step.kind} ${step.taskId}`;
  }
});

describe("a taint with effect no-execute", () => {
  it("moves tasks away that do not tolerate it, and no others", () => {
    const tainted = { ...nodes[0]!, spec: newNodeSpec({ taints: [{ key: "gpu", value: "broken", effect: "NO_EXECUTE" }] }) };
    const withTolerations = (tolerations: Toleration[]) => {
      const before = view([task("a", 1, "n1", "RUNNING")]);
      const spec = { ...before.spec, task: newTaskSpec({ placement: newPlacement({ tolerations }) }) };
      return superviseService({ ...before, spec, specOf: () => spec, node: () => tainted }).steps.map((step) => step.kind === "replace" ? step.reason : step.kind);
    };
    assert.deepEqual(withTolerations([]), ["node n1 has taint gpu=broken with effect no-execute, which the service does not tolerate"]);
    assert.deepEqual(withTolerations([{ key: "gpu", value: "" }]), []);
  });
});

describe("moving a task", () => {
  it("starts a successor on the other node, and leaves the task alone meanwhile", () => {
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved)]), ["start 1 on n2"]);
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), task("b", 1, "n2", "STARTING")]), []);
  });

  it("stops the task once its successor runs", () => {
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), task("b", 1, "n2", "RUNNING")]), ["stop a: moved to node n2: rebalance"]);
  });

  it("moves as many at a time as an update would replace", () => {
    const tasks = [1, 2, 3].map((slot) => task(`a${slot}`, slot, "n1", "RUNNING", moved));
    assert.deepEqual(words(tasks), ["start 1 on n2"]);
    assert.deepEqual(words([...tasks, task("b1", 1, "n2", "STARTING")]), []);
    assert.deepEqual(words(tasks, { parallelism: 2 }), ["start 1 on n2", "start 2 on n2"]);
  });

  it("leaves the task where it is when the successor fails", () => {
    const failed = task("b", 1, "n2", "FAILED", { status: newTaskStatus({ state: "FAILED", err: "no such image" }) });
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), failed]), ["stop b: ", "give up a: its successor on node n2 failed: no such image"].slice(0, 1));
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), { ...failed, desiredState: "SHUTDOWN" }]), ["give up a: its successor on node n2 failed: no such image"]);
  });

  it("gives up when the successor does not run in time, or its node leaves", () => {
    const waiting = task("b", 1, "n2", "PENDING");
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), waiting], { nowMs: 5 + moveTimeoutMs }),
      ["give up a: its successor did not run on node n2 within 5 minutes", "stop b: the move to node n2 was given up: its successor did not run on node n2 within 5 minutes"]);
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", { move: { nodeId: "n9", reason: "", sinceMs: 5 } })]), ["give up a: the node left the cluster"]);
  });

  it("gives up at once when the other node is down or drained", () => {
    const onNode = (change: (node: Node) => Node, tasks: readonly Task[]) => {
      const given = view(tasks);
      return superviseService({ ...given, node: (id) => { const node = given.node(id); return node && id === "n2" ? change(node) : node; } }).steps
        .map((step) => (step.kind === "give-up-move" ? `give up ${step.taskId}: ${step.reason}` : step.kind === "start" ? `start on ${step.task.nodeId}` : `${step.kind} ${step.taskId}`));
    };
    const down = (node: Node): Node => ({ ...node, status: { ...node.status!, state: "DOWN" } });
    assert.deepEqual(onNode(down, [task("a", 1, "n1", "RUNNING", moved)]), ["give up a: node n2 is down"]);
    assert.deepEqual(onNode(down, [task("a", 1, "n1", "RUNNING", moved), task("b", 1, "n2", "STARTING", { desiredState: "SHUTDOWN" })]), ["give up a: node n2 is down"]);
    const drained = (node: Node): Node => ({ ...node, spec: newNodeSpec({ availability: "DRAIN" }) });
    assert.deepEqual(onNode(drained, [task("a", 1, "n1", "RUNNING", moved)]), ["give up a: node n2 is drained"]);
  });

  it("looks again when the time is over", () => {
    assert.equal(superviseService(view([task("a", 1, "n1", "RUNNING", moved), task("b", 1, "n2", "PENDING")])).wakeAtMs, 5 + moveTimeoutMs);
  });

  it("a task that ends while it is moved is not started a third time", () => {
    assert.deepEqual(words([task("a", 1, "n1", "FAILED", moved), task("b", 1, "n2", "STARTING")]), ["stop a: "]);
  });

  it("scaling down removes both", () => {
    assert.deepEqual(words([task("a", 1, "n1", "RUNNING", moved), task("b", 1, "n2", "STARTING")], { replicas: 0 }), ["stop a: scaled to 0", "stop b: scaled to 0"]);
  });
});
