import assert from "node:assert/strict";
import fc from "fast-check";
import { nodeOf, randomCluster, seededRandom, specOf, stateOfNodes, volumeOf } from "../../testing.js";
import { audit, ClusterState, compileSpec, isReady, nowhere } from "./index.js";

/** All that a state holds, in words that two states share whatever the capacity of their columns. */
function contents(state: ClusterState): Record<string, unknown> {
  const tables = { nodes: state.nodes, tasks: state.tasks, groups: state.groups, services: state.services, requests: state.requests };
  const all: Record<string, unknown> = {};
  for (const [name, { size, capacity, columns, lists }] of Object.entries(tables)) {
    for (const [i, column] of columns.entries()) all[`${name} column ${i}`] = [...column.subarray(0, capacity === 0 ? 0 : (size * column.length) / capacity)];
    for (const [i, list] of lists.entries()) all[`${name} list ${i}`] = list.slice(0, size);
  }
  const inSet = (bits: { has(n: number): boolean }) => Array.from({ length: state.nodes.size }, (_, n) => bits.has(n));
  return {
    ...all,
    // What no node has any more is left as it was.
    devices: Array.from({ length: state.nodes.size }, (_, n) => state.nodes.deviceRows.columns.map((column) => [...column.subarray(state.nodes.gpuStart[n]!, state.nodes.gpuStart[n]! + state.nodes.gpuCount[n]!)])),
    tasksFree: state.tasks.count, kinds: state.requests.kinds, placed: state.placedTasks, objects: [...state.nodeObjects], assigned: [...state.assignedIds].sort(([a], [b]) => a - b),
    alive: inSet(state.nodes.alive), softTainted: inSet(state.softTainted), softTaintedCount: state.softTaintedCount, barred: inSet(state.predicates.barred),
    passing: state.predicates.passing.map(inSet), eligible: state.predicates.eligible.map(inSet), classes: state.predicates.classes.map(String), predicates: state.predicates.predicates.map(({ filter, key }) => filter + key),
    zones: Array.from({ length: state.nodes.size }, (_, n) => { const { valueOf, values } = state.attribute("node.labels.zone"); return values.names[valueOf[n]!]; }),
    ports: [...state.ports.entries()].map(String).sort(), volumes: [...state.volumes.entries()].map(({ id, volume, topology, readers, writers }) => [id, volume, topology, [...readers].sort(), [...writers].sort()]).sort(),
    held: Array.from({ length: state.tasks.size }, (_, t) => state.volumes.heldBy(t)), version: state.volumes.version, models: [...state.gpuModels.names], dimensions: [...state.dimensions.names],
    failing: Array.from(state.groups.rows(), (g) => state.failures.nodesFailing(state.groups.keys[g]!, 0)),
    rows: { nodes: state.nodes.ids.map((id) => state.nodes.rowOf(id)), groups: state.groups.keys.slice(0, state.groups.size).map((key) => state.groups.rowOf(key)), tasks: state.tasks.ids.slice(0, state.tasks.size).map((id) => state.tasks.rowOf(id)) },
    images: [...new Set(Array.from(state.groups.rows(), (g) => state.groups.rules[g]!.image))].map((image) => [...state.groups.withImage(image)].sort((a, b) => a - b)),
    repellers: Array.from(state.groups.rows(), (g) => state.repellersOf(g)),
  };
}

/** Random changes of every kind, one each call. */
function changer(state: ClusterState, random: () => number, size: { readonly nodes: number; readonly services: number }): () => void {
  const cluster = randomCluster(random, size);
  const extra = [
    specOf({ cpu: 0.1, hostPorts: [80] }), specOf({ cpu: 0.1, generic: { apple: 1 } }), specOf({ cpu: 0.2, volumes: ["v1"] }), specOf({ memoryMiB: 5, volumes: ["v2"] }), specOf({ constraints: ["node.labels.disk==ssd"] }),
  ];
  const services = [...cluster.services, ...extra.map((spec, i) => ({ id: `extra${i}`, spec }))];
  const pick = (most: number) => Math.floor(random() * most);
  let made = 0;
  for (const node of cluster.nodes) state.setNode(node);
  return () => {
    const action = random(), node = cluster.nodes[pick(cluster.nodes.length)]!, t = pick(Math.max(1, state.tasks.size));
    const isTask = state.tasks.size > 0 && state.tasks.ids[t] !== "", n = state.nodes.rowOf(node.id);
    if (action < 0.4) {
      const { id, spec } = services[pick(services.length)]!;
      const key = `${id}.${pick(2)}`, waiting = state.addTask(`${id}.${made++}`, state.groupOf(key, id, () => compileSpec(id, spec)), made);
      if (random() < 0.8 && n !== undefined) state.place(waiting, n);
      else if (random() < 0.3) state.placeById(waiting, random() < 0.5 ? "not there yet" : node.id, true, [], [{ kind: "apple", count: 1, ids: [`a${made}`] }]);
    } else if (action < 0.55) { if (isTask) state.removeTask(t); }
    else if (action < 0.65) { if (isTask && state.tasks.nodeOf(t) !== nowhere) state.unplace(t); }
    else if (action < 0.72) { if (isTask) state.setCounts(t, random() < 0.5); }
    else if (action < 0.78) state.setNode({ ...node, spec: { ...node.spec!, labels: { ...node.spec!.labels, disk: random() < 0.5 ? "ssd" : "hdd", zone: `z${pick(5)}` }, availability: random() < 0.8 ? "ACTIVE" : "DRAIN" } });
    else if (action < 0.81) state.setNode(nodeOf(node.id, { gpus: { [`M${pick(3)}`]: pick(4) }, generic: { [`kind${pick(4)}`]: 2 } }));
    else if (action < 0.84) state.removeNode(node.id);
    else if (action < 0.87) { if (n !== undefined) state.bar(n, random() < 0.5); }
    else if (action < 0.9) state.setUsage(node.id, pick(1000), pick(1000));
    else if (action < 0.93) { if (random() < 0.7) state.setVolume(volumeOf(`v${pick(3)}`, { group: random() < 0.5 ? "g" : "" })); else state.removeVolume(`v${pick(3)}`); }
    else if (action < 0.95) { if (n !== undefined && state.groups.size > 0) state.failures.note(n, state.groups.keys[pick(state.groups.size)]!, 0); }
    else if (action < 0.97) {
      const g = pick(Math.max(1, state.groups.size));
      if (state.groups.size === 0 || state.groups.keys[g] === "" || n === undefined) return;
      const { hostPorts, volumes } = state.groups.rules[g]!;
      if (hostPorts.length + volumes.length + state.requests.gpuCount[state.groups.request[g]!]! > 0) return;
      const run = Array.from({ length: 3 }, () => state.addNewTask(`run${made++}`, g, 0));
      state.placeRun(g, run, 0, run.length, n);
    } else state.setNode(nodeOf(`new${made++}`, { cpu: 4 }));
  };
}

