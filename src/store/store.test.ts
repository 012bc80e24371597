import assert from "node:assert/strict";
import { SwarmError, codeOf } from "../lib/index.js";
import { newCluster, newNetwork, newNetworkSpec, newNode, newNodeDescription, newService, newServiceSpec, newTask, type Task } from "../model/index.js";
import type { Commit, ReadTx } from "./api.js";
import { createStore, maxTransactionBytes } from "./index.js";
import { silentLogger, systemClock } from "../lib/index.js";
import { createTestStore, type TestStore } from "./testing.js";

const refusedWith = (code: string, pattern = /./) => (error: unknown) => codeOf(error) === code && pattern.test((error as Error).message);
const service = (id: string, name = id) => newService({ id, spec: newServiceSpec({ name }) });

async function copyOf(store: TestStore): Promise<TestStore> {
  const copy = createTestStore();
  await copy.restore(store.snapshot(), store.index);
  return copy;
}
const dump = (tx: ReadTx) => (["cluster", "node", "service", "revision", "task", "network"] as const)
  .map((table) => tx.list(table).map((row) => structuredClone(row)).sort((a, b) => (a.id < b.id ? -1 : 1)));

describe("store: transactions", () => {
  it("resolve after they are applied, with version and times stamped", async () => {
    const store = createTestStore();
    const result = await store.update((tx) => { tx.create("service", service("s1", "web")); return 7; });
    assert.equal(result, 7);
    const [web] = store.view((tx) => tx.byName("service", "web"));
    assert.equal(web!.meta!.version, 1);
    assert.ok(web!.meta!.createdAtMs > 0 && web!.meta!.createdAtMs === web!.meta!.updatedAtMs);
    await store.update((tx) => tx.update("service", { ...tx.get("service", "s1")!, isRemoving: true }));
    const changed = store.view((tx) => tx.get("service", "s1")!);
    assert.equal(changed.meta!.version, 2);
    assert.equal(changed.meta!.createdAtMs, web!.meta!.createdAtMs);
  });

  it("run at once, and each sees what those before it have in flight", async () => {
    const store = createTestStore();
    store.hold();
    const first = store.update((tx) => tx.create("service", service("s1", "web")));
    const second = store.update((tx) => tx.byName("service", "web").map(({ id }) => id));
    const third = store.update((tx) => {
      tx.update("service", { ...tx.get("service", "s1")!, revision: 2 });
      tx.create("task", newTask({ id: "t1", serviceId: "s1", slot: 1 }));
    });
    const fourth = store.update((tx) => { tx.remove("task", "t1"); return tx.tasksOfService("s1").length; });
    assert.equal(store.view((tx) => tx.list("service").length), 0, "nothing is visible before it is committed");
    store.release();
    assert.deepEqual(await second, ["s1"]);
    await Promise.all([first, third]);
    assert.equal(await fourth, 0);
    assert.deepEqual(store.view((tx) => [tx.get("service", "s1")!.revision, tx.list("task").length]), [2, 0]);
  });

  it("whose function throws change nothing", async () => {
    const store = createTestStore();
    await assert.rejects(store.update((tx) => { tx.create("service", service("s1")); throw new SwarmError("INVALID_ARGUMENT", "no"); }), refusedWith("INVALID_ARGUMENT"));
    assert.equal(store.index, 0);
    await store.update((tx) => assert.equal(tx.get("service", "s1"), undefined));
  });

  it("refuse an object that changed since it was read, also when the change is in flight", async () => {
    const store = createTestStore();
    await store.update((tx) => tx.create("service", service("s1")));
    const read = store.view((tx) => tx.get("service", "s1")!);
    store.hold();
    const change = store.update((tx) => tx.update("service", { ...read, revision: 2 }));
    await assert.rejects(store.update((tx) => tx.update("service", { ...read, revision: 3 })), refusedWith("ABORTED", /has changed since it was read/));
    store.release();
    await change;
    await assert.rejects(store.update((tx) => tx.update("service", { ...read, revision: 3 })), refusedWith("ABORTED"));
    await assert.rejects(store.update((tx) => tx.update("service", service("absent"))), refusedWith("NOT_FOUND"));
    await assert.rejects(store.update((tx) => tx.create("service", service("s1"))), refusedWith("ALREADY_EXISTS"));
    await assert.rejects(store.update((tx) => tx.remove("service", "absent")), refusedWith("NOT_FOUND"));
  });

  it("that fail take all with them that were built on them, and none before", async () => {
    const store = createStore({ clock: systemClock, log: silentLogger });
    const proposals: { data: Uint8Array; resolve: () => void; reject: (e: Error) => void }[] = [];
    store.setProposer({ isLeader: true, propose: (data) => new Promise((resolve, reject) => { proposals.push({ data, resolve, reject }); }) });
    const outcomes = ["s1", "s2", "s3"].map((id) => store.update((tx) => tx.create("service", service(id))).then(() => "stored", codeOf));
    proposals[1]!.reject(new SwarmError("RESOURCE_EXHAUSTED", "busy"));
    assert.deepEqual(await Promise.all(outcomes.slice(1)), ["RESOURCE_EXHAUSTED", "UNAVAILABLE"]);
    const later = store.update((tx) => { tx.create("service", service("s4")); return tx.list("service").map(({ id }) => id); });
    store.applyEntries([{ index: 1, data: proposals[0]!.data }]);
    proposals[0]!.resolve();
    store.applyEntries([{ index: 2, data: proposals[2]!.data }]);   // it was in raft already when the second was refused
    store.applyEntries([{ index: 3, data: proposals[3]!.data }]);
    proposals[3]!.resolve();
    assert.equal(await outcomes[0], "stored");
    assert.deepEqual(await later, ["s1", "s4"]);
    assert.deepEqual(store.view((tx) => tx.list("service").map(({ id }) => id)), ["s1", "s4"]);
  });

  it("that another replica gets with a gap before them are skipped there as well", async () => {
    const entries: Uint8Array[] = [];
    const leader = createStore({ clock: systemClock, log: silentLogger });
    leader.setProposer({ isLeader: true, propose: (data) => { entries.push(data); return new Promise(() => {}); } });
    for (const id of ["s1", "s2", "s3"]) void leader.update((tx) => tx.create("service", service(id)));
    const follower = createTestStore();
    follower.applyEntries([{ index: 4, data: entries[0]! }, { index: 5, data: entries[2]! }]);
    assert.deepEqual(follower.view((tx) => [tx.index, tx.list("service").map(({ id }) => id)]), [5, ["s1"]]);
  });

  it("are refused off the leader, and above 4 MiB", async () => {
    const store = createTestStore();
    await assert.rejects(store.update((tx) => tx.create("service", newService({ id: "s", spec: newServiceSpec({ labels: { a: "x".repeat(maxTransactionBytes) } }) }))), refusedWith("INVALID_ARGUMENT", /4\.0 MiB/));
    store.isLeader = false;
    await assert.rejects(store.update((tx) => tx.create("service", service("s"))), refusedWith("UNAVAILABLE", /not the leader/));
  });

  it("leave the leader, which does not read its own entries, with what a follower reads from them", async () => {
    const leader = createStore({ clock: systemClock, log: silentLogger });
    const follower = createStore({ clock: systemClock, log: silentLogger });
    const told: Commit[][] = [[], []];
    [leader, follower].forEach((store, i) => store.watch((commit) => told[i]!.push(commit)));
    let held: Uint8Array[] = [];
    leader.setProposer({ isLeader: true, propose: (data) => { held.push(data); return new Promise(() => {}); } });
    const odd = (task: object) => task as Task;   // more, less and other than its type says
    for (let round = 0; round < 20; round++) {
      for (let k = 0; k < 4; k++) {
        void leader.update((tx) => {
          const id = `t${(round * 7 + k * 3) % 11}`;
          const present = tx.get("task", id);
          if (!present) tx.create("task", odd({ id, slot: -0, revision: 1.5, serviceId: undefined, colour: "red", stopReason: "\ud800", status: { state: "PENDING", timestampMs: Number.NaN, message: 5 } }));
          else if (k === 3) tx.remove("task", id);
          else tx.update("task", odd({ ...present, nodeId: `n${k}`, status: k === 2 ? null : { ...present.status, hostPorts: undefined, pending: [{ filter: "ready", nodes: 2 ** 32 + round }] } }));
          tx.create("service", newService({ id: `s${round}.${k}`, spec: newServiceSpec({ labels: { round: String(round) } }) }));
        });
      }
      const entries = held.map((data, k) => ({ index: leader.index + 1 + k, data }));
      held = [];
      leader.applyEntries(round % 3 === 0 ? entries.map(({ index, data }) => ({ index, data: data.slice() })) : entries);   // a log may hand out a copy
      follower.applyEntries(entries);
    }
    assert.equal(leader.index, 80);
    assert.deepEqual(leader.view(dump), follower.view(dump));
    assert.deepEqual(told[0], told[1]);
  });

  it("hold what was written when it was written, whatever becomes of the writer's object", async () => {
    const store = createTestStore();
    await store.update((tx) => {
      const task = newTask({ id: "t", nodeId: "n1" });
      tx.create("task", task);
      task.nodeId = "n2";
      task.status!.message = "changed";
      task.networks.push({ networkId: "w", addr: "", mac: "", aliases: [] });
      assert.equal(tx.get("task", "t")!.nodeId, "n1");
    });
    const { nodeId, status, networks } = store.view((tx) => tx.get("task", "t")!);
    assert.deepEqual([nodeId, status!.message, networks], ["n1", "", []]);
  });

  it("hand out, while they are in flight, objects that stay as they are", async () => {
    const store = createTestStore();
    store.hold();
    const created = store.update((tx) => tx.create("task", newTask({ id: "t", serviceId: "s" })));
    const read = await store.update((tx) => tx.get("task", "t")!);
    const found = await store.update((tx) => tx.tasksOfService("s")[0]!);
    assert.ok(Object.isFrozen(read) && read.meta!.version < 0);
    assert.equal(found, read);
    store.release();
    await created;
    assert.ok(read.meta!.version < 0);
    assert.equal(store.view((tx) => tx.get("task", "t")!.meta!.version), 1);
    await assert.rejects(store.update((tx) => tx.update("task", read)), refusedWith("ABORTED"));
  });

  it("tell what is changed in flight, or by themselves", async () => {
    const store = createTestStore();
    await store.update((tx) => { for (const id of ["a", "b", "c"]) tx.create("node", newNode({ id })); });
    store.hold();
    const inFlight = store.update((tx) => tx.remove("node", "a"));
    const changing = () => store.update((tx) => {
      if (store.view((now) => now.get("node", "b"))?.role === "WORKER") tx.update("node", { ...tx.get("node", "b")!, role: "MANAGER" });
      return ["a", "b", "c", "d"].filter((id) => tx.isChanging("node", id));
    });
    const first = changing();
    store.release();
    await inFlight;
    assert.deepEqual(await first, ["a", "b"]);
    assert.deepEqual(await changing(), []);
  });

  it("that create and remove the same object write nothing", async () => {
    const store = createTestStore();
    await store.update((tx) => { tx.create("task", newTask({ id: "t" })); tx.remove("task", "t"); });
    assert.equal(store.index, 0);
  });

  it("hand out frozen objects", async () => {
    const store = createTestStore();
    await store.update((tx) => tx.create("service", service("s1")));
    const read = store.view((tx) => tx.get("service", "s1")!);
    assert.throws(() => { read.spec!.task!.container!.env.push("A=1"); }, TypeError);
    assert.throws(() => { read.meta!.version = 9; }, TypeError);
  });
});

