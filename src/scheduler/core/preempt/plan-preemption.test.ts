import assert from "node:assert/strict";
import fc from "fast-check";
import type { Node, Volume } from "../../../model/index.js";
import { addService, nodeOf, randomCluster, seededRandom, specOf, stateOfNodes, volumeOf, whereabouts } from "../../testing.js";
import { Placer } from "../place/index.js";
import { audit, nowhere, type ClusterState } from "../state/index.js";
import { planPreemption } from "./index.js";
import { without } from "./without.js";

const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });

function plan(state: ClusterState, g: number, onlyNode?: number): string | undefined {
  const placer = placerOf(state);
  const found = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0, ...(onlyNode === undefined ? {} : { onlyNode }) });
  return found && `${state.nodes.names[found.node]}: ${found.victims.map((t) => state.tasks.ids[t]!).sort().join(" ")}`;
}

/** Puts one task of `id` on a node. Later ones are younger. */
function run(state: ClusterState, id: string, node: string, words: Parameters<typeof specOf>[0]): void {
  const { tasks: [t] } = addService(state, id, specOf(words));
  state.tasks.sinceMs[t!] = state.tasks.count;
  if (words?.volumes) state.place(t!, state.nodes.rowOf(node)!);
  else state.placeById(t!, node, true);
}

const cluster = (...nodes: Node[]): ClusterState => stateOfNodes(nodes);
const waiting = (state: ClusterState, words: Parameters<typeof specOf>[0]): number => addService(state, "high", specOf({ priority: 10, ...words })).g;

