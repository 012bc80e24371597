import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { ServiceSpec } from "../../../model/index.js";
import { filters } from "../filters/index.js";
import { audit, nowhere, type ClusterState } from "../state/index.js";
import { addService, fitsNaively, placedTasks, randomCluster, seededRandom, stateOfNodes, whereabouts } from "../../testing.js";
import { Placer } from "./index.js";

interface Run { readonly state: ClusterState; readonly specs: Map<string, ServiceSpec>; readonly tasks: number[] }

/** A random cluster, its services placed one after the other; some tasks end in between. `check` is called after every decision. */
function runFrom(seed: number, size: { nodes: number; services: number }, smallCluster: number, check?: (run: Run, g: number, serviceId: string, tasks: readonly number[], placed: number) => void): Run {
  const random = seededRandom(seed);
  const { nodes, services } = randomCluster(random, size);
  const state = stateOfNodes(nodes);
  const placer = new Placer(state, { defaultStrategy: (["PACK", "SPREAD", "BALANCED"] as const)[Math.abs(seed) % 3]!, nowMs: () => 0, smallCluster });
  const run: Run = { state, specs: new Map(services.map(({ id, spec }) => [id, spec])), tasks: [] };
  for (const { id, spec } of services) {
    const { g, tasks } = addService(state, id, spec);
    const placed = placer.place(g, tasks);
    run.tasks.push(...tasks);
    check?.(run, g, id, tasks, placed);
    if (random() < 0.3) for (const t of [...run.tasks]) {
      if (random() >= 0.15) continue;
      state.removeTask(t);
      run.tasks.splice(run.tasks.indexOf(t), 1);
    }
  }
  return run;
}

const nodesOf = (state: ClusterState) => state.nodeObjects.filter((node) => node !== undefined);

describe("placement on random clusters", () => {
  for (const [words, smallCluster] of [["node by node", Infinity], ["by indexes", 0]] as const) {
    it(`every placed task fits where it is, in every dimension and by every rule, beside all others (${words})`, () => {
      fc.assert(fc.property(fc.integer(), (seed) => {
        const { state, specs } = runFrom(seed, { nodes: 12, services: 14 }, smallCluster);
        const placed = placedTasks(state, specs), nodes = nodesOf(state);
        for (const task of placed) assert.ok(fitsNaively(task.spec, task.serviceId, nodes.find(({ id }) => id === task.nodeId)!, nodes, placed.filter((other) => other !== task)), `${task.id} on ${task.nodeId}`);
      }), { numRuns: 150 });
    });

    it(`a task that is left waiting fits nowhere, and the filters say why on every node (${words})`, () => {
      fc.assert(fc.property(fc.integer(), (seed) => {
        runFrom(seed, { nodes: 10, services: 12 }, smallCluster, ({ state, specs }, g, serviceId, tasks, placed) => {
          assert.deepEqual(tasks.map((t) => state.tasks.nodeOf(t) !== nowhere), tasks.map((_, i) => i < placed));
          if (placed === tasks.length) return;
          const all = placedTasks(state, specs), nodes = nodesOf(state);
          for (const node of nodes) {
            assert.ok(!fitsNaively(specs.get(serviceId)!, serviceId, node, nodes, all), `${serviceId} on ${node.id}`);
            const n = state.nodes.rowOf(node.id)!;
            if (state.isEligible(n, state.groups.request[g]!)) assert.ok(filters.some((filter) => filter.concerns(state, g) && filter.room(state, g, n) === 0 && filter.refusals(state, g, n).length > 0));
          }
        });
      }), { numRuns: 150 });
    });

    it(`the same cluster gives the same placements, and the state equals one rebuilt from them (${words})`, () => {
      fc.assert(fc.property(fc.integer(), (seed) => {
        const { state, tasks, specs } = runFrom(seed, { nodes: 15, services: 15 }, smallCluster), again = runFrom(seed, { nodes: 15, services: 15 }, smallCluster);
        assert.equal(whereabouts(state, tasks), whereabouts(again.state, again.tasks));
        const rebuilt = stateOfNodes(nodesOf(state));
        const ids = placedTasks(state, specs);
        for (const t of tasks) {
          const serviceId = state.tasks.ids[t]!.split(".")[0]!;
          const { g } = addService(rebuilt, serviceId, specs.get(serviceId)!, 0);
          const copy = rebuilt.addTask(state.tasks.ids[t]!, g, 0);
          const placed = ids.find(({ id }) => id === state.tasks.ids[t]);
          if (placed) rebuilt.placeById(copy, placed.nodeId, true, placed.gpus?.map(({ id }) => id));
        }
        assert.deepEqual(audit(state, rebuilt), []);
      }), { numRuns: 60 });
    });
  }

  it("tasks of one service placed together go where each would go if all nodes were looked at for it alone", () => {
    fc.assert(fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed), { nodes, services } = randomCluster(random, { nodes: 12, services: 10 });
      const together = stateOfNodes(nodes), alone = stateOfNodes(nodes), isUsageAware = random() < 0.5;
      const options = { defaultStrategy: random() < 0.5 ? "BALANCED" : "SPREAD", nowMs: () => 0, smallCluster: Infinity } as const;
      for (const state of [together, alone]) state.isUsageAware = isUsageAware;
      for (const { id } of nodes) { const cpu = Math.floor(random() * 4_000), memory = Math.floor(random() * 2 ** 32); for (const state of [together, alone]) state.setUsage(id, cpu, memory); }
      const placers = { together: new Placer(together, options), alone: new Placer(alone, options) };
      for (const { id, spec: given } of services) {
        if (given.task?.placement?.strategy === "PACK") continue;      // it learns what is scarce from decision to decision
        // Which nodes have the image is looked at once for all.
        const spec: ServiceSpec = { ...given, task: { ...given.task!, container: { ...given.task!.container!, image: "" } } };
        const a = addService(together, id, spec), b = addService(alone, id, spec);
        const placed = placers.together.place(a.g, a.tasks);
        let count = 0;
        while (count < b.tasks.length && placers.alone.place(b.g, [b.tasks[count]!]) === 1) count++;
        assert.equal(placed, count);
        assert.equal(whereabouts(together, a.tasks), whereabouts(alone, b.tasks));
      }
    }), { numRuns: 60 });
  });

  it("what a filter says of one node, and roomOn of all, is what can really be placed there", () => {
    fc.assert(fc.property(fc.integer(), (seed) => {
      const { state } = runFrom(seed, { nodes: 6, services: 8 }, Infinity);
      const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
      for (const g of state.groups.rows()) for (let n = 0; n < state.nodes.size; n++) {
        const room = placer.roomOn(g, n), added = Array.from({ length: Math.min(20, room) + 1 }, (_, i) => state.addTask(`probe.${i}`, g, 0));
        for (const [i, t] of added.entries()) assert.equal(placer.placeOn(t, n), i < room);
        for (const t of added) state.removeTask(t);
      }
    }), { numRuns: 60 });
  });
});
