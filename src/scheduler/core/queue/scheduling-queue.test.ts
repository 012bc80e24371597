import assert from "node:assert/strict";
import fc from "fast-check";
import { newResources, type Node, type ServiceSpec } from "../../../model/index.js";
import { fitsNaively, nodeOf, placedTasks, randomCluster, seededRandom, specOf, volumeOf } from "../../testing.js";
import { Placer } from "../place/index.js";
import { ClusterState, compileSpec, nowhere } from "../state/index.js";
import { gatherForMs } from "./gang.js";
import { keepAfterMs } from "./room-making.js";
import { SchedulingQueue, type Batch } from "./scheduling-queue.js";

/** A cluster whose tasks run where they are put, until they are ended. */
class World {
  readonly state = new ClusterState();
  readonly placer = new Placer(this.state, { defaultStrategy: "PACK", nowMs: () => this.nowMs });
  readonly queue = new SchedulingQueue(this.state, this.placer);
  readonly specs = new Map<string, ServiceSpec>();
  nowMs = 1_000_000;
  mayPreempt = true;
  /** Who was placed, in order. */
  readonly order: string[] = [];

  constructor(...nodes: readonly Node[]) { for (const node of nodes) this.join(node); }

  join(node: Node): void { this.queue.nodeChanged(this.state.setNode(node)); }

  /** Tasks "web.1", "web.2", … of service `id`. */
  submit(id: string, spec: ServiceSpec, count = spec.replicas, nodeId = "", from = 1): void {
    this.specs.set(id, spec);
    const g = this.state.groupOf(`${id}.1`, id, () => compileSpec(id, spec));
    for (let i = from; i < from + count; i++) this.queue.add(this.state.addTask(`${id}.${i}`, g, this.nowMs++), nodeId);
  }

  end(taskId: string): void {
    const t = this.state.tasks.rowOf(taskId)!;
    const n = this.state.tasks.nodeOf(t);
    if (n !== nowhere) this.queue.left(t, n);
    this.queue.drop(t);
    this.state.removeTask(t);
  }

  /** Decides until nothing is left to decide. */
  settle(maxTasks = 10_000): Batch[] {
    const batches: Batch[] = [];
    this.queue.tick(this.nowMs);
    while (this.queue.hasWork) {
      const batch = this.queue.decide({ nowMs: this.nowMs, maxTasks, mayPreempt: this.mayPreempt, isTimeUp: () => false });
      for (const t of batch.placed) this.order.push(this.state.tasks.ids[t]!);
      batches.push(batch);
      assert.ok(batches.length < 10_000, "decisions come to rest");
    }
    return batches;
  }

  pass(ms: number): void { this.nowMs += ms; }
  nodeOf(taskId: string): string {
    const n = this.state.tasks.nodeOf(this.state.tasks.rowOf(taskId)!);
    return n === nowhere ? "-" : this.state.nodes.names[n]!;
  }
  where(id: string, count: number): string { return Array.from({ length: count }, (_, i) => this.nodeOf(`${id}.${i + 1}`)).join(" "); }
  victims(batches: readonly Batch[]): string[] { return batches.flatMap(({ preemptions }) => preemptions.flatMap(({ victims }) => victims.map((t) => this.state.tasks.ids[t]!))); }
}

const cores = (cpu: number, words: Parameters<typeof specOf>[0] = {}) => specOf({ cpu, ...words });