function copyWhileChanging(state: ClusterState, change: () => void, changesBetween: () => number): { readonly copy: ClusterState; readonly steps: number } {
  const running = state.copyInSlices();
  for (let steps = 1; ; steps++) {
    const { done, value } = running.next();
    if (done) return { copy: value, steps };
    for (let i = changesBetween(); i > 0; i--) change();
  }
}

describe("a copy of the state", () => {
  it("is as the state is when its last step ends, whatever changed between the steps", () => {
    fc.assert(fc.property(fc.integer(), (seed) => {
      const random = seededRandom(seed), state = new ClusterState();
      state.attribute("node.labels.zone");
      const change = changer(state, random, { nodes: 8, services: 8 });
      for (let i = 0; i < 200; i++) change();
      // The second and the third get the memory of those before, on which something was tried.
      for (let i = 0; i < 3; i++) {
        const { copy } = copyWhileChanging(state, change, () => Math.floor(random() * 8));
        const right = contents(state);
        assert.deepEqual(contents(copy), right);
        assert.deepEqual(audit(copy, state), []);
        // It is another one: what is done to either is not seen in the other.
        for (let j = 0; j < 30; j++) change();
        assert.deepEqual(contents(copy), right);
        const later = contents(state), tryOut = changer(copy, random, { nodes: 9, services: 4 });
        for (let j = 0; j < 30; j++) tryOut();
        assert.deepEqual(contents(state), later);
        state.takeBack(copy);
      }
    }), { numRuns: 40 });
  });

  it("ends though more changes in each round than is copied at once, and when columns and the log of changes grow meanwhile", () => {
    const random = seededRandom(5), state = stateOfNodes([]), change = changer(state, random, { nodes: 150, services: 100 });
    for (let i = 0; i < 3_000; i++) change();
    const capacity = state.tasks.capacity;
    const { copy, steps } = copyWhileChanging(state, change, () => 40);
    assert.ok(steps > 200 && state.tasks.capacity > capacity, `${steps} steps, room for ${state.tasks.capacity} tasks`);
    assert.deepEqual(contents(copy), contents(state));
  });

  it("two may be made at a time, and one be given up", () => {
    const random = seededRandom(9), state = new ClusterState(), change = changer(state, random, { nodes: 10, services: 10 });
    for (let i = 0; i < 300; i++) change();
    const first = state.copyInSlices(), given = state.copyInSlices();
    for (let i = 0; i < 5; i++) { first.next(); given.next(); change(); }
    given.return(undefined as never);
    const { copy } = copyWhileChanging(state, change, () => 2);
    assert.deepEqual(contents(copy), contents(state));
    for (;;) {
      const step = first.next();
      if (step.done) { assert.deepEqual(contents(step.value), contents(state)); break; }
      change();
    }
  });

  it("has maps that are made in steps, and is worked on like any other", () => {
    const state = stateOfNodes(Array.from({ length: 2_500 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 }))), copy = state.copy();
    let steps = 0;
    for (const _ of copy.indexSteps()) steps++;
    assert.ok(steps >= 1);
    assert.equal(copy.nodes.rowOf("n2400"), 2_400);
    copy.setNode(nodeOf("new", { cpu: 1 }));
    copy.removeNode("n3");
    assert.deepEqual([copy.nodes.rowOf("new"), copy.nodes.rowOf("n3"), state.nodes.rowOf("n3"), state.nodes.size], [2_500, undefined, 3, 2_500]);
    assert.equal(copy.passing(isReady).count(), state.passing(isReady).count());
  });
});