describe("whom to stop", () => {
  it("the fewest: one task of 4 CPUs rather than two of 2", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    run(state, "a", "n1", { cpu: 2 });
    run(state, "b", "n1", { cpu: 2 });
    run(state, "c", "n2", { cpu: 4, priority: 5 });
    assert.equal(plan(state, waiting(state, { cpu: 4 })), "n2: c.1");
  });

  it("of as many, the lowest priority; then where the least is freed; then the node that joined first", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }), nodeOf("n3", { cpu: 4 }), nodeOf("n4", { cpu: 4 }));
    run(state, "a", "n1", { cpu: 4, priority: 2 });
    run(state, "b", "n2", { cpu: 4, priority: 1 });
    run(state, "c", "n3", { cpu: 3, priority: 1 });
    run(state, "d", "n4", { cpu: 3, priority: 1 });
    assert.equal(plan(state, waiting(state, { cpu: 3 })), "n3: c.1");
  });

  it("on a node, the youngest of the least important", () => {
    const state = cluster(nodeOf("n1", { cpu: 3.5 }));
    run(state, "important", "n1", { cpu: 1, priority: 5 });
    run(state, "old", "n1", { cpu: 1 });
    run(state, "young", "n1", { cpu: 1 });
    run(state, "small", "n1", { cpu: 0.5 });
    run(state, "none", "n1", {});
    assert.equal(plan(state, waiting(state, { cpu: 1 })), "n1: young.1");
  });

  it("pairs are found where no one alone is enough, the least important first", () => {
    const state = cluster(nodeOf("n1", { cpu: 6 }));
    run(state, "a", "n1", { cpu: 2, priority: 3 });
    run(state, "b", "n1", { cpu: 2 });
    run(state, "c", "n1", { cpu: 2, priority: 1 });
    assert.equal(plan(state, waiting(state, { cpu: 4 })), "n1: b.1 c.1");
  });

  it("nobody of equal or higher priority, no gang, nobody who is not to be moved, nobody whom it must be near", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }), nodeOf("n3", { cpu: 4 }), nodeOf("n4", { cpu: 4 }), nodeOf("n5", { cpu: 4 }));
    run(state, "equal", "n1", { cpu: 4, priority: 10 });
    run(state, "higher", "n2", { cpu: 4, priority: 11 });
    run(state, "gang", "n3", { cpu: 4, gang: true });
    run(state, "still", "n4", { cpu: 4, noMove: true });
    run(state, "near", "n5", { cpu: 4 });
    assert.equal(plan(state, waiting(state, { cpu: 1, affinities: [{ service: "near", anti: false, required: true, weight: 0, key: "" }] })), undefined);
  });

  it("those who hold a port that it needs, or a GPU of the right model", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4, gpus: { A100: 1, T4: 1 } }));
    run(state, "web", "n1", { hostPorts: [80] });
    run(state, "other", "n1", {});
    run(state, "train", "n2", { gpu: { models: ["A100"] } });
    run(state, "infer", "n2", { gpu: { models: ["T4"] } });
    const { g } = addService(state, "port", specOf({ priority: 1, hostPorts: [80], constraints: ["node.hostname==n1"] }));
    assert.equal(plan(state, g), "n1: web.1");
    assert.equal(plan(state, waiting(state, { gpu: { models: ["A100"] } })), "n2: train.1");
  });

  it("nobody for nothing: not where another rule keeps it away, nor where nodes are too small", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 2 }));
    run(state, "a", "n1", { cpu: 4 });
    run(state, "b", "n2", { cpu: 2 });
    assert.equal(plan(state, waiting(state, { cpu: 4, constraints: ["node.hostname==n2"] })), undefined);
    assert.equal(plan(state, addService(state, "ssd", specOf({ priority: 1, cpu: 1, constraints: ["node.labels.disk==ssd"] })).g), undefined);
    const { g, tasks } = addService(state, "single", specOf({ priority: 1, cpu: 1, maxPerNode: 1, replicas: 3 }));
    state.place(tasks[0]!, 0);
    state.place(tasks[1]!, 1);
    assert.equal(plan(state, g), undefined);
  });

  it("nobody where what is being stopped will do", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    run(state, "a", "n1", { cpu: 4 });
    run(state, "b", "n2", { cpu: 4 });
    state.setCounts(state.tasks.rowOf("b.1")!, false);
    assert.equal(plan(state, waiting(state, { cpu: 4 })), "n2: ");
  });

  it("only there, for a task that names its node", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    run(state, "a", "n1", { cpu: 4 });
    run(state, "b", "n2", { cpu: 4, priority: 3 });
    assert.equal(plan(state, waiting(state, { cpu: 1 }), 1), "n2: b.1");
  });

  describe("for volumes of the cluster", () => {
    const withVolumes = (volumes: readonly Volume[], ...nodes: Node[]): ClusterState => {
      const state = cluster(...nodes);
      for (const volume of volumes) state.setVolume(volume);
      return state;
    };

    it("whoever has the one that it needs, though there is room beside", () => {
      const state = withVolumes([volumeOf("v", { nodeId: "n2" })], nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
      run(state, "other", "n2", { cpu: 1 });
      run(state, "db", "n2", { cpu: 1, volumes: ["v!"], priority: 5 });
      assert.equal(plan(state, waiting(state, { cpu: 1, volumes: ["v"] })), "n2: db.1");
      assert.equal(plan(state, addService(state, "more", specOf({ cpu: 4, volumes: ["v"], priority: 10 })).g), "n2: db.1 other.1");
    });

    it("nobody who is as important, in a gang or not to be moved, nor where the volume is not to be had anyway", () => {
      for (const [words, volume] of [
        [{ priority: 10 }, {}], [{ gang: true }, {}], [{ noMove: true }, {}], [{}, { availability: "VOLUME_PAUSE" }], [{}, { topology: ["node.labels.disk==ssd"] }], [{}, { nodeId: "gone" }],
      ] as const) {
        const state = withVolumes([volumeOf("v", { nodeId: "n1", ...volume, topology: [...("topology" in volume ? volume.topology : [])] })], nodeOf("n1", { cpu: 4 }));
        run(state, "db", "n1", { volumes: ["v"], ...words });
        assert.equal(plan(state, waiting(state, { volumes: ["v"] })), undefined, JSON.stringify([words, volume]));
      }
    });

    it("on whatever node, where the volume is on several; not on one that does not answer", () => {
      const shared = volumeOf("v", { scope: "MULTI_NODE" });
      const state = withVolumes([shared], nodeOf("n1", { cpu: 1 }), nodeOf("n2", { cpu: 4 }));
      run(state, "db", "n1", { cpu: 0.5, volumes: ["v"] });
      const g = waiting(state, { cpu: 2, volumes: ["v"] });
      assert.equal(plan(state, g), "n2: db.1");
      state.setNode(nodeOf("n1", { cpu: 1, isDown: true }));
      assert.equal(plan(state, g), undefined);
    });

    it("the one writer and no reader; of a group, whoever is least important", () => {
      const state = withVolumes([volumeOf("w", { scope: "MULTI_NODE", sharing: "SHARE_ONE_WRITER" }), ...["a", "b", "c"].map((id) => volumeOf(id, { group: "pg", nodeId: "n1" }))], nodeOf("n1", { cpu: 4 }));
      run(state, "reader", "n1", { volumes: ["w!"] });
      run(state, "writer", "n1", { volumes: ["w"], priority: 3 });
      for (const [i, id] of ["a", "b", "c"].entries()) {
        const { tasks: [t] } = addService(state, `db-${id}`, specOf({ volumes: ["group:pg"], priority: [2, 1, 2][i]! }));
        state.place(t!, 0, true, undefined, [{ target: "/mnt/0", volumeId: id, readOnly: false }]);
      }
      assert.equal(plan(state, waiting(state, { volumes: ["w"] })), "n1: writer.1");
      assert.equal(plan(state, addService(state, "pg", specOf({ volumes: ["group:pg"], priority: 10 })).g), "n1: db-b.1");
      assert.equal(plan(state, addService(state, "pgs", specOf({ volumes: ["group:pg", "group:pg"], priority: 10 })).g)?.split(" ").length, 3);
    });

    it("nobody where whoever has it is being stopped", () => {
      const state = withVolumes([volumeOf("v", { scope: "MULTI_NODE" })], nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
      run(state, "db", "n2", { volumes: ["v"] });
      state.setCounts(state.tasks.rowOf("db.1")!, false);
      assert.equal(plan(state, waiting(state, { volumes: ["v"] })), "n1: ");
    });

    it("whatever there is: lower priorities only, enough, and not one too many", () => {
      let planned = 0;
      fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
        const random = seededRandom(seed);
        const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
        const ids = ["v0", "v1", "v2", "v3", "v4"];
        const state = withVolumes(ids.map((id, i) => volumeOf(id, {
          scope: pick(["MULTI_NODE", "SINGLE_NODE"] as const), sharing: pick(["SHARE_NONE", "SHARE_ONE_WRITER", "SHARE_ALL"] as const), group: i > 2 ? "g" : "",
        })), ...["n1", "n2", "n3"].map((id) => nodeOf(id, { cpu: 2 })));
        const placer = placerOf(state);
        const mounts = () => pick([["v0"], ["v1!"], ["v2", "v0!"], ["group:g"], ["group:g", "v1"], ["group:g", "group:g"], []]);
        const groups = Array.from({ length: 14 }, (_, i) => addService(state, `s${i}`, specOf({ cpu: pick([0, 0.5, 1, 2]), volumes: mounts(), priority: Math.floor(random() * 4), noMove: random() < 0.1 })));
        for (const { g, tasks } of groups) placer.place(g, tasks);
        for (const { g, tasks } of groups) {
          if (tasks.every((t) => state.tasks.nodeOf(t) !== nowhere) || [0, 1, 2].some((n) => placer.canFit(g, n))) continue;
          const before = state.copy();
          const found = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 });
          assert.deepEqual(audit(state, before), [], `the state is as it was (seed ${seed})`);
          if (!found) continue;
          planned++;
          for (const t of found.victims) assert.ok(state.groups.priority[state.tasks.groupOf(t)]! < state.groups.priority[g]!);
          without(state, found.victims, () => assert.ok(placer.canFit(g, found.node), `it fits without them (seed ${seed})`));
          for (const kept of found.victims) without(state, found.victims.filter((t) => t !== kept), () => assert.ok(!placer.canFit(g, found.node), `${state.tasks.ids[kept]} need not go (seed ${seed})`));
        }
      }), { numRuns: 300, examples: [[1220297255]] });
      assert.ok(planned > 50, `${planned} plans were looked at`);
    });
  });

  it("the state is as it was after planning", () => {
    const state = cluster(nodeOf("n1", { cpu: 4, gpus: { A100: 3 }, generic: { licence: ["x", "y"] } }));
    const { tasks } = addService(state, "low", specOf({ cpu: 1, gpu: { count: 1 }, generic: { licence: 1 }, replicas: 2 }));
    state.placeById(tasks[0]!, "n1", true, ["n1-A100-2"], [{ kind: "licence", count: 1, ids: ["y"] }]);
    state.placeById(tasks[1]!, "n1", true, ["n1-A100-0"], [{ kind: "licence", count: 1, ids: ["x"] }]);
    assert.equal(plan(state, waiting(state, { gpu: { count: 2 } })), "n1: low.2");
    assert.deepEqual([...tasks].map((t) => [state.tasks.gpuMask[t], state.assignedIds.get(t)?.[0]?.ids]), [[4, ["y"]], [1, ["x"]]]);
    assert.deepEqual([...state.nodes.deviceFree.subarray(0, 3)], [0, 1000, 0]);
  });

  it("whatever the cluster: lower priorities only, enough, and not one too many", () => {
    let planned = 0;
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const random = seededRandom(seed);
      const { nodes, services } = randomCluster(random, { nodes: 5, services: 30, maxReplicas: 6 });
      const state = stateOfNodes(nodes);
      const placer = placerOf(state);
      const groups = services.map(({ id, spec }) => addService(state, id, { ...spec, priority: Math.floor(random() * 5), gang: random() < 0.1 }, spec.replicas));
      for (const { g, tasks } of groups) placer.place(g, tasks);
      for (const { g, tasks } of groups) {
        if (tasks.every((t) => state.tasks.nodeOf(t) !== nowhere) || nodes.some((_, n) => placer.canFit(g, n))) continue;
        const before = whereabouts(state, state.tasks.rows());
        const found = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 });
        assert.equal(whereabouts(state, state.tasks.rows()), before, `the state is as it was (seed ${seed})`);
        if (!found) { assert.ok(!couldFit(state, placer, g), `a plan was there to be found (seed ${seed})`); continue; }
        planned++;
        const { node, victims } = found;
        assert.ok(victims.length > 0, `it did not fit (seed ${seed})`);
        for (const t of victims) {
          assert.equal(state.tasks.nodeOf(t), node);
          assert.ok(state.groups.priority[state.tasks.groupOf(t)]! < state.groups.priority[g]!, `a victim is less important (seed ${seed})`);
          assert.ok(!state.groups.rules[state.tasks.groupOf(t)]!.isGang);
        }
        without(state, victims, () => assert.ok(placer.canFit(g, node), `it fits without them (seed ${seed})`));
        for (const kept of victims) without(state, victims.filter((t) => t !== kept), () => assert.ok(!placer.canFit(g, node), `${state.tasks.ids[kept]} need not go (seed ${seed})`));
      }
    }), { numRuns: 80 });
    assert.ok(planned > 20, `${planned} plans were looked at`);
  });
});

/** Whether one of `g` fits on any node once everybody is gone who may be stopped for it. */
function couldFit(state: ClusterState, placer: Placer, g: number): boolean {
  let fits = false;
  for (let n = 0; n < state.nodes.size; n++) {
    const all: number[] = [];
    for (let t = state.nodes.firstTask[n]!; t !== nowhere; t = state.tasks.nextOnNode(t)) {
      const group = state.tasks.groupOf(t);
      if (state.groups.priority[group]! < state.groups.priority[g]! && !state.groups.rules[group]!.isGang) all.push(t);
    }
    without(state, all, () => { fits ||= placer.canFit(g, n); });
  }
  return fits;
}
