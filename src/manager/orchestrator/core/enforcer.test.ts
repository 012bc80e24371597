import assert from "node:assert/strict";
import { newNode, newNodeDescription, newNodeSpec, newPlacement, newResources, newServiceSpec, newTask, newTaskSpec, type Resources, type Taint, type Toleration } from "../../../model/index.js";
import { evictionOf } from "./enforcer.js";
import { takesNewTask } from "./global.js";

const node = (...taints: Taint[]) => newNode({ id: "n", description: newNodeDescription({ hostname: "h4" }), spec: newNodeSpec({ taints }), status: { state: "READY", message: "", addr: "", sinceMs: 0 } });
const spec = (...tolerations: Toleration[]) => newServiceSpec({ task: newTaskSpec({ placement: newPlacement({ tolerations }) }) });
const taint = (effect: Taint["effect"]): Taint => ({ key: "dedicated", value: "ml", effect });
const task = newTask({ id: "t", nodeId: "n" });

describe("tainted nodes", () => {
  it("no-execute moves tasks away that do not tolerate it, and says so; the other effects do not", () => {
    assert.equal(evictionOf(task, spec(), node(taint("NO_EXECUTE")))?.reason, "node h4 has taint dedicated=ml with effect no-execute, which the service does not tolerate");
    for (const tolerant of [{ key: "dedicated", value: "" }, { key: "dedicated", value: "ml" }]) assert.equal(evictionOf(task, spec(tolerant), node(taint("NO_EXECUTE"))), undefined);
    assert.ok(evictionOf(task, spec({ key: "dedicated", value: "web" }), node(taint("NO_EXECUTE"))));
    assert.equal(evictionOf(task, spec(), node(taint("NO_SCHEDULE"), taint("PREFER_NO_SCHEDULE"))), undefined);
  });

  it("a global service makes no task for a node that would refuse it", () => {
    assert.deepEqual((["NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"] as const).map((effect) => takesNewTask(node(taint(effect)), spec())), [false, false, true]);
    assert.equal(takesNewTask(node(taint("NO_SCHEDULE")), spec({ key: "dedicated", value: "ml" })), true);
  });
});

describe("devices that a node lost", () => {
  const withResources = (resources: Partial<Resources>) => ({ ...node(), description: newNodeDescription({ hostname: "h4", resources: newResources(resources) }) });
  const holder = newTask({ id: "t", nodeId: "n", gpus: [{ id: "g1", millis: 500 }], assigned: [{ kind: "fpga", count: 2, ids: ["f1", "f2"] }] });
  const gpus = [{ id: "g1", model: "T4", memoryBytes: 0 }];
  const reason = (resources: Partial<Resources>) => evictionOf(holder, spec(), withResources(resources))?.reason;

  it("move exactly those tasks away that have them", () => {
    assert.equal(reason({ gpus, generic: [{ kind: "fpga", count: 0, ids: ["f0", "f1", "f2"] }] }), undefined);
    assert.equal(reason({ gpus, generic: [{ kind: "fpga", count: 0, ids: ["f0", "f1", "f3"] }] }), "node h4 has no fpga f2 any more");
    assert.equal(reason({ gpus }), "node h4 has no fpga f1 any more");
    assert.equal(reason({ gpus: [{ ...gpus[0]!, id: "g2" }], generic: [{ kind: "fpga", count: 0, ids: ["f1", "f2"] }] }), "node h4 has no GPU g1 any more");
    assert.equal(evictionOf(task, spec(), withResources({})), undefined);
  });

  it("are not asked for by name where the node only counts them now", () => assert.equal(reason({ gpus, generic: [{ kind: "fpga", count: 2, ids: [] }] }), undefined));
});
