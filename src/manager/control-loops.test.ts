import { strict as assert } from "node:assert";
import { SwarmError, silentLogger } from "../lib/index.js";
import { FakeClock } from "../lib/testing.js";
import {
  addressOf, isTerminal, isWanted, newCluster, newClusterSpec, newContainerSpec, newEndpointSpec, newNetwork, newNetworkSpec, newNode, newNodeDescription, newNodeSpec,
  newPlacement, newPort, newResources, newRestartPolicy, newRevision, newService, newServiceSpec, newTaskSpec, newUpdateConfig, newVolume, newVolumeSpec, stateOf, taskStateOrder,
  type ClusterSpec, type Node, type NodeAvailability, type NodeState, type Service, type ServiceSpec, type Task, type TaskSpec, type TaskState,
} from "../model/index.js";
import { startScheduler } from "../scheduler/index.js";
import { createTestStore } from "../store/testing.js";
import { startAllocator } from "./allocator/index.js";
import { startOrchestrator } from "./orchestrator/index.js";

/** The leader's loops over one store, with nodes whose agents do at once what they are told. */
class TestCluster {
  readonly clock = new FakeClock();
  readonly store = createTestStore({ clock: this.clock });
  /** Images whose containers end at once with exit code 1. */
  readonly broken = new Set<string>();
  /** Images that no node can get: their tasks are rejected before they start. */
  readonly missing = new Set<string>();
  readonly silentNodes = new Set<string>();
  /** Nodes whose tasks take for ever to stop. */
  readonly slowStop = new Set<string>();
  #loops: { stop(): Promise<void> }[] = [];
  #ids = 0;

