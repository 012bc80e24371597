import { strict as assert } from "node:assert";
import { maxFailures, nowhere, type ClusterState } from "../state/index.js";
import { addService, nodeOf, specOf, stateOfNodes, type NodeWords, type SpecWords } from "../../testing.js";
import { Placer, type Strategy } from "./index.js";

const nowMs = 1_000_000;
/** Small clusters are looked at node by node, larger ones through indexes: with the same results. */
let smallCluster = Infinity;
const placerFor = (state: ClusterState, defaultStrategy: Strategy = "PACK") => new Placer(state, { defaultStrategy, nowMs: () => nowMs, smallCluster });
const stateOf = (nodes: Readonly<Record<string, NodeWords>>) => stateOfNodes(Object.entries(nodes).map(([id, words]) => nodeOf(id, words)));

/** Tasks by node name, of those of service `id` that found one. */
function countsOf(state: ClusterState, tasks: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const t of tasks) {
    const n = state.tasks.nodeOf(t);
    if (n !== nowhere) counts[state.nodes.names[n]!] = (counts[state.nodes.names[n]!] ?? 0) + 1;
  }
  return counts;
}

function run(state: ClusterState, id: string, words: SpecWords, count = words.replicas ?? 1, strategy: Strategy = "PACK"): { counts: Record<string, number>; left: number } {
  const { g, tasks } = addService(state, id, specOf(words), count);
  const placed = placerFor(state, strategy).place(g, tasks);
  return { counts: countsOf(state, tasks), left: count - placed };
}

