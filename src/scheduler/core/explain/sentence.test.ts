import assert from "node:assert/strict";
import { newNodeDescription } from "../../../model/index.js";
import { addService, nodeOf, specOf, stateOfNodes } from "../../testing.js";
import { compileSpec } from "../state/index.js";
import { collectCauses, explainRefusals, refusalsOn, sentenceForNode, sentenceOf } from "./index.js";

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

  it("where nothing is free anywhere a node is named that has some at all", () => {
    const state = stateOfNodes([nodeOf("a"), nodeOf("b", { generic: { fpga: 1 } }), nodeOf("c")]);
    const { g, tasks } = addService(state, "s", specOf({ generic: { fpga: 1 }, replicas: 2 }));
    state.place(tasks[0]!, 1);
    assert.equal(sentenceOf(explainRefusals(state, g)), "no node fits: needs 1 fpga, most free is 0 on b (3 nodes)");
    const steps = collectCauses(state, g);
    for (let step = steps.next(); ; step = steps.next()) {
      if (!step.done) continue;
      assert.deepEqual(step.value.causes.map(({ detail }) => detail), ["needs 1 fpga, most free is 0 on b"]);
      break;
    }
  });

  for (const [gpu, needs] of [[{ count: 1 }, "1 whole GPU, most free is 0 on b"], [{ count: 1, millis: 500 }, "0.5 of one GPU, most free on one is 0, on b"]] as const) {
    it(`GPUs that are all taken are not "none": needs ${needs}`, () => {
      const state = stateOfNodes([nodeOf("a"), nodeOf("b", { gpus: { T4: 1 } }), nodeOf("c")]);
      state.place(addService(state, "full", specOf({ gpu: { count: 1 } })).tasks[0]!, 1);
      const { g } = addService(state, "s", specOf({ gpu }));
      assert.equal(sentenceOf(explainRefusals(state, g)), `no node fits: needs ${needs} (3 nodes)`);
      const steps = collectCauses(state, g);
      for (let step = steps.next(); ; step = steps.next()) {
        if (!step.done) continue;
        assert.deepEqual(step.value.causes.map(({ detail }) => detail), [`needs ${needs}`]);
        break;
      }
    });
  }

  it("nodes without the label are a place without a name, and a label of a page is told by its beginning", () => {
    const state = stateOfNodes([nodeOf("a"), nodeOf("b", { labels: { zone: "z".repeat(10_000) } }), nodeOf("c", { labels: { zone: "c" } })]);
    const { g, tasks } = addService(state, "s", specOf({ maxPer: [{ key: "node.labels.zone", count: 1 }] }), 4);
    state.place(tasks[0]!, 0);
    assert.deepEqual(refusalsOn(state, g, 0), ["node.labels.zone=(none) has its 1 task of this service already"]);
    state.place(tasks[1]!, 1);
    state.place(tasks[2]!, 2);
    assert.equal(sentenceOf(explainRefusals(state, g)), `no node fits: node.labels.zone=(none), ${"z".repeat(80)}… and 1 more have their 1 task of this service already (3 nodes)`);
  });

  it("every filter has its words, and a node is told everything that is in the way", () => {
    const plain = nodeOf("n1", { cpu: 1, memoryMiB: 512, labels: { zone: "a" } });
    const node = { ...plain, description: newNodeDescription({ ...plain.description!, plugins: ["network/overlay"], resources: { ...plain.description!.resources!, diskBytes: 2 ** 30, pids: 100 } }) };
    const state = stateOfNodes([node]);
    const place = (id: string, spec: Parameters<typeof specOf>[0]) => state.place(addService(state, id, specOf(spec)).tasks[0]!, 0);
    place("db", {});
    place("port", { hostPorts: [80] });
    place("own", { name: "own" });
    const spec = specOf({
      cpu: 2, memoryMiB: 1024, gpu: { count: 1, models: ["T4"] }, generic: { fpga: 1 }, hostPorts: [80], maxPerNode: 1, maxPer: [{ key: "node.labels.zone", count: 1 }],
      constraints: ["node.labels.disk exists"], platforms: ["windows/amd64"],
      affinities: [{ service: "db", anti: true, required: true, weight: 0, key: "" }, { service: "cache", anti: false, required: true, weight: 0, key: "node.labels.zone" }],
    });
    const task = { ...spec.task!, logDriver: { name: "journald", options: {} }, reservations: { ...spec.task!.reservations!, diskBytes: 2 ** 31, pids: 200 } };
    const g = state.groupOf("own.2", "own", () => compileSpec("own", { ...spec, task }));
    state.holdGroup(g);
    state.bar(0, true);
    assert.deepEqual(refusalsOn(state, g, 0), [
      "constraint node.labels.disk exists not met",
      "image is for windows/amd64, node is linux/amd64",
      "node has no plugin log/journald",
      "node has no GPU of model T4",
      "node is kept for another service, which waits for room",
      "keeps away from service db: node n1 has 1 task of it",
      "must be near service cache: node.labels.zone=a has no task of it",
      "node has its 1 task of this service already",
      "node.labels.zone=a has its 1 task of this service already",
      "needs 2 CPU, 1 free",
      "needs 1.0 GiB memory, 512.0 MiB free",
      "needs 2.0 GiB disk, 1.0 GiB free",
      "needs 200 processes, 100 free",
      "needs 1 fpga, node has none",
      "host port 80/tcp in use",
    ]);
    const steps = collectCauses(state, g);
    let step = steps.next();
    while (!step.done) step = steps.next();
    assert.deepEqual(new Set(step.value.causes.map(({ filter }) => filter)), new Set(["constraint", "platform", "plugin", "gpu-model", "reserved", "affinity", "max-per-node", "max-per", "resources", "host-port"]));
    assert.equal(step.value.causes.length, 15);
  });

  it("nodes that are refused for what runs on them are told together, two of them by name", () => {
    const state = stateOfNodes(Array.from({ length: 5 }, (_, i) => nodeOf(`n${i + 1}`, { labels: { zone: i < 2 ? "a" : "b" } })));
    const { tasks } = addService(state, "web", specOf({ replicas: 5 }));
    for (const [n, t] of tasks.entries()) state.place(t, n);
    const told = (id: string, words: Parameters<typeof specOf>[0]) => {
      const { g } = addService(state, id, specOf(words));
      const steps = collectCauses(state, g);
      let step = steps.next();
      while (!step.done) step = steps.next();
      const short = sentenceOf(explainRefusals(state, g)).replace("no node fits: ", "");
      assert.equal(short, step.value.causes.map(({ detail, nodes }) => `${detail} (${nodes.length} nodes)`).join("; "), "the long form says the same");
      return short;
    };
    const rule = (service: string, anti: boolean, key = "") => ({ service, anti, required: true, weight: 0, key });
    assert.equal(told("away", { affinities: [rule("web", true)] }), "keeps away from service web: nodes n1, n2 and 3 more have tasks of it (5 nodes)");
    assert.equal(told("host", { affinities: [rule("web", true, "node.hostname")] }), "keeps away from service web: node.hostname=n1, n2 and 3 more have tasks of it (5 nodes)");
    assert.equal(told("zone", { affinities: [rule("web", true, "node.labels.zone")] }), "keeps away from service web: node.labels.zone=a and b have tasks of it (5 nodes)");
    assert.equal(told("near", { affinities: [rule("db", false)] }), "must be near service db: nodes n1, n2 and 3 more have no task of it (5 nodes)");
  });

  it("an empty cluster is told as such, a node that a task names by its name", () => {
    const empty = stateOfNodes([]);
    assert.equal(sentenceOf(explainRefusals(empty, addService(empty, "s", specOf()).g)), "no node fits: the cluster has no node");
    const state = stateOfNodes([nodeOf("n1", { memoryMiB: 1024 }), nodeOf("n2", { isDrained: true })]);
    const { g } = addService(state, "s", specOf({ memoryMiB: 4096 }));
    assert.equal(sentenceForNode("n1", explainRefusals(state, g, [0])), "waits for node n1: needs 4.0 GiB memory, 1.0 GiB free");
    assert.equal(sentenceForNode("gone", []), "waits for node gone: it is not in the cluster");
  });
});
