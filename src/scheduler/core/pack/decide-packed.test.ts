import assert from "node:assert/strict";
import fc from "fast-check";
import { addService, nodeOf, randomCluster, seededRandom, specOf, stateOfNodes } from "../../testing.js";
import { Placer } from "../place/index.js";
import type { ClusterState } from "../state/index.js";
import { buffersOf, decidePacked, packDecision } from "./index.js";

const options = { defaultStrategy: "PACK", nowMs: 1_000 } as const;
const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "PACK", nowMs: () => 1_000 });

/** As a message to a thread would arrive. */
function elsewhere(state: ClusterState, g: number, tasks: number): number[] {
  const packed = packDecision(state, g, tasks, options);
  return [...decidePacked(structuredClone(packed, { transfer: buffersOf(packed) }))];
}

describe("a packed decision", () => {
  it("is the same as one on the state itself, whatever the cluster and the service", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const { nodes, services } = randomCluster(seededRandom(seed), { nodes: 12, services: 30 });
      const state = stateOfNodes(nodes);
      state.bar(0, true);
      for (const { id, spec } of services) {
        // Made anew: one that lives learns the mix of tasks only now and then.
        const placer = placerOf(state);
        const { g, tasks } = addService(state, id, spec);
        const answer = elsewhere(state, g, tasks.length);
        placer.place(g, tasks);
        assert.deepEqual(answer, tasks.map((t) => state.tasks.nodeOf(t)), `${id} (seed ${seed})`);
      }
    }), { numRuns: 40 });
  });

  it("knows affinities in both directions, preferences, soft taints, failures, ports and images", () => {
    const state = stateOfNodes([
      nodeOf("n1", { labels: { rack: "a" } }), nodeOf("n2", { labels: { rack: "b" } }), nodeOf("n3", { labels: { rack: "b", disk: "ssd" } }), nodeOf("n4", { taints: [{ key: "old", value: "", effect: "PREFER_NO_SCHEDULE" }] }),
    ]);
    const placer = placerOf(state);
    state.failures.note(2, "c.1", 900);
    for (let i = 0; i < 4; i++) state.failures.note(2, "c.1", 900);
    const submit = (id: string, words: Parameters<typeof specOf>[0]) => {
      const { g, tasks } = addService(state, id, specOf(words));
      const answer = elsewhere(state, g, tasks.length);
      placer.place(g, tasks);
      assert.deepEqual(answer, tasks.map((t) => state.tasks.nodeOf(t)), id);
    };
    submit("a", { affinities: [{ service: "b", anti: true, required: true, weight: 0, key: "node.labels.rack" }] });
    submit("b", { replicas: 3, hostPorts: [80] });
    submit("c", { replicas: 4, affinities: [{ service: "b", anti: false, required: false, weight: 10, key: "node.id" }] });
    submit("d", { preferences: [{ constraint: "node.labels.disk==ssd", weight: 50 }], replicas: 2 });
    submit("e", { hostPorts: [80], replicas: 4 });
    submit("f", { image: "app", replicas: 3 });
    submit("g", { maxPer: [{ key: "node.labels.rack", count: 1 }], replicas: 4, spread: ["node.labels.rack"] });
  });
});
