import { strict as assert } from "node:assert";
import {
  newEndpointSpec, newNode, newNodeDescription, newNodeSpec, newPlacement, newPort, newResources, newServiceSpec, newTask, newTaskSpec, newTaskStatus,
  type Placement, type ServiceSpec,
} from "../../model/index.js";
import { filters } from "../filters/index.js";
import { ClusterState, maxFailures, shapeOf } from "./cluster-state.js";
import { explainRefusals, sentenceOf } from "./explain.js";
import { placeGroup } from "./place.js";

const gib = 2 ** 30;

function node(id: string, fields: { cpuMillis?: number; memoryBytes?: number; labels?: Record<string, string>; arch?: string; plugins?: string[] } = {}) {
  const { cpuMillis = 4_000, memoryBytes = 8 * gib, labels = {}, arch = "amd64", plugins = [] } = fields;
  return newNode({
    id, spec: newNodeSpec({ labels }), status: { state: "READY", message: "", addr: "", sinceMs: 0 },
    description: newNodeDescription({ hostname: id, arch, plugins, resources: newResources({ cpuMillis, memoryBytes }) }),
  });
}

function stateOf(...nodes: ReturnType<typeof node>[]) {
  const state = new ClusterState();
  for (const each of nodes) state.setNode(each);
  return state;
}

let sequence = 0;
const service = (name: string, fields: { cpuMillis?: number; memoryBytes?: number; replicas?: number; placement?: Partial<Placement>; spec?: Partial<ServiceSpec> } = {}) =>
  shapeOf(name, `${name}.1`, newServiceSpec({
    name, replicas: fields.replicas ?? 1, ...fields.spec,
    task: newTaskSpec({ reservations: newResources({ cpuMillis: fields.cpuMillis ?? 0, memoryBytes: fields.memoryBytes ?? 0 }), placement: newPlacement(fields.placement) }),
  }));

function place(state: ClusterState, shape: ReturnType<typeof service>, count: number, defaultStrategy: "PACK" | "SPREAD" = "PACK") {
  const ids = Array.from({ length: count }, () => `task${sequence++}`);
  const { assigned, left } = placeGroup(state, shape, ids, { filters, defaultStrategy, nowMs: 1_000_000 });
  const counts: Record<string, number> = {};
  for (const { nodeId } of assigned) counts[nodeId] = (counts[nodeId] ?? 0) + 1;
  return { counts, left: left.length };
}

