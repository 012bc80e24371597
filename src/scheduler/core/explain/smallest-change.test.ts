import assert from "node:assert/strict";
import fc from "fast-check";
import { addService, nodeOf, randomCluster, seededRandom, specOf, stateOfNodes, type NodeWords, type SpecWords } from "../../testing.js";
import { Placer } from "../place/index.js";
import { audit, compileSpec, type ClusterState } from "../state/index.js";
import { applyToSpec, changeWords, explain, specOfGroup, type Explanation, type Names, type Suggestion } from "./index.js";

const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
const plainNames: Names = { service: (id) => id, task: (id) => id };

function explanationOf(state: ClusterState, g: number): Explanation {
  const steps = explain(state, g, { candidates: 3, suggests: true, rank: (group, limit) => placerOf(state).rankSteps(group, limit) });
  for (;;) { const step = steps.next(); if (step.done) return step.value; }
}

const words = ({ changes, nodes }: Suggestion, state: ClusterState) => `${changes.map((change) => changeWords(change, plainNames)).join(" and ")} → ${nodes.map((n) => state.nodes.names[n]).join(" ")}`;

/** A cluster with tasks that are placed, then a service of which one more does not fit; what would let it. */
function changesFor(nodes: Record<string, NodeWords>, present: readonly { id: string; on: string; stopping?: boolean; spec: SpecWords }[], wanted: SpecWords): string[] {
  const state = stateOfNodes(Object.entries(nodes).map(([id, each]) => nodeOf(id, each)));
  for (const { id, on, spec, stopping } of present) {
    const { tasks } = addService(state, id, specOf({ replicas: 1, ...spec }));
    for (const t of tasks) state.place(t, state.nodes.rowOf(on)!, !stopping);
  }
  const { g } = addService(state, "new", specOf(wanted));
  return explanationOf(state.copy(), g).suggestions.map((suggestion) => words(suggestion, state));
}

/** Makes the changes in earnest, with nothing but the placer. */
function holds(given: ClusterState, g: number, { changes, nodes }: Suggestion): boolean {
  const state = given.copy();
  const placer = placerOf(state);
  let spec = specOfGroup(state, g);
  const moves: { t: number; to: string }[] = [];
  for (const change of changes) {
    if (change.kind === "activate") {
      const node = state.nodeObjects[state.nodes.rowOf(change.nodeId)!]!;
      state.setNode({ ...node, spec: { ...node.spec!, availability: "ACTIVE" } });
    } else if (change.kind === "move") {
      const t = state.tasks.rowOf(change.taskId)!;
      state.unplace(t);
      moves.push({ t, to: change.toNodeId });
    } else if (change.kind === "stop") state.removeTask(state.tasks.rowOf(change.taskId)!);
    else spec = applyToSpec(change, spec);
  }
  const serviceId = state.services.ids[state.groups.service[g]!]!;
  const changed = state.addGroup("changed", serviceId, spec);
  state.holdGroup(changed);
  if (!nodes.every((n) => placer.canFit(changed, n))) return false;
  const t = state.addTask("one-more", changed, 0);
  if (moves.length === 0) return placer.place(changed, [t]) === 1;
  return placer.placeOn(t, nodes[0]!) && moves.every(({ t: moved, to }) => placer.placeOn(moved, state.nodes.rowOf(to)!));
}

function* nobody(): Generator<void, []> { return []; }

