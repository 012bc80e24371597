import assert from "node:assert/strict";
import { addService, nodeOf, randomCluster, seededRandom, specOf, stateOfNodes, volumeOf, type NodeWords, type SpecWords } from "../../testing.js";
import { sentenceOf } from "../explain/index.js";
import { Placer } from "../place/index.js";
import { audit, compileSpec, nowhere, type ClusterState } from "../state/index.js";
import { headroomOf, maxHeadroom, whatIf, type WhatIf, type WhatIfChanges } from "./index.js";

const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "SPREAD", nowMs: () => 0 });

function clusterOf(nodes: Record<string, NodeWords>, services: Record<string, SpecWords>): ClusterState {
  const state = stateOfNodes(Object.entries(nodes).map(([id, words]) => nodeOf(id, words)));
  const placer = placerOf(state);
  for (const [id, words] of Object.entries(services)) {
    const { g, tasks } = addService(state, id, specOf(words));
    placer.place(g, tasks);
  }
  return state;
}

function ask(given: ClusterState, changes: Partial<WhatIfChanges>, options: { globals?: readonly string[]; headroomFor?: readonly string[]; mayPreempt?: boolean } = {}): WhatIf {
  const state = given.copy();
  const steps = whatIf(state, { lose: [], drain: [], add: [], scale: [], ...changes }, {
    placer: placerOf(state), globalServiceIds: new Set(options.globals), headroomFor: options.headroomFor ?? [], mayPreempt: options.mayPreempt ?? false,
    groupOf: (id) => state.groupOf(`${id}.1`, id, () => compileSpec(id, specOf())),
  });
  return run(steps);
}

function run<T>(steps: Generator<void, T>): T {
  for (;;) { const step = steps.next(); if (step.done) return step.value; }
}

const movesOf = ({ moves }: WhatIf, { nodes }: ClusterState) => moves.map(({ taskId, from, to }) => `${taskId} ${nodes.names[from]}→${nodes.names[to]}`);
const pendingOf = ({ pending }: WhatIf) => pending.map(({ serviceId, count, waited, reasons }) => `${serviceId}: ${count} (${waited} wait already): ${sentenceOf(reasons)}`);

