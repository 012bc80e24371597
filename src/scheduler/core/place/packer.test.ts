import { strict as assert } from "node:assert";
import fc from "fast-check";
import { audit, cpu, memory, nowhere, type ClusterState } from "../state/index.js";
import { addService, nodeOf, seededRandom, specOf, stateOfNodes } from "../../testing.js";
import { OwnCounts } from "./own-counts.js";
import { Packer } from "./packer.js";
import { StrategyScores } from "./strategy.js";

function packerFor(state: ClusterState): Packer {
  const scores = new StrategyScores(state);
  scores.refresh();
  return new Packer(state, new OwnCounts(state), scores);
}

const nodesFrom = (random: () => number, count: number, areGpusThere: boolean) => Array.from({ length: count }, (_, i) => nodeOf(`n${i}`, {
  cpu: 1 + Math.floor(random() * 16), memoryMiB: 256 * (1 + Math.floor(random() * 32)), labels: { rack: `r${Math.floor(random() * 3)}` },
  gpus: areGpusThere && random() < 0.4 ? { [random() < 0.5 ? "A100" : "T4"]: 1 + Math.floor(random() * 4) } : {}, generic: areGpusThere && random() < 0.2 ? { licence: 2 } : {},
}));

const fitting = (state: ClusterState, g: number): number[] => [...state.nodes.alive.toArray()].filter((n) => state.isEligible(n, state.groups.request[g]!) && state.fits(n, state.groups.request[g]!));

const classOf = ({ requests, groups }: ClusterState, g: number): number => requests.eligibility[groups.request[g]!]!;

