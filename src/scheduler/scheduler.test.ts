import assert from "node:assert/strict";
import { Metrics, SwarmError, createLogger, silentLogger } from "../lib/index.js";
import { FakeClock, waitFor } from "../lib/testing.js";
import {
  newCluster, newClusterSpec, newResources, newRevision, newService, newTask, newTaskStatus, stateOf, type ClusterSpec, type Node, type ServiceSpec, type Task, type TaskState,
} from "../model/index.js";
import { createTestStore } from "../store/testing.js";
import { startScheduler, type Scheduler, type SchedulerPorts } from "./scheduler.js";
import { nodeOf, specOf } from "./testing.js";

/** A store with a scheduler on it; nobody else acts. */
class Fixture {
  readonly clock = new FakeClock();
  readonly store = createTestStore({ clock: this.clock });
  readonly metrics = new Metrics();
  scheduler!: Scheduler;

  constructor(private readonly ports: Partial<SchedulerPorts> = {}) {}

  async start(nodes: readonly Node[], cluster: Partial<ClusterSpec> = {}): Promise<this> {
    await this.store.update((tx) => {
      tx.create("cluster", newCluster({ id: "c", spec: newClusterSpec(cluster) }));
      for (const node of nodes) tx.create("node", node);
    });
    this.run();
    await this.settle();
    return this;
  }
  run(): void { this.scheduler = startScheduler({ store: this.store, clock: this.clock, log: silentLogger, random: () => 0.5, metrics: this.metrics, ...this.ports }); }

  /** Tasks "web.1", … of service "web". */
  async submit(name: string, spec: ServiceSpec, count = spec.replicas, task: Partial<Task> = {}): Promise<void> {
    await this.store.update((tx) => {
      if (!tx.get("service", name)) {
        tx.create("service", newService({ id: name, spec: { ...spec, name: `${name}-service` } }));
        tx.create("revision", newRevision(name, 1, spec));
      }
      for (let i = 1; i <= count; i++) tx.create("task", newTask({ id: `${name}.${i}`, serviceId: name, revision: 1, slot: i, status: newTaskStatus({ state: "PENDING" }), ...task }));
    });
    await this.settle();
  }

  task(id: string): Task { return this.store.view((tx) => tx.get("task", id)!); }
  nodeIds(name: string, count: number): string { return Array.from({ length: count }, (_, i) => this.task(`${name}.${i + 1}`).nodeId || "-").join(" "); }
  async change(id: string, change: (task: Task) => Task): Promise<void> {
    await this.store.update((tx) => tx.update("task", change(tx.get("task", id)!)));
    await this.settle();
  }
  report(id: string, state: TaskState): Promise<void> { return this.change(id, (task) => ({ ...task, status: { ...task.status!, state, appliedAtMs: this.clock.now() } })); }
  async setNode(node: Node): Promise<void> {
    await this.store.update((tx) => tx.update("node", { ...node, meta: tx.get("node", node.id)!.meta }));
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let before = -1; before !== this.store.index;) {
      before = this.store.index;
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    }
  }
  async advance(ms: number): Promise<void> { this.clock.advance(ms); await this.settle(); }
  metric(name: string): number { return Number(new RegExp(`^${name} (.*)$`, "m").exec(this.metrics.text())?.[1]); }
}

