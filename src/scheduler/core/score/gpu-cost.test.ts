import { strict as assert } from "node:assert";
import type { ClusterState } from "../state/index.js";
import { addService, nodeOf, seededRandom, specOf, stateOfNodes, type NodeWords, type SpecWords } from "../../testing.js";
import { GpuCost, GpuNodeIndex, learnMix } from "./index.js";

const stateOf = (nodes: Readonly<Record<string, NodeWords>>) => stateOfNodes(Object.entries(nodes).map(([id, words]) => nodeOf(id, words)));
let services = 0;

/** The request row of `count` new waiting tasks. */
function ask(state: ClusterState, words: SpecWords, count = 1): { r: number; tasks: number[] } {
  const { g, tasks } = addService(state, `s${services++}`, specOf(words), count);
  return { r: state.groups.request[g]!, tasks };
}

/** Puts tasks on the node, waiting no more. */
function put(state: ClusterState, words: SpecWords, node: string, count = 1): number {
  const { r, tasks } = ask(state, words, count);
  for (const t of tasks) state.place(t, state.nodes.names.indexOf(node));
  return r;
}

function costs(state: ClusterState, r: number): Record<string, number> {
  const cost = new GpuCost(state);
  cost.refresh();
  return Object.fromEntries(state.nodes.names.map((name, n) => [name, Math.round(cost.of(n, r) * 1000) / 1000]));
}

const average: SpecWords = { cpu: 4, memoryMiB: 1024, gpu: { count: 1 } };

describe("the mix", () => {
  it("is what tasks with GPUs ask for each of them, placed or waiting; tasks without are not in it", () => {
    const state = stateOf({ a: { cpu: 32, memoryMiB: 65_536, gpus: { A100: 4 } } });
    put(state, { cpu: 8, memoryMiB: 2048, gpu: { count: 2 } }, "a");
    ask(state, { cpu: 1, memoryMiB: 1024, gpu: { count: 1, millis: 500 } }, 2);
    put(state, { cpu: 5 }, "a");
    const mix = learnMix(state);
    assert.equal(mix.demandGpus, 3);
    assert.deepEqual([...mix.perGpu], [10_000 / 3, (4096 * 2 ** 20) / 3, 0, 0]);
  });

  it("of nothing is nothing: no node has a price", () => {
    const mix = learnMix(stateOf({ a: { gpus: { A100: 1 } } }));
    assert.equal(mix.demandGpus, 0);
    assert.deepEqual([...mix.price], [0]);
  });

  it("prices nodes by the demand that has nowhere else to go, against what they have left", () => {
    const state = stateOf({ t: { cpu: 16, gpus: { T4: 2 } }, a: { cpu: 64, gpus: { A100: 8 } }, b: { cpu: 64, gpus: { A100: 8 } } });
    ask(state, { ...average, gpu: { count: 1, models: ["T4"] } }, 2);
    ask(state, average, 8);
    // 2 of 10 GPUs are asked of 2 of 18: a fifth of the demand on a ninth of the supply, 0.2 × (9 - 1); and as much as each model is taken to have, 2 / (10 + 2 × 2), × (9 - 1) or (18 / 16 - 1).
    assert.deepEqual([...learnMix(state).price].map((price) => Math.round(price * 100) / 100), [2.74, 0.02, 0.02]);
  });

  it("prices rare models at the start, before anybody has asked for them", () => {
    const state = stateOf({ t: { cpu: 16, gpus: { T4: 1 } }, a: { cpu: 64, gpus: { A100: 8 } } });
    ask(state, average);
    const early = learnMix(state).price[0]!;
    ask(state, average, 99);
    assert.ok(early > 1 && learnMix(state).price[0]! < early / 10);
  });

  it("prices them by a constraint as it does by model", () => {
    const state = stateOf({ t: { cpu: 16, gpus: { A100: 2 }, labels: { disk: "ssd" } }, a: { cpu: 64, gpus: { A100: 8 } }, b: { cpu: 64, gpus: { A100: 8 } } });
    ask(state, { ...average, constraints: ["node.labels.disk==ssd"] }, 2);
    ask(state, average, 8);
    assert.deepEqual([...learnMix(state).price].map((price) => Math.round(price * 100) / 100), [1.6, 0, 0]);
  });
});