describe("who is decided about when", () => {
  it("higher priorities come first, then who waits longest", () => {
    const world = new World(nodeOf("n1", { cpu: 100 }));
    world.submit("old", cores(1));
    world.submit("new", cores(1));
    world.submit("urgent", cores(1, { priority: 10 }));
    world.submit("agent", cores(1), 1, "n1");
    world.settle();
    assert.deepEqual(world.order, ["agent.1", "urgent.1", "old.1", "new.1"]);
  });

  it("a service of many tasks takes turns with the others of its priority", () => {
    const world = new World(nodeOf("n1", { cpu: 10_000, memoryMiB: 2 ** 22 }));
    world.submit("huge", cores(1, { replicas: 2_500 }));
    world.submit("small", cores(1));
    world.settle();
    assert.equal(world.order.indexOf("small.1"), 1_000);
  });

  it("a stream of new services does not get in front of one that waits", () => {
    const world = new World(nodeOf("n1", { cpu: 5_000, memoryMiB: 2 ** 22 }));
    world.submit("huge", cores(1, { replicas: 1_500 }));
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 40; j++) world.submit(`new${i}-${j}`, cores(1));
      const { placed } = world.queue.decide({ nowMs: world.nowMs, maxTasks: 100, mayPreempt: true, isTimeUp: () => false });
      for (const t of placed) world.order.push(world.state.tasks.ids[t]!);
    }
    assert.ok(world.order.filter((id) => id.startsWith("huge")).length >= 1_000, String(world.order.filter((id) => id.startsWith("huge")).length));
  });

  it("a task that names its node gets there or waits for that node alone", () => {
    const world = new World(nodeOf("n1", { cpu: 1 }), nodeOf("n2", { cpu: 4 }));
    world.submit("first", cores(1, { constraints: ["node.hostname==n1"] }));
    world.settle();
    world.submit("agent", cores(1), 1, "n1");
    assert.deepEqual(world.settle().flatMap(({ refused }) => refused).length, 1);
    const before = world.queue.tries;
    world.submit("other", cores(1));
    world.settle();
    world.end("other.1");
    world.settle();
    assert.equal(world.queue.tries, before + 1, "what happens on other nodes is nothing to it");
    world.end("first.1");
    world.settle();
    assert.equal(world.nodeOf("agent.1"), "n1");
  });
});

describe("groups that fit nowhere", () => {
  it("cost nothing while others come and go", () => {
    const world = new World(...Array.from({ length: 20 }, (_, i) => nodeOf(`n${i}`, { cpu: 16 })));
    for (let i = 0; i < 1_000; i++) world.submit(`large${i}`, cores(32 + i / 100, { replicas: 100 }));
    world.settle();
    assert.equal(world.queue.tries, 1_000);
    for (let i = 0; i < 200; i++) {
      world.submit(`small${i}`, cores(8));
      world.settle();
      if (i >= 20) { world.end(`small${i - 20}.1`); world.settle(); }
    }
    assert.equal(world.queue.tries, 1_200);
    world.join(nodeOf("big", { cpu: 36 }));
    world.settle();
    assert.equal(world.queue.tries, 1_201, "of the 400 that would fit, one is awakened");
    assert.equal(world.queue.placements, 201);
  });

  it("are awakened by what they lack, not by anything else", () => {
    const world = new World(nodeOf("n1", { cpu: 4, memoryMiB: 4096 }), nodeOf("n2", { cpu: 4, memoryMiB: 4096 }));
    world.submit("a", specOf({ cpu: 4, constraints: ["node.hostname==n1"] }));
    world.submit("b", specOf({ memoryMiB: 4096, constraints: ["node.hostname==n2"] }));
    world.settle();
    world.submit("both", specOf({ cpu: 2, memoryMiB: 2048 }));
    world.settle();
    const both = () => [...world.queue.groups()].find(({ key }) => key === "both.1");
    assert.equal(both()?.tries, 1);
    world.submit("tiny", specOf({ cpu: 0.1 }));
    world.settle();
    world.end("tiny.1");
    world.settle();
    assert.equal(both()?.tries, 1);
    world.end("b.1");
    world.settle();
    assert.notEqual(world.nodeOf("both.1"), "-");
  });

  it("of the same request are awakened as far as there is room, in their order", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }));
    world.submit("full", cores(4));
    world.settle();
    for (let i = 0; i < 500; i++) world.submit(`s${i}`, cores(2));
    world.settle();
    const before = world.queue.tries;
    world.end("full.1");
    world.settle();
    assert.deepEqual(world.order.slice(-2), ["s0.1", "s1.1"]);
    assert.equal(world.queue.tries, before + 2);
    world.end("s0.1");
    world.end("s1.1");
    world.settle();
    assert.deepEqual(world.order.slice(-2), ["s2.1", "s3.1"]);
  });

  it("wait for a label, a node, a port, a place of their service, or another service", () => {
    const world = new World(nodeOf("n1", { cpu: 8 }));
    world.submit("ssd", specOf({ constraints: ["node.labels.disk==ssd"] }));
    world.submit("ports", specOf({ hostPorts: [80], replicas: 2 }));
    world.submit("single", specOf({ maxPerNode: 1, replicas: 2 }));
    world.submit("near", specOf({ affinities: [{ service: "db", anti: false, required: true, weight: 0, key: "" }] }));
    world.settle();
    assert.deepEqual([world.nodeOf("ssd.1"), world.where("ports", 2), world.where("single", 2), world.nodeOf("near.1")], ["-", "n1 -", "n1 -", "-"]);
    const before = world.queue.tries;
    world.submit("noise", cores(1));
    world.settle();
    world.end("noise.1");
    world.settle();
    assert.equal(world.queue.tries, before + 1);
    world.end("ports.1");
    world.settle();
    assert.equal(world.nodeOf("ports.2"), "n1");
    world.end("single.1");
    world.settle();
    assert.equal(world.nodeOf("single.2"), "n1");
    world.submit("db", specOf());
    world.settle();
    assert.equal(world.nodeOf("near.1"), "n1");
    world.join(nodeOf("n1", { cpu: 8, labels: { disk: "ssd" } }));
    world.settle();
    assert.equal(world.nodeOf("ssd.1"), "n1");
  });

  it("are left waiting only where a slow look from the outside finds no room either, whatever happens", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 31 }), (seed) => {
      const random = seededRandom(seed);
      const cluster = randomCluster(random, { nodes: 6, services: 25, maxReplicas: 4 });
      const world = new World(...cluster.nodes.slice(0, 3));
      world.mayPreempt = false;
      const nodes = cluster.nodes.slice(0, 3);
      const later = [...cluster.nodes.slice(3)];
      for (const { id, spec } of cluster.services) {
        world.submit(id, spec);
        if (random() < 0.2 && later.length > 0) { const node = later.pop()!; nodes.push(node); world.join(node); }
        if (random() < 0.5) world.settle();
        if (random() < 0.6) {
          const rows = [...world.state.tasks.rows()];
          world.end(world.state.tasks.ids[rows[Math.floor(random() * rows.length)]!]!);
        }
      }
      world.settle();
      const placed = placedTasks(world.state, world.specs);
      for (const t of world.state.tasks.rows()) {
        if (world.state.tasks.nodeOf(t) !== nowhere) continue;
        const id = world.state.services.ids[world.state.groups.service[world.state.tasks.groupOf(t)]!]!;
        for (const node of nodes) assert.ok(!fitsNaively(world.specs.get(id)!, id, node, nodes, placed), `${world.state.tasks.ids[t]} fits on ${node.id} (seed ${seed})`);
      }
      for (let n = 0; n < world.state.nodes.size; n++) for (const column of world.state.nodes.free) assert.ok(column[n]! >= 0, `node ${n} is over its capacity (seed ${seed})`);
    }), { numRuns: 60 });
  });
});

