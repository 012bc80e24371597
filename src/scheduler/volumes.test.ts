import assert from "node:assert/strict";
import { Metrics, silentLogger } from "../lib/index.js";
import { FakeClock } from "../lib/testing.js";
import { newCluster, newRevision, newService, newTask, newTaskStatus, stateOf, type Node, type ServiceSpec, type Task, type Volume, type VolumeSpec } from "../model/index.js";
import { createTestStore } from "../store/testing.js";
import { planRebalance, snapshotOf } from "./core/rebalance/index.js";
import { startScheduler, type Scheduler } from "./scheduler.js";
import { addService, nodeOf, specOf, stateOfNodes, volumeOf } from "./testing.js";

/** A store with a scheduler on it; nobody else acts. */
class Fixture {
  readonly clock = new FakeClock();
  readonly store = createTestStore({ clock: this.clock });
  scheduler!: Scheduler;

  async start(nodes: readonly Node[], volumes: readonly Volume[]): Promise<void> {
    await this.store.update((tx) => {
      tx.create("cluster", newCluster({ id: "c" }));
      for (const node of nodes) tx.create("node", node);
      for (const volume of volumes) tx.create("volume", volume);
    });
    this.run();
    await this.settle();
  }
  run(): void { this.scheduler = startScheduler({ store: this.store, clock: this.clock, log: silentLogger, random: () => 0.5, metrics: new Metrics() }); }

  async submit(id: string, spec: ServiceSpec, task: Partial<Task> = {}): Promise<void> {
    await this.store.update((tx) => {
      tx.create("service", newService({ id, spec: { ...spec, name: id } }));
      tx.create("revision", newRevision(id, 1, spec));
      for (let i = 1; i <= spec.replicas; i++) tx.create("task", newTask({ id: `${id}.${i}`, serviceId: id, revision: 1, slot: i, status: newTaskStatus({ state: "PENDING" }), ...task }));
    });
    await this.settle();
  }
  task(id: string): Task { return this.store.view((tx) => tx.get("task", id)!); }
  volume(id: string): Volume { return this.store.view((tx) => tx.get("volume", id)!); }
  err(id: string): string { return this.task(id).status!.err; }
  async end(id: string): Promise<void> {
    await this.store.update((tx) => { const task = tx.get("task", id)!; tx.update("task", { ...task, desiredState: "SHUTDOWN", status: { ...task.status!, state: "SHUTDOWN" } }); });
    await this.settle();
  }
  async setNode(node: Node): Promise<void> {
    await this.store.update((tx) => tx.update("node", { ...node, meta: tx.get("node", node.id)!.meta }));
    await this.settle();
  }
  async setVolume(id: string, spec: Partial<VolumeSpec>): Promise<void> {
    await this.store.update((tx) => { const volume = tx.get("volume", id)!; tx.update("volume", { ...volume, spec: { ...volume.spec!, ...spec } }); });
    await this.settle();
  }
  async settle(): Promise<void> {
    for (let before = -1; before !== this.store.index;) {
      before = this.store.index;
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  async advance(ms: number): Promise<void> { this.clock.advance(ms); await this.settle(); }
}

describe("the scheduler's loop: volumes of the cluster", () => {
  let fixture: Fixture;
  beforeEach(() => { fixture = new Fixture(); });
  afterEach(async () => {
    assert.deepEqual(await fixture.scheduler.audit(), []);
    await fixture.scheduler.stop();
  });

  it("an assignment names the volumes that its mounts get, and where a single-node one has its data from then on", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2")], [volumeOf("data"), volumeOf("docs", { scope: "MULTI_NODE", sharing: "SHARE_READ_ONLY" })]);
    const before = fixture.store.index;
    await fixture.submit("db", specOf({ volumes: ["data", "docs!"] }));
    assert.equal(fixture.store.index, before + 2, "one transaction says both");
    const { nodeId, volumes, status } = fixture.task("db.1");
    assert.deepEqual(volumes, [{ target: "/mnt/0", volumeId: "data", readOnly: false }, { target: "/mnt/1", volumeId: "docs", readOnly: true }]);
    assert.equal(status!.state, "ASSIGNED");
    assert.deepEqual([fixture.volume("data").nodeId, fixture.volume("docs").nodeId], [nodeId, ""]);
  });

  it("a task whose node is drained waits for its data, says so, and meets them again", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2"), nodeOf("n3")], [volumeOf("data", { nodeId: "n2" })]);
    await fixture.submit("db", specOf({ volumes: ["data"] }));
    assert.equal(fixture.task("db.1").nodeId, "n2");
    await fixture.setNode(nodeOf("n2", { isDrained: true }));
    await fixture.end("db.1");
    await fixture.submit("next", specOf({ volumes: ["data"] }));
    assert.equal(fixture.err("next.1"), "no node fits: volume data has its data on node n2, which is drained (2 nodes); node is drained (1 node)");
    await fixture.setNode(nodeOf("n2"));
    assert.equal(fixture.task("next.1").nodeId, "n2");
    assert.equal(fixture.err("next.1"), "");
  });

  it("who waits for one that is in use gets it when it is given back", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2")], [volumeOf("data", { scope: "MULTI_NODE" })]);
    await fixture.submit("a", specOf({ volumes: ["data"] }));
    await fixture.submit("b", specOf({ volumes: ["data"] }));
    assert.equal(fixture.err("b.1"), `no node fits: volume data is not shared, and a task on node ${fixture.task("a.1").nodeId} has it (2 nodes)`);
    await fixture.end("a.1");
    assert.equal(stateOf(fixture.task("b.1")), "ASSIGNED");
  });