describe("what a place on a node with GPUs costs", () => {
  it("nothing, for a task that takes of CPU and memory what goes with its GPU", () => {
    const state = stateOf({ a: { cpu: 16, gpus: { A100: 4 } } });
    put(state, average, "a");
    assert.deepEqual(costs(state, ask(state, average).r), { a: 0 });
  });

  it("the GPUs that it strands, for one that takes more", () => {
    const state = stateOf({ tight: { cpu: 16, gpus: { A100: 4 } }, ample: { cpu: 32, gpus: { A100: 4 } } });
    for (const node of ["tight", "ample"]) put(state, average, node, 1);
    put(state, { cpu: 0.1, gpu: { count: 1 } }, "tight");      // so that the mix is not changed by much
    put(state, { cpu: 0.1, gpu: { count: 1 } }, "ample");
    const { tight, ample } = costs(state, ask(state, { cpu: 12, gpu: { count: 1 } }).r);
    assert.ok(tight! > 0.5, `${tight}`);
    assert.equal(ample, 0);
  });

  it("less than nothing, for one that uses a GPU that was stranded", () => {
    const state = stateOf({ poor: { cpu: 5, gpus: { A100: 2 } }, rich: { cpu: 16, gpus: { A100: 4 } } });
    put(state, average, "poor");
    put(state, average, "rich", 2);
    const { poor, rich } = costs(state, ask(state, { cpu: 0.5, memoryMiB: 128, gpu: { count: 1 } }).r);
    assert.ok(poor! < -0.5 && rich === 0, `${poor} ${rich}`);
  });

  it("what is stranded, for a task without GPUs", () => {
    const state = stateOf({ tight: { cpu: 8, memoryMiB: 65_536, gpus: { A100: 2 } }, ample: { cpu: 64, memoryMiB: 65_536, gpus: { A100: 2 } } });
    put(state, average, "tight");
    put(state, average, "ample");
    assert.deepEqual(costs(state, ask(state, { cpu: 4, memoryMiB: 1024 }).r), { tight: 1, ample: 0 });
  });

  it("more on a node with nothing on it yet, and more where GPUs are scarce", () => {
    const state = stateOf({ t: { cpu: 16, gpus: { T4: 2 } }, empty: { cpu: 64, gpus: { A100: 8 } }, used: { cpu: 64, gpus: { A100: 8 } } });
    ask(state, { ...average, gpu: { count: 1, models: ["T4"] } }, 2);
    put(state, average, "used");
    put(state, { cpu: 0.001 }, "t");
    const { t, empty, used } = costs(state, ask(state, average).r);
    assert.ok(used! < 0.15, `${used}`);
    assert.ok(Math.abs(empty! - used! - 0.2) < 0.002);
    assert.ok(t! > 1, `${t}`);
  });

  it("the room that it takes from large tasks, where few nodes have any", () => {
    const state = stateOf({ large: { cpu: 256, gpus: { A100: 8 } }, a: { cpu: 112, gpus: { A100: 8 } }, b: { cpu: 112, gpus: { A100: 8 } } });
    ask(state, { cpu: 120, memoryMiB: 1024, gpu: { count: 8 } }, 2);
    for (const node of ["large", "a", "b"]) put(state, { cpu: 0.001 }, node);
    const { large, a, b } = costs(state, ask(state, { cpu: 10, gpu: { count: 1 } }).r);
    assert.ok(large! > 1 && a! < 0.5 && a === b, `${large} ${a} ${b}`);
    const share = costs(state, ask(state, { cpu: 1, gpu: { count: 1, millis: 100 } }).r);
    assert.ok(share["large"]! > 1 && share["a"]! < 0.5);
  });

  it("what is left of the scarcest dimension, where nodes are not bought for their GPUs", () => {
    const state = stateOf({ fuller: { cpu: 64, memoryMiB: 65_536, gpus: { A100: 8 } }, full: { cpu: 64, memoryMiB: 65_536, gpus: { A100: 8 } }, empty: { cpu: 64, memoryMiB: 65_536, gpus: { A100: 8 } } });
    put(state, { cpu: 40, memoryMiB: 1024, gpu: { count: 1 } }, "fuller");
    put(state, { cpu: 36, memoryMiB: 16_384, gpu: { count: 2 } }, "full");
    const { r } = ask(state, { cpu: 20, memoryMiB: 1024 }), { fuller, full, empty } = costs(state, r);
    assert.ok(fuller! < full! && full! < empty!, `${fuller} ${full} ${empty}`);
  });

  it("more than any stranding on an empty node, where as many tasks go as come; there, stranding counts half", () => {
    const state = stateOf({ tight: { cpu: 16, memoryMiB: 65_536, gpus: { A100: 4 } }, empty: { cpu: 32, memoryMiB: 65_536, gpus: { A100: 4 } } });
    put(state, average, "tight", 2);
    ask(state, average, 6);
    const { r } = ask(state, { cpu: 8, memoryMiB: 1024 });
    const before = costs(state, r);
    assert.ok(before["tight"]! > before["empty"]!, "the node is left alone that has just enough CPU for its GPUs");
    state.turnover.of(state.placedTasks);
    for (let i = 0; i < 50; i++) {
      const { tasks } = ask(state, average);
      state.place(tasks[0]!, 0);
      state.removeTask(tasks[0]!);
    }
    const after = costs(state, r);
    assert.ok(after["tight"]! < after["empty"]!, JSON.stringify(after));
  });

  it("the same until the mix is learnt again, and then it is another epoch", () => {
    const state = stateOf({ a: { cpu: 1000, memoryMiB: 1_000_000, gpus: { A100: 31 } } });
    const cost = new GpuCost(state);
    cost.refresh();
    const { epoch } = cost;
    put(state, average, "a");
    assert.equal(cost.refresh(), false);
    put(state, average, "a", 20);
    assert.equal(cost.refresh(), true);
    assert.equal(cost.epoch, epoch + 1);
    put(state, average, "a", 10);
    put(state, { cpu: 0.001 }, "a", 40);
    assert.equal(cost.refresh(), false, "nothing that counts has changed");
  });
});

