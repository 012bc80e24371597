import assert from "node:assert/strict";
import fc from "fast-check";
import { planRebalance } from "./plan.js";
import { nowhere, type Move, type RebalanceProblem, type Strategy } from "./problem.js";
import { seededRandom } from "../../../lib/index.js";

interface Words {
  /** Capacity of each node: [cpu, memory, …]. */
  readonly nodes: readonly (readonly number[])[];
  readonly gpus?: readonly number[];
  readonly closed?: readonly number[];
  readonly tasks: readonly { readonly on: number; readonly asks: readonly number[]; readonly gpu?: number; readonly gpuMask?: number; readonly service?: number; readonly stays?: boolean; readonly only?: readonly number[] }[];
  readonly limits?: Readonly<Record<number, number>>;
}

/** A request row for every task. */
function problemOf({ nodes, gpus = [], closed = [], tasks, limits = {} }: Words): RebalanceProblem {
  const dimensions = nodes[0]!.length, gpuCount = Uint8Array.from(nodes, (_, n) => gpus[n] ?? 0);
  const gpuStart = new Int32Array(nodes.length);
  for (let n = 1; n < nodes.length; n++) gpuStart[n] = gpuStart[n - 1]! + gpuCount[n - 1]!;
  const devices = gpuCount.reduce((sum, count) => sum + count, 0), deviceFree = new Int32Array(devices).fill(1000), free = Float64Array.from(nodes.flat());
  const millisOf = (gpu = 0) => gpu >= 1 ? 1000 : gpu * 1000;
  for (const { on, asks, gpu, gpuMask = 0 } of tasks) {
    if (on === nowhere) continue;
    asks.forEach((amount, d) => { free[on * dimensions + d]! -= amount; });
    for (let i = 0; i < gpuCount[on]!; i++) if (gpuMask & (1 << i)) deviceFree[gpuStart[on]! + i]! -= millisOf(gpu);
  }
  return {
    dimensions,
    nodes: { count: nodes.length, free, total: Float64Array.from(nodes.flat()), receives: Uint8Array.from(nodes, (_, n) => closed.includes(n) ? 0 : 1), gpuStart, gpuCount, deviceFree, deviceModel: new Int16Array(devices) },
    requests: {
      amounts: Float64Array.from(tasks.flatMap(({ asks }) => asks)), gpuCount: Uint8Array.from(tasks, ({ gpu = 0 }) => Math.ceil(gpu)), gpuMillis: Int32Array.from(tasks, ({ gpu }) => millisOf(gpu)),
      gpuModels: tasks.map(() => undefined), eligible: tasks.map(({ only }) => only && Uint32Array.of(only.reduce((bits, n) => bits | (1 << n), 0))),
    },
    tasks: {
      count: tasks.length, node: Int32Array.from(tasks, ({ on }) => on), request: Int32Array.from(tasks, (_, t) => t), service: Int32Array.from(tasks, ({ service = 0 }) => service),
      gpuMask: Int32Array.from(tasks, ({ gpuMask = 0 }) => gpuMask), movable: Uint8Array.from(tasks, ({ stays }) => stays ? 0 : 1),
    },
    serviceLimit: Int32Array.from({ length: 1 + Math.max(0, ...tasks.map(({ service = 0 }) => service)) }, (_, service) => limits[service] ?? 0),
  };
}

