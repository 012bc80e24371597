import assert from "node:assert/strict";
import fc from "fast-check";
import type { Node } from "../../../model/index.js";
import { addService, nodeOf, seededRandom, specOf, stateOfNodes, volumeOf, type SpecWords } from "../../testing.js";
import { Placer } from "../place/index.js";
import { audit, nowhere, type ClusterState } from "../state/index.js";
import { planGang, type GangPlan } from "./index.js";
import { without } from "./without.js";

const placerOf = (state: ClusterState) => new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });

function planned(state: ClusterState, g: number, tasks: readonly number[]): GangPlan | undefined {
  const placer = placerOf(state);
  const before = state.copy();
  const plan = planGang(state, g, tasks, { canFit: (group, n) => placer.canFit(group, n), place: (group, members) => placer.place(group, members) });
  assert.deepEqual(audit(state, before), [], "the state is as it was");
  return plan;
}

function run(state: ClusterState, id: string, node: string, words: SpecWords = {}): void {
  const { tasks: [t] } = addService(state, id, specOf(words));
  state.tasks.sinceMs[t!] = state.tasks.count;
  state.place(t!, state.nodes.rowOf(node)!);
}

const cluster = (...nodes: Node[]): ClusterState => stateOfNodes(nodes);

/** Victims, and how many go where. */
function plan(state: ClusterState, replicas: number, words: SpecWords, id = "gang"): string | undefined {
  const { g, tasks } = addService(state, id, specOf({ priority: 10, gang: true, replicas, ...words }));
  const found = planned(state, g, tasks);
  return found && `${found.victims.map((t) => state.tasks.ids[t]!.replace(/\.1$/, "")).sort().join(" ")} → ${[...found.nodes].map(([n, count]) => `${count} on ${state.nodes.names[n]}`).sort().join(", ")}`;
}

