import { strict as assert } from "node:assert";
import { newNodeDescription, type Node } from "../../../model/index.js";
import { maxFailures, nowhere, type ClusterState } from "../state/index.js";
import { addService, nodeOf, specOf, stateOfNodes, type SpecWords } from "../../testing.js";
import { Placer } from "./index.js";

// What the tests of Swarm's own scheduler name (manager/scheduler), with the strategy that Swarm has.
const nowMs = 1_000_000;

/** Names of tasks are never used again: one that is known already would be placed a second time. */
let named = 0;

function run(state: ClusterState, id: string, words: SpecWords, count = words.replicas ?? 1, smallCluster = Infinity): Record<string, number> {
  const { g, tasks } = addService(state, id, specOf(words), 0);
  for (let i = 0; i < count; i++) tasks.push(state.addTask(`${id}.${named++}`, g, 0));
  new Placer(state, { defaultStrategy: "SPREAD", nowMs: () => nowMs, smallCluster }).place(g, tasks);
  const counts: Record<string, number> = {};
  for (const t of tasks) {
    const name = state.tasks.nodeOf(t) === nowhere ? "-" : state.nodes.names[state.tasks.nodeOf(t)]!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

const described = (id: string, fields: Partial<NonNullable<Node["description"]>>): Node => {
  const node = nodeOf(id);
  return { ...node, description: newNodeDescription({ ...node.description!, ...fields }) };
};

for (const [words, smallCluster] of [["node by node", Infinity], ["by indexes", 0]] as const) describe(`as Swarm's scheduler, ${words}`, () => {
  it("HA: a service is evened over nodes that others load unevenly, whatever the others have", () => {
    const state = stateOfNodes(["a", "b", "c", "d", "e"].map((id) => nodeOf(id)));
    for (const [id, count] of [["a", 1], ["b", 2], ["c", 3]] as const) run(state, `x${id}`, { constraints: [`node.id==${id}`] }, count);
    assert.deepEqual(run(state, "s1", {}, 18, smallCluster), { a: 4, b: 3, c: 3, d: 4, e: 4 });
    assert.deepEqual(run(state, "s2", {}, 5, smallCluster), { a: 1, b: 1, c: 1, d: 1, e: 1 });
    assert.deepEqual(run(state, "one", {}, 1, smallCluster), { d: 1 });
  });

  it("Preferences and MultiplePreferences: even over zones, then racks, missing labels together, and so again after scaling up", () => {
    const at = (id: string, zone: string, rack: string, cpu = 100) => nodeOf(id, { cpu, labels: { zone, rack } });
    const state = stateOfNodes([at("a", "az1", "r1"), at("b", "az1", "r1"), at("c", "az1", "r2"), at("d", "az2", "r1"), nodeOf("e", { cpu: 100 })]);
    const rules = { spread: ["node.labels.zone", "node.labels.rack"], cpu: 0.1 };
    assert.deepEqual(run(state, "s", rules, 12, smallCluster), { a: 1, b: 1, c: 2, d: 4, e: 4 });
    assert.deepEqual(run(state, "s", rules, 12, smallCluster), { a: 1, b: 1, c: 2, d: 4, e: 4 });
    assert.deepEqual(run(state, "zones", { spread: ["node.labels.zone"] }, 6, smallCluster), { a: 1, b: 1, d: 2, e: 2 });
  });

  it("NoReadyNodes: tasks wait, and go as soon as a node is ready", () => {
    const state = stateOfNodes([nodeOf("a", { isDown: true }), nodeOf("b", { isDrained: true })]);
    assert.deepEqual(run(state, "s", {}, 1, smallCluster), { "-": 1 });
    state.setNode(nodeOf("a"));
    assert.deepEqual(run(state, "s", {}, 1, smallCluster), { a: 1 });
  });

  it("FaultyNode and FaultyNodeSpecVersion: five failures of this revision in five minutes, not of another one", () => {
    const state = stateOfNodes([nodeOf("a"), nodeOf("b")]);
    for (let i = 0; i < maxFailures; i++) {
      state.failures.note(0, "s.1", nowMs - 1_000);
      if (i > 0) state.failures.note(0, "few.1", nowMs - 1_000);
      state.failures.note(0, "other.0", nowMs - 1_000);
    }
    assert.deepEqual(run(state, "s", {}, 4, smallCluster), { b: 4 });
    assert.deepEqual(run(state, "few", {}, 2, smallCluster), { a: 1, b: 1 });
    assert.deepEqual(run(state, "other", {}, 2, smallCluster), { a: 1, b: 1 });
  });

  it("ResourceConstraint: CPU, memory and generic resources bound what a node takes; ResourceConstraintDeadTask: what ended gives them back", () => {
    const state = stateOfNodes([nodeOf("a", { cpu: 2, memoryMiB: 1000, generic: { orange: 2 } }), nodeOf("b", { cpu: 2, memoryMiB: 4000, generic: { orange: ["blue", "red"], apple: 1 } })]);
    assert.deepEqual(run(state, "m", { memoryMiB: 1500 }, 3, smallCluster), { b: 2, "-": 1 });
    assert.deepEqual(run(state, "apple", { generic: { apple: 1 } }, 2, smallCluster), { b: 1, "-": 1 });
    assert.deepEqual(run(state, "orange", { generic: { orange: 1 } }, 5, smallCluster), { a: 2, b: 2, "-": 1 });
    for (const t of [...state.tasks.rows()]) state.removeTask(t);
    assert.deepEqual(run(state, "again", { memoryMiB: 1500 }, 2, smallCluster), { b: 2 });
  });

  it("ResourceConstraintHA: a node that is full leaves the others to be evened", () => {
    const state = stateOfNodes([nodeOf("a", { memoryMiB: 1000 }), nodeOf("b", { memoryMiB: 100_000 }), nodeOf("c", { memoryMiB: 100_000 })]);
    assert.deepEqual(run(state, "s", { memoryMiB: 500 }, 10, smallCluster), { a: 2, b: 4, c: 4 });
  });

  it("CompatiblePlatform and PluginConstraint: x86_64 is amd64; a driver that a node does not list is not there", () => {
    const state = stateOfNodes([described("amd", { arch: "x86_64", plugins: ["log/json-file"] }), described("arm", { arch: "aarch64" }), described("windows", { os: "windows" })]);
    assert.deepEqual(run(state, "s", { platforms: ["linux/amd64"] }, 2, smallCluster), { amd: 2 });
    assert.deepEqual(run(state, "two", { platforms: ["linux/arm64", "windows/amd64"] }, 2, smallCluster), { arm: 1, windows: 1 });
    const spec = specOf({});
    const { g, tasks } = addService(state, "ingress", { ...spec, endpoint: { mode: "VIP", ports: [{ protocol: "TCP", targetPort: 80, publishedPort: 80, mode: "INGRESS" }] } }, 1);
    assert.equal(new Placer(state, { defaultStrategy: "SPREAD", nowMs: () => nowMs, smallCluster }).place(g, tasks), 1);
    assert.notEqual(state.nodes.names[state.tasks.nodeOf(tasks[0]!)], "amd");
  });

  it("HostPort, MaxReplicas: once for each port and protocol on a node; at most so many of a service", () => {
    const state = stateOfNodes([nodeOf("a"), nodeOf("b")]);
    assert.deepEqual(run(state, "p", { hostPorts: [58] }, 3, smallCluster), { a: 1, b: 1, "-": 1 });
    assert.deepEqual(run(state, "q", { hostPorts: [59] }, 1, smallCluster), { a: 1 });
    assert.deepEqual(run(state, "m", { maxPerNode: 1 }, 3, smallCluster), { a: 1, b: 1, "-": 1 });
  });

  it("PreassignedTasks: a task that names its node goes there only, and holds what it takes", () => {
    const state = stateOfNodes([nodeOf("a", { cpu: 1 }), nodeOf("b", { cpu: 1 })]);
    const { tasks } = addService(state, "global", specOf({ cpu: 1 }), 2);
    const placer = new Placer(state, { defaultStrategy: "SPREAD", nowMs: () => nowMs, smallCluster });
    assert.deepEqual([placer.placeOn(tasks[0]!, 0), placer.placeOn(tasks[1]!, 0)], [true, false]);
    assert.deepEqual(run(state, "s", { cpu: 1 }, 2, smallCluster), { b: 1, "-": 1 });
  });

  it("TreeTaskCountConsistency: counts follow tasks that move, stop counting or end", () => {
    const state = stateOfNodes([nodeOf("a", { cpu: 100, labels: { zone: "1" } }), nodeOf("b", { cpu: 100, labels: { zone: "2" } })]);
    const rules = { spread: ["node.labels.zone"], cpu: 0.1 };
    run(state, "s", rules, 4, smallCluster);
    const onA = [...state.tasks.rows()].filter((t) => state.tasks.nodeOf(t) === 0);
    state.setCounts(onA[0]!, false);
    state.removeTask(onA[1]!);
    assert.deepEqual(run(state, "s", rules, 2, smallCluster), { a: 2 });
  });
});