for (const [words, nodes] of [["node by node", Infinity], ["by indexes", 0]] as const) describe(`placement ${words}`, () => {
  before(() => { smallCluster = nodes; });
  after(() => { smallCluster = Infinity; });

  describe("pack", () => {
    it("takes the fullest node that fits, and keeps large room free", () => {
      const state = stateOf({ a: {}, b: {}, c: {} });
      assert.deepEqual(run(state, "s1", { cpu: 2 }).counts, { a: 1 });
      assert.deepEqual(run(state, "s2", { cpu: 1 }).counts, { a: 1 });
      assert.deepEqual(run(state, "s3", { cpu: 2 }).counts, { b: 1 });
      assert.deepEqual(run(state, "s4", { cpu: 1 }).counts, { a: 1 });
      assert.deepEqual(run(state, "s5", { cpu: 4, replicas: 2 }), { counts: { c: 1 }, left: 1 });
    });

    it("memory counts as much as CPU", () => {
      const state = stateOf({ a: {}, b: {} });
      run(state, "cpu", { cpu: 1, constraints: ["node.id==a"] });
      run(state, "memory", { memoryMiB: 4096, constraints: ["node.id==b"] });
      assert.deepEqual(run(state, "s", { cpu: 0.1 }).counts, { b: 1 });
    });

    it("leaves at most half of a service's replicas on one node while others fit", () => {
      assert.deepEqual(run(stateOf({ a: {}, b: {}, c: {} }), "s", { cpu: 0.1, replicas: 6 }).counts, { a: 3, b: 3 });
      assert.deepEqual(run(stateOf({ a: {}, b: {} }), "s", { cpu: 0.1, replicas: 2 }).counts, { a: 1, b: 1 });
      assert.deepEqual(run(stateOf({ a: {} }), "s", { cpu: 0.1, replicas: 6 }).counts, { a: 6 });
    });

    it("tasks that reserve nothing are spread", () => {
      assert.deepEqual(run(stateOf({ a: {}, b: {}, c: {} }), "s", { replicas: 9 }).counts, { a: 3, b: 3, c: 3 });
    });

    it("keeps nodes with GPUs or generic resources free for those who ask for them, while others fit", () => {
      const state = stateOf({ gpu: { gpus: { A100: 1 } }, licensed: { generic: { licence: 2 } }, plain: { cpu: 1 } });
      assert.deepEqual(run(state, "s", { cpu: 1, replicas: 1 }).counts, { plain: 1 });
      assert.deepEqual(run(state, "l", { cpu: 1, generic: { licence: 1 } }).counts, { licensed: 1 });
      assert.deepEqual(run(state, "g", { cpu: 1, gpu: { count: 1 } }).counts, { gpu: 1 });
      assert.deepEqual(run(state, "more", { cpu: 4 }), { counts: {}, left: 1 });
    });
  });

  describe("spread", () => {
    it("evens tasks of the service first, then all tasks", () => {
      const state = stateOf({ a: {}, b: {}, c: {} });
      run(state, "other", { constraints: ["node.id==a"] }, 5);
      assert.deepEqual(run(state, "s", { cpu: 0.1, replicas: 5 }, 5, "SPREAD").counts, { a: 1, b: 2, c: 2 });
      assert.deepEqual(run(state, "one", { cpu: 0.1, strategy: "SPREAD" }).counts, { b: 1 });
    });

    it("leaves at most one task of a service between equal nodes, also when scaled up later", () => {
      const state = stateOf({ a: {}, b: {}, c: {}, d: {} });
      for (const count of [3, 4, 7, 1, 5]) {
        const { g, tasks } = addService(state, "s", specOf({ cpu: 0.05, replicas: 20 }), 0);
        for (let i = 0; i < count; i++) tasks.push(state.addTask(`s.${count}.${i}`, g, 0));
        assert.equal(placerFor(state, "SPREAD").place(g, tasks), count);
        assert.ok(Math.max(...state.nodes.tasks.subarray(0, 4)) - Math.min(...state.nodes.tasks.subarray(0, 4)) <= 1);
      }
    });
  });

  describe("usage-aware", () => {
    const gib = 2 ** 30;
    /** a is reserved more, b is used more. */
    const cluster = () => {
      const state = stateOf({ a: {}, b: {} });
      run(state, "x", { cpu: 2, constraints: ["node.id==a"] });
      run(state, "y", { cpu: 1, constraints: ["node.id==b"] });
      state.setUsage("a", 200, gib);
      state.setUsage("b", 2_500, gib);
      return state;
    };

    for (const [strategy, reserved, used] of [["SPREAD", "a", "a"], ["BALANCED", "b", "a"], ["PACK", "a", "b"]] as const) {
      it(`${strategy.toLowerCase()} looks at what nodes really use, where the cluster says so`, () => {
        for (const isUsageAware of [false, true]) {
          const state = cluster();
          state.isUsageAware = isUsageAware;
          assert.deepEqual(run(state, "s", { cpu: 0.5, strategy }).counts, { [isUsageAware ? used : reserved]: 1 });
        }
      });
    }

    it("counts what was reserved since a node reported", () => {
      const state = cluster();
      state.isUsageAware = true;
      state.setUsage("a", 2_000, gib);
      assert.deepEqual(run(state, "s", { cpu: 0.1, strategy: "SPREAD" }).counts, { a: 1 }, "a: 2.0 cores, b: 2.5");
      run(state, "z", { cpu: 1, constraints: ["node.id==a"] });
      assert.deepEqual(run(state, "t", { cpu: 0.1, strategy: "SPREAD" }).counts, { b: 1 }, "a: 3.1 cores, b: 2.5");
    });

    it("fills a node last that has hardly anything really free, though reservations fit", () => {
      const state = cluster();
      state.isUsageAware = true;
      state.setUsage("b", 3_800, gib);
      assert.deepEqual(run(state, "s", { cpu: 0.5 }).counts, { a: 1 });
    });

    it("over-commits where the cluster says so: more is reserved than a node has, and its real use decides", () => {
      const state = cluster();
      state.isUsageAware = true;
      state.setOvercommit([{ constraint: undefined, cpuPercent: 200, memoryPercent: 100 }]);
      assert.deepEqual(run(state, "s", { cpu: 1.5, replicas: 6, strategy: "BALANCED" }, 6), { counts: { a: 3, b: 3 }, left: 0 });
    });
  });

  describe("balanced", () => {
    it("takes the node with the lowest dominant share, and the one whose CPU and memory become more even", () => {
      const state = stateOf({ a: {}, b: {}, c: {} });
      run(state, "x", { cpu: 2, constraints: ["node.id==a"] });
      run(state, "y", { cpu: 1, memoryMiB: 2048, constraints: ["node.id==b"] });
      run(state, "z", { cpu: 1, constraints: ["node.id==c"] });
      // b: 50 % and 50 %; c: 50 % and 25 %; a: 75 % and 25 %
      assert.deepEqual(run(state, "s", { cpu: 1, memoryMiB: 2048, strategy: "BALANCED" }).counts, { b: 1 });
      const even = stateOf({ a: {}, b: {} });
      run(even, "x", { cpu: 1, constraints: ["node.id==a"] });
      run(even, "y", { memoryMiB: 2048, constraints: ["node.id==b"] });
      assert.deepEqual(run(even, "s", { memoryMiB: 2048, strategy: "BALANCED" }).counts, { a: 1 });
    });

    it("spreads equal tasks over equal nodes", () => {
      assert.deepEqual(run(stateOf({ a: {}, b: {}, c: {} }), "s", { cpu: 0.5, memoryMiB: 512, replicas: 6 }, 6, "BALANCED").counts, { a: 2, b: 2, c: 2 });
    });
  });

  describe("placement preferences", () => {
    const racks = { a1: { labels: { dc: "x", rack: "1" } }, a2: { labels: { dc: "x", rack: "1" } }, b1: { labels: { dc: "x", rack: "2" } }, c1: { labels: { dc: "y", rack: "3" } } };
    const spread = ["node.labels.dc", "node.labels.rack"];

    it("equalise over the values, level by level, counting what runs already", () => {
      assert.deepEqual(run(stateOf(racks), "s", { spread }, 8).counts, { c1: 4, b1: 2, a1: 1, a2: 1 });
      const state = stateOf(racks);
      run(state, "old", { constraints: ["node.id==c1"] }, 3);
      const { g } = addService(state, "s", specOf({ spread }), 0);
      for (let i = 0; i < 4; i++) state.place(state.addTask(`s.old${i}`, g, 0), state.nodes.rowOf("c1")!);
      const tasks = Array.from({ length: 4 }, (_, i) => state.addTask(`s.new${i}`, g, 0));
      assert.equal(placerFor(state).place(g, tasks), 4);
      assert.deepEqual(countsOf(state, tasks), { b1: 2, a1: 1, a2: 1 });
    });

    it("a full branch passes its share on", () => {
      const state = stateOf({ a: { cpu: 1, labels: { rack: "1" } }, b: { cpu: 10, labels: { rack: "2" } } });
      assert.deepEqual(run(state, "s", { cpu: 1, spread: ["node.labels.rack"] }, 5).counts, { a: 1, b: 4 });
    });

    it("nodes without the label are a branch of their own", () => {
      assert.deepEqual(run(stateOf({ a: { labels: { rack: "1" } }, b: {}, c: {} }), "s", { spread: ["node.labels.rack"] }, 4).counts, { a: 2, b: 1, c: 1 });
    });
  });

  describe("rules about places", () => {
    const zones = { a1: { labels: { zone: "a" } }, a2: { labels: { zone: "a" } }, b1: { labels: { zone: "b" } }, none: {} };

    it("a host port goes once on a node, max-per-node as often as it says", () => {
      assert.deepEqual(run(stateOf({ a: {}, b: {} }), "s", { hostPorts: [80] }, 3), { counts: { a: 1, b: 1 }, left: 1 });
      assert.deepEqual(run(stateOf({ a: {}, b: {} }), "s", { maxPerNode: 2 }, 5), { counts: { a: 2, b: 2 }, left: 1 });
    });

    it("max-per counts over all nodes with the same value, those without the label together", () => {
      assert.deepEqual(run(stateOf(zones), "s", { maxPer: [{ key: "node.labels.zone", count: 2 }] }, 9), { counts: { a1: 1, a2: 1, b1: 2, none: 2 }, left: 3 });
    });

    it("anti-affinity to itself: one in each place", () => {
      const affinities = [{ service: "", anti: true, required: true, weight: 0, key: "node.labels.zone" }];
      assert.deepEqual(run(stateOf(zones), "s", { affinities }, 5), { counts: { a1: 1, b1: 1, none: 1 }, left: 2 });
      assert.deepEqual(run(stateOf(zones), "s", { affinities: [{ ...affinities[0]!, key: "" }] }, 5), { counts: { a1: 1, a2: 1, b1: 1, none: 1 }, left: 1 });
    });

    it("affinity to itself: the first goes anywhere, the others where it is", () => {
      const affinities = [{ service: "", anti: false, required: true, weight: 0, key: "node.labels.zone" }];
      assert.deepEqual(run(stateOf(zones), "s", { affinities, cpu: 2, replicas: 0 }, 6, "SPREAD"), { counts: { a1: 2, a2: 2 }, left: 2 });
      assert.deepEqual(run(stateOf(zones), "s", { affinities: [{ ...affinities[0]!, key: "" }], cpu: 2 }, 6), { counts: { a1: 2 }, left: 4 });
    });

    it("affinity to another service: only where it is; nowhere while it is nowhere", () => {
      const state = stateOf(zones);
      const affinities = [{ service: "db", anti: false, required: true, weight: 0, key: "" }];
      assert.deepEqual(run(state, "early", { affinities }), { counts: {}, left: 1 });
      run(state, "db", { constraints: ["node.id==b1"] });
      assert.deepEqual(run(state, "s", { affinities }, 2), { counts: { b1: 2 }, left: 0 });
    });

    it("anti-affinity holds in both directions", () => {
      const state = stateOf(zones);
      run(state, "shy", { constraints: ["node.id==a1"], affinities: [{ service: "db", anti: true, required: true, weight: 0, key: "node.labels.zone" }] });
      assert.deepEqual(run(state, "db", {}, 2, "SPREAD").counts, { b1: 1, none: 1 });
      assert.deepEqual(run(state, "shy2", { affinities: [{ service: "db", anti: true, required: true, weight: 0, key: "node.labels.zone" }] }, 4).counts, { a1: 2, a2: 2 });
    });
  });

  describe("soft rules", () => {
    it("a preference is worth its weight: 20 points are one task of the service more on a node", () => {
      const nodes = { a: {}, b: { labels: { disk: "ssd" } } };
      assert.deepEqual(run(stateOf(nodes), "s", { preferences: [{ constraint: "node.labels.disk==ssd", weight: 50 }] }, 5).counts, { b: 4, a: 1 });
      assert.deepEqual(run(stateOf(nodes), "s", { preferences: [{ constraint: "node.labels.disk==ssd", weight: -50 }] }, 5).counts, { a: 4, b: 1 });
      assert.deepEqual(run(stateOf({ a: { cpu: 1 }, b: { cpu: 1, labels: { disk: "ssd" } } }), "s", { cpu: 0.5, preferences: [{ constraint: "node.labels.disk==ssd", weight: 100 }] }, 3).counts, { b: 2, a: 1 });
    });

    it("affinities with a weight draw near to other services, and away from them", () => {
      const state = stateOf({ a: {}, b: {}, c: {} });
      run(state, "db", { constraints: ["node.id==b"] });
      assert.deepEqual(run(state, "near", { affinities: [{ service: "db", anti: false, required: false, weight: 100, key: "" }] }, 2).counts, { b: 2 });
      assert.deepEqual(run(state, "far", { affinities: [{ service: "db", anti: true, required: false, weight: 100, key: "" }] }, 4).counts, { a: 2, c: 2 });
    });

    it("anti-affinity to itself with a weight evens over places as far as there is room", () => {
      const state = stateOf({ a1: { labels: { zone: "a" } }, a2: { labels: { zone: "a" } }, a3: { labels: { zone: "a" } }, b1: { labels: { zone: "b" }, cpu: 1 } });
      const affinities = [{ service: "", anti: true, required: false, weight: 50, key: "node.labels.zone" }];
      assert.deepEqual(run(state, "s", { cpu: 0.5, affinities, strategy: "SPREAD" }, 5).counts, { a1: 1, a2: 1, a3: 1, b1: 2 });
    });

    it("a node with a soft taint comes after all others, unless the taint is tolerated", () => {
      const nodes = { a: { taints: [{ key: "old", value: "", effect: "PREFER_NO_SCHEDULE" as const }] }, b: { cpu: 1 } };
      assert.deepEqual(run(stateOf(nodes), "s", { cpu: 0.5 }, 3).counts, { b: 2, a: 1 });
      assert.deepEqual(run(stateOf(nodes), "s", {}, 3).counts, { b: 3 });
      assert.deepEqual(run(stateOf(nodes), "s", { tolerations: [{ key: "old", value: "" }] }, 2).counts, { a: 1, b: 1 });
    });

    it("a node where the service keeps failing comes last, until some minutes have passed", () => {
      const state = stateOf({ a: {}, b: {} });
      for (let i = 0; i < maxFailures; i++) state.failures.note(state.nodes.rowOf("a")!, "s.1", nowMs - 10_000);
      for (let i = 0; i < maxFailures; i++) state.failures.note(state.nodes.rowOf("b")!, "old.1", 1_000);
      assert.deepEqual(run(state, "s", {}, 3).counts, { b: 3 });
      assert.deepEqual(run(state, "old", {}, 2).counts, { a: 1, b: 1 });
    });
  });
});