describe("whom to stop for a gang", () => {
  it("one task that makes room for all of it rather than one for each", () => {
    const state = cluster(nodeOf("n1", { cpu: 1 }), nodeOf("n2", { cpu: 1 }), nodeOf("n3", { cpu: 1 }), nodeOf("n4", { cpu: 3 }));
    for (const node of ["n1", "n2", "n3"]) run(state, `small-${node}`, node, { cpu: 1 });
    run(state, "large", "n4", { cpu: 3, priority: 9 });
    assert.equal(plan(state, 3, { cpu: 1 }), "large → 3 on n4");
  });

  it("the least important of as many, and nobody where a member fits anyway", () => {
    const state = cluster(...["n1", "n2", "n3", "n4"].map((id) => nodeOf(id, { cpu: 2 })));
    for (const [i, node] of ["n1", "n2", "n3"].entries()) run(state, `p${i}`, node, { cpu: 2, priority: [5, 1, 3][i]! });
    assert.equal(plan(state, 3, { cpu: 2 }), "p1 p2 → 1 on n2, 1 on n3, 1 on n4");
  });

  it("the youngest of equals, across nodes two for three where that is less than three", () => {
    const state = cluster(nodeOf("n1", { cpu: 3 }), nodeOf("n2", { cpu: 1 }), nodeOf("n3", { cpu: 1 }), nodeOf("n4", { cpu: 1 }));
    run(state, "a", "n1", { cpu: 1.5 });
    run(state, "b", "n1", { cpu: 1.5 });
    for (const node of ["n2", "n3", "n4"]) run(state, `c-${node}`, node, { cpu: 1 });
    assert.equal(plan(state, 3, { cpu: 1 }), "a b → 3 on n1");
    const again = cluster(nodeOf("n1", { cpu: 2 }));
    for (const id of ["old", "young"]) run(again, id, "n1", { cpu: 1 });
    run(again, "none", "n1");
    assert.equal(plan(again, 1, { cpu: 1 }), "young → 1 on n1");
  });

  it("nobody where not all of it would fit, however many went", () => {
    const state = cluster(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }), nodeOf("n3", { cpu: 4 }));
    for (const node of ["n1", "n2"]) run(state, `low-${node}`, node, { cpu: 4 });
    run(state, "equal", "n3", { cpu: 4, priority: 10 });
    assert.equal(plan(state, 3, { cpu: 4 }), undefined);
    assert.equal(plan(state, 2, { cpu: 4, constraints: ["node.hostname!=n2"] }, "constrained"), undefined);
    assert.equal(plan(state, 3, { cpu: 2, maxPerNode: 1 }, "limited"), undefined);
    assert.equal(plan(state, 2, { cpu: 4 }, "both"), "low-n1 low-n2 → 1 on n1, 1 on n2");
  });

  it("no gang, nobody who is not to be moved; whoever is being stopped is enough by himself", () => {
    const state = cluster(nodeOf("n1", { cpu: 2 }), nodeOf("n2", { cpu: 2 }), nodeOf("n3", { cpu: 2 }));
    run(state, "gang-low", "n1", { cpu: 2, gang: true });
    run(state, "still", "n2", { cpu: 2, noMove: true });
    run(state, "ends", "n3", { cpu: 2 });
    assert.equal(plan(state, 2, { cpu: 2 }), undefined);
    state.setCounts(state.tasks.rowOf("ends.1")!, false);
    assert.equal(plan(state, 2, { cpu: 1 }, "small"), " → 2 on n3");
  });

  it("those who hold GPUs, host ports or places under a limit per node", () => {
    const state = cluster(nodeOf("n1", { gpus: { A100: 4 } }), nodeOf("n2", { gpus: { A100: 4 } }), nodeOf("n3"));
    run(state, "two", "n1", { gpu: { count: 2 } });
    run(state, "one", "n1", { gpu: { count: 1 } });
    run(state, "four", "n2", { gpu: { count: 4 } });
    run(state, "web1", "n1", { hostPorts: [80] });
    run(state, "web2", "n2", { hostPorts: [80] });
    assert.equal(plan(state, 2, { gpu: { count: 2 } }), "four → 2 on n2");
    assert.equal(plan(state, 3, { gpu: { count: 2 } }, "three"), "four one → 1 on n1, 2 on n2");
    assert.equal(plan(state, 2, { gpu: { count: 1 }, maxPerNode: 1 }, "apart"), "four → 1 on n1, 1 on n2");
    assert.equal(plan(state, 3, { hostPorts: [80] }, "port"), "web1 web2 → 1 on n1, 1 on n2, 1 on n3");
  });

  it("with limits per zone, members that keep apart or together, and volumes", () => {
    const state = cluster(...[1, 2, 3, 4].map((i) => nodeOf(`n${i}`, { cpu: 2, labels: { zone: i < 3 ? "a" : "b" } })));
    for (let i = 1; i <= 4; i++) run(state, `low${i}`, `n${i}`, { cpu: 2, priority: i });
    assert.equal(plan(state, 2, { cpu: 2, maxPer: [{ key: "node.labels.zone", count: 1 }] }), "low1 low3 → 1 on n1, 1 on n3");
    assert.equal(plan(state, 3, { cpu: 2, maxPer: [{ key: "node.labels.zone", count: 1 }] }, "three"), undefined);
    const rule = (service: string, anti: boolean, key: string) => ({ service, anti, required: true, weight: 0, key });
    assert.equal(plan(state, 2, { cpu: 1, affinities: [rule("apart", true, "node.labels.zone")] }, "apart"), "low1 low3 → 1 on n1, 1 on n3");
    assert.equal(plan(state, 2, { cpu: 2, affinities: [rule("near", false, "node.labels.zone")] }, "near"), "low1 low2 → 1 on n1, 1 on n2");
    state.setVolume(volumeOf("v", { scope: "MULTI_NODE", sharing: "SHARE_ALL" }));
    assert.equal(plan(state, 2, { cpu: 2, volumes: ["v"] }, "files"), "low1 low2 → 1 on n1, 1 on n2");
  });

  it("as few as a slow look at all sets of tasks finds, lower priorities only, and not one too many", () => {
    let found = 0, none = 0;
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const random = seededRandom(seed);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const nodes = ["n1", "n2", "n3"].map((id) => nodeOf(id, { cpu: pick([2, 3, 4]), memoryMiB: pick([2048, 4096]), gpus: random() < 0.4 ? { T4: pick([1, 2]) } : {}, labels: { zone: pick(["a", "b"]) } }));
      const state = stateOfNodes(nodes);
      const placer = placerOf(state);
      for (let i = 0; i < 9; i++) {
        const { g, tasks } = addService(state, `s${i}`, specOf({
          cpu: pick([0, 0.5, 1, 1.5, 2]), memoryMiB: pick([0, 512, 1024]), priority: Math.floor(random() * 4), noMove: random() < 0.1, gang: random() < 0.1, ...(random() < 0.2 ? { gpu: { count: 1 } } : {}),
        }));
        placer.place(g, tasks);
        if (random() < 0.1 && state.tasks.nodeOf(tasks[0]!) !== nowhere) state.setCounts(tasks[0]!, false);
      }
      const byZone = random() < 0.2;
      const { g, tasks } = addService(state, "gang", specOf({
        priority: 3, gang: true, replicas: 2 + Math.floor(random() * 3), cpu: pick([0.5, 1, 2]), memoryMiB: pick([0, 1024]), maxPerNode: pick([0, 0, 1, 2]),
        maxPer: byZone ? [{ key: "node.labels.zone", count: 2 }] : [], ...(random() < 0.2 ? { gpu: { count: 1 } } : {}),
      }));
      const fits = (gone: readonly number[]) => without(state, [...gone, ...endingOf(state)], () => {
        const placed = placer.place(g, tasks);
        for (const t of tasks.slice(0, placed)) state.unplace(t);
        return placed === tasks.length;
      });
      if (placer.place(g, tasks) === tasks.length) return;
      for (const t of tasks) if (state.tasks.nodeOf(t) !== nowhere) state.unplace(t);
      const plan = planned(state, g, tasks);
      const least = fewest(state, g, fits);
      if (!plan) { none++; assert.ok(least === undefined || byZone, `a plan was there to be found (seed ${seed})`); return; }
      found++;
      for (const t of plan.victims) assert.ok(state.groups.priority[state.tasks.groupOf(t)]! < 3 && !state.groups.rules[state.tasks.groupOf(t)]!.isGang && state.groups.rules[state.tasks.groupOf(t)]!.mayMove);
      assert.equal([...plan.nodes.values()].reduce((sum, count) => sum + count, 0), tasks.length);
      assert.ok(fits(plan.victims), `all fit without them (seed ${seed})`);
      if (byZone) for (const kept of plan.victims) assert.ok(!fits(plan.victims.filter((t) => t !== kept)), `${state.tasks.ids[kept]} need not go (seed ${seed})`);
      else assert.equal(plan.victims.length, least, `as few as could be (seed ${seed})`);
    }), { numRuns: 300, examples: [[631201610]] });
    assert.ok(found > 40 && none > 20, `${found} plans, ${none} times none`);
  });
});

const endingOf = (state: ClusterState): number[] => [...state.tasks.rows()].filter((t) => state.tasks.nodeOf(t) !== nowhere && state.tasks.countOf(t) === 0);

/** The least number of victims with which all fit, tried one after the other. */
function fewest(state: ClusterState, g: number, fits: (gone: readonly number[]) => boolean): number | undefined {
  const may = [...state.tasks.rows()].filter((t) => {
    const group = state.tasks.groupOf(t), rules = state.groups.rules[group]!;
    return state.tasks.nodeOf(t) !== nowhere && state.tasks.countOf(t) === 1 && state.groups.priority[group]! < state.groups.priority[g]! && !rules.isGang && rules.mayMove;
  });
  let least: number | undefined;
  for (let set = 0; set < 1 << may.length; set++) {
    const gone = may.filter((_, i) => (set & (1 << i)) !== 0);
    if ((least === undefined || gone.length < least) && fits(gone)) least = gone.length;
  }
  return least;
}
