import assert from "node:assert/strict";
import { Metadata, Server, ServerCredentials, type Client } from "@grpc/grpc-js";
import { SwarmError, codeOf, systemClock } from "../lib/index.js";
import { call, clientConstructor, serviceDefinition, unary, type CallContext, type Caller } from "../rpc/index.js";
import { ChannelCredentials } from "@grpc/grpc-js";
import { createLeaderForward, originOf } from "./leader-forward.js";

type Leader = { nodeId: string; addr: string; isSelf: boolean } | undefined;

const contextBy = (caller: Caller, metadata = new Metadata()): CallContext => ({ caller, metadata, peer: "198.18.0.9:1", signal: new AbortController().signal });
const local = contextBy({ kind: "local" });
const forwardedBy = (nodeId: string, caller = "") => {
  const metadata = new Metadata();
  metadata.set("x-swarm-forwarded", nodeId);
  metadata.set("x-swarm-caller", caller);
  metadata.set("x-swarm-peer", "198.18.0.7:7");
  return contextBy({ kind: "node", nodeId, role: "MANAGER", clusterId: "c" }, metadata);
};

describe("leader forwarding", () => {
  const servers: Server[] = [];
  const clients: Client[] = [];
  afterEach(() => { for (const client of clients.splice(0)) client.close(); for (const server of servers.splice(0)) server.forceShutdown(); });

  /** A manager that answers removeService as told. */
  async function manager(answer: (context: CallContext) => Promise<object>): Promise<string> {
    const server = new Server();
    server.addService(serviceDefinition("Control"), { RemoveService: unary(() => ({ kind: "local" }), (_request: object, context) => answer(context)), ListServices: unary(() => ({ kind: "local" }), (_request: object, context) => answer(context)) });
    servers.push(server);
    return `127.0.0.1:${await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => (error ? reject(error) : resolve(port))))}`;
  }

  function forward(leader: Leader, options: { isLeader?: boolean; catchUp?: () => Promise<void> } = {}) {
    const listeners = new Set<() => void>();
    const replication = {
      leader, isLeader: options.isLeader ?? false, leaderlessMs: 12_000, catchUp: options.catchUp ?? (async () => {}),
      onChange: (listener: () => void) => { listeners.add(listener); return () => { listeners.delete(listener); }; },
    };
    const change = (fields: Partial<{ leader: Leader; isLeader: boolean }>) => { Object.assign(replication, fields); for (const listener of [...listeners]) listener(); };
    const made = createLeaderForward({
      nodeId: "m1", clock: systemClock, replication, index: () => 7, writePatienceMs: 600, readPatienceMs: 300,
      client: (_service, addr) => { const client = new (clientConstructor("Control"))(addr, ChannelCredentials.createInsecure()); clients.push(client); return client; },
    });
    return { ...made, change, listeners };
  }
  const write = { service: "Control" as const, method: "removeService", request: { ref: "x" }, context: local };
  const read = { service: "Control" as const, method: "listServices", request: {}, context: local };
  const never = async () => { throw new Error("must not run here"); };
  const at = (addr: string, nodeId = "m2") => ({ nodeId, addr, isSelf: false });

  it("runs writes on the leader and sends them there from a follower, saying who asked", async () => {
    const own = forward({ nodeId: "m1", addr: "", isSelf: true }, { isLeader: true });
    assert.deepEqual(await own.write(write, async () => ({ id: "here" })), { id: "here" });
    let seen: CallContext | undefined;
    const addr = await manager(async (context) => { seen = context; return { id: "there" }; });
    const worker = contextBy({ kind: "node", nodeId: "w1", role: "WORKER", clusterId: "c" });
    assert.deepEqual(await forward(at(addr)).write({ ...write, context: worker }, never), { id: "there" });
    assert.deepEqual(["x-swarm-forwarded", "x-swarm-caller", "x-swarm-peer"].map((key) => seen!.metadata.get(key)[0]), ["m1", "w1", "198.18.0.9:1"]);
  });

  it("believes in the caller that a manager names, and in no other's word", () => {
    assert.deepEqual(originOf(forwardedBy("m2", "w1")), { isForwarded: true, nodeId: "w1", peer: "198.18.0.7:7" });
    const liar = contextBy({ kind: "node", nodeId: "w9", role: "WORKER", clusterId: "c" }, forwardedBy("m2", "w1").metadata);
    assert.deepEqual(originOf(liar), { isForwarded: false, nodeId: "w9", peer: "198.18.0.9:1" });
    assert.equal(originOf(contextBy({ kind: "anonymous" }, forwardedBy("m2", "w1").metadata)).nodeId, undefined);
  });

  it("asks questions of the leader, again when leadership moves, and says when there is none", async () => {
    const own = forward({ nodeId: "m1", addr: "", isSelf: true }, { isLeader: true });
    assert.deepEqual(await own.query(read, async () => ({ here: 1 })), { here: 1 });
    await assert.rejects(own.query(read, async () => { throw new SwarmError("NOT_FOUND", "no such service"); }), { code: "NOT_FOUND" });
    const addr = await manager(async () => { throw new SwarmError("UNAVAILABLE", "the scheduler has not read the store yet"); });
    const follower = forward(at(addr));
    const asked = follower.query(read, async () => ({ here: 2 }));
    setImmediate(() => follower.change({ leader: { nodeId: "m1", addr: "", isSelf: true }, isLeader: true }));
    assert.deepEqual(await asked, { here: 2 });
    await assert.rejects(forward(at(addr)).query(read, never), { code: "UNAVAILABLE", message: /has not read the store yet/ });
    await assert.rejects(forward(undefined).query(read, never), { code: "UNAVAILABLE", message: /^Cannot ask the scheduler: the cluster has no leader/ });
    await assert.rejects(forward(at(addr)).query({ ...read, context: forwardedBy("m3") }, never), { code: "UNAVAILABLE", message: /this manager is not the leader/ });
  });

  it("never forwards what was forwarded", async () => {
    const follower = forward(at("127.0.0.1:1"));
    await assert.rejects(follower.write({ ...write, context: forwardedBy("m3") }, never), { code: "UNAVAILABLE", message: /this manager is not the leader/ });
    await assert.rejects(follower.read({ ...read, context: forwardedBy("m3") }, () => ({})), { code: "UNAVAILABLE" });
  });

  it("says when a request is larger than the leader takes from another node", async () => {
    const addr = await manager(async () => ({ id: "there" }));
    await assert.rejects(forward(at(addr)).write({ ...write, request: { ref: "x".repeat(5 * 1024 * 1024) } }, never), { code: "INVALID_ARGUMENT", message: /larger than 4 MiB; make it smaller/ });
  });

  it("passes the leader's refusals on unchanged", async () => {
    const addr = await manager(async () => { throw new SwarmError("ALREADY_EXISTS", "the name is taken"); });
    await assert.rejects(forward(at(addr)).write(write, never), { code: "ALREADY_EXISTS", message: "the name is taken" });
  });

  it("asks again where nothing was proposed: no leader yet, a leader that is none, a port that is closed, a leader that is busy", async () => {
    for (const first of [undefined, at("127.0.0.1:1"), at(await manager(async () => { throw new SwarmError("UNAVAILABLE", "Cannot serve the call: this manager is not the leader"); })),
      at(await manager(async () => { throw new SwarmError("RESOURCE_EXHAUSTED", "too many changes wait to be stored; try again in a moment"); }))]) {
      const follower = forward(first);
      const addr = await manager(async () => ({ id: "there" }));
      setTimeout(() => follower.change({ leader: at(addr, "m3") }), 150);
      assert.deepEqual(await follower.write(write, never), { id: "there" });
      assert.equal(follower.listeners.size, 0, "nothing listens any more");
    }
  });

  it("does not repeat a write whose leader was lost during the call", async () => {
    let calls = 0;
    const addr = await manager(() => { calls++; return new Promise(() => {}); });
    const follower = forward(at(addr));
    const second = await manager(async () => ({ id: "repeated" }));
    setTimeout(() => follower.change({ leader: at(second, "m3") }), 100);
    await assert.rejects(follower.write(write, never), (error: Error) => codeOf(error) === "UNAVAILABLE" && /Cannot tell whether the change was stored/.test(error.message));
    assert.equal(calls, 1);
  });

  it("gives up after a while and says for how long there has been no leader", async () => {
    await assert.rejects(forward(undefined).write(write, never), { code: "UNAVAILABLE", message: /no leader that this manager can reach, for 12 s/ });
  });

  it("becomes the leader while a write waits: it runs here", async () => {
    const manager1 = forward(undefined);
    setTimeout(() => manager1.change({ isLeader: true }), 100);
    assert.deepEqual(await manager1.write(write, async () => ({ id: "here" })), { id: "here" });
  });

  it("a read on the leader waits until it is confirmed; without a majority it is marked stale", async () => {
    const steps: string[] = [];
    const leader = forward({ nodeId: "m1", addr: "", isSelf: true }, { isLeader: true, catchUp: async () => { steps.push("confirmed"); } });
    assert.deepEqual(await leader.read(read, () => { steps.push("read"); return { services: [] }; }), { services: [], read: { isStale: false, reason: "", index: 7 } });
    assert.deepEqual(steps, ["confirmed", "read"]);
    const alone = forward({ nodeId: "m1", addr: "", isSelf: true }, { isLeader: true, catchUp: async () => { throw new SwarmError("UNAVAILABLE", "a majority of managers did not answer within 1 s"); } });
    assert.match((await alone.read(read, () => ({}))).read.reason, /a majority of managers did not answer/);
  });

  it("a read on a follower is the leader's answer; with no leader in reach it is this copy's, and says so", async () => {
    const addr = await manager(async () => ({ services: [], statuses: [], read: { isStale: false, reason: "", index: 99 } }));
    const fresh = await forward(at(addr)).read(read, (): object => { throw new Error("must not run here"); });
    assert.equal(fresh.read.index, 99);
    const stale = await forward(undefined).read(read, () => ({ services: ["mine"] }));
    assert.deepEqual(stale, { services: ["mine"], read: { isStale: true, reason: "no leader for 12 s: this copy may be out of date", index: 7 } });
    const unreachable = await forward(at("127.0.0.1:1")).read(read, () => ({}));
    assert.match(unreachable.read.reason, /the leader cannot be reached/);
  });

  it("a read whose leader hangs is answered once another leads or none is known", async () => {
    const addr = await manager(() => new Promise(() => {}));
    const follower = forward(at(addr));
    setTimeout(() => follower.change({ leader: undefined }), 50);
    assert.equal((await follower.read(read, () => ({}))).read.isStale, true);
  });

  it("a refusal of a read is not taken for a lost leader", async () => {
    const addr = await manager(async () => { throw new SwarmError("NOT_FOUND", "no such service"); });
    await assert.rejects(forward(at(addr)).read(read, () => ({})), { code: "NOT_FOUND" });
    await assert.rejects(call(clients.at(-1)!, "listServices", {}), { code: "NOT_FOUND" });
  });
});