describe("image locality", () => {
  it("of nodes that are equal, the one that has the image", () => {
    const state = stateOf({ a: {}, b: {}, c: {} });
    run(state, "one", { image: "web:1", constraints: ["node.id==b"] });
    run(state, "two", { image: "other", constraints: ["node.id==a"] });
    run(state, "three", { image: "other", constraints: ["node.id==c"] });
    assert.deepEqual(run(state, "s", { image: "web:1" }).counts, { b: 1 });
  });
});

describe("where a task would go", () => {
  it("ranks the nodes that fit, best first, with the terms of their scores", () => {
    const state = stateOf({ a: {}, b: { labels: { disk: "ssd" } }, c: { cpu: 0.1 } });
    run(state, "x", { cpu: 2, constraints: ["node.id==a"] });
    const { g, tasks } = addService(state, "s", specOf({ cpu: 1, memoryMiB: 1024, preferences: [{ constraint: "node.labels.disk==ssd", weight: 10 }] }));
    const placer = placerFor(state);
    const ranked = placer.rank(g, 5);
    assert.deepEqual(ranked.map(({ n, total }) => [state.nodes.names[n], Math.round(total * 100) / 100]), [["a", 43.75], ["b", 28.75]]);
    assert.deepEqual(ranked[1]!.terms.map(({ name, value }) => `${name} ${Math.round(value)}`), ["preference node.labels.disk==ssd 10", "pack 19"]);
    assert.equal(placer.place(g, tasks), 1);
    assert.equal(state.tasks.nodeOf(tasks[0]!), ranked[0]!.n);
  });

  it("the branch of a placement preference with the fewest tasks comes first", () => {
    const state = stateOf({ a: { labels: { rack: "1" } }, b: { labels: { rack: "2" } } });
    const { g, tasks } = addService(state, "s", specOf({ spread: ["node.labels.rack"] }), 3);
    const placer = placerFor(state);
    placer.place(g, tasks.slice(0, 1));
    assert.deepEqual(placer.rank(g, 9).map(({ n, terms }) => [state.nodes.names[n], terms.map(({ name }) => name)]), [["b", ["spread"]], ["a", ["image", "spread over node.labels.rack", "spread"]]]);
  });

  it("a task that names its node goes there or nowhere", () => {
    const state = stateOf({ a: { cpu: 1 }, b: { isDrained: true } });
    const { g, tasks } = addService(state, "s", specOf({ cpu: 0.6 }), 3);
    const placer = placerFor(state);
    assert.deepEqual([placer.placeOn(tasks[0]!, 0), placer.placeOn(tasks[1]!, 0), placer.placeOn(tasks[1]!, 1)], [true, false, false]);
    assert.deepEqual([placer.roomOn(g, 0), placer.canFit(g, 0)], [0, false]);
  });
});