describe("the cheapest node with GPUs", () => {
  it("is the one that looking at all of them finds, whatever changes meanwhile", () => {
    const random = seededRandom(7), pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const words = (): NodeWords => ({ cpu: pick([8, 16, 64]), memoryMiB: 65_536, gpus: random() < 0.7 ? { [pick(["T4", "A100"])]: pick([1, 2, 4, 8]) } : {} });
    const state = stateOfNodes(Array.from({ length: 150 }, (_, i) => nodeOf(`n${i}`, words())));
    const kinds = Array.from({ length: 12 }, () => addService(state, `k${services++}`, specOf({
      cpu: pick([0.5, 1, 4, 12]), memoryMiB: 512, ...(random() < 0.85 ? { gpu: random() < 0.5 ? { count: pick([1, 1, 2, 8]), models: pick([[], [], ["T4"]]) } : { count: 1, millis: pick([100, 470, 810]) } } : {}),
    }), 0));
    for (const { g } of kinds) state.holdGroup(g);
    const cost = new GpuCost(state), index = new GpuNodeIndex(state, cost);
    const placed: number[] = [];
    for (let step = 0; step < 2000; step++) {
      if (step === 900) state.setNode(nodeOf("late", { cpu: 64, gpus: { A100: 8 } }));
      if (step === 1200) state.setNode(nodeOf("n3", { cpu: 64, gpus: { A100: 4 }, isDrained: true }));
      const { g } = pick(kinds), r = state.groups.request[g]!;
      if (placed.length > 0 && random() < 0.3) { state.removeTask(placed.splice(Math.floor(random() * placed.length), 1)[0]!); continue; }
      cost.refresh();
      let best = -1, least = Infinity;
      for (let n = 0; n < state.nodes.size; n++) {
        if (state.nodes.gpuCount[n] === 0 || !state.isEligible(n, r) || !state.fits(n, r)) continue;
        const each = cost.of(n, r);
        if (each < least) { least = each; best = n; }
      }
      assert.equal(index.find(r, undefined, 0), best, `step ${step}`);
      if (best < 0) continue;
      const t = state.addTask(`t${step}`, g, 0);
      state.place(t, best);
      placed.push(t);
    }
  });

  it("is one that the task fits, as long as there is one, also where alike requests share what is known", () => {
    const random = seededRandom(11);
    const state = stateOfNodes(Array.from({ length: 20 }, (_, i) => nodeOf(`n${i}`, { cpu: 32, memoryMiB: 65_536, gpus: { A100: 4 } })));
    const cost = new GpuCost(state), index = new GpuNodeIndex(state, cost);
    const kinds = Array.from({ length: 3000 }, (_, i) => addService(state, `kind${i}`, specOf({ cpu: 1 + Math.floor(random() * 12_000) / 1000, memoryMiB: 512 + Math.floor(random() * 4096), gpu: random() < 0.5 ? { count: 1 } : { count: 1, millis: 50 + Math.floor(random() * 800) } }), 1));
    let found = 0, worse = 0;
    for (const { g, tasks } of kinds) {
      cost.refresh();
      const r = state.groups.request[g]!, n = index.find(r, undefined, 0);
      const fitting = Array.from({ length: 20 }, (_, at) => at).filter((at) => state.fits(at, r));
      assert.equal(n >= 0, fitting.length > 0);
      if (n < 0) continue;
      assert.ok(fitting.includes(n));
      worse += cost.of(n, r) - Math.min(...fitting.map((at) => cost.of(at, r)));
      found++;
      state.place(tasks[0]!, n);
    }
    assert.ok(found > 80 && worse / found < 0.1, `${found} found, ${worse / found} GPUs dearer than the cheapest`);
  });

  it("is none of those that have as many tasks of the service as they may", () => {
    const state = stateOf({ a: { gpus: { A100: 2 } }, b: { gpus: { A100: 2 } } });
    const r = put(state, { cpu: 0.1, gpu: { count: 1 } }, "a"), cost = new GpuCost(state), index = new GpuNodeIndex(state, cost);
    cost.refresh();
    assert.equal(index.find(r, Int32Array.of(0, 0), 1), 0);
    assert.equal(index.find(r, Int32Array.of(1, 0), 1), 1);
    assert.equal(index.find(r, Int32Array.of(1, 1), 1), -1);
  });
});
