import assert from "node:assert/strict";
import fc from "fast-check";
import { addService, nodeOf, randomCluster, seededRandom, specOf, stateOfNodes, whereabouts } from "../../testing.js";
import { anyReadyNode, audit, ClusterState, compileSpec, cpu, memory, nowhere, satisfies, wholeGpu } from "./index.js";
import { parseConstraint } from "../../../model/index.js";

describe("scheduler state", () => {
  it("keeps what each node has left", () => {
    const state = stateOfNodes([nodeOf("n1", { cpu: 4, memoryMiB: 1024 })]);
    const { tasks } = addService(state, "web", specOf({ cpu: 1.5, memoryMiB: 256, replicas: 2 }));
    for (const t of tasks) state.place(t, 0);
    assert.equal(state.nodes.free[cpu]![0], 1000);
    assert.equal(state.nodes.free[memory]![0], 512 * 2 ** 20);
    assert.equal(state.nodes.tasks[0], 2);
    state.unplace(tasks[0]!);
    assert.equal(state.nodes.free[cpu]![0], 2500);
    assert.equal(whereabouts(state, tasks), "web.1@- web.2@n1");
  });

  it("goes below zero when a node shrinks, and knows that nothing fits", () => {
    const state = stateOfNodes([nodeOf("n1", { cpu: 4 })]);
    const { g, tasks } = addService(state, "web", specOf({ cpu: 3 }));
    state.place(tasks[0]!, 0);
    state.setNode(nodeOf("n1", { cpu: 2 }));
    assert.equal(state.nodes.free[cpu]![0], -1000);
    assert.equal(state.fits(0, state.groups.request[g]!), false);
    assert.equal(state.room(0, state.groups.request[g]!), 0);
  });

  it("gives a share of a GPU from the device with the least left that has enough", () => {
    const state = stateOfNodes([nodeOf("n1", { gpus: { T4: 2 } })]);
    const half = addService(state, "half", specOf({ gpu: { millis: 500 }, replicas: 2 }));
    const small = addService(state, "small", specOf({ gpu: { millis: 400 } }));
    const whole = addService(state, "whole", specOf({ gpu: { count: 1 } }));
    state.place(half.tasks[0]!, 0);
    state.place(small.tasks[0]!, 0);
    assert.deepEqual([...state.nodes.deviceFree.subarray(0, 2)], [100, 1000]);
    assert.equal(state.fits(0, state.groups.request[whole.g]!), true);
    state.place(half.tasks[1]!, 0);
    assert.equal(state.fits(0, state.groups.request[whole.g]!), false);
    state.unplace(half.tasks[1]!);
    assert.deepEqual([state.nodes.gpuWhole[0], state.nodes.gpuLargest[0], state.nodes.gpuFreeMillis[0]], [1, wholeGpu, 1100]);
  });

  it("takes GPUs of an allowed model only, on a node that has several", () => {
    const state = stateOfNodes([nodeOf("n1", { gpus: { T4: 1, A100: 2 } })]);
    const { g, tasks } = addService(state, "train", specOf({ gpu: { count: 2, models: ["A100"] } }));
    assert.equal(state.room(0, state.groups.request[g]!), 1);
    state.place(tasks[0]!, 0);
    assert.deepEqual([...state.nodes.deviceFree.subarray(0, 3)], [1000, 0, 0]);
    assert.equal(state.fits(0, state.groups.request[g]!), false);
  });

  it("keeps a task's devices when the node describes itself again", () => {
    const state = stateOfNodes([nodeOf("n1", { gpus: { T4: 2 } })]);
    const { tasks } = addService(state, "train", specOf({ gpu: { count: 1 } }));
    state.placeById(tasks[0]!, "n1", true, ["n1-T4-1"]);
    assert.deepEqual([...state.nodes.deviceFree.subarray(0, 2)], [1000, 0]);
    state.setNode(nodeOf("n1", { gpus: { T4: 3 } }));
    const start = state.nodes.gpuStart[0]!;
    assert.deepEqual([...state.nodes.deviceFree.subarray(start, start + 3)], [1000, 0, 1000]);
  });

  it("knows devices by their names: one that is lost, or counted elsewhere, is not another's", () => {
    const withDevices = (...ids: string[]) => { const node = nodeOf("n1", {}); return { ...node, description: { ...node.description!, resources: { ...node.description!.resources!, gpus: ids.map((id) => ({ id, model: "T4", memoryBytes: 0 })) } } }; };
    const state = stateOfNodes([withDevices("a", "b", "c")]);
    const { tasks } = addService(state, "train", specOf({ gpu: { count: 1 }, replicas: 3 }));
    const free = () => {
      const n = state.nodes.rowOf("n1")!;
      return [...state.nodes.deviceFree.subarray(state.nodes.gpuStart[n], state.nodes.gpuStart[n]! + state.nodes.gpuCount[n]!)];
    };
    state.placeById(tasks[0]!, "n1", true, ["a"]);
    state.placeById(tasks[1]!, "n1", true, ["b"]);
    state.setNode(withDevices("b", "c"));
    assert.deepEqual([free(), state.nodes.gpuWhole[0]], [[0, 1000], 1]);
    state.setNode(withDevices("c", "b"));
    assert.deepEqual(free(), [1000, 0]);
    state.unplace(tasks[0]!);
    assert.deepEqual(free(), [1000, 0], "it had nothing any more");
    state.placeById(tasks[2]!, "n1", true, ["a"]);
    assert.deepEqual(free(), [1000, 0], "no other device stands in for the one that is lost");
    state.removeNode("n1");
    state.setNode(withDevices("b", "c"));
    assert.deepEqual(free(), [0, 1000], "a node that comes back");
    state.setNode(withDevices());
    assert.deepEqual([free(), state.nodes.gpuWhole[state.nodes.rowOf("n1")!]], [[], 0]);
  });

  it("evaluates a constraint once for each node, and again only for the node that changed", () => {
    let evaluations = 0;
    const state = stateOfNodes([nodeOf("n1", { labels: { disk: "ssd" } }), nodeOf("n2")]);
    const predicate = satisfies(parseConstraint("node.labels.disk==ssd"));
    const counted = { ...predicate, test: (node: Parameters<typeof predicate.test>[0]) => { evaluations++; return predicate.test(node); } };
    assert.deepEqual([...state.passing(counted).toArray()], [0]);
    state.passing(counted);
    assert.equal(evaluations, 2);
    state.setNode(nodeOf("n2", { labels: { disk: "ssd" } }));
    assert.deepEqual([...state.passing(counted).toArray()], [0, 1]);
    assert.equal(evaluations, 3);
  });

  it("finds tasks their node when it joins after they were known", () => {
    const state = new ClusterState();
    const { tasks } = addService(state, "web", specOf({ cpu: 1 }));
    state.placeById(tasks[0]!, "n1", true);
    assert.equal(state.tasks.nodeOf(tasks[0]!), nowhere);
    state.setNode(nodeOf("n1", { cpu: 4 }));
    assert.equal(state.nodes.free[cpu]![0], 3000);
    state.removeNode("n1");
    state.setNode(nodeOf("n1", { cpu: 4 }));
    assert.equal(state.nodes.free[cpu]![1], 3000, "the row of a removed node is not used again");
    assert.equal(state.nodes.tasks[1], 1);
  });

  it("counts over-commit in the totals of the nodes it is for", () => {
    const state = stateOfNodes([nodeOf("n1", { cpu: 4, labels: { tier: "dev" } }), nodeOf("n2", { cpu: 4 })]);
    state.setOvercommit([{ constraint: parseConstraint("node.labels.tier==dev"), cpuPercent: 150, memoryPercent: 100 }]);
    assert.deepEqual([state.nodes.total[cpu]![0], state.nodes.total[cpu]![1]], [6000, 4000]);
  });

  it("uses rows of services, revisions and requests again when their last task is gone", () => {
    const state = stateOfNodes([nodeOf("n1")]);
    for (let i = 0; i < 1000; i++) {
      const { g, tasks } = addService(state, `s${i}`, specOf({ cpu: 0.001 * (i + 1) }));
      state.removeTask(tasks[0]!);
      state.releaseGroup(g);
    }
    assert.deepEqual([state.services.size, state.groups.size, state.requests.size, state.tasks.size], [1, 1, 1, 1]);
  });

  it("finds the tasks of a service whatever their revision, and whichever revision goes first", () => {
    const state = stateOfNodes([nodeOf("n1", { cpu: 100 })]);
    const revisions = [1, 2, 3].map((revision) => {
      const g = state.addGroup(`web.${revision}`, "web", compileSpec("web", specOf({ cpu: revision })));
      const tasks = [0, 1].map((i) => state.addTask(`web.${revision}.${i}`, g, 0));
      for (const t of tasks) state.place(t, 0);
      return tasks;
    });
    const s = state.services.rowOf("web")!;
    const found = () => {
      const rows: number[] = [];
      for (let t = state.firstOfService(s); t !== nowhere; t = state.nextOfService(t)) rows.push(t);
      assert.equal(rows.length, state.tasksOfService(s));
      return rows.map((t) => state.tasks.ids[t]!).sort().join(" ");
    };
    assert.equal(found(), "web.1.0 web.1.1 web.2.0 web.2.1 web.3.0 web.3.1");
    state.unplace(revisions[2]![0]!);
    state.unplace(revisions[2]![1]!);
    assert.equal(found(), "web.1.0 web.1.1 web.2.0 web.2.1");
    for (const t of revisions[1]!) state.removeTask(t);
    assert.equal(found(), "web.1.0 web.1.1");
    state.place(revisions[2]![1]!, 0);
    assert.equal(found(), "web.1.0 web.1.1 web.3.1");
    for (const t of revisions[0]!) state.removeTask(t);
    assert.equal(found(), "web.3.1");
    for (const t of revisions[2]!) state.removeTask(t);
    assert.equal(state.services.rowOf("web"), undefined);
  });

  it("equals one rebuilt from the same facts, whatever happened on the way", () => {
    fc.assert(fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed);
      const cluster = randomCluster(random, { nodes: 6, services: 8 });
      const state = new ClusterState();
      for (const node of cluster.nodes) state.setNode(node);
      const where = new Map<string, { service: number; nodeId: string; counts: boolean; gpuIds: string[] }>();
      for (let step = 0; step < 150; step++) {
        const service = Math.floor(random() * cluster.services.length);
        const { id, spec } = cluster.services[service]!;
        const taskId = `${id}.${Math.floor(random() * 3)}`;
        const node = cluster.nodes[Math.floor(random() * cluster.nodes.length)]!;
        const action = random();
        const known = state.tasks.rowOf(taskId);
        if (action < 0.6) {
          const g = state.groupOf(`${id}.1`, id, () => compileSpec(id, spec));
          const t = state.addTask(taskId, g, step);
          const hasDevices = state.requests.gpuCount[state.requestOf(t)] === 0 || state.fits(state.nodes.rowOf(node.id)!, state.requestOf(t));
          if (state.tasks.nodeOf(t) === nowhere && !where.has(taskId) && hasDevices) {
            state.placeById(t, node.id, true);
            const gpuIds = node.description!.resources!.gpus.filter((_, i) => (state.tasks.gpuMask[t]! & (1 << i)) !== 0).map((gpu) => gpu.id);
            where.set(taskId, { service, nodeId: node.id, counts: true, gpuIds });
          } else if (!where.has(taskId)) state.removeTask(t);
        } else if (action < 0.75 && known !== undefined) {
          state.removeTask(known);
          where.delete(taskId);
        } else if (action < 0.85 && known !== undefined) {
          state.setCounts(known, false);
          where.get(taskId)!.counts = false;
        } else state.setNode(node);
      }
      const rebuilt = new ClusterState();
      for (const node of cluster.nodes) rebuilt.setNode(node);
      for (const [taskId, { service, nodeId, counts, gpuIds }] of where) {
        const { id, spec } = cluster.services[service]!;
        rebuilt.placeById(rebuilt.addTask(taskId, rebuilt.groupOf(`${id}.1`, id, () => compileSpec(id, spec)), 0), nodeId, counts, gpuIds);
      }
      assert.deepEqual(audit(state, rebuilt), []);
      assert.deepEqual(audit(state.copy(), rebuilt), []);
    }), { numRuns: 100 });
  });

  it("nodes that are taken note of together are what they are one by one", () => {
    fc.assert(fc.property(fc.integer(), fc.integer({ min: 0, max: 100 }), (seed, before) => {
      const { nodes } = randomCluster(seededRandom(seed), { nodes: 100, services: 0 });
      const withRules = (): ClusterState => {
        const state = new ClusterState();
        if (seed % 2 === 0) state.setOvercommit([{ constraint: parseConstraint("node.labels.zone==z1"), cpuPercent: 150, memoryPercent: 0 }]);
        state.predicates.classOf([], state.nodeObjects);
        state.predicates.classOf([satisfies(parseConstraint("node.labels.disk==ssd"))], state.nodeObjects);
        state.predicates.classOf(anyReadyNode, state.nodeObjects);
        state.attribute("node.labels.rack");
        const { tasks } = addService(state, "web", specOf({ cpu: 1 }));
        state.placeById(tasks[0]!, nodes[99]!.id, true);
        return state;
      };
      const together = withRules(), single = withRules();
      for (const _ of together.addFirstNodes(nodes.slice(0, before)));
      for (const node of nodes.slice(before)) together.setNode(node);
      for (const node of nodes) single.setNode(node);
      assert.deepEqual(audit(together, single), []);
      const other = (state: ClusterState) => ({
        eligible: state.predicates.eligible.map((rows) => [...rows.toArray()]), softTainted: [...state.softTainted.toArray()], softTaintedCount: state.softTaintedCount, names: state.nodes.names,
        rows: nodes.map(({ id }) => state.nodes.rowOf(id)), models: [...state.nodes.gpuModel.subarray(0, 100)], whole: [...state.nodes.gpuWhole.subarray(0, 100)], racks: [...state.attribute("node.labels.rack").valueOf.subarray(0, 100)],
      });
      assert.deepEqual(other(together), other(single));
    }), { numRuns: 30 });
  });

  it("what nodes really use is noted, and told as a change only where it is one", () => {
    const state = stateOfNodes([nodeOf("n1", { cpu: 4, memoryMiB: 1000 }), nodeOf("n2")]);
    assert.equal(state.nodes.usedCpu.length, 0);
    const { changes } = state.nodes;
    state.setUsage("n1", 1_000, 100 * 2 ** 20);
    assert.deepEqual([...state.nodes.usedCpu.subarray(0, 2)], [1_000, -1]);
    state.setUsage("n1", 1_010, 101 * 2 ** 20);
    state.setUsage("nobody", 1, 1);
    assert.deepEqual([state.nodes.changes - changes, state.nodes.usedCpu[0], state.copy().nodes.usedMemory[0]], [1, 1_000, 100 * 2 ** 20]);
    state.setUsage("n1", -1, -1);
    assert.deepEqual([state.nodes.changes - changes, state.nodes.usedCpu[0]], [2, -1]);
  });

  it("an audit finds what is wrong", () => {
    const build = () => { const state = stateOfNodes([nodeOf("n1", { gpus: { T4: 1 } })]); state.place(addService(state, "web", specOf({ cpu: 1, gpu: { millis: 300 }, hostPorts: [80] })).tasks[0]!, 0); return state; };
    const state = build();
    state.nodes.free[cpu]![0]!--;
    state.nodes.deviceFree[0] = 0;
    assert.deepEqual(audit(state, build()), ["cpu free on node n1: 2999 is kept, 3000 is right", "GPUs free on node n1: 0 is kept, 700 is right"]);
  });
});