describe("what if", () => {
  it("the tasks of a lost node go where there is room; the rest waits, with the reason", () => {
    const state = clusterOf({ a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 1 } }, { web: { replicas: 4, cpu: 1 } });
    const result = ask(state, { lose: ["b"] });
    assert.deepEqual(movesOf(result, state), []);
    assert.deepEqual(pendingOf(result), ["web: 1 (0 wait already): no node fits: needs 1 CPU, most free is 0 on a (2 nodes)"]);
    const roomy = clusterOf({ a: { cpu: 4 }, b: { cpu: 4 } }, { web: { replicas: 4, cpu: 1 } });
    assert.deepEqual(movesOf(ask(roomy, { lose: ["b"] }), roomy), ["web.4 b→a", "web.2 b→a"]);
    assert.deepEqual(pendingOf(ask(roomy, { lose: ["a", "b"] })), ["web: 4 (0 wait already): no node fits: the cluster has no node"]);
  });

  it("a drained node gives its tasks away and stays; nodes before and after", () => {
    const state = clusterOf({ a: { cpu: 4 }, b: { cpu: 4 } }, { web: { replicas: 4, cpu: 1 } });
    const result = ask(state, { drain: ["a"] });
    assert.deepEqual(result.nodes.map(({ n, before, after }) => `${state.nodes.names[n]} ${before.tasks} ${before.cpuPermille} → ${after.tasks} ${after.cpuPermille}`), ["a 2 500 → 0 0", "b 2 500 → 4 1000"]);
    assert.deepEqual([result.total.before.cpuPermille, result.total.after.cpuPermille], [500, 500]);
  });

  it("a task whose volume's data are on a node that is lost goes nowhere", () => {
    const state = clusterOf({ a: {}, b: {} }, {});
    state.setVolume(volumeOf("v", { nodeId: "b" }));
    const { g, tasks } = addService(state, "db", specOf({ volumes: ["v"] }));
    placerOf(state).place(g, tasks);
    assert.deepEqual(pendingOf(ask(state, { lose: ["b"] })), ["db: 1 (0 wait already): no node fits: volume v has its data on node b, which left the cluster (1 node)"]);
    assert.deepEqual(pendingOf(ask(state, { drain: ["b"] })), ["db: 1 (0 wait already): no node fits: node is drained (1 node); volume v has its data on node b, which is drained (1 node)"]);
  });

  it("nodes that join take what waits, and the tasks of global services", () => {
    const state = clusterOf({ a: { cpu: 1 } }, { web: { replicas: 3, cpu: 1 }, probe: { replicas: 1 } });
    const result = ask(state, { add: [nodeOf("new-1", { cpu: 1 })] }, { globals: ["probe"], headroomFor: ["web", "probe"] });
    assert.deepEqual(result.started, [{ serviceId: "web", count: 1, waited: 1 }, { serviceId: "probe", count: 1, waited: 0 }]);
    assert.deepEqual(pendingOf(result), ["web: 1 (1 wait already): no node fits: needs 1 CPU, most free is 0 on a (2 nodes)"]);
    assert.deepEqual(result.headroom, [{ serviceId: "web", before: 0, after: 0 }, { serviceId: "probe", before: maxHeadroom, after: maxHeadroom }]);
    assert.deepEqual(ask(state, { lose: ["a"] }, { globals: ["probe"] }).ended, [{ serviceId: "probe", count: 1 }]);
  });

  it("a service that grows, and one that shrinks", () => {
    const state = clusterOf({ a: { cpu: 4 }, b: { cpu: 4 } }, { web: { replicas: 4, cpu: 1 } });
    assert.equal(run(headroomOf(state, placerOf(state), 0)), 4);
    const grown = ask(state, { scale: [{ serviceId: "web", replicas: 10 }] });
    assert.deepEqual([grown.started, pendingOf(grown)], [[{ serviceId: "web", count: 4, waited: 0 }], ["web: 2 (0 wait already): no node fits: needs 1 CPU, most free is 0 on a (2 nodes)"]]);
    const shrunk = ask(state, { scale: [{ serviceId: "web", replicas: 1 }] }, { headroomFor: ["web"] });
    assert.deepEqual([shrunk.ended, shrunk.headroom], [[{ serviceId: "web", count: 3 }], [{ serviceId: "web", before: 4, after: 7 }]]);
  });

  it("who has priority is placed first; a gang as a whole or not", () => {
    const state = clusterOf({ a: { cpu: 4 } }, { low: { replicas: 1, cpu: 2 }, high: { replicas: 1, cpu: 2, priority: 5 } });
    assert.deepEqual(ask(state, { lose: ["a"], add: [nodeOf("c", { cpu: 2 })] }).moves.map(({ serviceId }) => serviceId), ["high"]);
    const gang = clusterOf({ a: { cpu: 4 } }, { all: { replicas: 3, cpu: 1, gang: true } });
    const without = ask(gang, { lose: ["a"], add: [nodeOf("c", { cpu: 2 })] });
    assert.deepEqual([without.moves.length, without.pending.map(({ count }) => count)], [0, [3]]);
  });

  it("where it may preempt, tasks of lower priority are stopped for those that fit nowhere; what takes their place goes elsewhere or waits", () => {
    const preemptedOf = ({ preempted }: WhatIf, { nodes }: ClusterState) => preempted.map(({ taskId, from, to, byServiceId }) => `${taskId} on ${nodes.names[from]} for ${byServiceId}, then ${to === nowhere ? "waits" : `on ${nodes.names[to]}`}`);
    const state = clusterOf({ a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 2, labels: { disk: "ssd" } } }, { high: { replicas: 2, cpu: 1, priority: 9, constraints: ["node.labels.disk==ssd"] }, low: { replicas: 3, cpu: 1 } });
    state.setNode(nodeOf("d", { cpu: 2, labels: { disk: "ssd" } }));
    for (const t of addService(state, "filler", specOf({ replicas: 2, cpu: 1, priority: -1 })).tasks) state.place(t, state.nodes.rowOf("d")!);
    const without = ask(state, { lose: ["c"] });
    assert.deepEqual([without.preempted, pendingOf(without).length], [[], 1]);
    const result = ask(state, { lose: ["c"] }, { mayPreempt: true });
    assert.deepEqual(preemptedOf(result, state), ["filler.2 on d for high, then on b", "filler.1 on d for high, then waits"]);
    assert.deepEqual(movesOf(result, state), ["high.2 c→d", "high.1 c→d"]);
    assert.deepEqual(result.pending.map(({ serviceId, count, taskIds }) => `${serviceId} ${count} ${taskIds}`), ["filler 1 filler.1"]);
  });

  it("whom to stop is asked again for those that were stopped, until nobody of lower priority is left; gangs and equals are spared", () => {
    const state = clusterOf({ a: { cpu: 2 } }, { low: { replicas: 2, cpu: 1 } });
    const grown = ask(state, { add: [nodeOf("b", { cpu: 1 })], scale: [{ serviceId: "low", replicas: 4 }] }, { mayPreempt: true });
    assert.deepEqual([grown.preempted.length, grown.started, grown.pending.map(({ count }) => count)], [0, [{ serviceId: "low", count: 1, waited: 0 }], [1]]);
    const chain = clusterOf({ a: { cpu: 1 }, b: { cpu: 1 }, c: { cpu: 1 } }, { top: { cpu: 1, priority: 3 }, middle: { cpu: 1, priority: 2 }, least: { cpu: 1, priority: 1 } });
    const lost = ask(chain, { lose: [chain.nodes.ids[chain.tasks.nodeOf(chain.tasks.rowOf("top.1")!)]!] }, { mayPreempt: true });
    assert.deepEqual([lost.moves.map(({ serviceId }) => serviceId), lost.preempted.map(({ serviceId, byServiceId, to }) => `${serviceId} for ${byServiceId} ${to}`), lost.pending.map(({ serviceId }) => serviceId)], [["top"], ["least for top -1"], ["least"]]);
    const gang = clusterOf({ a: { cpu: 2 }, b: { cpu: 2 } }, { high: { replicas: 2, cpu: 1, priority: 3, constraints: ["node.hostname==b"] }, all: { replicas: 2, cpu: 1, gang: true, constraints: ["node.hostname==a"] } });
    assert.deepEqual(ask(gang, { lose: ["b"] }, { mayPreempt: true }).preempted, []);
  });

  it("a gang that loses its node stops as few as let all of it fit, or nobody", () => {
    const services = { low: { replicas: 4, cpu: 1, constraints: ["node.hostname!=c"] }, all: { replicas: 2, cpu: 1, gang: true, priority: 3, constraints: ["node.hostname==c"] } };
    const state = clusterOf({ a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 2 } }, services);
    assert.deepEqual([ask(state, { lose: ["c"] }, { mayPreempt: true }).preempted.length, ask(state, { lose: ["c"] }).preempted.length], [0, 0]);
    const anywhere = clusterOf({ a: { cpu: 2 }, b: { cpu: 2 }, c: { cpu: 2 } }, { low: services.low, all: { replicas: 2, cpu: 1, gang: true, priority: 3 } });
    const result = ask(anywhere, { lose: ["c"] }, { mayPreempt: true });
    assert.deepEqual([result.preempted.map(({ serviceId, byServiceId }) => `${serviceId} for ${byServiceId}`), result.moves.length], [["low for all", "low for all"], 2]);
  });

  it("asking changes nothing, and no node is promised more than it has", () => {
    const cluster = randomCluster(seededRandom(7), { nodes: 30, services: 40 });
    const state = stateOfNodes(cluster.nodes);
    const placer = placerOf(state);
    for (const { id, spec } of cluster.services) { const { g, tasks } = addService(state, id, spec); placer.place(g, tasks); }
    const before = state.copy();
    const result = ask(state, { lose: ["n0001", "n0002"], drain: ["n0003"], add: [nodeOf("new", { cpu: 8 })], scale: [{ serviceId: "s0001", replicas: 30 }] });
    assert.deepEqual(audit(state, before), []);
    for (const { n, after } of result.nodes) assert.ok(after.cpuPermille <= 1000 && after.memoryPermille <= 1000 && after.gpuPermille <= 1000, `node ${n}`);
  });
});