describe("the scheduler's loop", () => {
  let fixture: Fixture;
  beforeEach(() => { fixture = new Fixture(); });
  afterEach(() => fixture.scheduler.stop());

  it("assigns a task with the devices and named resources that it gets", async () => {
    await fixture.start([nodeOf("n1", { gpus: { A100: 2 }, generic: { licence: ["x", "y", "z"], slots: 4 } })]);
    await fixture.submit("train", specOf({ cpu: 1, replicas: 2, gpu: { count: 1, millis: 500 }, generic: { licence: 1, slots: 2 } }));
    await fixture.submit("more", specOf({ gpu: { count: 1 } }));
    const [first, second, more] = ["train.1", "train.2", "more.1"].map((id) => fixture.task(id));
    assert.equal(stateOf(first!), "ASSIGNED");
    assert.deepEqual([first!.gpus, second!.gpus, more!.gpus], [[{ id: "n1-A100-0", millis: 500 }], [{ id: "n1-A100-0", millis: 500 }], [{ id: "n1-A100-1", millis: 1000 }]]);
    assert.deepEqual(first!.assigned, [{ kind: "licence", count: 1, ids: ["x"] }, { kind: "slots", count: 2, ids: [] }]);
    assert.deepEqual(second!.assigned[0]!.ids, ["y"]);
    await fixture.report("train.1", "FAILED");
    await fixture.submit("next", specOf({ generic: { licence: 2 } }));
    assert.deepEqual(fixture.task("next.1").assigned, [{ kind: "licence", count: 2, ids: ["x", "z"] }]);
  });

  it("a new leader's scheduler goes on where the last one was, down to the devices", async () => {
    await fixture.start([nodeOf("n1", { gpus: { A100: 2 }, generic: { licence: ["x", "y"] } })]);
    await fixture.submit("a", specOf({ gpu: { count: 1 }, generic: { licence: 1 } }));
    await fixture.submit("big", specOf({ cpu: 9 }));
    await fixture.scheduler.stop();
    await fixture.submit("b", specOf({ gpu: { count: 1 }, generic: { licence: 1 } }));
    assert.equal(fixture.task("b.1").nodeId, "");
    fixture.run();
    await fixture.settle();
    assert.deepEqual([fixture.task("b.1").gpus[0]!.id, fixture.task("b.1").assigned[0]!.ids], ["n1-A100-1", ["y"]]);
    assert.equal(fixture.task("big.1").status!.err, "no node fits: needs 9 CPU, most free is 4 on n1 (1 node)");
  });

  it("many tasks go in few transactions", async () => {
    await fixture.start([nodeOf("n1", { cpu: 10_000 }), nodeOf("n2", { cpu: 10_000 })]);
    const before = fixture.store.index;
    await fixture.submit("web", specOf({ replicas: 3_000 }));
    assert.ok(fixture.store.index - before <= 8, `${fixture.store.index - before} transactions`);
    assert.equal(fixture.store.view((tx) => tx.list("task")).every((task) => task.nodeId !== ""), true);
    assert.equal(fixture.metric("skein_scheduler_assignments_total"), 3_000);
    assert.equal(fixture.metric("skein_scheduler_latency_seconds_count"), 3_000);
  });

  it("a decision that meets a change which is not known yet is made again when it is", async () => {
    await fixture.start([nodeOf("n1"), nodeOf("n2", { cpu: 2 })]);
    const submitted = fixture.submit("web", specOf({ cpu: 1 }));
    fixture.store.hold();
    const drained = fixture.store.update((tx) => { const node = tx.get("node", "n2")!; tx.update("node", { ...node, spec: { ...node.spec!, availability: "DRAIN" } }); });
    await submitted;
    assert.equal(fixture.task("web.1").nodeId, "");
    fixture.store.release();
    await drained;
    await fixture.settle();
    assert.equal(fixture.task("web.1").nodeId, "n1");
    assert.equal(fixture.metric("skein_scheduler_conflicts_total"), 1);
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("a task that is stopped before its assignment is stored gets none, and holds nothing", async () => {
    await fixture.start([nodeOf("n1", { cpu: 1 })]);
    const submitted = fixture.submit("a", specOf({ cpu: 1 }));
    fixture.store.hold();
    const stopped = fixture.store.update((tx) => tx.update("task", { ...tx.get("task", "a.1")!, desiredState: "SHUTDOWN" }));
    await submitted;
    fixture.store.release();
    await stopped;
    await fixture.submit("b", specOf({ cpu: 1 }));
    assert.deepEqual([fixture.task("a.1").nodeId, fixture.task("b.1").nodeId], ["", "n1"]);
    assert.equal(fixture.metric("skein_scheduler_conflicts_total"), 1);
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("a transaction that fails takes its decisions back", async () => {
    await fixture.start([nodeOf("n1", { cpu: 1 })]);
    await fixture.store.update((tx) => {
      tx.create("service", newService({ id: "a", spec: specOf({ cpu: 1 }) }));
      tx.create("revision", newRevision("a", 1, specOf({ cpu: 1 })));
      tx.create("task", newTask({ id: "a.1", serviceId: "a", revision: 1, slot: 1, status: newTaskStatus({ state: "PENDING" }) }));
    }).then(() => { fixture.store.failure = new SwarmError("UNAVAILABLE", "no leader"); });
    await fixture.settle();
    fixture.store.failure = undefined;
    await fixture.advance(10_000);
    assert.equal(fixture.task("a.1").nodeId, "n1");
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("tells those who wait why, once for those who come together, and again when it changes", async () => {
    await fixture.start([nodeOf("n1", { cpu: 2 }), nodeOf("n2", { cpu: 4 })]);
    await fixture.submit("big", specOf({ cpu: 8, replicas: 500 }));
    const err = "no node fits: needs 8 CPU, most free is 4 on n2 (2 nodes)";
    assert.deepEqual([fixture.task("big.1").status!.err, fixture.task("big.500").status!.err], [err, err]);
    assert.deepEqual(fixture.task("big.7").status!.pending, [{ filter: "resources", nodes: 2, detail: "needs 8 CPU, most free is 4 on n2" }]);
    const before = fixture.store.index;
    await fixture.submit("small", specOf({ cpu: 1 }));
    assert.equal(fixture.store.index, before + 2, "those who wait are not told of every task");
    await fixture.setNode(nodeOf("n2", { cpu: 6 }));
    await fixture.advance(2_000);
    assert.match(fixture.task("big.1").status!.err, /needs 8 CPU, most free is 6 on n2/);
  });

  it("a gang says how many of it fit, and what the rest lacks", async () => {
    await fixture.start([nodeOf("n1", { cpu: 5 })]);
    await fixture.submit("gang", specOf({ cpu: 1, gang: true, replicas: 8 }));
    assert.equal(fixture.task("gang.3").status!.err, "gang of 8: 5 fit; needs 1 CPU, most free is 0 on n1 (1 node)");
    await fixture.submit("half", specOf({ gang: true, replicas: 4 }), 3);
    assert.equal(fixture.task("half.1").status!.err, "gang of 4: 3 of its tasks are there");
    await fixture.advance(11_000);
    assert.equal(fixture.nodeIds("half", 3), "n1 n1 n1");
  });

  it("a quota that is used up says so, and goes on when it is raised", async () => {
    await fixture.start([nodeOf("n1", { cpu: 64 })], { quotas: [{ project: "team-a", limits: newResources({ cpuMillis: 4_000 }), tasks: 0 }] });
    await fixture.submit("a", specOf({ cpu: 2, project: "team-a", replicas: 3 }));
    assert.equal(fixture.nodeIds("a", 3), "n1 n1 -");
    assert.equal(fixture.task("a.3").status!.err, "project team-a has 4 of 4 CPUs reserved; needs 2 more");
    await fixture.store.update((tx) => { const [cluster] = tx.list("cluster"); tx.update("cluster", { ...cluster!, spec: { ...cluster!.spec!, quotas: [{ project: "team-a", limits: newResources({ cpuMillis: 6_000 }), tasks: 0 }] } }); });
    await fixture.settle();
    assert.equal(fixture.task("a.3").nodeId, "n1");
  });

  it("promises more than a node has where the cluster says so", async () => {
    await fixture.start([nodeOf("n1", { cpu: 4 })], { overcommit: [{ constraint: "", cpuPercent: 200, memoryPercent: 100 }] });
    await fixture.submit("a", specOf({ cpu: 4, replicas: 2 }));
    assert.equal(fixture.nodeIds("a", 2), "n1 n1");
  });

  it("stops tasks of lower priority, says for whom, and places the other once they have stopped", async () => {
    await fixture.start([nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 })]);
    await fixture.submit("low", specOf({ cpu: 4, replicas: 2 }));
    await fixture.submit("high", specOf({ cpu: 3, priority: 100 }));
    const victim = ["low.1", "low.2"].map((id) => fixture.task(id)).find((task) => task.desiredState === "SHUTDOWN")!;
    assert.equal(victim.stopReason, "preempted by high-service (priority 100)");
    assert.equal(fixture.metric("skein_scheduler_preemptions_total"), 1);
    assert.match(fixture.task("high.1").status!.err, new RegExp(`; node ${victim.nodeId} is kept for it$`));
    assert.doesNotMatch(fixture.task("high.1").status!.err, /kept for another/);
    await fixture.submit("waits", specOf({ cpu: 1 }));
    assert.doesNotMatch(fixture.task("waits.1").status!.err, /kept for another/);
    assert.match(fixture.task("waits.1").status!.err, /node is kept for service high-service, which waits for room \(1 node\)/);
    await fixture.report(victim.id, "SHUTDOWN");
    assert.equal(fixture.task("high.1").nodeId, victim.nodeId);
    assert.equal(fixture.task("waits.1").nodeId, victim.nodeId);
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("stops tasks for a gang as a whole, says which nodes are kept for it, and places it once they have stopped", async () => {
    await fixture.start([nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }), nodeOf("n3", { cpu: 2 })]);
    await fixture.submit("low", specOf({ cpu: 4, replicas: 2 }));
    await fixture.submit("gang", specOf({ cpu: 2, gang: true, replicas: 5, priority: 100 }));
    assert.deepEqual(["low.1", "low.2"].map((id) => [fixture.task(id).desiredState, fixture.task(id).stopReason]), Array.from({ length: 2 }, () => ["SHUTDOWN", "preempted by gang-service (priority 100)"]));
    assert.match(fixture.task("gang.1").status!.err, /^gang of 5: 1 fit; .*; nodes n\d, n\d, n\d are kept for it$/);
    await fixture.submit("waits", specOf({ cpu: 1 }));
    assert.match(fixture.task("waits.1").status!.err, /node is kept for service gang-service, which waits for room \(3 nodes\)/);
    await fixture.report("low.1", "SHUTDOWN");
    assert.equal(fixture.nodeIds("gang", 5), "- - - - -");
    await fixture.report("low.2", "SHUTDOWN");
    assert.equal(fixture.nodeIds("gang", 5).includes("-"), false);
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("who waits is told at once that a node is not kept for others any more", async () => {
    await fixture.start([nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 1 })]);
    await fixture.submit("low", specOf({ cpu: 4 }));
    await fixture.submit("high", specOf({ cpu: 2, priority: 100 }));
    await fixture.submit("waits", specOf({ cpu: 4 }));
    assert.match(fixture.task("waits.1").status!.err, /node is kept for service high-service/);
    assert.match(fixture.task("high.1").status!.err, /; node n1 is kept for it$/);
    await fixture.report("low.1", "SHUTDOWN");
    assert.equal(fixture.task("high.1").nodeId, "n1");
    await fixture.advance(1_000);
    assert.equal(fixture.task("waits.1").status!.err, "no node fits: needs 4 CPU, most free is 2 on n1 (2 nodes)");
  });

  it("stops nobody where the cluster has that turned off, and makes up for it once it is on", async () => {
    await fixture.start([nodeOf("n1", { cpu: 4 })], { preemptionOff: true });
    await fixture.submit("low", specOf({ cpu: 4 }));
    await fixture.submit("high", specOf({ cpu: 4, priority: 100 }));
    assert.equal(fixture.task("low.1").desiredState, "RUNNING");
    await fixture.store.update((tx) => tx.update("cluster", { ...tx.cluster(), spec: { ...tx.cluster().spec!, preemptionOff: false } }));
    await fixture.settle();
    assert.equal(fixture.task("low.1").desiredState, "SHUTDOWN");
  });

  it("an audit finds what is wrong, says so, and takes the store's word", async () => {
    const lines: string[] = [];
    await fixture.start([nodeOf("n1", { cpu: 4 })]);
    await fixture.scheduler.stop();
    fixture.scheduler = startScheduler({ store: fixture.store, clock: fixture.clock, log: createLogger({ write: (line) => { lines.push(line); } }), random: () => 0.5, metrics: fixture.metrics });
    await fixture.settle();
    await fixture.submit("a", specOf({ cpu: 1 }));
    assert.deepEqual(await fixture.scheduler.audit(), []);
    fixture.scheduler.inspect(({ state }) => { state.nodes.free[0]![0]! -= 2_500; });
    await fixture.submit("b", specOf({ cpu: 2 }));
    assert.equal(fixture.task("b.1").nodeId, "");
    assert.deepEqual(await fixture.scheduler.audit(), ["cpu free on node n1: 500 is kept, 3000 is right"]);
    await fixture.settle();
    assert.equal(fixture.task("b.1").nodeId, "n1");
    assert.equal(fixture.metric("skein_scheduler_audit_faults_total"), 1);
    assert.match(lines.join(), /cpu free on node n1/);
    assert.deepEqual(await fixture.scheduler.audit(), []);
  });

  it("audits itself every few minutes", async () => {
    await fixture.start([nodeOf("n1")]);
    await fixture.advance(5 * 60_000 + 1);
    assert.equal(fixture.metric("skein_scheduler_audits_total"), 1);
    await fixture.advance(5 * 60_000 + 1);
    assert.equal(fixture.metric("skein_scheduler_audits_total"), 2);
  });

  it("a task bound to a node waits for it by name", async () => {
    await fixture.start([nodeOf("n1", { cpu: 1 })]);
    await fixture.submit("agent", specOf({ cpu: 2 }), 1, { nodeId: "n1" });
    await fixture.submit("stray", specOf({ cpu: 2 }), 1, { nodeId: "gone" });
    assert.equal(fixture.task("agent.1").status!.err, "waits for node n1: needs 2 CPU, 1 free");
    assert.equal(fixture.task("stray.1").status!.err, "waits for node gone: it is not in the cluster");
    await fixture.setNode(nodeOf("n1", { cpu: 2 }));
    assert.equal(stateOf(fixture.task("agent.1")), "ASSIGNED");
  });

  it("decides the same in the other thread, and here when that fails", async () => {
    const nodes = Array.from({ length: 5 }, (_, i) => nodeOf(`n${i}`, { cpu: 4, labels: { rack: `r${i % 2}` }, gpus: i === 3 ? { T4: 2 } : {} }));
    const submitAll = async (to: Fixture): Promise<string[]> => {
      const submit = async (name: string, spec: ServiceSpec) => {
        await to.submit(name, spec);
        await waitFor("each task to have a node or a reason", () => to.store.view((tx) => tx.tasksOfService(name)).every((task) => task.nodeId !== "" || task.status!.err !== ""));
      };
      await submit("spread", specOf({ spread: ["node.labels.rack"], replicas: 5, cpu: 1 }));
      await submit("single", specOf({ maxPerNode: 1, replicas: 6 }));
      await submit("gpu", specOf({ gpu: { count: 1 }, replicas: 3 }));
      await submit("gang", specOf({ gang: true, replicas: 30, cpu: 1 }));
      await to.advance(2_000);
      return to.store.view((tx) => tx.list("task")).map((task) => `${task.id} ${task.nodeId} ${task.gpus[0]?.id ?? ""} ${task.status!.err}`).sort();
    };
    const fixtures: Fixture[] = [];
    const run = async (ports: Partial<SchedulerPorts>): Promise<{ tasks: string[]; elsewhere: number }> => {
      const other = new Fixture(ports);
      fixtures.push(await other.start(nodes));
      return { tasks: await submitAll(other), elsewhere: other.metric("skein_scheduler_worker_decisions_total") };
    };
    try {
      const here = await run({});
      const elsewhere = await run({ heavyMs: 0 });
      const failing = await run({ heavyMs: 0, worker: { decide: () => Promise.resolve(undefined), size: 0, isUsable: true, stop: () => Promise.resolve() } });
      assert.equal(here.elsewhere, 0);
      assert.ok(elsewhere.elsewhere >= 4);
      assert.equal(failing.elsewhere, 0);
      assert.deepEqual(elsewhere.tasks, here.tasks);
      assert.deepEqual(failing.tasks, here.tasks);
    } finally {
      await Promise.all(fixtures.map((other) => other.scheduler.stop()));
      await fixture.start([]);
    }
  });

  it("looks at the live state from outside, once there is one", async () => {
    await fixture.start([nodeOf("n1")]);
    assert.equal(fixture.scheduler.inspect(({ state }) => state.nodes.names[0]), "n1");
    await fixture.scheduler.stop();
    fixture.run();
    assert.throws(() => fixture.scheduler.inspect(() => 0), /Cannot look into the scheduler/);
    await fixture.settle();
  });
});