describe("the smallest change that would make a task fit", () => {
  it("less memory, on as many nodes as have it", () => {
    assert.deepEqual(changesFor({ a: { memoryMiB: 700 }, b: { memoryMiB: 700 }, c: { memoryMiB: 500 } }, [], { memoryMiB: 1024 }), ["memory <= 700 MiB → a b"]);
  });

  it("a constraint dropped, a taint tolerated, a drained node back: what is cheapest first", () => {
    assert.deepEqual(changesFor({
      a: { labels: { disk: "hdd" } }, b: { labels: { disk: "hdd" } }, c: { labels: { disk: "ssd" }, taints: [{ key: "dedicated", value: "batch", effect: "NO_SCHEDULE" }] }, d: { labels: { disk: "ssd" }, isDrained: true }, e: { isDown: true },
    }, [], { constraints: ["node.labels.disk==ssd"] }), [
      "node d is drained no longer → d", "taint dedicated=batch is tolerated → c", "constraint node.labels.disk==ssd is dropped → a b",
    ]);
  });

  it("as much as is left on the best node, also where others would have to move for more", () => {
    const present = [{ id: "big", on: "a", spec: { memoryMiB: 3072 } }, { id: "web", on: "a", spec: { memoryMiB: 1024 } }];
    assert.deepEqual(changesFor({ a: { memoryMiB: 4096 }, b: { memoryMiB: 1024 } }, present, { memoryMiB: 1025 }), ["memory <= 1 GiB → b"]);
    assert.deepEqual(changesFor({ a: { memoryMiB: 4096 }, b: { memoryMiB: 1100 } }, present, { memoryMiB: 2048 }), ["memory <= 1100 MiB → b"]);
  });

  it("a limit per label once, however many places have reached it, and as low as will do", () => {
    const state = stateOfNodes(["a", "b", "c"].map((zone) => nodeOf(zone, { labels: { zone } })));
    const { g, tasks } = addService(state, "new", specOf({ maxPer: [{ key: "node.labels.zone", count: 1 }, { key: "node.hostname", count: 3 }], replicas: 5 }));
    for (const [i, n] of [0, 1, 1, 2].entries()) state.place(tasks[i]!, n);
    const { suggestions, causes } = explanationOf(state.copy(), g);
    assert.deepEqual(suggestions.map((suggestion) => words(suggestion, state)), ["max per node.labels.zone is 2 → a c"]);
    assert.deepEqual(causes.map(({ detail }) => detail), ["node.labels.zone=a, b and 1 more have their 1 task of this service already"]);
  });

  it("a task moved, with where to; one that is being stopped has only to end", () => {
    const state = changesFor({ a: { cpu: 4 }, b: { cpu: 1 } }, [{ id: "small", on: "a", spec: { cpu: 1 } }, { id: "large", on: "a", spec: { cpu: 2 } }], { cpu: 2 });
    assert.deepEqual(state, ["small.1 moved (from a to b) → a", "CPU <= 1 → a b"]);
    assert.deepEqual(changesFor({ a: { cpu: 4 } }, [{ id: "old", on: "a", stopping: true, spec: { cpu: 3 } }], { cpu: 4 }), ["old.1, which is being stopped on a, had ended → a", "CPU <= 1 → a"]);
  });

  it("tasks of services that must not move stay", () => {
    assert.deepEqual(changesFor({ a: { cpu: 4 }, b: { cpu: 1 } }, [{ id: "small", on: "a", spec: { cpu: 1, noMove: true } }, { id: "large", on: "a", spec: { cpu: 2 } }], { cpu: 2 }), ["CPU <= 1 → a b"]);
  });

  it("limits per node, ports and anti-affinity", () => {
    const own = [{ id: "new", on: "a", spec: { maxPerNode: 1 } }];
    assert.deepEqual(changesFor({ a: {} }, own, { maxPerNode: 1 }), ["max per node is 2 → a"]);
    assert.deepEqual(changesFor({ a: {} }, [{ id: "web", on: "a", spec: { hostPorts: [80] } }], { hostPorts: [80] }), ["host port 80/tcp is not published → a"]);
    assert.deepEqual(changesFor({ a: {} }, [{ id: "db", on: "a", spec: {} }], { affinities: [{ service: "db", anti: true, required: true, weight: 0, key: "" }] }), ["anti-affinity to service db is dropped → a"]);
  });

  it("GPUs: fewer, a smaller share, any model", () => {
    assert.deepEqual(changesFor({ a: { gpus: { T4: 2 } } }, [], { gpu: { count: 3 } }), ["GPUs <= 2 → a"]);
    assert.deepEqual(changesFor({ a: { gpus: { T4: 1 } } }, [{ id: "x", on: "a", spec: { gpu: { count: 1, millis: 600 } } }], { gpu: { count: 1, millis: 500 } }), ["its share of a GPU is <= 0.4 → a"]);
    assert.deepEqual(changesFor({ a: { gpus: { T4: 1 } } }, [], { gpu: { count: 1, models: ["A100"] } }), ["a GPU of any model will do (not only A100) → a"]);
  });

  it("a reservation given up only where nothing else helps, not even two changes", () => {
    const nodes = { a: { gpus: { T4: 1 }, labels: { disk: "ssd" } }, b: { generic: { licence: 1 } } };
    assert.deepEqual(changesFor(nodes, [], { gpu: { count: 1, millis: 500 }, generic: { licence: 1 } }), ["licence is not reserved → a", "no GPU is reserved → b"]);
    assert.deepEqual(changesFor({ a: nodes.a }, [], { generic: { licence: 1 }, constraints: ["node.labels.disk==hdd"] }), []);
    assert.deepEqual(changesFor(nodes, [{ id: "x", on: "b", spec: { generic: { licence: 1 } } }], { generic: { licence: 1 } }), ["licence is not reserved → a b"]);
    assert.deepEqual(changesFor({ a: nodes.a }, [], { gpu: { count: 2 }, generic: { licence: 1 } }), ["licence is not reserved and no GPU is reserved → a"]);
  });

  it("two changes only where no single one helps", () => {
    assert.deepEqual(changesFor({ a: { memoryMiB: 512, labels: { disk: "hdd" } } }, [], { memoryMiB: 1024, constraints: ["node.labels.disk==ssd"] }), ["constraint node.labels.disk==ssd is dropped and memory <= 512 MiB → a"]);
    assert.deepEqual(changesFor({ a: { cpu: 4 }, b: { cpu: 1 }, c: { cpu: 1 } }, [{ id: "one", on: "a", spec: { cpu: 1 } }, { id: "two", on: "a", spec: { cpu: 1 } }, { id: "three", on: "a", spec: { cpu: 2, noMove: true } }], { cpu: 2, constraints: ["node.id==a"] }),
      ["one.1 moved (from a to b) and two.1 moved (from a to c) → a", "constraint node.id==a is dropped and CPU <= 1 → b c"]);
    assert.deepEqual(changesFor({ a: { isDown: true } }, [], {}), []);
  });

  it("every suggestion is true when it is tried, and trying leaves nothing behind", () => {
    const seen = new Map<string, number>();
    fc.assert(fc.property(fc.integer(), (seed) => {
      const cluster = randomCluster(seededRandom(seed), { nodes: 8, services: 24 });
      const state = stateOfNodes(cluster.nodes);
      const placer = placerOf(state);
      const left: number[] = [];
      for (const { id, spec } of cluster.services) {
        const { g, tasks } = addService(state, id, spec);
        if (placer.place(g, tasks) < tasks.length) left.push(g);
      }
      for (const g of left) {
        const copy = state.copy();
        const { suggestions, fitting } = explanationOf(copy, g);
        assert.deepEqual(audit(copy, state), []);
        assert.deepEqual([...fitting], []);
        for (const suggestion of suggestions) {
          const kind = suggestion.changes.map((change) => change.kind).join("+");
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
          assert.ok(holds(state, g, suggestion), words(suggestion, state));
        }
      }
    }), { numRuns: 60, seed: 4 });
    for (const kind of ["amount", "move", "predicate", "port", "max-per-node", "activate"]) assert.ok(seen.has(kind), `${kind} is among what was suggested: ${[...seen.keys()].join(", ")}`);
  });

  it("a reservation is suggested for all tasks of a service together, the largest with which they fit", () => {
    const state = stateOfNodes([nodeOf("a", { cpu: 2 }), nodeOf("b", { cpu: 2 })]);
    const { g, tasks } = addService(state, "web", specOf({ replicas: 4, cpu: 1.5 }));
    const placer = placerOf(state);
    assert.equal(placer.place(g, tasks), 2);
    const before = state.copy();
    const steps = explain(state, g, { candidates: 0, suggests: true, whole: { placer, placed: tasks.slice(0, 2), wanted: 4 }, rank: nobody });
    let step = steps.next();
    while (!step.done) step = steps.next();
    assert.deepEqual(step.value.suggestions.map((suggestion) => `${words(suggestion, state)}${suggestion.tasks}`), ["CPU <= 1 → 4"]);
    assert.deepEqual(audit(state, before), []);
  });

  for (const [gpu, suggested] of [[{ count: 1, millis: 500 }, "its share of a GPU is <= 0.33 → 5"], [{ count: 2 }, "no GPU is reserved → a b"], [{ count: 1, millis: 4 }, undefined]] as const) {
    it(`GPUs as well: 5 times ${JSON.stringify(gpu)} on two devices${suggested === undefined ? ", where nothing is needed" : ""}`, () => {
      const state = stateOfNodes([nodeOf("a", { gpus: { T4: 2 } }), nodeOf("b")]);
      const { g, tasks } = addService(state, "web", specOf({ replicas: 5, gpu }));
      const placer = placerOf(state);
      const placed = placer.place(g, tasks), before = state.copy();
      const steps = explain(state, g, { candidates: 0, suggests: true, whole: { placer, placed: tasks.slice(0, placed), wanted: 5 }, rank: nobody });
      let step = steps.next();
      while (!step.done) step = steps.next();
      assert.deepEqual(step.value.suggestions.map((suggestion) => `${words(suggestion, state)}${suggestion.tasks ?? ""}`), suggested === undefined ? [] : [suggested]);
      assert.deepEqual(audit(state, before), []);
    });
  }

  it("with what is suggested for all tasks, all are placed, and with a little more they are not", () => {
    let seen = 0;
    fc.assert(fc.property(fc.integer(), (seed) => {
      const cluster = randomCluster(seededRandom(seed), { nodes: 6, services: 16 });
      const state = stateOfNodes(cluster.nodes);
      const placer = placerOf(state);
      const left: { g: number; tasks: number[]; placed: number; id: string }[] = [];
      for (const { id, spec } of cluster.services) {
        const { g, tasks } = addService(state, id, spec);
        const placed = placer.place(g, tasks);
        if (placed < tasks.length && tasks.length > 1) left.push({ g, tasks, placed, id });
      }
      for (const { g, tasks, placed, id } of left) {
        const copy = state.copy();
        const steps = explain(copy, g, { candidates: 0, suggests: true, whole: { placer: placerOf(copy), placed: tasks.slice(0, placed), wanted: tasks.length }, rank: nobody });
        let step = steps.next();
        while (!step.done) step = steps.next();
        assert.deepEqual(audit(copy, state), []);
        for (const { changes, tasks: count } of step.value.suggestions) {
          const [change] = changes;
          if (!count || change?.kind !== "amount") continue;
          seen++;
          for (const [more, isEnough] of [[0, true], [change.dimension === "cpu" ? 10 : change.dimension === "memory" ? 2 ** 20 : 1, false]] as const) {
            const tried = state.copy();
            for (const t of tasks.slice(0, placed)) tried.unplace(t);
            const group = tried.addGroup("changed", id, applyToSpec({ ...change, to: change.to + more }, specOfGroup(tried, g)));
            tried.holdGroup(group);
            assert.equal(placerOf(tried).place(group, tasks.map((_, i) => tried.addTask(`again ${i}`, group, 0))) === count, isEnough, `${id}: ${change.dimension} ${change.to} + ${more}`);
          }
        }
      }
    }), { numRuns: 40, seed: 8 });
    assert.ok(seen > 10, `${seen} seen`);
  });

  it("a spec that is compiled, taken from its group, is what it was", () => {
    const state = stateOfNodes([nodeOf("a", { gpus: { T4: 2 }, generic: { licence: 1 } })]);
    const spec = compileSpec("s", specOf({ cpu: 0.5, memoryMiB: 64, gpu: { count: 1, millis: 250, models: ["T4"] }, generic: { licence: 1 }, constraints: ["node.role==worker"], priority: 3 }));
    const { g } = addService(state, "s", specOf({ cpu: 0.5, memoryMiB: 64, gpu: { count: 1, millis: 250, models: ["T4"] }, generic: { licence: 1 }, constraints: ["node.role==worker"], priority: 3 }));
    const taken = specOfGroup(state, g);
    assert.deepEqual({ ...taken, predicates: taken.predicates.map(({ filter, key }) => `${filter} ${key}`) }, { ...spec, predicates: spec.predicates.map(({ filter, key }) => `${filter} ${key}`) });
  });
});
