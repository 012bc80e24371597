import assert from "node:assert/strict";
import { silentLogger } from "../../lib/index.js";
import { FakeClock, waitFor } from "../../lib/testing.js";
import { newCluster, newClusterSpec, newService, newTask, newTaskStatus, revisionId, type Node, type ServiceSpec } from "../../model/index.js";
import { createTestStore, type TestStore } from "../../store/testing.js";
import { ClusterState, compileSpec } from "../core/state/index.js";
import { nodeOf, specOf } from "../testing.js";
import { periodMs, settleMs, startAutoRebalance } from "./auto-rebalance.js";
import { Rebalancer, type RebalanceRequest } from "./rebalancer.js";

/** A store and the scheduler's state of it, with services whose tasks run where they are put. */
class Fixture {
  readonly clock = new FakeClock();
  readonly store: TestStore = createTestStore({ clock: this.clock });
  readonly state = new ClusterState();
  readonly rebalancer = new Rebalancer({ store: this.store, clock: this.clock, log: silentLogger, state: () => this.state });

  async start(nodes: readonly Node[], cluster = newClusterSpec()): Promise<this> {
    await this.store.update((tx) => {
      tx.create("cluster", newCluster({ id: "c", spec: cluster }));
      for (const node of nodes) tx.create("node", node);
    });
    for (const node of nodes) this.state.setNode(node);
    return this;
  }

  /** "n1 n1 n2": web.1 and web.2 run on n1, web.3 on n2. */
  async run(name: string, spec: ServiceSpec, where: string): Promise<void> {
    await this.store.update((tx) => {
      tx.create("service", newService({ id: name, spec: { ...spec, name } }));
      for (const [i, nodeId] of where.split(" ").entries()) {
        tx.create("task", newTask({ id: `${name}.${i + 1}`, serviceId: name, revision: 1, slot: spec.mode === "GLOBAL" ? 0 : i + 1, nodeId, status: newTaskStatus({ state: "RUNNING" }) }));
      }
    });
    const g = this.state.groupOf(revisionId(name, 1), name, () => compileSpec(name, spec));
    for (const [i, nodeId] of where.split(" ").entries()) this.state.placeById(this.state.addTask(`${name}.${i + 1}`, g, i), nodeId, true);
  }

  plan(request: Partial<RebalanceRequest>) { return this.rebalancer.run({ strategy: undefined, nodeId: "", maxMoves: 0, isApplied: false, ...request }); }
  async words(request: Partial<RebalanceRequest>) { return (await this.plan(request)).moves.map(({ taskName, from, to, gain }) => `${taskName} ${from.id} → ${to.id}: ${gain}`); }
  moveOf(taskId: string) { return this.store.view((tx) => tx.get("task", taskId)!.move?.nodeId); }
}