  async start(cluster = newClusterSpec()) {
    await this.store.update((tx) => tx.create("cluster", newCluster({ id: "c", spec: cluster })));
    this.startLoops();
  }
  startLoops() {
    const ports = { store: this.store, clock: this.clock, log: silentLogger, random: () => 0.5, newId: () => `t${String(++this.#ids).padStart(5, "0")}` };
    this.#loops = [startOrchestrator(ports), startAllocator(ports), startScheduler(ports)];
  }
  async stop() { await Promise.all(this.#loops.map((loop) => loop.stop())); this.#loops = []; }

  async addNode(id: string, fields: { cpuMillis?: number; memoryBytes?: number; labels?: Record<string, string>; addr?: string } = {}) {
    await this.store.update((tx) => tx.create("node", newNode({
      id, spec: newNodeSpec({ labels: fields.labels ?? {} }), status: { state: "READY", message: "", addr: fields.addr ?? "198.18.0.1", sinceMs: 0 },
      description: newNodeDescription({ hostname: id, resources: newResources({ cpuMillis: fields.cpuMillis ?? 4_000, memoryBytes: fields.memoryBytes ?? 8 * gib }) }),
    })));
  }
  async addNetwork(id: string, fields: Partial<ReturnType<typeof newNetworkSpec>> = {}) {
    await this.store.update((tx) => tx.create("network", newNetwork({ id, spec: newNetworkSpec({ name: id, ...fields }) })));
  }
  async addVolume(id: string) { await this.store.update((tx) => tx.create("volume", newVolume({ id, spec: newVolumeSpec({ name: id }) }))); }
  async setVolume(id: string, availability: "VOLUME_ACTIVE" | "VOLUME_DRAIN") {
    await this.store.update((tx) => { const volume = tx.get("volume", id)!; tx.update("volume", { ...volume, spec: { ...volume.spec!, availability } }); });
    await this.settle();
  }
  volume(id: string) { return this.store.view((tx) => tx.get("volume", id)); }
  async setNode(id: string, change: { state?: NodeState; availability?: NodeAvailability; labels?: Record<string, string> }) {
    await this.store.update((tx) => {
      const node = tx.get("node", id) as Node;
      tx.update("node", {
        ...node, status: { ...node.status!, state: change.state ?? node.status!.state },
        spec: { ...node.spec!, availability: change.availability ?? node.spec!.availability, labels: change.labels ?? node.spec!.labels },
      });
    });
    await this.settle();
  }
  async setCpu(id: string, cpuMillis: number) {
    await this.store.update((tx) => {
      const node = tx.get("node", id) as Node;
      tx.update("node", { ...node, description: { ...node.description!, resources: { ...node.description!.resources!, cpuMillis } } });
    });
    await this.settle();
  }
  async setOvercommit(overcommit: ClusterSpec["overcommit"]) {
    await this.store.update((tx) => tx.update("cluster", { ...tx.cluster(), spec: { ...tx.cluster().spec!, overcommit } }));
    await this.settle();
  }
  async create(name: string, fields: Partial<ServiceSpec> = {}, task: Partial<TaskSpec> = {}) {
    const spec = newServiceSpec({ name, ...fields, task: newTaskSpec({ container: newContainerSpec({ image: "web:1" }), ...task }) });
    await this.store.update((tx) => {
      tx.create("service", newService({ id: name, spec, revision: 1 }));
      tx.create("revision", newRevision(name, 1, spec));
    });
    await this.settle();
  }
  async change(name: string, change: (spec: ServiceSpec) => ServiceSpec, settle = true) {
    await this.store.update((tx) => {
      const service = tx.get("service", name) as Service;
      const spec = change(service.spec!);
      tx.update("service", { ...service, spec, revision: service.revision + 1 });
      tx.create("revision", newRevision(name, service.revision + 1, spec));
    });
    if (settle) await this.settle();
  }
  scale(name: string, replicas: number) { return this.change(name, (spec) => ({ ...spec, replicas })); }
  setImage(name: string, image: string, settle = true) {
    return this.change(name, (spec) => ({ ...spec, task: { ...spec.task!, container: { ...spec.task!.container!, image } } }), settle);
  }
  async remove(name: string) {
    await this.store.update((tx) => tx.update("service", { ...tx.get("service", name)!, isRemoving: true }));
    await this.settle();
  }

  service(name: string) { return this.store.view((tx) => tx.get("service", name)); }
  tasks(name: string): Task[] { return this.store.view((tx) => tx.tasksOfService(name)).sort((a, b) => a.slot - b.slot || (a.id < b.id ? -1 : 1)); }
  running(name: string): Task[] { return this.tasks(name).filter((task) => isWanted(task) && stateOf(task) === "RUNNING"); }
  nodesOf(name: string): string[] { return this.running(name).map((task) => task.nodeId).sort(); }

  async report(id: string, state: TaskState, err = "") {
    await this.store.update((tx) => {
      const task = tx.get("task", id)!;
      tx.update("task", { ...task, status: { ...task.status!, state, err, timestampMs: this.clock.now(), appliedAtMs: this.clock.now() } });
    });
  }

  /** Lets loops and agents act until nothing changes any more. Time stands still. */
  async settle() {
    for (let round = 0; round < 200; round++) {
      const before = this.store.index;
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
      await this.#agents();
      if (this.store.index === before) return;
    }
    throw new Error("the loops never come to rest");
  }
  async advance(ms: number) { this.clock.advance(ms); await this.settle(); }

  async #agents() {
    for (const task of this.store.view((tx) => tx.list("task"))) {
      const state = stateOf(task);
      if (taskStateOrder[state] < taskStateOrder.ASSIGNED || isTerminal(state) || this.silentNodes.has(task.nodeId)) continue;
      const image = this.store.view((tx) => tx.get("revision", `${task.serviceId}.${task.revision}`))?.spec?.task?.container?.image ?? "";
      if (isWanted(task) && this.missing.has(image)) await this.report(task.id, "REJECTED", "no such image");
      else if (!isWanted(task)) { if (!this.slowStop.has(task.nodeId)) await this.report(task.id, "SHUTDOWN"); }
      else if (task.desiredState === "TASK_READY") { if (state !== "TASK_READY") await this.report(task.id, "TASK_READY"); }
      else if (this.broken.has(image)) await this.report(task.id, "FAILED", "exit code 1");
      else if (state !== "RUNNING") await this.report(task.id, "RUNNING");
    }
  }
}

const gib = 2 ** 30;

const mounting = (source: string): Partial<TaskSpec> => ({
  container: newContainerSpec({ image: "web:1", mounts: [{ type: "CLUSTER", source, target: "/data", readOnly: false, propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {} }] }),
});

describe("the leader's control loops", () => {
  let cluster: TestCluster;
  beforeEach(async () => { cluster = new TestCluster(); await cluster.start(); });
  afterEach(async () => { await cluster.stop(); });

  it("a new service runs with all its replicas, spread over the nodes", async () => {
    for (const id of ["n1", "n2", "n3"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 6 });
    assert.deepEqual(cluster.nodesOf("web"), ["n1", "n1", "n2", "n2", "n3", "n3"]);
    assert.deepEqual(cluster.running("web").map((task) => task.slot), [1, 2, 3, 4, 5, 6]);
  });

  it("more replicas than one transaction holds are all made", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 1_001 });
    assert.equal(cluster.running("web").length, 1_001);
    await cluster.scale("web", 3);
    assert.equal(cluster.tasks("web").length, 3);
  });

  it("scaling down takes from the node with most copies, and scaling up fills the lowest free slots", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 5 });
    await cluster.scale("web", 2);
    assert.deepEqual(cluster.nodesOf("web"), ["n1", "n2"]);
    const kept = cluster.running("web").map((task) => task.slot);
    await cluster.scale("web", 4);
    assert.deepEqual(cluster.running("web").map((task) => task.slot), [1, 2, 3, 4]);
    assert.ok(kept.every((slot) => slot <= 4));
  });

  it("a task that fails is started again after a delay that doubles, and starts over after it ran well", async () => {
    await cluster.addNode("n1");
    await cluster.create("web", { replicas: 1 }, { restart: newRestartPolicy({ delayMs: 1_000, maxDelayMs: 3_000 }) });
    for (const delayMs of [1_000, 2_000, 3_000, 3_000]) {
      await cluster.report(cluster.running("web")[0]!.id, "FAILED", "exit code 1");
      await cluster.settle();
      await cluster.advance(delayMs - 1);
      assert.equal(cluster.running("web").length, 0, `before ${delayMs} ms`);
      await cluster.advance(1);
      assert.equal(cluster.running("web").length, 1, `after ${delayMs} ms`);
    }
    await cluster.advance(120_000);
    await cluster.report(cluster.running("web")[0]!.id, "FAILED", "exit code 1");
    await cluster.settle();
    await cluster.advance(1_000);
    assert.equal(cluster.running("web").length, 1);
  });

  it("a task that is rejected while it is held back is not replaced before its delay is over", async () => {
    await cluster.addNode("n1");
    cluster.missing.add("web:1");
    await cluster.create("web", { replicas: 1 }, { restart: newRestartPolicy({ delayMs: 1_000, maxDelayMs: 4_000 }) });
    assert.equal(cluster.tasks("web").length, 2);
    for (const delayMs of [1_000, 2_000, 4_000]) {
      const before = cluster.tasks("web").map(({ id }) => id);
      await cluster.advance(delayMs - 1);
      assert.deepEqual(cluster.tasks("web").map(({ id }) => id), before, `before ${delayMs} ms`);
      await cluster.advance(1);
      assert.equal(cluster.tasks("web").filter(({ id }) => !before.includes(id)).length, 1, `after ${delayMs} ms`);
    }
    // A corrected service does not wait for the delay.
    cluster.missing.clear();
    await cluster.setImage("web", "web:2");
    assert.equal(cluster.running("web").length, 1);
  });

  it("restart conditions: never, only after a failure, and only so many times", async () => {
    await cluster.addNode("n1");
    await cluster.create("once", { replicas: 1 }, { restart: newRestartPolicy({ condition: "NONE", delayMs: 1 }) });
    await cluster.create("onFailure", { replicas: 1 }, { restart: newRestartPolicy({ condition: "ON_FAILURE", delayMs: 1 }) });
    await cluster.create("twice", { replicas: 1 }, { restart: newRestartPolicy({ maxAttempts: 2, delayMs: 1 }) });
    for (let round = 0; round < 5; round++) {
      for (const name of ["once", "twice"]) for (const task of cluster.running(name)) await cluster.report(task.id, "FAILED");
      for (const task of cluster.running("onFailure")) await cluster.report(task.id, round === 0 ? "FAILED" : "COMPLETE");
      await cluster.advance(1_000);
    }
    assert.equal(cluster.tasks("once").length, 1);
    assert.equal(cluster.tasks("onFailure").length, 2);
    assert.equal(cluster.tasks("twice").length, 3);
    // A slot that is finished stays so when another leader takes over, and begins anew when the service is changed.
    await cluster.stop();
    cluster.startLoops();
    await cluster.advance(1_000);
    assert.equal(cluster.tasks("twice").length, 3);
    await cluster.setImage("once", "web:2");
    assert.equal(cluster.running("once").length, 1);
  });

  it("a new leader remembers how long a restart has to wait", async () => {
    await cluster.addNode("n1");
    await cluster.create("web", { replicas: 1 }, { restart: newRestartPolicy({ delayMs: 10_000 }) });
    await cluster.report(cluster.running("web")[0]!.id, "FAILED");
    await cluster.settle();
    await cluster.stop();
    await cluster.advance(4_000);
    cluster.startLoops();
    await cluster.advance(5_999);
    assert.equal(cluster.running("web").length, 0);
    await cluster.advance(1);
    assert.equal(cluster.running("web").length, 1);
  });

  it("tasks of a node that is down run elsewhere at once, and the old ones end when it comes back", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 4 });
    cluster.silentNodes.add("n1");
    await cluster.setNode("n1", { state: "DOWN" });
    assert.deepEqual(cluster.nodesOf("web"), ["n2", "n2", "n2", "n2"]);
    const stranded = cluster.tasks("web").filter((task) => task.nodeId === "n1");
    assert.deepEqual(stranded.map((task) => [task.desiredState, stateOf(task), task.stopReason]), Array(2).fill(["SHUTDOWN", "RUNNING", "node n1 is down"]));
    cluster.silentNodes.delete("n1");
    await cluster.setNode("n1", { state: "READY" });
    assert.deepEqual(cluster.tasks("web").filter((task) => task.nodeId === "n1").map(stateOf), ["SHUTDOWN", "SHUTDOWN"]);
    assert.equal(cluster.running("web").length, 4);
  });

  it("on a drained node a task stops before its successor runs; a paused node keeps its tasks", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 2 });
    await cluster.setNode("n2", { availability: "PAUSE" });
    assert.deepEqual(cluster.nodesOf("web"), ["n1", "n2"]);
    await cluster.setNode("n2", { availability: "ACTIVE" });
    cluster.slowStop.add("n1");
    await cluster.setNode("n1", { availability: "DRAIN" });
    assert.deepEqual(cluster.nodesOf("web"), ["n2"]);
    assert.equal(cluster.tasks("web").filter((task) => stateOf(task) === "TASK_READY" && task.nodeId === "n2").length, 1);
    cluster.slowStop.delete("n1");
    await cluster.settle();
    assert.deepEqual(cluster.nodesOf("web"), ["n2", "n2"]);
  });

  it("a node that is removed leaves orphans behind, and its tasks run elsewhere", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 2 });
    await cluster.store.update((tx) => tx.remove("node", "n1"));
    cluster.silentNodes.add("n1");
    await cluster.settle();
    assert.deepEqual(cluster.nodesOf("web"), ["n2", "n2"]);
    assert.deepEqual(cluster.tasks("web").filter((task) => task.nodeId === "n1").map(stateOf), ["ORPHANED"]);
  });

  it("a task moves when its node's labels do not fit any more, and says why", async () => {
    await cluster.addNode("n1", { labels: { disk: "ssd" } });
    await cluster.addNode("n2");
    await cluster.create("db", { replicas: 1 }, { placement: newPlacement({ constraints: ["node.labels.disk==ssd"] }) });
    assert.deepEqual(cluster.nodesOf("db"), ["n1"]);
    await cluster.setNode("n1", { labels: {} });
    assert.equal(cluster.tasks("db")[0]!.stopReason, "constraint node.labels.disk==ssd does not hold on node n1 any more");
    await cluster.setNode("n2", { labels: { disk: "SSD" } });
    assert.deepEqual(cluster.nodesOf("db"), ["n2"]);
  });

  it("a global service has one task on every node that fits", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.addNode("n3", { labels: { role: "db" } });
    await cluster.create("agent", { mode: "GLOBAL" }, { placement: newPlacement({ constraints: ["node.labels.role!=db"] }) });
    assert.deepEqual(cluster.nodesOf("agent"), ["n1", "n2"]);
    await cluster.addNode("n4");
    await cluster.settle();
    assert.deepEqual(cluster.nodesOf("agent"), ["n1", "n2", "n4"]);
    await cluster.setNode("n3", { labels: {} });
    await cluster.setNode("n1", { availability: "DRAIN" });
    assert.deepEqual(cluster.nodesOf("agent"), ["n2", "n3", "n4"]);
    await cluster.setNode("n1", { availability: "ACTIVE" });
    assert.deepEqual(cluster.nodesOf("agent"), ["n1", "n2", "n3", "n4"]);
    await cluster.setImage("agent", "web:2");
    await cluster.advance(60_000);
    assert.deepEqual(cluster.running("agent").map((task) => task.revision), [2, 2, 2, 2]);
    assert.equal(cluster.service("agent")!.updateStatus!.state, "UPDATE_COMPLETED");
  });

  it("an update replaces one task after the other, waits for the delay, and completes after the monitor window", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 3, update: newUpdateConfig({ delayMs: 1_000, monitorMs: 5_000 }) });
    let least = 3;
    cluster.store.watch(() => { least = Math.min(least, cluster.running("web").length); });
    await cluster.setImage("web", "web:2");
    const updated = () => cluster.running("web").filter((task) => task.revision === 2).length;
    assert.equal(updated(), 1);
    await cluster.advance(999);
    assert.equal(updated(), 1);
    await cluster.advance(1);
    assert.equal(updated(), 2);
    await cluster.advance(1_000);
    assert.equal(updated(), 3);
    assert.equal(cluster.service("web")!.updateStatus!.state, "UPDATING");
    await cluster.advance(5_000);
    assert.equal(cluster.service("web")!.updateStatus!.state, "UPDATE_COMPLETED");
    assert.equal(least, 2);
  });

  it("with start-first no replica is missing at any time", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 2, update: newUpdateConfig({ order: "START_FIRST" }) });
    let least = 2;
    cluster.store.watch(() => { least = Math.min(least, cluster.running("web").length); });
    await cluster.setImage("web", "web:2");
    await cluster.advance(10_000);
    assert.deepEqual(cluster.running("web").map((task) => task.revision), [2, 2]);
    assert.equal(cluster.tasks("web").filter((task) => isWanted(task)).length, 2);
    assert.equal(least, 2);
  });

  it("a failing update stops after the first task, says why, and goes on with a corrected spec", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 4 });
    cluster.broken.add("web:bad");
    await cluster.setImage("web", "web:bad");
    await cluster.advance(300_000);
    assert.deepEqual(cluster.running("web").map((task) => task.revision), [1, 1, 1]);
    const status = cluster.service("web")!.updateStatus!;
    assert.equal(status.state, "UPDATE_PAUSED");
    assert.match(status.message, /^update paused: task "web\.\d" failed: exit code 1; correct the service/);
    await cluster.setImage("web", "web:3");
    for (let i = 0; i < 20; i++) await cluster.advance(30_000);
    assert.deepEqual(cluster.running("web").map((task) => task.revision), [3, 3, 3, 3]);
    assert.equal(cluster.service("web")!.updateStatus!.state, "UPDATE_COMPLETED");
  });

  it("scaling replaces nothing, and neither does a constraint that every task meets already", async () => {
    await cluster.addNode("n1", { labels: { disk: "ssd" } });
    await cluster.create("web", { replicas: 2 });
    const before = cluster.running("web").map((task) => task.id);
    await cluster.scale("web", 3);
    await cluster.change("web", (spec) => ({ ...spec, task: { ...spec.task!, placement: newPlacement({ constraints: ["node.labels.disk==ssd"] }) } }));
    assert.deepEqual(cluster.running("web").map((task) => task.id).slice(0, 2), before);
    assert.equal(cluster.service("web")!.updateStatus, null);
  });

  it("a service that is removed goes when its last task has stopped, with its revisions", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("web", { replicas: 2 });
    await cluster.setImage("web", "web:2");
    await cluster.advance(60_000);
    cluster.slowStop.add("n1");
    await cluster.remove("web");
    assert.ok(cluster.service("web"));
    assert.deepEqual(cluster.tasks("web").map((task) => [task.nodeId, task.desiredState]), [["n1", "REMOVE"]]);
    cluster.slowStop.delete("n1");
    await cluster.settle();
    assert.equal(cluster.service("web"), undefined);
    assert.deepEqual(cluster.store.view((tx) => [...tx.list("task"), ...tx.list("revision")]), []);
  });

  it("a service can be removed while one of its nodes is down", async () => {
    await cluster.addNode("n1");
    await cluster.create("web", { replicas: 1 });
    cluster.silentNodes.add("n1");
    await cluster.setNode("n1", { state: "DOWN" });
    await cluster.remove("web");
    assert.equal(cluster.service("web"), undefined);
  });

  it("only so many dead tasks are kept for a slot", async () => {
    await cluster.addNode("n1");
    await cluster.create("web", { replicas: 1 }, { restart: newRestartPolicy({ delayMs: 1 }) });
    for (let i = 0; i < 9; i++) {
      await cluster.report(cluster.running("web")[0]!.id, "FAILED");
      await cluster.advance(60_000);
    }
    assert.equal(cluster.tasks("web").filter((task) => !isWanted(task)).length, 5);
    assert.equal(cluster.running("web").length, 1);
  });

  it("a task that fits nowhere says why, per reason, and starts as soon as there is room", async () => {
    await cluster.addNode("n1", { memoryBytes: 2 * gib });
    await cluster.addNode("n2", { memoryBytes: 3 * gib, labels: { disk: "hdd" } });
    await cluster.addNode("n3", { memoryBytes: 1 * gib });
    await cluster.create("small", { replicas: 1 }, { reservations: newResources({ memoryBytes: 1 * gib }), placement: newPlacement({ constraints: ["node.hostname==n1"] }) });
    await cluster.create("big", { replicas: 1 }, { reservations: newResources({ memoryBytes: 2 * gib }), placement: newPlacement({ constraints: ["node.labels.disk!=hdd"] }) });
    const [task] = cluster.tasks("big");
    assert.equal(task!.status!.err, "no node fits: needs 2.0 GiB memory, most free is 1.0 GiB on n1 (2 nodes); constraint node.labels.disk!=hdd not met (1 node)");
    assert.deepEqual(task!.status!.pending.map(({ filter, nodes }) => [filter, nodes]), [["resources", 2], ["constraint", 1]]);
    const index = cluster.store.index;
    await cluster.advance(10_000);
    assert.equal(cluster.store.index, index, "an explanation that did not change is not written again");
    await cluster.scale("small", 0);
    assert.deepEqual(cluster.nodesOf("big"), ["n1"]);
    assert.equal(cluster.tasks("big")[0]!.status!.err, "");
  });

  it("without a node a task waits, and a node that is down, drained or paused says so", async () => {
    await cluster.create("web", { replicas: 1 });
    assert.equal(cluster.tasks("web")[0]!.status!.err, "no node fits: the cluster has no node");
    await cluster.addNode("n1");
    await cluster.setNode("n1", { availability: "PAUSE" });
    await cluster.scale("web", 2);
    await cluster.advance(1_000);
    assert.equal(cluster.tasks("web").at(-1)!.status!.err, "no node fits: node is paused (1 node)");
    await cluster.setNode("n1", { availability: "ACTIVE" });
    assert.equal(cluster.running("web").length, 2);
  });

  it("a service of higher priority makes room for itself, and whoever had to go runs again as soon as there is room", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("batch", { replicas: 2 }, { reservations: newResources({ cpuMillis: 4_000 }) });
    await cluster.create("db", { priority: 100 }, { reservations: newResources({ cpuMillis: 3_000 }) });
    const [node] = cluster.nodesOf("db");
    assert.equal(cluster.running("batch").length, 1);
    const stopped = cluster.tasks("batch").find((task) => task.stopReason !== "")!;
    assert.deepEqual([stopped.nodeId, stopped.stopReason, stateOf(stopped)], [node, "preempted by db (priority 100)", "SHUTDOWN"]);
    const successor = cluster.tasks("batch").find((task) => task.slot === stopped.slot && isWanted(task))!;
    assert.match(successor.status!.err, /needs 4 CPU/);
    await cluster.remove("db");
    assert.deepEqual(cluster.nodesOf("batch"), ["n1", "n2"]);
  });

  it("a node that comes back with less keeps the tasks that fit; the others run where there is room, and nobody is stopped for an over-commitment that is taken back", async () => {
    await cluster.addNode("n1");
    await cluster.addNode("n2", { cpuMillis: 1_000 });
    const placement = newPlacement({ strategy: "PACK" });
    await cluster.create("db", { priority: 10 }, { reservations: newResources({ cpuMillis: 2_000 }), placement });
    await cluster.create("web", { replicas: 2 }, { reservations: newResources({ cpuMillis: 1_000 }), placement: newPlacement({ strategy: "PACK", constraints: ["node.hostname==n1"] }) });
    assert.deepEqual([cluster.nodesOf("db"), cluster.nodesOf("web")], [["n1"], ["n1", "n1"]]);
    await cluster.change("web", (spec) => ({ ...spec, task: { ...spec.task!, placement } }));
    await cluster.setOvercommit([{ constraint: "", cpuPercent: 200, memoryPercent: 0 }]);
    await cluster.create("extra", {}, { reservations: newResources({ cpuMillis: 1_000 }), placement: newPlacement({ constraints: ["node.hostname==n1"] }) });
    await cluster.setOvercommit([]);
    assert.deepEqual(cluster.nodesOf("extra"), ["n1"]);
    await cluster.setCpu("n1", 4_500);
    await cluster.setCpu("n1", 4_000);
    const stopped = [...cluster.tasks("web"), ...cluster.tasks("extra"), ...cluster.tasks("db")].filter((task) => !isWanted(task));
    assert.deepEqual(stopped.map((task) => [task.serviceId, task.stopReason]), [["extra", "node n1 has less CPU than its tasks have reserved"]]);
    await cluster.setCpu("n1", 3_000);
    assert.deepEqual([cluster.nodesOf("db"), cluster.nodesOf("web")], [["n1"], ["n1", "n2"]]);
    const index = cluster.store.index;
    await cluster.advance(10_000);
    assert.equal(cluster.store.index, index);
  });

  it("a host port is bound once on a node", async () => {
    for (const id of ["n1", "n2"]) await cluster.addNode(id);
    await cluster.create("proxy", { replicas: 3, endpoint: newEndpointSpec({ ports: [newPort({ targetPort: 80, publishedPort: 8080, mode: "HOST" })] }) });
    assert.deepEqual(cluster.nodesOf("proxy"), ["n1", "n2"]);
    assert.equal(cluster.tasks("proxy").find((task) => task.nodeId === "")!.status!.err, "no node fits: host port 8080/tcp in use (2 nodes)");
    await cluster.setImage("proxy", "web:2");
    for (let i = 0; i < 10; i++) await cluster.advance(10_000);
    assert.deepEqual(cluster.running("proxy").map((task) => task.revision), [2, 2]);
  });

  it("a task follows its volume's data: through restarts and updates, and not at all while their node is drained", async () => {
    for (const id of ["n1", "n2", "n3"]) await cluster.addNode(id);
    await cluster.addVolume("data");
    await cluster.create("db", { replicas: 1 }, mounting("data"));
    const [home] = cluster.nodesOf("db");
    assert.equal(cluster.volume("data")!.nodeId, home);
    await cluster.report(cluster.running("db")[0]!.id, "FAILED", "exit code 1");
    await cluster.settle();
    await cluster.advance(5_000);
    await cluster.setImage("db", "web:2");
    for (let i = 0; i < 6; i++) await cluster.advance(5_000);
    assert.deepEqual([cluster.nodesOf("db"), cluster.service("db")!.updateStatus?.state], [[home], "UPDATE_COMPLETED"]);
    await cluster.setNode(home!, { availability: "DRAIN" });
    assert.deepEqual(cluster.nodesOf("db"), []);
    assert.ok(cluster.tasks("db").some((task) => isWanted(task) && task.status!.err.includes(`volume data has its data on node ${home}, which is drained (2 nodes)`)));
    await cluster.setNode(home!, { availability: "ACTIVE" });
    assert.deepEqual(cluster.nodesOf("db"), [home]);
  });

  it("a volume that is drained is given back by its tasks, and one that is removed by force too", async () => {
    await cluster.addNode("n1");
    await cluster.addVolume("data");
    await cluster.create("db", { replicas: 1 }, mounting("data"));
    await cluster.create("other", { replicas: 1 });
    await cluster.setVolume("data", "VOLUME_DRAIN");
    assert.deepEqual([cluster.nodesOf("db"), cluster.nodesOf("other")], [[], ["n1"]]);
    assert.ok(cluster.tasks("db").some((task) => task.stopReason === "volume data is drained"));
    await cluster.setVolume("data", "VOLUME_ACTIVE");
    assert.deepEqual(cluster.nodesOf("db"), ["n1"]);
    await cluster.store.update((tx) => tx.remove("volume", "data"));
    await cluster.settle();
    assert.deepEqual(cluster.nodesOf("db"), []);
    assert.ok(cluster.tasks("db").some((task) => task.stopReason === "the volume that it has at /data was removed from the cluster"));
  });

  it("networks, services, nodes and tasks get their numbers, and no two the same", async () => {
    await cluster.addNode("n1", { addr: "10.0.1.7" });
    await cluster.addNetwork("ingress", { isIngress: true });
    await cluster.addNetwork("front");
    await cluster.create("web", { replicas: 3, endpoint: newEndpointSpec({ ports: [newPort({ targetPort: 80 }), newPort({ targetPort: 81, publishedPort: 81 })] }) }, { networks: [{ target: "front", aliases: ["www"] }] });
    const networks = cluster.store.view((tx) => tx.list("network")).map(({ id, subnet, gateway, vni }) => [id, subnet, gateway, vni]).sort();
    assert.deepEqual(networks, [["front", "10.0.2.0/24", "10.0.2.1", 4097], ["ingress", "10.0.0.0/24", "10.0.0.1", 4096]], "10.0.1.0/24 holds a host");
    const { ports, vips } = cluster.service("web")!.endpoint!;
    assert.deepEqual(ports.map((port) => port.publishedPort), [30_000, 81]);
    assert.deepEqual(vips.map((vip) => vip.networkId), ["front"]);
    const addresses = [...cluster.running("web").flatMap((task) => task.networks), ...cluster.store.view((tx) => tx.get("node", "n1"))!.attachments];
    assert.equal(cluster.running("web").length, 3);
    assert.equal(addresses.length, 7);
    assert.equal(new Set([...addresses.map(({ addr }) => addressOf(addr)), vips[0]!.addr]).size, 8);
    assert.deepEqual(cluster.running("web")[0]!.networks.find(({ networkId }) => networkId === "front")!.aliases, ["www"]);
    assert.match(cluster.running("web")[0]!.networks[0]!.addr, /^10\.0\.2\.\d+\/24$/);
    // A dynamic port stays over updates.
    await cluster.change("web", (spec) => ({ ...spec, endpoint: newEndpointSpec({ ports: [newPort({ targetPort: 82 }), newPort({ targetPort: 80 })] }) }));
    assert.deepEqual(cluster.service("web")!.endpoint!.ports.map((port) => port.publishedPort), [30_001, 30_000]);
  });

  it("a network that is used up says so on the task, which goes on when an address comes free", async () => {
    await cluster.addNode("n1");
    await cluster.addNetwork("tiny", { subnet: "10.9.0.0/29" });   // 8 − network, broadcast, gateway, VIP = 4
    await cluster.create("web", { replicas: 5 }, { networks: [{ target: "tiny", aliases: [] }] });
    assert.equal(cluster.running("web").length, 4);
    const waiting = cluster.tasks("web").find((task) => stateOf(task) === "NEW")!;
    assert.equal(waiting.status!.err, `Cannot give task "web.${waiting.slot}" an address on network "tiny": 10.9.0.0/29 is used up (5 of 5); remove tasks from it or use a network with a larger subnet.`);
    await cluster.scale("web", 4);
    await cluster.scale("web", 3);
    await cluster.create("other", { replicas: 1, endpoint: newEndpointSpec({ mode: "DNSRR" }) }, { networks: [{ target: "tiny", aliases: [] }] });
    assert.equal(cluster.running("other").length, 1);
    // After a change of leader nothing is given out twice.
    await cluster.stop();
    cluster.startLoops();
    await cluster.scale("web", 9);
    const addresses = cluster.store.view((tx) => tx.list("task")).filter((task) => !isTerminal(stateOf(task))).flatMap((task) => task.networks.map(({ addr }) => addr));
    assert.equal(addresses.length, 4);
    assert.equal(new Set(addresses).size, 4);
  });

  it("a published port that another service has holds up the tasks until it is free", async () => {
    await cluster.addNode("n1");
    await cluster.addNetwork("ingress", { isIngress: true });
    const endpoint = newEndpointSpec({ ports: [newPort({ targetPort: 80, publishedPort: 80 })] });
    await cluster.create("first", { replicas: 1, endpoint });
    await cluster.create("second", { replicas: 1, endpoint });
    assert.equal(cluster.tasks("second")[0]!.status!.err, 'Cannot publish port 80/tcp of service "second": service "first" has it; choose another.');
    await cluster.remove("first");
    assert.equal(cluster.running("second").length, 1);
  });

  it("writes that fail are made again when there is a leader again, and nothing is done twice", async () => {
    await cluster.addNode("n1");
    await cluster.addNetwork("front");
    await cluster.settle();
    await cluster.store.update((tx) => {
      const spec = newServiceSpec({ name: "web", replicas: 3, task: newTaskSpec({ networks: [{ target: "front", aliases: [] }] }) });
      tx.create("service", newService({ id: "web", spec }));
      tx.create("revision", newRevision("web", 1, spec));
      cluster.store.failure = undefined;
    });
    cluster.store.failure = new SwarmError("UNAVAILABLE", "no leader");
    for (let i = 0; i < 30; i++) await new Promise((resolve) => setImmediate(resolve));
    cluster.store.failure = undefined;
    for (let i = 0; i < 5; i++) await cluster.advance(10_000);
    assert.equal(cluster.running("web").length, 3);
    assert.equal(cluster.tasks("web").length, 3);
  });

  for (const seed of [1, 2, 3, 12, 23, 25]) {
    it(`whatever happens, everything is as it should be in the end (seed ${seed})`, async () => {
      const random = randomFrom(seed);
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
      const nodes = ["n1", "n2", "n3", "n4"];
      const names = ["a", "b", "g"];
      for (const id of nodes) await cluster.addNode(id, { labels: { zone: id < "n3" ? "x" : "y" } });
      await cluster.addNetwork("front", { subnet: "10.9.0.0/26" });
      const networks = [{ target: "front", aliases: [] }];
      await cluster.create("a", { replicas: 3 }, { networks, reservations: newResources({ memoryBytes: gib }) });
      await cluster.create("b", { replicas: 4, update: newUpdateConfig({ order: "START_FIRST", parallelism: 2, failureAction: "UPDATE_CONTINUE" }) }, { networks, placement: newPlacement({ spread: ["node.labels.zone"] }) });
      await cluster.create("g", { mode: "GLOBAL" }, { networks });
      const checkAlways = () => cluster.store.view((tx) => {
        const live = tx.list("task").filter((task) => !isTerminal(stateOf(task)));
        const addresses = live.flatMap((task) => task.networks.map(({ addr }) => addr));
        assert.equal(new Set(addresses).size, addresses.length, "no address belongs to two tasks");
        for (const id of nodes) assert.ok(tx.tasksOfNode(id).filter((task) => task.serviceId === "a" && !isTerminal(stateOf(task)) && taskStateOrder[stateOf(task)] >= taskStateOrder.ASSIGNED).length <= 8, "no node is over-committed");
      });

      for (let round = 0; round < 60; round++) {
        const id = pick(nodes);
        const act = Math.floor(random() * 10);
        if (act === 0) { cluster.silentNodes.add(id); await cluster.setNode(id, { state: "DOWN" }); }
        else if (act === 1) { cluster.silentNodes.delete(id); await cluster.setNode(id, { state: "READY" }); }
        else if (act === 2) await cluster.setNode(id, { availability: pick(["ACTIVE", "PAUSE", "DRAIN"] as const) });
        else if (act === 3) await cluster.scale(pick(["a", "b"]), Math.floor(random() * 7));
        else if (act === 4) await cluster.setImage(pick(names), `web:${round}`, random() < 0.5);
        else if (act === 5) { const task = pick(cluster.running(pick(names))); if (task && !cluster.silentNodes.has(task.nodeId)) await cluster.report(task.id, pick(["FAILED", "COMPLETE"] as const)); }
        else if (act === 6) { await cluster.stop(); cluster.startLoops(); }
        else if (act === 7) { if (cluster.slowStop.has(id)) cluster.slowStop.delete(id); else cluster.slowStop.add(id); }
        else if (act === 8) { cluster.store.failure = new SwarmError("UNAVAILABLE", "no leader"); for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)); cluster.store.failure = undefined; }
        else await cluster.advance(Math.floor(random() * 20_000));
        if (random() < 0.7) await cluster.settle();
        checkAlways();
      }

      cluster.silentNodes.clear();
      cluster.slowStop.clear();
      for (const id of nodes) await cluster.setNode(id, { state: "READY", availability: "ACTIVE" });
      for (const name of names) if (cluster.service(name)!.updateStatus?.state === "UPDATE_PAUSED") await cluster.setImage(name, "web:good");
      for (let i = 0; i < 30; i++) await cluster.advance(60_000);
      checkAlways();
      for (const name of ["a", "b"]) {
        const service = cluster.service(name)!;
        const slots = cluster.running(name).map((task) => task.slot);
        assert.equal(slots.length, service.spec!.replicas, `replicas of ${name}`);
        assert.equal(new Set(slots).size, slots.length, `one task in each slot of ${name}`);
      }
      assert.deepEqual(cluster.nodesOf("g"), nodes);
      for (const name of names) {
        const image = cluster.service(name)!.spec!.task!.container!.image;
        for (const task of cluster.running(name)) {
          assert.equal(cluster.store.view((tx) => tx.get("revision", `${name}.${task.revision}`))!.spec!.task!.container!.image, image, `image of ${name}`);
        }
        assert.notEqual(cluster.service(name)!.updateStatus?.state, "UPDATING", name);
        assert.equal(cluster.tasks(name).filter((task) => isWanted(task)).length, cluster.running(name).length, `nothing of ${name} is left over`);
        await cluster.remove(name);
      }
      assert.deepEqual(cluster.store.view((tx) => [...tx.list("task"), ...tx.list("service"), ...tx.list("revision")]), []);
    });
  }
});

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
