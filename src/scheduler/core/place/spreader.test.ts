import { strict as assert } from "node:assert";
import fc from "fast-check";
import { nowhere, type ClusterState } from "../state/index.js";
import { addService, nodeOf, seededRandom, specOf, stateOfNodes } from "../../testing.js";
import { OwnCounts } from "./own-counts.js";
import { Spreader } from "./spreader.js";

/** One after the other on the node that fits with the fewest tasks of the service, then the fewest tasks, then the lowest row. */
function spreadNaively(state: ClusterState, g: number, tasks: readonly number[]): number {
  const own = new Map<number, number>();
  for (const t of state.tasks.rows()) if (state.tasks.nodeOf(t) !== nowhere && state.groups.service[state.tasks.groupOf(t)] === state.groups.service[g]) own.set(state.tasks.nodeOf(t), (own.get(state.tasks.nodeOf(t)) ?? 0) + 1);
  for (const [placed, t] of tasks.entries()) {
    let best = -1;
    for (let n = 0; n < state.nodes.size; n++) {
      if (!state.isEligible(n, state.groups.request[g]!) || !state.fits(n, state.groups.request[g]!)) continue;
      const difference = best < 0 ? -1 : (own.get(n) ?? 0) - (own.get(best) ?? 0) || state.nodes.tasks[n]! - state.nodes.tasks[best]!;
      if (difference < 0) best = n;
    }
    if (best < 0) return placed;
    state.place(t, best);
    own.set(best, (own.get(best) ?? 0) + 1);
  }
  return tasks.length;
}

/** Unequal nodes of three racks. */
const nodesFrom = (random: () => number, count: number) => Array.from({ length: count }, (_, i) =>
  nodeOf(`n${i}`, { cpu: 1 + Math.floor(random() * 8), memoryMiB: 512 * (1 + Math.floor(random() * 8)), labels: { rack: `r${Math.floor(random() * 3)}` } }));

const countsOf = (state: ClusterState, tasks: readonly number[]): number[] => {
  const counts = new Array<number>(state.nodes.size).fill(0);
  for (const t of tasks) if (state.tasks.nodeOf(t) !== nowhere) counts[state.tasks.nodeOf(t)]!++;
  return counts;
};

const classOf = ({ requests, groups }: ClusterState, g: number): number => requests.eligibility[groups.request[g]!]!;

describe("spreading with an index or by water-filling", () => {
  it("gives every node the number of tasks that placing one after the other gives", () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), (seed, nodeCount, steps) => {
      const nodes = nodesFrom(seededRandom(seed), nodeCount);
      const fast = stateOfNodes(nodes), naive = stateOfNodes(nodes);
      const spreader = new Spreader(fast, new OwnCounts(fast));
      const random = seededRandom(seed + 1);
      const pick = (most: number) => Math.floor(random() * most);
      const placed: number[] = [];
      for (let step = 0; step < steps; step++) {
        const id = `s${pick(5)}`;
        const count = 1 + pick(random() < 0.3 ? 100 : nodeCount / 4 + 1);
        const spec = specOf({ cpu: [0, 0.25, 0.5, 1][pick(4)]!, memoryMiB: [0, 128, 700][pick(3)]!, ...(random() < 0.3 ? { constraints: ["node.labels.rack!=r1"] } : {}) });
        const { g } = addService(fast, id, spec, 0), { g: h } = addService(naive, id, spec, 0);
        const tasks = Array.from({ length: count }, (_, i) => fast.addTask(`${id}.${step}.${i}`, g, 0));
        const others = Array.from({ length: count }, (_, i) => naive.addTask(`${id}.${step}.${i}`, h, 0));
        assert.equal(spreader.place(g, tasks, count, classOf(fast, g)), spreadNaively(naive, h, others));
        assert.deepEqual(countsOf(fast, tasks), countsOf(naive, others));
        placed.push(...tasks.map((t) => t).filter((t) => fast.tasks.nodeOf(t) !== nowhere));
        // Some end, the same ones by number and node on both sides: those of whole nodes.
        if (random() < 0.4) {
          const n = pick(nodeCount);
          for (const state of [fast, naive]) for (const t of [...state.tasks.rows()]) if (state.tasks.nodeOf(t) === n) state.removeTask(t);
        }
      }
      for (let n = 0; n < nodeCount; n++) assert.ok(fast.nodes.free[0]![n]! >= 0 && fast.nodes.free[1]![n]! >= 0);
    }), { numRuns: 300 });
  });

  it("hands tasks with shares of GPUs out as the devices have them", () => {
    const state = stateOfNodes([nodeOf("a", { gpus: { T4: 2 } }), nodeOf("b", { gpus: { T4: 1 } }), nodeOf("c")]);
    const { g, tasks } = addService(state, "s", specOf({ gpu: { millis: 500 } }), 4);
    const spreader = new Spreader(state, new OwnCounts(state));
    assert.equal(spreader.place(g, tasks, 2, classOf(state, g)), 2);
    assert.deepEqual(countsOf(state, tasks), [1, 1, 0]);
    assert.equal(spreader.place(g, tasks.slice(2), 2, classOf(state, g)), undefined);
  });
});
