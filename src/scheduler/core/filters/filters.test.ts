import { strict as assert } from "node:assert";
import { unlimited, type ClusterState } from "../state/index.js";
import { addService, nodeOf, specOf, stateOfNodes, type NodeWords, type SpecWords } from "../../testing.js";
import { filters } from "./index.js";

const stateOf = (nodes: Readonly<Record<string, NodeWords>>) => stateOfNodes(Object.entries(nodes).map(([id, words]) => nodeOf(id, words)));

/** What each filter that is concerned says of node `id`: its room, or its refusals. */
function answers(state: ClusterState, g: number, id: string): Record<string, number | string> {
  const n = state.nodes.rowOf(id)!;
  return Object.fromEntries(filters.filter((filter) => filter.concerns(state, g)).map((filter) => {
    const room = filter.room(state, g, n);
    assert.equal(filter.refusals(state, g, n).length > 0, room === 0);
    return [filter.name, room === 0 ? filter.refusals(state, g, n).map(({ detail }) => detail).join("; ") : room];
  }));
}

function place(state: ClusterState, id: string, words: SpecWords, ...nodes: string[]): number {
  const { g, tasks } = addService(state, id, specOf(words), nodes.length);
  for (const [i, node] of nodes.entries()) state.place(tasks[i]!, state.nodes.rowOf(node)!);
  return g;
}

const groupOf = (state: ClusterState, words: SpecWords, id = "s") => addService(state, id, specOf(words), 0).g;

describe("resources filter", () => {
  it("tells every amount that is missing, in the units that users write", () => {
    const state = stateOf({ a: { cpu: 1.5, memoryMiB: 1229, generic: { licence: 1 } } });
    assert.deepEqual(answers(state, groupOf(state, { cpu: 2, memoryMiB: 2048, generic: { licence: 2, oven: 1 } }), "a"),
      { resources: "needs 2 CPU, 1.5 free; needs 2.0 GiB memory, 1.2 GiB free; needs 2 licence, 1 free; needs 1 oven, node has none" });
  });

  it("has room for as many as the scarcest amount allows", () => {
    const state = stateOf({ a: { cpu: 2, memoryMiB: 1000 } });
    assert.deepEqual(answers(state, groupOf(state, { cpu: 0.5, memoryMiB: 300 }), "a"), { resources: 3 });
    assert.deepEqual(answers(state, groupOf(state, {}, "nothing"), "a"), {});
  });

  it("shows nothing free where less than nothing is", () => {
    const state = stateOf({ a: { cpu: 1 } });
    place(state, "x", { cpu: 4 }, "a");
    assert.deepEqual(answers(state, groupOf(state, { cpu: 1 }), "a"), { resources: "needs 1 CPU, 0 free" });
  });
});

describe("gpu filter", () => {
  const nodes = { a: { gpus: { A100: 2 } }, none: {}, mixed: { gpus: { A100: 1, T4: 2 } } };

  it("counts whole devices of the models that are asked for", () => {
    const state = stateOf(nodes);
    place(state, "x", { gpu: { count: 1 } }, "a");
    const g = groupOf(state, { gpu: { count: 2, models: ["A100"] } });
    assert.deepEqual([answers(state, g, "a"), answers(state, g, "none"), answers(state, g, "mixed")].map(({ gpu }) => gpu),
      ["needs 2 whole GPUs of A100, 1 is free", "needs 2 whole GPUs of A100, node has none", "needs 2 whole GPUs of A100, 1 is free"]);
    assert.deepEqual(answers(state, groupOf(state, { gpu: { count: 1 } }, "one"), "mixed"), { gpu: 3 });
  });

  it("a share must be free on one device", () => {
    const state = stateOf({ a: { gpus: { T4: 2 } } });
    place(state, "x", { gpu: { millis: 700 } }, "a", "a");
    assert.deepEqual(answers(state, groupOf(state, { gpu: { millis: 400 } }), "a"), { gpu: "needs 0.4 of one GPU, most free on one is 0.3" });
    assert.deepEqual(answers(state, groupOf(state, { gpu: { millis: 150 } }, "small"), "a"), { gpu: 4 });
  });
});