/** Carries the plan out by a book of its own, the new place taken before the old is given back, and says where the tasks are then. */
function carryOut(problem: RebalanceProblem, moves: readonly Move[]): Int32Array {
  const { dimensions, nodes, requests, tasks, serviceLimit } = problem, free = problem.nodes.free.slice(), deviceFree = nodes.deviceFree.slice(), node = tasks.node.slice(), mask = tasks.gpuMask.slice();
  const use = (t: number, n: number, bits: number, sign: number) => {
    const r = tasks.request[t]!;
    for (let d = 0; d < dimensions; d++) free[n * dimensions + d]! += sign * requests.amounts[r * dimensions + d]!;
    for (let i = 0; i < nodes.gpuCount[n]!; i++) if (bits & (1 << i)) deviceFree[nodes.gpuStart[n]! + i]! += sign * requests.gpuMillis[r]!;
  };
  for (const { task, from, to, gpuMask, why } of moves) {
    const r = tasks.request[task]!;
    assert.ok(why.kind.length > 0);
    assert.equal(node[task], from);
    assert.notEqual(from, to);
    if (from === nowhere) assert.equal(why.kind, "places");
    else assert.equal(tasks.movable[task], 1, "a task moves that must stay");
    assert.equal(nodes.receives[to], 1);
    const eligible = requests.eligible[r];
    assert.ok(!eligible || (eligible[to >>> 5]! >>> (to & 31)) & 1, "a task moves where it must not be");
    assert.equal([...gpuMask.toString(2)].filter((bit) => bit === "1").length, requests.gpuCount[r]);
    const before = free.slice(to * dimensions, (to + 1) * dimensions);
    use(task, to, gpuMask, -1);
    for (let d = 0; d < dimensions; d++) if (requests.amounts[r * dimensions + d]! > 0) assert.ok(free[to * dimensions + d]! >= 0, `over capacity: ${before} → ${free.slice(to * dimensions, (to + 1) * dimensions)}`);
    assert.ok(deviceFree.every((millis) => millis >= 0), "over capacity of a GPU");
    if (from !== nowhere) use(task, from, mask[task]!, 1);
    node[task] = to;
    mask[task] = gpuMask;
    const service = tasks.service[task]!, limit = serviceLimit[service]!;
    if (limit > 0) assert.ok(node.reduce((sum, n, t) => sum + (n === to && tasks.service[t] === service ? 1 : 0), 0) <= limit, "more of a service on a node than it may have");
  }
  return node;
}

const randomProblem = (seed: number): RebalanceProblem => {
  const random = seededRandom(seed), upTo = (most: number) => Math.floor(random() * (most + 1));
  const nodes = Array.from({ length: 2 + upTo(8) }, () => [8 + upTo(8), 16 + upTo(16)]), gpus = nodes.map(() => (random() < 0.4 ? upTo(4) : 0));
  const free = nodes.map((node) => [...node]), devices = gpus.map((count) => new Array<number>(count).fill(1000)), tasks: Words["tasks"][number][] = [];
  for (let k = 0; k < 60; k++) {
    const asks = [1 + upTo(5), upTo(8)], gpu = random() < 0.25 ? (random() < 0.5 ? 1 : 0.4) : 0, millis = gpu * 1000;
    const on = upTo(nodes.length - 1), device = devices[on]!.findIndex((left) => left >= millis);
    const fits = asks.every((amount, d) => amount <= free[on]![d]!) && (gpu === 0 || device >= 0);
    const task = { asks, gpu, service: upTo(5), stays: random() < 0.15, ...(random() < 0.2 ? { only: [on, upTo(nodes.length - 1), upTo(nodes.length - 1)] } : {}) };
    if (!fits) { if (random() < 0.2) tasks.push({ on: nowhere, ...task }); continue; }
    asks.forEach((amount, d) => { free[on]![d]! -= amount; });
    if (gpu > 0) devices[on]![device]! -= millis;
    tasks.push({ on, gpuMask: gpu > 0 ? 1 << device : 0, ...task });
  }
  return problemOf({ nodes, gpus, tasks, closed: random() < 0.3 ? [upTo(nodes.length - 1)] : [], limits: random() < 0.5 ? { 1: 3, 2: 2 } : {} });
};

const strategies: fc.Arbitrary<Strategy> = fc.oneof(fc.constant<Strategy>({ kind: "pack" }), fc.constant<Strategy>({ kind: "spread" }), fc.constant<Strategy>({ kind: "admit" }), fc.nat(1).map((node): Strategy => ({ kind: "free", node })));
const inUse = (node: Int32Array) => new Set(node.filter((n) => n !== nowhere)).size;

