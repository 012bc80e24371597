import assert from "node:assert/strict";
import { newNodeDescription } from "../../../model/index.js";
import { addService, nodeOf, specOf, stateOfNodes } from "../../testing.js";
import { explainRefusals, sentenceForNode, sentenceOf } from "./index.js";

describe("why no node fits", () => {
  it("every filter speaks for the nodes that it refused first, most nodes first", () => {
    const arm = nodeOf("arm", { labels: { disk: "ssd" } });
    const state = stateOfNodes([
      nodeOf("d1", { isDown: true }), { ...arm, description: newNodeDescription({ ...arm.description!, arch: "aarch64" }) },
      nodeOf("hdd1", { labels: { disk: "hdd" } }), nodeOf("hdd2", { labels: { disk: "hdd" } }),
      nodeOf("m1", { memoryMiB: 1280 }), nodeOf("m2", { memoryMiB: 1024 }), nodeOf("c1", { cpu: 0.5 }), nodeOf("full"),
      nodeOf("taken", { taints: [{ key: "dedicated", value: "batch", effect: "NO_SCHEDULE" }] }),
    ]);
    const { g, tasks } = addService(state, "s", specOf({ cpu: 1, memoryMiB: 4096, constraints: ["node.labels.disk!=hdd"], platforms: ["linux/amd64"], maxPerNode: 2 }), 3);
    for (const t of tasks.slice(0, 2)) state.place(t, state.nodes.rowOf("full")!);
    const reasons = explainRefusals(state, g);
    assert.equal(sentenceOf(reasons), "no node fits: constraint node.labels.disk!=hdd not met (2 nodes); needs 4.0 GiB memory, most free is 1.2 GiB on m1 (2 nodes); "
      + "image is for linux/amd64, node is linux/arm64 (1 node); needs 1 CPU, most free is 0.5 on c1 (1 node); node has its 2 tasks of this service already (1 node); "
      + "node has taint dedicated=batch, which the service does not tolerate (1 node); node is down (1 node)");
    assert.deepEqual(reasons.map(({ filter }) => filter), ["constraint", "resources", "platform", "resources", "max-per-node", "taint", "ready"]);
  });

  it("amounts of every kind are told of the node that has most", () => {
    const state = stateOfNodes([nodeOf("a", { generic: { licence: 1 }, gpus: { T4: 1 } }), nodeOf("b", { generic: { licence: 2 }, gpus: { T4: 2 } }), nodeOf("c")]);
    assert.equal(sentenceOf(explainRefusals(state, addService(state, "s", specOf({ generic: { licence: 3 } })).g)), "no node fits: needs 3 licence, most free is 2 on b (3 nodes)");
    assert.equal(sentenceOf(explainRefusals(state, addService(state, "g", specOf({ gpu: { count: 4 } })).g)), "no node fits: needs 4 whole GPUs, most free is 2 on b (3 nodes)");
    assert.equal(sentenceOf(explainRefusals(state, addService(state, "h", specOf({ gpu: { count: 1, models: ["H100"] } })).g)), "no node fits: node has no GPU of model H100 (3 nodes)");
  });

  it("an empty cluster is told as such, a node that a task names by its name", () => {
    const empty = stateOfNodes([]);
    assert.equal(sentenceOf(explainRefusals(empty, addService(empty, "s", specOf()).g)), "no node fits: the cluster has no node");
    const state = stateOfNodes([nodeOf("n1", { memoryMiB: 1024 }), nodeOf("n2", { isDrained: true })]);
    const { g } = addService(state, "s", specOf({ memoryMiB: 4096 }));
    assert.equal(sentenceForNode("n1", explainRefusals(state, g, [0])), "waits for node n1: needs 4.0 GiB memory, most free is 1.0 GiB on n1");
    assert.equal(sentenceForNode("gone", []), "waits for node gone: it is not in the cluster");
  });
});
