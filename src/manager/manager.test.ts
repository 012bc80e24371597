import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../lib/index.js";
import { waitFor } from "../lib/testing.js";
import { newContainerSpec, newNodeSpec, newServiceSpec, newTaskSpec } from "../model/index.js";
import { call } from "../rpc/index.js";
import { TestCluster, type TestManager } from "./testing.js";

const service = (name: string, replicas = 2) => ({ spec: newServiceSpec({ name, replicas, task: newTaskSpec({ container: newContainerSpec({ image: "web:1" }) }) }) });
const names = async (at: TestManager) => (await at.control("listServices")).services.map((s: any) => s.spec.name);

describe("managers: three in one process", function () {
  this.timeout(60_000);
  let cluster: TestCluster;
  before(async () => { cluster = await TestCluster.start(3); });
  after(() => cluster.stop());

  const follower = () => cluster.managers.find(({ manager }) => !manager.isLeader)!;

  it("have one cluster, its first objects, and each other", async () => {
    const { cluster: object, leaderId } = await follower().control("getCluster");
    assert.equal(object.id, cluster.clusterId);
    assert.equal(object.rootCa.keyPem, "");
    assert.equal(leaderId, cluster.leader!.identity.nodeId);
    await waitFor("every manager's status", async () => {
      const { nodes } = await follower().control("listNodes");
      return nodes.length === 3 && nodes.every((n: any) => n.role === "MANAGER" && n.manager?.isReachable) && nodes.filter((n: any) => n.manager.isLeader).length === 1;
    });
    const { networks } = await follower().control("listNetworks");
    assert.ok(networks[0].spec.isIngress);
    await waitFor("the ingress subnet", async () => (await follower().control("getNetwork", { ref: "ingress" })).network.subnet !== "");
  });

  it("take writes on a follower, read them everywhere at once, and the loops run", async () => {
    await follower().control("createService", service("web"));
    for (const manager of cluster.managers) {
      const { services, read } = await manager.control("listServices");
      assert.deepEqual(services.map((s: any) => s.spec.name), ["web"]);
      assert.equal(read.isStale, false);
    }
    await waitFor("two pending tasks with a reason", async () => {
      const { tasks } = await follower().control("listTasks", { filters: [{ key: "service", value: "web" }] });
      return tasks.length === 2 && tasks.every((t: any) => t.task.status.state === "PENDING" && t.task.status.err !== "");
    });
  });

  it("answer questions to the leader's scheduler on a follower", async () => {
    const explained = await follower().control("explain", { ref: "web.1" });
    assert.match(explained.headline, /^web\.1 waits: no node fits: /);
    assert.deepEqual([explained.fits, explained.nodes, explained.fitting], [false, 3, 0]);
    assert.match((await follower().control("explain", service("later", 3))).headline, /0 of 3 tasks would be placed/);
    const { pending, headroom } = await follower().control("whatIf", { scale: [{ service: "web", replicas: 3 }] });
    assert.deepEqual([pending[0].serviceName, pending[0].count, pending[0].waited, headroom], ["web", 3, 2, [{ serviceName: "web", before: 0, after: 0 }]]);
    assert.equal((await follower().control("serviceHints")).hints[0].advice, "no task of it runs");
    await assert.rejects(follower().control("explain", { ref: "nothing" }), { code: "NOT_FOUND" });
  });

  it("give a follower's refusals in the leader's words", async () => {
    await assert.rejects(follower().control("createService", service("web")), (error: Error) => codeOf(error) === "ALREADY_EXISTS" && /Cannot create service "web": the name is taken/.test(error.message));
  });

  it("refuse a worker's certificate, and a token that was rotated, through a follower too", async () => {
    const { cluster: object } = await follower().control("getCluster");
    const worker = await cluster.issue("w1", object.joinTokens.worker, follower().addr);
    assert.equal(worker.role, "WORKER");
    await assert.rejects(call(cluster.client("Control", follower().addr, worker), "listNodes", {}), { code: "PERMISSION_DENIED", message: /is a worker/ });
    await follower().control("rotateJoinToken", { role: "WORKER" });
    await assert.rejects(cluster.issue("w2", object.joinTokens.worker, follower().addr), { code: "PERMISSION_DENIED", message: /rotated/ });
  });

  it("renew certificates in the role that the store says, for the caller that the certificate names", async () => {
    const { createCsr, identityOf } = await import("../ca/index.js");
    const { nodes } = await follower().control("listNodes", { filters: [{ key: "role", value: "worker" }] });
    await follower().control("updateNode", { ref: nodes[0].id, spec: newNodeSpec({ desiredRole: "MANAGER" }) });
    await waitFor("the role", async () => (await follower().control("getNode", { ref: nodes[0].id })).node.role === "MANAGER");
    const { certificatePem } = await call<{ certificatePem: string }>(cluster.client("Ca", follower().addr, await cluster.identity(nodes[0].id, "WORKER")), "renewCertificate", { csrPem: (await createCsr()).csrPem });
    assert.deepEqual(identityOf(certificatePem), { nodeId: nodes[0].id, role: "MANAGER", clusterId: cluster.clusterId });
    await follower().control("updateNode", { ref: nodes[0].id, spec: newNodeSpec({ desiredRole: "WORKER" }) });
  });

  it("lose their leader: every acknowledged write is there, and writes work again soon", async () => {
    const leader = cluster.leader!;
    const survivors = cluster.managers.filter((m) => m !== leader);
    const acknowledged = ["web"];
    let isOver = false;
    const writer = (async () => {
      for (let i = 0; !isOver; i++) {
        const name = `load-${i}`;
        try { await survivors[i % 2]!.control("createService", service(name, 0)); acknowledged.push(name); } catch (error) { if (codeOf(error) !== "UNAVAILABLE") throw error; }
      }
    })();
    await waitFor("some writes", () => acknowledged.length > 5);
    await leader.kill();
    const before = acknowledged.length;
    await waitFor("writes again", () => acknowledged.length > before + 3, 15_000);
    isOver = true;
    await writer;
    for (const survivor of survivors) {
      const present = new Set(await names(survivor));
      assert.deepEqual(acknowledged.filter((name) => !present.has(name)), []);
    }
    const again = await cluster.add(leader.identity, { kind: "resume", managers: survivors.map(({ addr }) => addr) }, leader);
    cluster.managers.splice(cluster.managers.indexOf(leader), 1);
    assert.deepEqual((await names(again)).sort(), (await names(survivors[0]!)).sort());
  });

  it("demote the leader: another takes over, it leaves the raft group and ends", async () => {
    const leader = cluster.leader!;
    const other = follower();
    const { node } = await other.control("getNode", { ref: leader.identity.nodeId });
    await other.control("updateNode", { ref: node.id, version: node.meta.version, spec: { ...node.spec, desiredRole: "WORKER" } });
    assert.deepEqual(await leader.manager.ended, { kind: "removed" });
    await waitFor("the role", async () => { const { node: now } = await other.control("getNode", { ref: node.id }); return now.role === "WORKER" && now.manager === null; });
    await leader.kill();
    cluster.managers.splice(cluster.managers.indexOf(leader), 1);
    await other.control("createService", service("after", 0));
  });

  it("without a majority: reads say that they may be stale, writes are refused with the reason", async () => {
    const [stays, goes] = cluster.managers as [TestManager, TestManager];
    await goes.kill();
    await waitFor("the loss", () => !stays.manager.isLeader, 15_000);
    await assert.rejects(stays.control("createService", service("lost")), (error: Error) => { assert.equal(codeOf(error), "UNAVAILABLE"); assert.match(error.message, /no leader|may or may not have been stored/); return true; });
    const { services, read } = await stays.control("listServices");
    assert.ok(services.length > 0);
    assert.equal(read.isStale, true);
    assert.match(read.reason, /no leader for \d+ s: this copy may be out of date/);
  });
});

