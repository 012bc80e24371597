import { strict as assert } from "node:assert";
import { createServer, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { RaftId, Transport } from "./api.js";
import { GrpcTransport } from "./grpc-transport.js";
import { TestGroup, until } from "./node-test-group.js";

/** Tests prove nothing with certificates: the caller says in its metadata who it is. */
function credentialsOf(self: RaftId): grpc.ChannelOptions { return { "grpc.primary_user_agent": `raft-${self}` }; }
function idOf(call: { metadata: grpc.Metadata }): RaftId | undefined {
  const match = /raft-(\d+)/.exec(String(call.metadata.get("user-agent")[0]));
  return match ? Number(match[1]) : undefined;
}

describe("the gRPC transport", function () {
  this.timeout(30_000);
  const servers = new Map<RaftId, { server: grpc.Server; port: number }>();
  let group: TestGroup;

  async function serve(id: RaftId): Promise<Transport> {
    const transport = new GrpcTransport({
      self: id,
      dial: (member) => ({ address: `127.0.0.1:${servers.get(member.id)!.port}`, credentials: grpc.credentials.createInsecure(), channelOptions: credentialsOf(id) }),
      identify: (call) => idOf(call),
    });
    const server = new grpc.Server();
    server.addService(transport.service, transport.handlers);
    const old = servers.get(id);
    old?.server.forceShutdown();
    const port = await new Promise<number>((resolve, reject) => server.bindAsync(`127.0.0.1:${old?.port ?? 0}`, grpc.ServerCredentials.createInsecure(), (error, bound) => error ? reject(error) : resolve(bound)));
    servers.set(id, { server, port });
    return transport;
  }

  beforeEach(() => { group = new TestGroup(); group.makeTransport = serve; });
  afterEach(async function () {
    if (this.currentTest?.state === "failed") console.log(group.logs.slice(-40).join("\n"), group.running().map((m) => ({ ...m.raft.status(), members: m.raft.status().members.map((x) => `${x.id} ${x.matchIndex} ${x.isActive}`) })));
    await group.destroy();
    for (const { server } of servers.values()) server.forceShutdown();
    servers.clear();
  });

  it("three members join, replicate, and take over from a dead leader", async () => {
    const one = await group.three();
    await Promise.all(Array.from({ length: 200 }, (_, i) => one.propose(`v${i}`)));
    await group.converge();
    servers.get(1)!.server.forceShutdown();
    await group.kill(1);
    const next = await group.leader();
    await next.propose("after");
    await group.converge();
    assert.equal(group.get(3).values().length, 201);
    await group.start(1);
    await until(() => group.get(1).values().length === 201, "the old leader has caught up");
  });

  it("an entry larger than gRPC's limit of 4 MiB passes", async () => {
    group.options = { maxEntryBytes: 16 * 1024 * 1024, segmentBytes: 1024 * 1024, electionTicks: 100 };
    const one = await group.three();
    await one.propose("x".repeat(9 * 1024 * 1024));
    await group.converge();
    assert.equal(group.get(2).values()[0]!.length, 9 * 1024 * 1024);
  });

  it("a member that was away longer than the log reaches back gets a snapshot, with its pieces as they were made", async () => {
    group.options = { snapshotEntries: 50, trailingEntries: 10 };
    const one = await group.three();
    await group.kill(3);
    for (let i = 0; i < 10; i++) await Promise.all(Array.from({ length: 40 }, (_, k) => one.propose(`${i}-${k}-${"x".repeat(20_000)}`)));
    await group.start(3);
    await until(() => group.get(3).values().length === 400, "it has everything");
    assert.equal(group.get(3).machine.restores >= 1, true);
    assert.deepEqual(group.get(3).values(), one.values());
  });

  it("a removed member is told, though it was away when it happened", async () => {
    const one = await group.three();
    servers.get(3)!.server.forceShutdown();
    await group.kill(3);
    await one.raft.removeMember(3);
    await group.start(3);
    await until(() => group.get(3).raft.status().role === "removed", "it knows");
  });

  it("a caller that nobody identifies is refused, and garbage ends only its own stream", async () => {
    await group.three();
    const client = new grpc.Client(`127.0.0.1:${servers.get(1)!.port}`, grpc.credentials.createInsecure());
    const identity = (bytes: Buffer): Buffer => bytes;
    const code = await new Promise((resolve) => {
      const stream = client.makeBidiStreamRequest("/raft.v1.Raft/Stream", identity, identity, new grpc.Metadata(), {});
      stream.on("data", () => {});
      stream.on("error", (error: grpc.ServiceError) => resolve(error.code));
    });
    assert.equal(code, grpc.status.PERMISSION_DENIED);
    client.close();

    const member = new grpc.Client(`127.0.0.1:${servers.get(1)!.port}`, grpc.credentials.createInsecure(), credentialsOf(2));
    for (const garbage of [Buffer.from([0x0a, 0x02, 0xff, 0xff]), Buffer.from([0xff, 0xff, 0xff]), Buffer.from([0x0a, 0x03, 0x02, 0x01, 0xff])]) {
      const stream = member.makeBidiStreamRequest("/raft.v1.Raft/Stream", identity, identity, new grpc.Metadata(), {});
      const ended = new Promise<void>((resolve) => { stream.on("error", () => resolve()); stream.on("end", () => resolve()); });
      stream.on("data", () => {});
      stream.write(garbage);
      stream.end();
      await ended;
    }
    member.close();
    const leader = await group.leader();
    await leader.propose("still here");
  });

  it("an address change reaches the others", async () => {
    const one = await group.three();
    await one.raft.updateMember(2, Buffer.from("moved"));
    await one.propose("x");
    await group.converge();
    assert.equal(Buffer.from(group.get(3).raft.status().members[1]!.context).toString(), "moved");
  });

  it("a connection that fell silent is given up, and the member comes back over a new one", async () => {
    const one = await group.three();
    servers.get(3)!.server.forceShutdown();
    await group.kill(3);
    // Takes connections and says nothing, like a host on the far side of a partition.
    const { port } = servers.get(3)!;
    const sockets: Socket[] = [];
    const silent = createServer((socket) => { sockets.push(socket.on("error", () => {})); });
    await new Promise<void>((resolve) => silent.listen(port, "127.0.0.1", resolve));
    await until(() => sockets.length > 0, "the leader talks to it");
    silent.close();
    await group.start(3);
    await one.propose("x");
    await until(() => group.get(3).values().length === 1, "the member is reached again", 6000);
    for (const socket of sockets) socket.destroy();
  });
});
