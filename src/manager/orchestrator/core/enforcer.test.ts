import assert from "node:assert/strict";
import { newNode, newNodeDescription, newNodeSpec, newPlacement, newServiceSpec, newTask, newTaskSpec, type Taint, type Toleration } from "../../../model/index.js";
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