describe("gangs", () => {
  it("are placed all or not at all", () => {
    const world = new World(nodeOf("n1", { cpu: 5 }));
    world.submit("gang", cores(1, { gang: true, replicas: 8 }));
    const [batch] = world.settle();
    assert.equal(batch!.blocked[0]?.fitted, 5);
    assert.equal(world.state.nodes.free[0]![0], 5_000);
    world.join(nodeOf("n2", { cpu: 3 }));
    world.settle();
    assert.equal(world.where("gang", 8).includes("-"), false);
  });

  it("wait until all their tasks are there, but not for ever", () => {
    const world = new World(nodeOf("n1", { cpu: 8 }));
    const spec = cores(1, { gang: true, replicas: 4 });
    world.submit("gang", spec, 2);
    world.settle();
    assert.equal(world.where("gang", 2), "- -");
    world.submit("gang", spec, 2, "", 3);
    world.settle();
    assert.equal(world.where("gang", 4), "n1 n1 n1 n1");
    world.submit("short", spec, 2);
    world.settle();
    world.pass(gatherForMs);
    world.settle();
    assert.equal(world.where("short", 2), "n1 n1");
  });

  it("are placed when so many of them go that the rest fits", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }));
    world.submit("gang", cores(1, { gang: true, replicas: 6 }));
    world.settle();
    assert.equal(world.where("gang", 6), "- - - - - -");
    world.pass(gatherForMs);
    world.end("gang.6");
    world.settle();
    assert.equal(world.where("gang", 5), "- - - - -");
    world.end("gang.5");
    world.settle();
    assert.equal(world.where("gang", 4), "n1 n1 n1 n1");
  });

  it("take one back that is started again alone", () => {
    const world = new World(nodeOf("n1", { cpu: 8 }));
    const spec = cores(1, { gang: true, replicas: 4 });
    world.submit("gang", spec);
    world.settle();
    world.end("gang.2");
    world.submit("gang", spec, 1, "", 5);
    world.settle();
    assert.equal(world.nodeOf("gang.5"), "n1");
  });
});