  it("one that is paused, missing or of no group yet is waited for", async () => {
    await fixture.start([nodeOf("n1")], [volumeOf("data", { availability: "VOLUME_PAUSE" })]);
    await fixture.submit("a", specOf({ volumes: ["data"] }));
    await fixture.submit("b", specOf({ volumes: ["later"] }));
    await fixture.submit("c", specOf({ volumes: ["group:pg"] }));
    assert.deepEqual(["a.1", "b.1", "c.1"].map((id) => fixture.err(id).replace("no node fits: ", "")), ["volume data is paused (1 node)", "volume later is not in the cluster any more (1 node)", "no volume is of group pg (1 node)"]);
    await fixture.setVolume("data", { availability: "VOLUME_ACTIVE" });
    assert.equal(fixture.task("a.1").nodeId, "n1");
    await fixture.store.update((tx) => { tx.create("volume", volumeOf("later")); tx.create("volume", volumeOf("pg-1", { group: "pg" })); });
    await fixture.settle();
    assert.deepEqual([fixture.task("b.1").nodeId, fixture.task("c.1").nodeId, fixture.task("c.1").volumes[0]!.volumeId], ["n1", "n1", "pg-1"]);
  });

  it("a task that names its node waits for its volume there", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2")], [volumeOf("data", { nodeId: "n1", availability: "VOLUME_PAUSE" })]);
    await fixture.submit("g", specOf({ volumes: ["data"] }), { slot: 0, nodeId: "n1" });
    assert.equal(fixture.err("g.1"), "waits for node n1: volume data is paused");
    await fixture.setVolume("data", { availability: "VOLUME_ACTIVE" });
    assert.equal(stateOf(fixture.task("g.1")), "ASSIGNED");
  });

  it("a decision that meets a volume's pause which is not known yet is taken back", async () => {
    await fixture.start([nodeOf("n1")], [volumeOf("data")]);
    const submitted = fixture.submit("a", specOf({ volumes: ["data"] }));
    fixture.store.hold();
    const paused = fixture.store.update((tx) => { const volume = tx.get("volume", "data")!; tx.update("volume", { ...volume, spec: { ...volume.spec!, availability: "VOLUME_PAUSE" } }); });
    await submitted;
    fixture.store.release();
    await paused;
    await fixture.settle();
    assert.deepEqual([fixture.task("a.1").nodeId, fixture.volume("data").nodeId], ["", ""]);
    await fixture.advance(1_000);
    assert.equal(fixture.err("a.1"), "no node fits: volume data is paused (1 node)");
  });

  it("a new leader's scheduler knows who has what", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2")], [volumeOf("data", { scope: "MULTI_NODE", sharing: "SHARE_ONE_WRITER" })]);
    await fixture.submit("a", specOf({ volumes: ["data"] }));
    await fixture.scheduler.stop();
    await fixture.submit("b", specOf({ volumes: ["data"] }));
    await fixture.submit("c", specOf({ volumes: ["data!"] }));
    fixture.run();
    await fixture.settle();
    assert.match(fixture.err("b.1"), /volume data has its one writer/);
    assert.equal(stateOf(fixture.task("c.1")), "ASSIGNED");
  });

  it("a service of higher priority stops who has its volume, on whatever node, and gets it then", async () => {
    await fixture.start([nodeOf("n1", { cpu: 1 }), nodeOf("n2", { cpu: 4 })], [volumeOf("data", { scope: "MULTI_NODE" })]);
    await fixture.submit("low", specOf({ cpu: 1, volumes: ["data"] }));
    assert.equal(fixture.task("low.1").nodeId, "n1");
    await fixture.submit("high", specOf({ cpu: 2, volumes: ["data"], priority: 7 }));
    assert.deepEqual([fixture.task("low.1").desiredState, fixture.task("low.1").stopReason], ["SHUTDOWN", "preempted by high (priority 7)"]);
    assert.match(fixture.err("high.1"), /volume data is not shared, and a task on node n1 has it .*; node n2 is kept for it$/);
    await fixture.end("low.1");
    assert.equal(fixture.task("high.1").nodeId, "n2");
  });
});

describe("rebalancing tasks with volumes of the cluster", () => {
  it("leaves them where their data are, and where nobody else may have what they have", () => {
    const state = stateOfNodes([nodeOf("n1"), nodeOf("n2"), nodeOf("n3")]);
    state.setVolume(volumeOf("here", { nodeId: "n3", sharing: "SHARE_ALL" }));
    state.setVolume(volumeOf("mine", { scope: "MULTI_NODE" }));
    state.setVolume(volumeOf("ours", { scope: "MULTI_NODE", sharing: "SHARE_ALL" }));
    const run = (id: string, on: number, ...volumes: string[]) => {
      const { tasks: [t] } = addService(state, id, specOf({ cpu: 1, volumes }));
      state.place(t!, on);
    };
    run("base", 0);
    run("pinned", 2, "here");
    run("exclusive", 1, "mine");
    run("free", 1, "ours");
    const steps = snapshotOf(state, { isPacking: true, mayMove: () => true });
    let step = steps.next();
    while (!step.done) step = steps.next();
    const { problem, taskIds } = step.value;
    const moved = (node: number) => planRebalance(problem, { kind: "free", node }).moves.map(({ task, to }) => `${taskIds[task]} to ${state.nodes.names[to]}`);
    assert.deepEqual([moved(1), moved(2)], [["free.1 to n1"], []]);
  });
});