describe("host port filter", () => {
  it("names the ports that are in use", () => {
    const state = stateOf({ a: {}, b: {} });
    place(state, "x", { hostPorts: [80, 443] }, "a");
    const g = groupOf(state, { hostPorts: [443, 8080] });
    assert.deepEqual([answers(state, g, "a"), answers(state, g, "b")], [{ "host-port": "host port 443/tcp in use" }, { "host-port": 1 }]);
  });
});

describe("limits per place", () => {
  const nodes = { a1: { labels: { zone: "a" } }, a2: { labels: { zone: "a" } }, b: { labels: { zone: "b" } } };

  it("max-per-node counts tasks of the service, of any revision, that are wanted", () => {
    const state = stateOf(nodes);
    const g = place(state, "s", { maxPerNode: 2 }, "a1", "a1", "b");
    assert.deepEqual(["a1", "a2", "b"].map((id) => answers(state, g, id)["max-per-node"]), ["node has its 2 tasks of this service already", 2, 1]);
    state.setCounts(state.nodes.firstTask[0]!, false);
    assert.equal(answers(state, g, "a1")["max-per-node"], 1);
  });

  it("max-per counts over the nodes with the same value of a label", () => {
    const state = stateOf(nodes);
    const g = place(state, "s", { maxPer: [{ key: "node.labels.zone", count: 1 }, { key: "node.labels.rack", count: 5 }] }, "a1");
    assert.deepEqual(["a1", "a2", "b"].map((id) => answers(state, g, id)["max-per"]), ["node.labels.zone=a has its 1 task of this service already", "node.labels.zone=a has its 1 task of this service already", 1]);
  });
});

describe("affinity filter", () => {
  const nodes = { a1: { labels: { zone: "a" } }, a2: { labels: { zone: "a" } }, b: { labels: { zone: "b" } } };
  const rule = (service: string, anti: boolean, key = "node.labels.zone") => ({ affinities: [{ service, anti, required: true, weight: 0, key }] });

  it("lets tasks only where one of the other service is", () => {
    const state = stateOf(nodes);
    const g = groupOf(state, rule("db", false));
    assert.equal(answers(state, g, "b")["affinity"], "must be near service db: node.labels.zone=b has no task of it");
    place(state, "db", {}, "a1");
    assert.deepEqual(["a1", "a2", "b"].map((id) => answers(state, g, id)["affinity"]), [unlimited, unlimited, "must be near service db: node.labels.zone=b has no task of it"]);
  });

  it("keeps tasks from where one of the other service is, and that service from where they are", () => {
    const state = stateOf(nodes);
    place(state, "db", {}, "a1");
    const g = groupOf(state, rule("db", true), "shy");
    assert.deepEqual(["a2", "b"].map((id) => answers(state, g, id)["affinity"]), ["keeps away from service db: node.labels.zone=a has 1 task of it", unlimited]);
    place(state, "shy", rule("db", true), "b");
    assert.equal(answers(state, state.groups.rowOf("db.1")!, "b")["affinity"], "service shy keeps away from this one: node.labels.zone=b has 1 task of it");
  });

  it("to itself: the first goes anywhere; away from itself: one in each place", () => {
    const state = stateOf(nodes);
    const together = groupOf(state, rule("", false, ""), "together");
    assert.equal(answers(state, together, "b")["affinity"], unlimited);
    place(state, "together", rule("", false, ""), "a1");
    assert.deepEqual(["a1", "a2"].map((id) => answers(state, together, id)["affinity"]), [unlimited, "must be near this service: node a2 has no task of it"]);
    const apart = place(state, "apart", rule("", true), "a1");
    assert.deepEqual(["a2", "b"].map((id) => answers(state, apart, id)["affinity"]), ["keeps away from this service: node.labels.zone=a has 1 task of it", 1]);
  });

  it("forgets whom a service keeps away from when its last task is gone", () => {
    const state = stateOf(nodes);
    const { g, tasks } = addService(state, "shy", specOf(rule("db", true)), 1);
    state.place(tasks[0]!, 0);
    const db = groupOf(state, {}, "db");
    assert.equal(typeof answers(state, db, "a1")["affinity"], "string");
    state.removeTask(tasks[0]!);
    state.releaseGroup(g);
    assert.deepEqual(answers(state, db, "a1"), {});
  });
});