describe("nodes kept for those who starve", () => {
  /** A stream of small tasks that keeps every node busy: as many come as go. When the large one is placed, in seconds. */
  function seconds(largeCpu: number, bound: number, words: Parameters<typeof specOf>[0] = {}): number | undefined {
    const world = new World(...Array.from({ length: 4 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 })));
    const random = seededRandom(7);
    const living: string[] = [];
    let next = 0;
    const fill = () => {
      while (living.length < 18) { const id = `small${next++}`; world.submit(id, cores(1)); living.push(`${id}.1`); }
      world.settle();
    };
    fill();
    world.submit("large", cores(largeCpu, words));
    for (let second = 0; second < bound; second++) {
      world.pass(1_000);
      const [ended] = living.splice(Math.floor(random() * living.length), 1);
      if (world.nodeOf(ended!) === "-") living.push(ended!);
      else world.end(ended!);
      fill();
      if (world.nodeOf("large.1") !== "-") return second;
    }
    return undefined;
  }

  it("a stream of small tasks does not starve a large one", () => {
    const took = seconds(4, 600);
    assert.ok(took !== undefined && took >= keepAfterMs / 1000 - 1, String(took));
  });

  it("nor a gang, whether it needs some of the nodes or all of them", () => {
    for (const [replicas, cpu] of [[2, 4], [4, 4], [6, 2], [1, 4]] as const) {
      const took = seconds(cpu, 600, { gang: true, replicas });
      assert.ok(took !== undefined && took >= keepAfterMs / 1000 - 1, `${replicas} of ${cpu}: ${took}`);
    }
    assert.ok(seconds(4, 600, { gang: true, replicas: 2, maxPerNode: 1 }) !== undefined);
  });

  it("a gang gets none kept that would not fit on empty nodes", () => {
    assert.equal(seconds(4, 300, { gang: true, replicas: 5 }), undefined);
    assert.equal(seconds(1, 300, { gang: true, replicas: 5, maxPerNode: 1 }), undefined);
  });

  it("nobody gets one kept who would not fit on an empty node", () => assert.equal(seconds(5, 300), undefined));

  it("are open to higher priorities, and free again when the owner is gone", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    world.submit("a", cores(2, { constraints: ["node.hostname==n1"] }));
    world.submit("b", cores(3, { constraints: ["node.hostname==n2"] }));
    world.settle();
    world.submit("large", cores(4));
    world.settle();
    world.submit("c", cores(1, { constraints: ["node.hostname==n2"] }));
    world.settle();
    world.pass(keepAfterMs + 1_000);
    world.settle();
    assert.deepEqual([...world.queue.reservations].map(({ key, n }) => `${key} ${world.state.nodes.names[n]}`), ["large.1 n1"]);
    world.submit("equal", cores(1));
    world.settle();
    assert.equal(world.nodeOf("equal.1"), "-");
    world.submit("higher", cores(1, { priority: 1 }));
    world.settle();
    assert.equal(world.nodeOf("higher.1"), "n1");
    world.end("large.1");
    world.settle();
    assert.equal(world.nodeOf("equal.1"), "n1");
    assert.equal(world.queue.reservations.size, 0);
  });
});