describe("rebalancing", () => {
  it("frees a node that is named, and says what each move buys", async () => {
    const fixture = await new Fixture().start([nodeOf("n1"), nodeOf("n2"), nodeOf("n3")]);
    await fixture.run("web", specOf({ cpu: 1, replicas: 2 }), "n1 n3");
    assert.deepEqual(await fixture.words({ strategy: "free", nodeId: "n3" }), ["web.2 n3 → n1: frees node n3, as asked"]);
    assert.equal(fixture.moveOf("web.2"), undefined, "a plan alone changes nothing");
  });

  it("shows what the nodes have reserved before and after", async () => {
    const fixture = await new Fixture().start([nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 })]);
    await fixture.run("a", specOf({ cpu: 2 }), "n1");
    await fixture.run("b", specOf({ cpu: 1 }), "n2");
    const { before, after } = await fixture.plan({ strategy: "pack" });
    const words = (nodes: typeof before) => nodes.map(({ nodeName, tasks, cpuPermille }) => `${nodeName} ${tasks} ${cpuPermille}`);
    assert.deepEqual([words(before), words(after)], [["n1 1 500", "n2 1 250"], ["n1 2 750", "n2 0 0"]]);
  });

  it("applied, notes in each task where it is to go", async () => {
    const fixture = await new Fixture().start([nodeOf("n1"), nodeOf("n2")]);
    await fixture.run("web", specOf({ cpu: 0.5, replicas: 4 }), "n1 n1 n1 n1");
    const { moves, isApplied } = await fixture.plan({ strategy: "spread", isApplied: true });
    assert.equal(isApplied, true);
    assert.equal(moves.length, 2);
    assert.deepEqual(moves.map(({ taskId }) => fixture.moveOf(taskId)), ["n2", "n2"]);
  });

  it("makes as many moves as it may, and says that more would follow", async () => {
    const fixture = await new Fixture().start([nodeOf("n1"), nodeOf("n2")]);
    await fixture.run("web", specOf({ cpu: 0.5, replicas: 6 }), "n1 n1 n1 n1 n1 n1");
    const { moves, isLimited } = await fixture.plan({ strategy: "spread", maxMoves: 1 });
    assert.deepEqual([moves.length, isLimited], [1, true]);
    assert.equal(moves[0]!.gain, "spreads web: one of 6 of its tasks on a node becomes one of 1");
  });

  it("leaves what must not move: services marked no-move, global tasks, those that move already", async () => {
    const fixture = await new Fixture().start([nodeOf("n1"), nodeOf("n2")]);
    await fixture.run("db", specOf({ cpu: 0.5, noMove: true, replicas: 2 }), "n1 n1");
    await fixture.run("agent", { ...specOf({ cpu: 0.5 }), mode: "GLOBAL" }, "n1");
    await fixture.run("web", specOf({ cpu: 0.5 }), "n1");
    await fixture.store.update((tx) => { tx.update("task", { ...tx.get("task", "web.1")!, move: { nodeId: "n2", reason: "", sinceMs: 1 } }); });
    const { moves, unmovableTasks } = await fixture.plan({ strategy: "free", nodeId: "n1" });
    assert.deepEqual([moves.length, unmovableTasks], [0, 4]);
  });

  it("keeps a service's promises: ports, limits per zone, affinities, racks it is spread over, half of its replicas on a node", async () => {
    const racks = [nodeOf("n1", { labels: { rack: "a" } }), nodeOf("n2", { labels: { rack: "b" } }), nodeOf("n3", { labels: { rack: "b" } })];
    const fixture = await new Fixture().start(racks);
    await fixture.run("edge", specOf({ cpu: 0.1, hostPorts: [80], replicas: 2 }), "n1 n2");
    await fixture.run("pair", specOf({ cpu: 0.1, replicas: 2 }), "n1 n2");
    await fixture.run("rack", specOf({ cpu: 0.1, replicas: 2, spread: ["node.labels.rack"] }), "n1 n3");
    await fixture.run("zone", specOf({ cpu: 0.1, replicas: 2, maxPer: [{ key: "node.labels.rack", count: 1 }] }), "n1 n3");
    assert.deepEqual((await fixture.words({ strategy: "pack" })).sort(), ["edge.2 n2 → n3: empties node n2", "pair.2 n2 → n3: empties node n2"], "nothing can join n1, nor leave rack b");
  });

  it("packs around a service that asks for spread: its tasks leave a node, but not for one that has its share", async () => {
    const fixture = await new Fixture().start(["n1", "n2", "n3", "n4"].map((id) => nodeOf(id)));
    await fixture.run("even", specOf({ cpu: 0.1, replicas: 8, strategy: "SPREAD" }), "n1 n1 n2 n2 n3 n3 n4 n4");
    assert.deepEqual(await fixture.words({ strategy: "pack" }), []);
    const roomy = await new Fixture().start(["n1", "n2", "n3", "n4"].map((id) => nodeOf(id)));
    await roomy.run("other", specOf({ cpu: 0.1, noMove: true, replicas: 2 }), "n1 n2");
    await roomy.run("pair", specOf({ cpu: 0.1, replicas: 2, strategy: "SPREAD" }), "n3 n4");
    assert.equal(new Set((await roomy.plan({ strategy: "pack" })).moves.map(({ to }) => to.id)).size, 2, "one on n1, one on n2");
  });

  it("the cluster's own strategy is taken where none is asked for", async () => {
    const fixture = await new Fixture().start([nodeOf("n1"), nodeOf("n2")], newClusterSpec({ placementStrategy: "SPREAD" }));
    await fixture.run("web", specOf({ cpu: 0.5, replicas: 2 }), "n1 n1");
    assert.equal((await fixture.plan({})).moves.length, 1);
  });

  it("refuses a node that it does not know", async () => {
    const fixture = await new Fixture().start([nodeOf("n1")]);
    await assert.rejects(fixture.plan({ strategy: "free", nodeId: "n9" }), { code: "NOT_FOUND", message: /Cannot free node "n9"/ });
  });
});

describe("rebalancing without being asked", () => {
  const begin = async (spec: Parameters<typeof newClusterSpec>[0]) => {
    const fixture = await new Fixture().start([nodeOf("n1")], newClusterSpec(spec));
    const asked: number[] = [];
    const auto = startAutoRebalance({
      store: fixture.store, clock: fixture.clock, log: silentLogger, random: () => 0,
      rebalancer: { run: async ({ maxMoves }) => { asked.push(maxMoves); const [move] = (await fixture.plan({ strategy: "free", nodeId: "n1" })).moves; return { moves: move ? [move] : [], before: [], after: [], unmovableTasks: 0, isLimited: false, isApplied: true }; } },
    });
    return { fixture, asked, auto, join: (id: string) => fixture.store.update((tx) => { tx.create("node", nodeOf(id)); }) };
  };

  it("looks a while after a node has joined, once for many", async () => {
    const { fixture, asked, auto, join } = await begin({ autoRebalance: { isOn: true, movesPerHour: 5 } });
    await join("n2");
    await join("n3");
    fixture.clock.advance(settleMs - 1);
    assert.deepEqual(asked, []);
    fixture.clock.advance(1);
    await waitFor("a look", () => asked.length === 1);
    assert.deepEqual(asked, [5]);
    await auto.stop();
  });

  it("does nothing unless it is on", async () => {
    const { fixture, asked, auto, join } = await begin({});
    await join("n2");
    fixture.clock.advance(2 * periodMs);
    await auto.stop();
    assert.deepEqual(asked, []);
  });

  it("keeps to its budget, which grows again as the hour passes", async () => {
    const { fixture, asked, auto, join } = await begin({ autoRebalance: { isOn: true, movesPerHour: 2 } });
    await fixture.run("web", specOf({ cpu: 0.1, replicas: 1 }), "n1");
    fixture.state.setNode(nodeOf("n2"));
    await join("n2");
    fixture.clock.advance(settleMs);
    await waitFor("the first look", () => asked.length === 1);
    await join("n3");
    await waitFor("the second look", () => { fixture.clock.advance(settleMs); return asked.length === 2; });
    await join("n4");
    fixture.clock.advance(settleMs + 1000);
    assert.deepEqual(asked, [2, 1], "the budget is used up");
    await waitFor("a look when the first move is an hour old", () => { fixture.clock.advance(periodMs); return asked.length === 3; });
    await auto.stop();
  });
});
