import assert from "node:assert/strict";
import { addService, nodeOf, specOf, stateOfNodes, volumeOf } from "../../testing.js";
import { Placer } from "../place/index.js";
import { audit } from "../state/index.js";
import { changeCommand, changeWords, explain, type Names } from "./index.js";

const names: Names = { service: (id) => id, task: (id) => id };

/** What would let one more task with these mounts fit: "condition → nodes | command". n1 and n2 are in rack a, n3 in rack b. */
function suggestionsFor(mounts: readonly string[], volumes: readonly Parameters<typeof volumeOf>[], users: readonly { on: number; mounts: string[]; isStopping?: boolean }[] = [], drained: readonly string[] = []): string[] {
  const state = stateOfNodes(["n1", "n2", "n3"].map((id) => nodeOf(id, { labels: { rack: id === "n3" ? "b" : "a" }, isDrained: drained.includes(id) })));
  for (const words of volumes) state.setVolume(volumeOf(...words));
  for (const [i, { on, mounts: held, isStopping = false }] of users.entries()) state.place(addService(state, `user${i}`, specOf({ volumes: held })).tasks[0]!, on, !isStopping);
  const { g } = addService(state, "new", specOf({ volumes: mounts }));
  const copy = state.copy();
  const steps = explain(copy, g, { candidates: 0, suggests: true, rank: (group, limit) => new Placer(copy, { defaultStrategy: "PACK", nowMs: () => 0 }).rankSteps(group, limit) });
  let step = steps.next();
  while (!step.done) step = steps.next();
  assert.deepEqual(audit(copy, state), [], "it is as it was");
  return step.value.suggestions.map(({ changes, nodes }) =>
    [`${changes.map((change) => changeWords(change, names)).join(" and ")} → ${nodes.map((n) => state.nodes.names[n]).join(" ")}`, ...changes.map((change) => changeCommand(change, names, "new")).filter(Boolean)].join(" | "));
}

describe("what would give a task its volumes of the cluster", () => {
  it("a volume that is let go on", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { availability: "VOLUME_PAUSE" }]]), ["volume v is paused no longer → n1 n2 n3 | swarmctl volume update --cluster --availability active v"]);
    assert.deepEqual(suggestionsFor(["v"], [["v", { availability: "VOLUME_DRAIN", nodeId: "n2" }]]), ["volume v is drained no longer → n2 | swarmctl volume update --cluster --availability active v"]);
  });

  it("the node of its data, made active again", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { nodeId: "n2" }]], [], ["n2"]), ["node n2 is drained no longer → n2 | swarmctl node update --availability active n2"]);
  });

  it("a topology without what keeps a node out", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { topology: ["node.labels.rack==c", "node.role==worker"] }]]),
      ["volume v is not only for nodes with node.labels.rack==c → n1 n2 n3 | swarmctl volume update --cluster --topology-rm node.labels.rack==c v"]);
  });

  it("reading where it would write", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { scope: "MULTI_NODE", sharing: "SHARE_ONE_WRITER" }]], [{ on: 0, mounts: ["v"] }]), ["it mounts volume v for reading only → n1 n2 n3"]);
    assert.deepEqual(suggestionsFor(["v"], [["v", { sharing: "SHARE_READ_ONLY" }]]), ["it mounts volume v for reading only → n1 n2 n3"]);
  });

  it("one more volume of its group", () => {
    assert.deepEqual(suggestionsFor(["group:pg"], [["pg-1", { group: "pg" }]], [{ on: 0, mounts: ["group:pg"] }])[0], "group pg has another volume → n1 n2 n3 | swarmctl volume create --cluster --group pg NAME");
    assert.deepEqual(suggestionsFor(["group:pg"], []), ["group pg has another volume → n1 n2 n3 | swarmctl volume create --cluster --group pg NAME"]);
  });

  it("the end of a task that is being stopped and has it", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { nodeId: "n1" }]], [{ on: 0, mounts: ["v"], isStopping: true }]), ["user0.1, which is being stopped on n1, had ended → n1"]);
  });

  it("nothing, where only who has it could give it up", () => {
    assert.deepEqual(suggestionsFor(["v"], [["v", { nodeId: "n1" }]], [{ on: 0, mounts: ["v"] }]), []);
  });
});