describe("store: watching", () => {
  it("tells each commit in order, before the writer's promise", async () => {
    const store = createTestStore();
    const seen: string[] = [];
    const stop = store.watch((commit) => { for (const c of commit.changes) seen.push(`${commit.index} ${c.kind} ${c.table} ${c.object.id}`); });
    store.watch(() => { throw new Error("a listener's own trouble"); });
    await store.update((tx) => { tx.create("service", service("s1")); tx.create("network", newNetwork({ id: "n1" })); }).then(() => seen.push("written"));
    await store.update((tx) => { tx.update("service", { ...tx.get("service", "s1")!, revision: 5 }); tx.remove("network", "n1"); });
    stop();
    await store.update((tx) => tx.remove("service", "s1"));
    assert.deepEqual(seen, ["1 created service s1", "1 created network n1", "written", "2 updated service s1", "2 removed network n1"]);
  });

  it("shows the object before and after", async () => {
    const store = createTestStore();
    const commits: Commit[] = [];
    await store.update((tx) => tx.create("service", service("s1")));
    store.watch((commit) => commits.push(commit));
    await store.update((tx) => tx.update("service", { ...tx.get("service", "s1")!, revision: 5 }));
    const [change] = commits[0]!.changes;
    assert.ok(change?.table === "service");
    assert.deepEqual([change.previous!.revision, change.object.revision], [1, 5]);
  });
});