describe("quotas of projects", () => {
  it("hold up tasks beyond them, wherever there is room, and let them go on when something is given back or granted", () => {
    const world = new World(nodeOf("n1", { cpu: 100 }));
    const quota = (cpu: number, tasks = 0) => world.queue.setQuotas([{ project: "team-a", limits: newResources({ cpuMillis: cpu * 1000 }), tasks }]);
    quota(40);
    world.submit("a", cores(10, { project: "team-a", replicas: 5 }));
    world.submit("free", cores(10));
    world.settle();
    assert.equal(world.where("a", 5), "n1 n1 n1 n1 -");
    assert.equal(world.nodeOf("free.1"), "n1");
    const g = world.state.groups.rowOf("a.1")!;
    assert.deepEqual(world.queue.quotas.refusals(world.state, g), ["project team-a has 40 of 40 CPUs reserved; needs 10 more"]);
    const before = world.queue.tries;
    world.end("free.1");
    world.settle();
    assert.equal(world.queue.tries, before, "room on nodes is not what it lacks");
    world.end("a.1");
    world.settle();
    assert.equal(world.nodeOf("a.5"), "n1");
    world.submit("a", cores(10, { project: "team-a" }), 2, "", 6);
    world.settle();
    quota(60);
    world.settle();
    assert.equal(world.nodeOf("a.7"), "n1");
    quota(1_000, 6);
    world.submit("b", cores(1, { project: "team-a" }));
    world.settle();
    assert.deepEqual(world.queue.quotas.refusals(world.state, world.state.groups.rowOf("b.1")!), ["project team-a has 6 of 6 tasks"]);
  });

  it("place no part of a gang", () => {
    const world = new World(nodeOf("n1", { cpu: 100 }));
    world.queue.setQuotas([{ project: "team-a", limits: null, tasks: 3 }]);
    world.submit("gang", cores(1, { project: "team-a", gang: true, replicas: 4 }));
    world.settle();
    assert.equal(world.where("gang", 4), "- - - -");
  });
});