describe("packing with a grid over free capacity", () => {
  it("never gives more than a node has, and leaves waiting only what fits nowhere, whatever ends meanwhile", () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 60 }), (seed, nodeCount, steps) => {
      const random = seededRandom(seed);
      const pick = (most: number) => Math.floor(random() * most);
      const state = stateOfNodes(nodesFrom(random, nodeCount, true));
      const packer = packerFor(state);
      for (let step = 0; step < steps; step++) {
        const gpu = random() < 0.2 ? { gpu: random() < 0.5 ? { millis: 100 + pick(900) } : { count: 1 + pick(3), models: random() < 0.5 ? ["T4"] : [] } } : {};
        const { g, tasks } = addService(state, `s${step}`, specOf({
          cpu: (1 + pick(4_000)) / 1000, memoryMiB: pick(3) * pick(2_000), replicas: 1 + pick(5), ...gpu,
          ...(random() < 0.1 ? { generic: { licence: 1 } } : {}), ...(random() < 0.3 ? { constraints: [`node.labels.rack==r${pick(3)}`] } : {}),
        }));
        const placed = packer.place(g, tasks, tasks.length, classOf(state, g));
        for (const [i, t] of tasks.entries()) assert.equal(state.tasks.nodeOf(t) !== nowhere, i < placed);
        if (placed < tasks.length) assert.deepEqual(fitting(state, g), []);
        if (random() < 0.3) for (const t of [...state.tasks.rows()]) if (random() < 0.2) state.removeTask(t);
        if (random() < 0.1) state.setNode({ ...state.nodeObjects[0]!, spec: { ...state.nodeObjects[0]!.spec!, availability: random() < 0.5 ? "DRAIN" : "ACTIVE" } });
        for (let n = 0; n < nodeCount; n++) {
          for (const column of state.nodes.free) assert.ok(column[n]! >= 0);
          assert.ok(state.nodes.gpuFreeMillis[n]! >= 0);
        }
      }
      for (let i = 0; i < state.nodes.devices; i++) assert.ok(state.nodes.deviceFree[i]! >= 0);
    }), { numRuns: 300 });
  });

  it("chooses a node with the least free that the task fits, of up to eight", () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 8 }), (seed, nodeCount) => {
      const random = seededRandom(seed);
      const state = stateOfNodes(nodesFrom(random, nodeCount, false));
      const packer = packerFor(state);
      const scores = new StrategyScores(state);
      scores.refreshScale();
      const freeOf = (n: number) => Math.max(0, state.nodes.free[cpu]![n]!) * scores.cpuWeight + Math.max(0, state.nodes.free[memory]![n]!) * scores.memoryWeight;
      for (let step = 0; step < 30; step++) {
        const { g, tasks } = addService(state, `s${step}`, specOf({ cpu: (1 + Math.floor(random() * 2_000)) / 1000, memoryMiB: 1 + Math.floor(random() * 1_000) }));
        const least = Math.min(...fitting(state, g).map(freeOf)), free = Array.from({ length: nodeCount }, (_, n) => freeOf(n));
        if (packer.place(g, tasks, 1, classOf(state, g)) === 0) continue;
        assert.ok(free[state.tasks.nodeOf(tasks[0]!)]! <= least + 1e-9);
      }
    }), { numRuns: 200 });
  });

  it("chooses one with at most an eighth more free than the tightest while a thousand wait", () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 1, max: 200 }), (seed, nodeCount) => {
      const random = seededRandom(seed);
      const state = stateOfNodes(nodesFrom(random, nodeCount, false));
      addService(state, "those who wait", specOf({ cpu: 1_000, replicas: 1_001 }));
      const packer = packerFor(state), scores = new StrategyScores(state);
      scores.refreshScale();
      const freeOf = (n: number) => state.nodes.free[cpu]![n]! * scores.cpuWeight + state.nodes.free[memory]![n]! * scores.memoryWeight;
      for (let step = 0; step < 30; step++) {
        // Of CPU so little that every node that has the memory fits: none that does not is in front of one that does.
        const { g, tasks } = addService(state, `s${step}`, specOf({ cpu: 0.001, memoryMiB: 256 * (1 + Math.floor(random() * 4)) }));
        const fit = fitting(state, g), least = Math.min(...fit.map(freeOf)), free = Array.from({ length: nodeCount }, (_, n) => freeOf(n));
        if (packer.place(g, tasks, 1, classOf(state, g)) === 0) { assert.deepEqual(fit, []); continue; }
        assert.ok(free[state.tasks.nodeOf(tasks[0]!)]! <= (least * 9) / 8 + scores.cpuWeight + 2 ** 21 * scores.memoryWeight);
      }
    }), { numRuns: 100 });
  });

  it("leaves at most half of a service's replicas on one node while others fit, and takes them all where none does", () => {
    const counts = (...cpus: number[]) => {
      const state = stateOfNodes(cpus.map((cores, i) => nodeOf(`n${i}`, { cpu: cores })));
      const { g, tasks } = addService(state, "s", specOf({ cpu: 1, memoryMiB: 1, replicas: 6 }));
      packerFor(state).place(g, tasks, 6, classOf(state, g));
      return [...state.nodes.tasks.subarray(0, cpus.length)];
    };
    assert.deepEqual(counts(8, 8, 8), [3, 3, 0]);
    assert.deepEqual(counts(2, 8, 8), [2, 3, 1]);
    assert.deepEqual(counts(8), [6]);
    assert.deepEqual(counts(1, 8), [1, 5]);
    assert.deepEqual(counts(1, 2), [1, 2]);
  });

  it("goes to nodes with GPUs or generic resources last", () => {
    const state = stateOfNodes([nodeOf("eight", { gpus: { T4: 8 }, cpu: 1 }), nodeOf("one", { gpus: { T4: 1 }, cpu: 1 }), nodeOf("licensed", { generic: { licence: 1 }, cpu: 1 }), nodeOf("plain", { cpu: 1 })]);
    const { g, tasks } = addService(state, "s", specOf({ cpu: 1, memoryMiB: 1, replicas: 1 }), 5);
    const packer = packerFor(state);
    const order = tasks.map((t) => (packer.place(g, [t], 1, classOf(state, g)) === 1 ? state.nodes.names[state.tasks.nodeOf(t)] : "-"));
    assert.deepEqual(order, ["plain", "licensed", "one", "eight", "-"]);
  });

  it("gives the same for the same, and leaves a state that equals one rebuilt", () => {
    const run = () => {
      const random = seededRandom(11);
      const nodes = nodesFrom(random, 30, true);
      const state = stateOfNodes(nodes), rebuilt = stateOfNodes(nodes);
      const packer = packerFor(state);
      for (let step = 0; step < 200; step++) {
        const spec = specOf({ cpu: (1 + Math.floor(random() * 900)) / 1000, memoryMiB: Math.floor(random() * 700), replicas: 3 });
        const { g, tasks } = addService(state, `s${step}`, spec), { tasks: others } = addService(rebuilt, `s${step}`, spec);
        packer.place(g, tasks, 3, classOf(state, g));
        for (const [i, t] of tasks.entries()) if (state.tasks.nodeOf(t) !== nowhere) rebuilt.placeById(others[i]!, state.nodes.ids[state.tasks.nodeOf(t)]!, true);
      }
      assert.deepEqual(audit(state, rebuilt), []);
      return Array.from({ length: state.tasks.size }, (_, t) => state.tasks.nodeOf(t));
    };
    assert.deepEqual(run(), run());
  });
});