describe("store: snapshots", () => {
  it("restore to the same state, and hold what was there when they were taken", async () => {
    const store = createTestStore();
    await store.update((tx) => { tx.create("cluster", newCluster({ id: "c", removedNodes: { n9: 5 } })); for (let i = 0; i < 1000; i++) tx.create("task", newTask({ id: `t${i}`, serviceId: "s", slot: i })); });
    const before = store.view(dump);
    const snapshot = store.snapshot();
    const index = store.index;
    await store.update((tx) => tx.remove("task", "t5"));
    const copy = createTestStore();
    let told: Commit | undefined;
    copy.watch((commit) => { told = commit; });
    await copy.restore(snapshot, index);
    assert.deepEqual(copy.view(dump), before);
    assert.deepEqual(told, { index, changes: [] });
    assert.equal(copy.view((tx) => tx.tasksOfSlot("s", 5).length), 1);
  });

  it("may be cut into any pieces, and are refused when the end is missing", async () => {
    const store = createTestStore();
    await store.update((tx) => tx.create("service", service("s1")));
    const pieces: Uint8Array[] = [];
    for await (const piece of store.snapshot()) pieces.push(piece);
    const whole = Buffer.concat(pieces);
    const copy = createTestStore();
    await copy.restore((async function* () { for (const byte of whole) yield Uint8Array.of(byte); })(), 1);
    assert.deepEqual(copy.view(dump), store.view(dump));
    await assert.rejects(copy.restore((async function* () { yield whole.subarray(0, -1); })(), 1), refusedWith("DATA_LOSS"));
    assert.equal(copy.view((tx) => tx.list("service").length), 1, "a broken snapshot changes nothing");
  });

  it("leave a transaction that was built on the last one before them whole", async () => {
    const entries: Uint8Array[] = [];
    const leader = createStore({ clock: systemClock, log: silentLogger });
    leader.setProposer({ isLeader: true, propose: (data) => { entries.push(data); return new Promise(() => {}); } });
    for (const id of ["s1", "s2"]) void leader.update((tx) => tx.create("service", service(id)));
    const first = createTestStore();
    first.applyEntries([{ index: 1, data: entries[0]! }]);
    const second = await copyOf(first);
    second.applyEntries([{ index: 2, data: entries[1]! }]);
    assert.equal(second.view((tx) => tx.list("service").length), 2);
  });

  it("are encoded without holding the event loop, also of a large store", async function () {
    this.timeout(60_000);
    const store = createTestStore();
    for (let batch = 0; batch < 10; batch++) {
      await store.update((tx) => { for (let i = 0; i < 5_000; i++) tx.create("task", newTask({ id: `t${batch}-${i}`, serviceId: `s${i % 50}`, slot: i, nodeId: `n${i % 100}` })); });
    }
    let worst = 0;
    let last = performance.now();
    const timer = setInterval(() => { const now = performance.now(); worst = Math.max(worst, now - last); last = now; }, 1);
    for await (const _ of store.snapshot()) { /* as raft would write it */ }
    clearInterval(timer);
    assert.ok(worst < 150, `the loop was held for ${worst.toFixed(0)} ms`);
  });
});