describe("rebalance", () => {
  it("every move fits when it is made, is allowed, has a reason, and there are no more than asked for", () => {
    fc.assert(fc.property(fc.nat(), strategies, fc.option(fc.nat(12), { nil: undefined }), (seed, strategy, maxMoves) => {
      const problem = randomProblem(seed), plan = planRebalance(problem, strategy, maxMoves === undefined ? {} : { maxMoves });
      const node = carryOut(problem, plan.moves);
      assert.equal(plan.nodesInUseBefore, inUse(problem.tasks.node));
      assert.equal(plan.nodesInUseAfter, inUse(node));
      assert.ok(plan.moves.filter(({ from }) => from !== nowhere).length <= (maxMoves ?? Infinity));
      if (strategy.kind !== "admit") assert.equal(new Set(plan.moves.map(({ task }) => task)).size, plan.moves.length, "a task moves twice");
      if (strategy.kind === "pack") assert.ok(plan.nodesInUseAfter <= plan.nodesInUseBefore);
      if (strategy.kind === "free") assert.deepEqual([...plan.left].sort((a, b) => a - b), [...node.keys()].filter((t) => node[t] === strategy.node));
      if (strategy.kind === "admit") assert.deepEqual([...plan.left].sort((a, b) => a - b), [...node.keys()].filter((t) => node[t] === nowhere));
    }), { numRuns: 400 });
  });

  it("is the same for the same problem, which stays as it was", () => {
    fc.assert(fc.property(fc.nat(), strategies, (seed, strategy) => {
      const problem = randomProblem(seed);
      assert.deepEqual(planRebalance(problem, strategy), planRebalance(randomProblem(seed), strategy));
      assert.deepEqual(problem, randomProblem(seed));
    }), { numRuns: 60 });
  });

  it("pack empties the node with the fewest tasks first", () => {
    const nodes = [[8], [8], [8]], tasks = [{ on: 0, asks: [5] }, { on: 1, asks: [1] }, { on: 1, asks: [1] }, { on: 2, asks: [2] }];
    const plan = planRebalance(problemOf({ nodes, tasks }), { kind: "pack" }, { maxMoves: 1 });
    assert.deepEqual(plan.moves, [{ task: 3, from: 2, to: 0, gpuMask: 0, why: { kind: "empties", node: 2 } }]);
    assert.equal(planRebalance(problemOf({ nodes, tasks }), { kind: "pack" }).nodesInUseAfter, 2);
  });

  it("pack moves nothing from a node that would not become empty", () => {
    assert.deepEqual(planRebalance(problemOf({ nodes: [[8], [8]], tasks: [{ on: 0, asks: [1] }, { on: 0, asks: [1], stays: true }, { on: 1, asks: [3] }, { on: 1, asks: [3], stays: true }] }), { kind: "pack" }).moves, []);
  });

  it("a lighter task makes room for a heavier one", () => {
    // 6 fits on no node as it is: 3 goes from node 1 to node 2, 6 takes its place.
    const plan = planRebalance(problemOf({ nodes: [[10], [10], [10]], tasks: [{ on: 0, asks: [6] }, { on: 1, asks: [4] }, { on: 1, asks: [3] }, { on: 2, asks: [7] }] }), { kind: "pack" });
    assert.deepEqual(plan.moves.map(({ task, to, why }) => [task, to, why.kind]), [[2, 2, "makes-room"], [0, 1, "empties"]]);
    assert.equal(plan.nodesInUseAfter, 2);
  });

  it("admit finds room for a task that waits", () => {
    const problem = problemOf({ nodes: [[10], [10]], tasks: [{ on: nowhere, asks: [8] }, { on: 0, asks: [3] }, { on: 1, asks: [5] }] });
    const plan = planRebalance(problem, { kind: "admit" });
    assert.deepEqual(plan.moves.map(({ task, to, why }) => [task, to, why]), [[1, 1, { kind: "makes-room", task: 0 }], [0, 0, { kind: "places", task: 0 }]]);
    assert.deepEqual(planRebalance(problem, { kind: "admit" }, { maxMoves: 0 }).left, [0]);
  });

  it("admit tidies up where no single task can make room", () => {
    // A whole GPU is wanted; every device holds two shares. Node 0's go to nodes 1 and 2.
    const tasks = [[0, 0.3], [0, 0.3], [1, 0.3], [1, 0.3], [2, 0.4], [2, 0.3]].map(([on, gpu]) => ({ on: on!, asks: [1], gpu: gpu!, gpuMask: 1 }));
    const problem = problemOf({ nodes: [[8], [8], [8]], gpus: [1, 1, 1], tasks: [...tasks, { on: nowhere, asks: [1], gpu: 1, gpuMask: 0 }] });
    const plan = planRebalance(problem, { kind: "admit" }), node = carryOut(problem, plan.moves);
    assert.deepEqual(plan.left, []);
    assert.equal(node.filter((n) => n === node[6]).length, 1);
    assert.deepEqual([...new Set(plan.moves.map(({ why }) => why.kind))].sort(), ["places", "tidies"]);
  });

  it("free empties a node onto those in use, onto an empty one where it must, and tells what stays", () => {
    const problem = problemOf({ nodes: [[10], [10], [10]], tasks: [{ on: 0, asks: [5] }, { on: 0, asks: [4] }, { on: 0, asks: [1], stays: true }, { on: 1, asks: [5] }] });
    const plan = planRebalance(problem, { kind: "free", node: 0 });
    assert.deepEqual(plan.moves.map(({ task, to }) => [task, to]), [[0, 1], [1, 2]]);
    assert.deepEqual(plan.left, [2]);
    assert.deepEqual(planRebalance(problem, { kind: "free", node: 0 }, { maxMoves: 1 }).left, [1, 2]);
  });

  it("free drains a node that takes no tasks itself", () => {
    assert.deepEqual(planRebalance(problemOf({ nodes: [[4], [4]], closed: [0], tasks: [{ on: 0, asks: [2] }] }), { kind: "free", node: 0 }).moves.map(({ to }) => to), [1]);
  });

  it("spread leaves no service with two tasks more on one node than on another that would take one", () => {
    const tasks = Array.from({ length: 9 }, (_, k) => ({ on: 0, asks: [1], service: k % 2 }));
    const problem = problemOf({ nodes: [[20], [20], [20]], tasks }), node = carryOut(problem, planRebalance(problem, { kind: "spread" }).moves);
    for (const service of [0, 1]) {
      const counts = [0, 1, 2].map((n) => node.filter((on, t) => on === n && tasks[t]!.service === service).length);
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `service ${service}: ${counts}`);
    }
  });

  it("spread evens load between services, and stops when that wins little", () => {
    const problem = problemOf({ nodes: [[100], [100]], tasks: Array.from({ length: 8 }, (_, k) => ({ on: 0, asks: [10], service: k })) });
    const plan = planRebalance(problem, { kind: "spread" }), node = carryOut(problem, plan.moves);
    assert.equal(node.filter((n) => n === 0).length, 4);
    assert.equal(plan.moves.length, 4);
    assert.deepEqual(planRebalance({ ...problem, tasks: { ...problem.tasks, node } , nodes: { ...problem.nodes, free: Float64Array.of(60, 60) } }, { kind: "spread" }).moves, []);
  });

  it("a GPU's share moves to the device that it fills", () => {
    const tasks = [{ on: 0, asks: [1], gpu: 0.5, gpuMask: 1 }, { on: 1, asks: [1], gpu: 0.5, gpuMask: 2 }, { on: 1, asks: [1], gpu: 0.25, gpuMask: 1 }];
    const plan = planRebalance(problemOf({ nodes: [[8], [8]], gpus: [1, 3], tasks }), { kind: "free", node: 0 });
    assert.deepEqual(plan.moves.map(({ task, to, gpuMask }) => [task, to, gpuMask]), [[0, 1, 2]]);
  });

  it("does what the work allows and says that it was cut", () => {
    const tasks = Array.from({ length: 64 }, (_, k) => ({ on: k, asks: [1] }));
    const problem = problemOf({ nodes: Array.from({ length: 64 }, () => [8]), tasks });
    const cut = planRebalance(problem, { kind: "pack" }, { maxWork: 500 });
    assert.ok(cut.isCut && cut.moves.length > 0 && cut.nodesInUseAfter > 8);
    carryOut(problem, cut.moves);
    const whole = planRebalance(problem, { kind: "pack" });
    assert.deepEqual([whole.isCut, whole.nodesInUseAfter], [false, 8]);
  });
});