describe("placement", () => {
  it("packs onto the fullest node that fits, and keeps large room free", () => {
    const state = stateOf(node("a"), node("b"), node("c"));
    assert.deepEqual(place(state, service("s1", { cpuMillis: 2_000 }), 1).counts, { a: 1 });
    assert.deepEqual(place(state, service("s2", { cpuMillis: 1_000 }), 1).counts, { a: 1 });
    assert.deepEqual(place(state, service("s3", { cpuMillis: 2_000 }), 1).counts, { b: 1 });
    assert.deepEqual(place(state, service("s4", { cpuMillis: 1_000 }), 1).counts, { a: 1 });
    assert.deepEqual(place(state, service("s5", { cpuMillis: 4_000 }), 2), { counts: { c: 1 }, left: 1 });
  });

  it("the dominant share decides: memory counts as much as CPU", () => {
    const state = stateOf(node("a"), node("b"));
    place(state, service("cpu", { cpuMillis: 1_000, placement: { constraints: ["node.id==a"] } }), 1);
    place(state, service("memory", { memoryBytes: 4 * gib, placement: { constraints: ["node.id==b"] } }), 1);
    assert.deepEqual(place(state, service("s", { cpuMillis: 100 }), 1).counts, { b: 1 });
  });

  it("packing leaves at most half of a service's replicas on one node while others fit", () => {
    assert.deepEqual(place(stateOf(node("a"), node("b"), node("c")), service("s", { cpuMillis: 100, replicas: 6 }), 6).counts, { a: 3, b: 3 });
    assert.deepEqual(place(stateOf(node("a"), node("b")), service("s", { cpuMillis: 100, replicas: 2 }), 2).counts, { a: 1, b: 1 });
    assert.deepEqual(place(stateOf(node("a")), service("s", { cpuMillis: 100, replicas: 6 }), 6).counts, { a: 6 });
  });

  it("tasks that reserve nothing are spread, also when packing", () => {
    assert.deepEqual(place(stateOf(node("a"), node("b"), node("c")), service("s", { replicas: 9 }), 9).counts, { a: 3, b: 3, c: 3 });
  });

  it("spreads by tasks of the service first, then by all tasks", () => {
    const state = stateOf(node("a"), node("b"), node("c"));
    place(state, service("other", { placement: { constraints: ["node.id==a"] } }), 5);
    assert.deepEqual(place(state, service("s", { cpuMillis: 100 }), 5, "SPREAD").counts, { a: 1, b: 2, c: 2 });
    assert.deepEqual(place(state, service("one", { cpuMillis: 100, placement: { strategy: "SPREAD" } }), 1).counts, { b: 1 });
  });

  it("equalises over the values of a preference, level by level, counting what runs already", () => {
    const racks = [node("a1", { labels: { dc: "x", rack: "1" } }), node("a2", { labels: { dc: "x", rack: "1" } }), node("b1", { labels: { dc: "x", rack: "2" } }), node("c1", { labels: { dc: "y", rack: "3" } })];
    const spread = ["node.labels.dc", "node.labels.rack"];
    assert.deepEqual(place(stateOf(...racks), service("s", { placement: { spread } }), 8).counts, { c1: 4, b1: 2, a1: 1, a2: 1 });
    const state = stateOf(...racks);
    place(state, service("s", { placement: { constraints: ["node.id==c1"] } }), 4);
    assert.deepEqual(place(state, service("s", { placement: { spread } }), 4).counts, { b1: 2, a1: 1, a2: 1 });
  });

  it("a full branch of a preference passes its share on", () => {
    const state = stateOf(node("a", { cpuMillis: 1_000, labels: { rack: "1" } }), node("b", { cpuMillis: 10_000, labels: { rack: "2" } }));
    assert.deepEqual(place(state, service("s", { cpuMillis: 1_000, placement: { spread: ["node.labels.rack"] } }), 5).counts, { a: 1, b: 4 });
  });

  it("nodes without the label of a preference are a branch of their own", () => {
    const state = stateOf(node("a", { labels: { rack: "1" } }), node("b"), node("c"));
    assert.deepEqual(place(state, service("s", { placement: { spread: ["node.labels.rack"] } }), 4).counts, { a: 2, b: 1, c: 1 });
  });

  it("a node where the service keeps failing comes last, until some minutes have passed", () => {
    const state = stateOf(node("a"), node("b"));
    for (let i = 0; i < maxFailures; i++) state.noteFailure("a", "s.1", 990_000);
    for (let i = 0; i < maxFailures; i++) state.noteFailure("b", "old.1", 1_000);
    assert.deepEqual(place(state, service("s"), 3).counts, { b: 3 });
    assert.deepEqual(place(state, service("old"), 2).counts, { a: 1, b: 1 });
  });

  it("a host port goes once on a node, max-per-node as often as it says", () => {
    const ports = newEndpointSpec({ ports: [newPort({ targetPort: 80, publishedPort: 80, mode: "HOST" })] });
    assert.deepEqual(place(stateOf(node("a"), node("b")), service("s", { spec: { endpoint: ports } }), 3), { counts: { a: 1, b: 1 }, left: 1 });
    assert.deepEqual(place(stateOf(node("a"), node("b")), service("s", { placement: { maxPerNode: 2 } }), 5), { counts: { a: 2, b: 2 }, left: 1 });
  });

  it("what a task held comes back when it ends, moves or is removed; a stopping task holds resources but does not count", () => {
    const state = stateOf(node("a"));
    const shape = service("s", { cpuMillis: 3_000 });
    const task = newTask({ id: "t", serviceId: "s", nodeId: "a", status: newTaskStatus({ state: "RUNNING" }) });
    state.setTask(task, shape);
    const info = state.nodes.get("a")!;
    assert.deepEqual([info.freeCpuMillis, info.countOf("s")], [1_000, 1]);
    state.setTask({ ...task, desiredState: "SHUTDOWN" }, shape);
    assert.deepEqual([info.freeCpuMillis, info.countOf("s")], [1_000, 0]);
    assert.equal(state.setTask({ ...task, desiredState: "SHUTDOWN", status: newTaskStatus({ state: "SHUTDOWN" }) }, shape), true);
    assert.deepEqual([info.freeCpuMillis, info.tasks], [4_000, 0]);
    assert.equal(state.removeTask("t"), false);
    state.setNode(node("a", { cpuMillis: 1_000 }));
    assert.equal(info.freeCpuMillis, 1_000);
  });

  it("never gives more than a node has", () => {
    const nodes = Array.from({ length: 20 }, (_, i) => node(`n${i}`, { cpuMillis: 1_000 + (i * 337) % 3_000, memoryBytes: gib + ((i * 7919) % 5) * gib }));
    const state = stateOf(...nodes);
    for (let i = 0; i < 200; i++) place(state, service(`s${i}`, { cpuMillis: 50 + (i * 131) % 700, memoryBytes: ((i * 17) % 9) * 2 ** 27, replicas: 3 }), 3, i % 2 ? "PACK" : "SPREAD");
    for (const info of state.nodes.values()) assert.ok(info.freeCpuMillis >= 0 && info.freeMemoryBytes >= 0, info.id);
  });
});

describe("why no node fits", () => {
  it("every filter speaks for the nodes that it refused first, most nodes first", () => {
    const down = { ...node("d1"), status: { state: "DOWN" as const, message: "", addr: "", sinceMs: 0 } };
    const state = stateOf(
      down, node("arm", { arch: "aarch64" }), node("bare", { plugins: ["network/overlay"] }), node("hdd1", { labels: { disk: "hdd" } }), node("hdd2", { labels: { disk: "hdd" } }),
      node("m1", { memoryBytes: 1.25 * gib }), node("m2", { memoryBytes: gib }), node("c1", { cpuMillis: 500 }), node("full"),
    );
    for (let i = 0; i < 2; i++) place(state, service("s", { placement: { constraints: ["node.id==full"] } }), 1);
    const shape = { ...service("s", { cpuMillis: 1_000, memoryBytes: 4 * gib, placement: { constraints: ["node.labels.disk!=hdd"], platforms: ["linux/amd64"], maxPerNode: 2 } }), plugins: ["volume/local"] };
    const reasons = explainRefusals(shape, state.nodes.values(), filters);
    assert.equal(sentenceOf(reasons), "no node fits: constraint node.labels.disk!=hdd not met (2 nodes); needs 4.0 GiB memory, most free is 1.2 GiB on m1 (2 nodes); "
      + "image is for linux/amd64, node is linux/arm64 (1 node); needs 1 CPU, most free is 0.5 on c1 (1 node); node has its 2 tasks of this service already (1 node); "
      + "node has no plugin volume/local (1 node); node is down (1 node)");
    assert.deepEqual(reasons.map(({ filter }) => filter), ["constraint", "resources", "platform", "resources", "max-per-node", "plugin", "ready"]);
  });
});