describe("managers that leave", function () {
  this.timeout(60_000);
  let cluster: TestCluster;
  before(async () => { cluster = await TestCluster.start(3); });
  after(() => cluster.stop());

  it("are taken out of the raft group, a leader too; the last one is refused", async () => {
    const leader = cluster.leader!;
    const [first, last] = cluster.managers.filter((m) => m !== leader) as [TestManager, TestManager];
    await first.leaveRaft();
    assert.deepEqual(await first.manager.ended, { kind: "removed" });
    await first.kill();
    await leader.leaveRaft();
    assert.deepEqual(await leader.manager.ended, { kind: "removed" });
    await leader.kill();
    await waitFor("the last one to lead", () => last.manager.isLeader);
    await assert.rejects(last.leaveRaft(), { code: "FAILED_PRECONDITION", message: /it is the last manager/ });
    await last.control("createService", service("alone", 0));
    const again = await cluster.add(await cluster.issue("m9", (await last.control("getCluster")).cluster.joinTokens.manager, last.addr), { kind: "join", managers: [last.addr] });
    assert.deepEqual(await names(again), ["alone"]);
  });
});

describe("a manager that restarts alone", function () {
  this.timeout(60_000);
  it("has everything that was acknowledged, also under a new address", async () => {
    const cluster = await TestCluster.start(1);
    try {
      const [before] = cluster.managers as [TestManager];
      await before.control("createService", service("web", 1));
      await before.kill();
      const after = await cluster.add(before.identity, { kind: "resume", managers: [] }, { stateDir: before.stateDir });
      assert.deepEqual(await names(after), ["web"]);
      await waitFor("the new address", async () => (await after.control("getNode", { ref: "m1" })).node.manager?.addr === after.addr);
      assert.deepEqual(after.manager.managers, [after.addr]);
    } finally { await cluster.stop(); }
  });

  it("keeps its log unreadable without its key", async () => {
    const cluster = await TestCluster.start(1);
    try {
      const [manager] = cluster.managers as [TestManager];
      await manager.control("createService", service("secret-name-of-a-service", 1));
      await manager.kill();
      const files = (await readdir(join(manager.stateDir, "manager"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
      assert.ok(files.length >= 3);
      for (const file of files) assert.ok(!(await readFile(join(file.parentPath, file.name))).includes("secret-name"), file.name);
      assert.equal((await stat(join(manager.stateDir, "manager/raft.key"))).mode & 0o777, 0o600);
    } finally { await cluster.stop(); }
  });
});