describe("making room for higher priorities", () => {
  it("stops the least important, keeps the node, and goes there when it is free", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    world.submit("low", cores(2, { replicas: 2, priority: -5 }));
    world.submit("mid", cores(2, { replicas: 2 }));
    world.settle();
    world.submit("high", cores(2, { priority: 10 }));
    const victims = world.victims(world.settle());
    assert.equal(victims.length, 1);
    assert.match(victims[0]!, /^low\./);
    world.submit("thief", cores(2, { priority: -5 }));
    const before = world.nodeOf(victims[0]!);
    world.end(victims[0]!);
    world.settle();
    assert.deepEqual([world.nodeOf("high.1"), world.nodeOf("thief.1")], [before, "-"]);
    assert.equal(world.queue.reservations.size, 0);
  });

  it("stops nobody twice for the same task, and as many as there are tasks to place", () => {
    const world = new World(...Array.from({ length: 4 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 })));
    world.submit("low", cores(4, { replicas: 4 }));
    world.settle();
    world.submit("high", cores(4, { priority: 1, replicas: 3 }));
    const victims = world.victims(world.settle());
    assert.equal(new Set(victims).size, 3);
    assert.equal(victims.length, 3);
    world.pass(1_000);
    assert.deepEqual(world.victims(world.settle()), []);
    for (const id of victims) { world.end(id); world.settle(); }
    assert.equal(world.where("high", 3).includes("-"), false);
  });

  it("stops nobody where somebody is being stopped already", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }));
    world.submit("low", cores(2, { replicas: 2 }));
    world.settle();
    const t = world.state.tasks.rowOf("low.1")!;
    world.state.setCounts(t, false);
    world.submit("high", cores(2, { priority: 1 }));
    assert.deepEqual(world.victims(world.settle()), []);
    world.end("low.1");
    world.settle();
    assert.equal(world.nodeOf("high.1"), "n1");
  });

  it("is not done for equal priorities, for a quota, or where it is turned off", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }));
    world.submit("low", cores(4));
    world.settle();
    world.submit("equal", cores(4));
    assert.deepEqual(world.victims(world.settle()), []);
    world.queue.setQuotas([{ project: "p", limits: newResources({ cpuMillis: 1_000 }), tasks: 0 }]);
    world.submit("quota", cores(4, { priority: 5, project: "p" }));
    assert.deepEqual(world.victims(world.settle()), []);
    world.mayPreempt = false;
    world.submit("off", cores(4, { priority: 5 }));
    assert.deepEqual(world.victims(world.settle()), []);
  });

  it("stops as few as a gang needs, all at once, keeps all of its nodes, and goes there as a whole", () => {
    const world = new World(...Array.from({ length: 4 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 })));
    world.submit("low", cores(4, { replicas: 3 }));
    world.settle();
    world.submit("gang", cores(2, { priority: 1, replicas: 6, gang: true }));
    const victims = world.victims(world.settle());
    assert.equal(victims.length, 2);
    assert.deepEqual([...world.queue.reservations].map(({ key, tasks, reason }) => `${key} ${tasks} ${reason}`), Array.from({ length: 3 }, () => "gang.1 2 preemption"));
    world.submit("thief", cores(1, { replicas: 4 }));
    world.settle();
    assert.equal(world.where("thief", 4), "- - - -");
    world.end(victims[0]!);
    world.pass(1_000);
    assert.deepEqual(world.victims(world.settle()), [], "nobody is stopped twice");
    assert.equal(world.where("gang", 6), "- - - - - -");
    world.end(victims[1]!);
    world.settle();
    assert.equal(world.where("gang", 6).includes("-"), false);
    assert.equal(world.queue.reservations.size, 0);
  });

  it("stops nobody for a gang that would not fit as a whole, and looks again when something has changed", () => {
    const world = new World(...Array.from({ length: 3 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 })));
    world.submit("low", cores(4, { replicas: 2 }));
    world.submit("equal", cores(4, { priority: 1 }));
    world.settle();
    world.submit("gang", cores(4, { priority: 1, replicas: 3, gang: true }));
    assert.deepEqual(world.victims(world.settle()), []);
    assert.equal(world.queue.reservations.size, 0);
    world.end("equal.1");
    assert.deepEqual(world.victims(world.settle()), [], "it was looked into a moment ago");
    world.pass(1_000);
    assert.equal(world.victims(world.settle()).length, 2, "now it would");
  });

  it("a node of a gang's that goes has the others chosen anew", () => {
    const world = new World(...Array.from({ length: 4 }, (_, i) => nodeOf(`n${i}`, { cpu: 4 })));
    world.submit("low", cores(3, { replicas: 4 }));
    world.settle();
    world.submit("gang", cores(4, { replicas: 2, gang: true }));
    world.settle();
    world.submit("tiny", cores(1));
    world.settle();
    world.pass(keepAfterMs);
    world.settle();
    const kept = () => [...world.queue.reservations].map(({ n }) => world.state.nodes.names[n]!);
    assert.equal(kept().length, 2);
    const [gone] = kept();
    const n = world.state.nodes.rowOf(gone!)!;
    for (const t of [...world.state.tasks.rows()]) if (world.state.tasks.nodeOf(t) === n) world.end(world.state.tasks.ids[t]!);
    world.queue.nodeChanged(n);
    world.state.removeNode(gone!);
    world.settle();
    world.pass(1_000);
    world.settle();
    assert.equal(kept().length, 2);
    assert.equal(kept().includes(gone!), false);
  });

  it("stops whoever has its volume, one at a time, and keeps a node until then", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    world.state.setVolume(volumeOf("v", { scope: "MULTI_NODE" }));
    world.submit("low", cores(1, { volumes: ["v"] }));
    world.settle();
    world.submit("high", cores(1, { volumes: ["v"], priority: 5, replicas: 3 }));
    assert.deepEqual(world.victims(world.settle()), ["low.1"]);
    assert.equal(world.queue.reservations.size, 1);
    world.submit("others", cores(4, { replicas: 2 }));
    world.pass(1_000);
    assert.deepEqual(world.victims(world.settle()), []);
    world.end("low.1");
    world.settle();
    assert.deepEqual(world.where("high", 3).split(" ").filter((node) => node !== "-").length, 1);
    assert.equal(world.queue.reservations.size, 0);
    world.submit("higher", cores(1, { volumes: ["v"], priority: 6 }));
    assert.match(world.victims(world.settle()).join(), /^high\.\d$/);
  });

  it("is done on its node alone for a task that names one", () => {
    const world = new World(nodeOf("n1", { cpu: 4 }), nodeOf("n2", { cpu: 4 }));
    world.submit("a", cores(4, { constraints: ["node.hostname==n1"], priority: 3 }));
    world.submit("b", cores(4, { constraints: ["node.hostname==n2"] }));
    world.settle();
    world.submit("agent", cores(1, { priority: 10 }), 1, "n1");
    assert.deepEqual(world.victims(world.settle()), ["a.1"]);
    world.end("a.1");
    world.settle();
    assert.equal(world.nodeOf("agent.1"), "n1");
    assert.equal(world.queue.reservations.size, 0);
  });
});