describe("store: indexes", () => {
  it("agree with a scan after any history of writes, in flight and committed", async () => {
    let seed = 42;
    const random = (n: number) => { seed = (seed * 1103515245 + 12345) & 0x7fffffff; return seed % n; };
    const store = createTestStore();
    const check = (tx: ReadTx) => {
      const tasks = tx.list("task");
      const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).sort();
      assert.equal(new Set(ids(tasks)).size, tasks.length);
      const by = (keep: (t: Task) => boolean) => ids(tasks.filter(keep));
      for (let i = 0; i < 4; i++) {
        assert.deepEqual(ids(tx.tasksOfService(`s${i}`)), by((t) => t.serviceId === `s${i}`));
        assert.deepEqual(ids(tx.tasksOfNode(`n${i}`)), by((t) => t.nodeId === `n${i}`));
        for (let slot = 0; slot < 3; slot++) assert.deepEqual(ids(tx.tasksOfSlot(`s${i}`, slot)), by((t) => t.serviceId === `s${i}` && t.slot === slot));
        assert.deepEqual(ids(tx.byName("node", `h${i}`)), ids(tx.list("node").filter((n) => n.description?.hostname === `h${i}`)));
        assert.deepEqual(ids(tx.byName("network", `net${i}`)), ids(tx.list("network").filter((n) => n.spec?.name === `net${i}`)));
      }
    };
    for (let round = 0; round < 60; round++) {
      store.hold();
      const updates: Promise<unknown>[] = [];
      for (let k = 0; k < 5; k++) {
        updates.push(store.update((tx) => {
          for (let j = 0; j < 6; j++) {
            const id = `x${random(20)}`;
            const task = newTask({ id, serviceId: `s${random(4)}`, slot: random(3), nodeId: random(2) ? `n${random(4)}` : "" });
            const present = tx.get("task", id);
            if (!present) tx.create("task", task);
            else if (random(3) === 0) tx.remove("task", id);
            else tx.update("task", { ...task, meta: present.meta });
            const node = newNode({ id: `k${random(5)}`, description: random(2) ? newNodeDescription({ hostname: `h${random(4)}` }) : null });
            const known = tx.get("node", node.id);
            if (known) tx.update("node", { ...node, meta: known.meta }); else tx.create("node", node);
            const network = newNetwork({ id: `w${random(5)}`, spec: newNetworkSpec({ name: `net${random(4)}` }) });
            if (tx.get("network", network.id)) tx.remove("network", network.id); else tx.create("network", network);
          }
          check(tx);
        }).catch((error: unknown) => { if (codeOf(error) !== "UNAVAILABLE" && codeOf(error) !== "ABORTED") throw error; }));
      }
      if (round % 7 === 3) store.failure = new SwarmError("UNAVAILABLE", "lost");
      store.release();
      await Promise.all(updates);
      store.failure = undefined;
      store.view(check);
    }
    assert.deepEqual((await copyOf(store)).view(dump), store.view(dump));
  });
});
