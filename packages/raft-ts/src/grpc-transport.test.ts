import { strict as assert } from "node:assert";
import { createHash, randomBytes } from "node:crypto";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import * as grpc from "@grpc/grpc-js";
import type { RaftId, Transport } from "./api.js";
import { GrpcTransport } from "./grpc-transport.js";
import { contextOf, TestGroup, until } from "./node-test-group.js";

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
  let atEnd = async (): Promise<void> => {};

  async function serve(id: RaftId): Promise<Transport> {
    const transport = new GrpcTransport({
      self: id,
      dial: (member) => {
        const context = Buffer.from(member.context).toString();
        if (context === "nowhere") throw new Error("it has no address");
        return { address: context.startsWith("member ") ? `127.0.0.1:${servers.get(member.id)!.port}` : context, credentials: grpc.credentials.createInsecure(), channelOptions: credentialsOf(id) };
      },
      identify: (call) => idOf(call),
      log: (level, message) => { group.logs.push(`${id} ${level} ${message}`); },
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
    await atEnd();
    atEnd = async () => {};
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

  it("an entry larger than what may wait for a slow member passes, and heartbeats pass it", async () => {
    group.options = { maxEntryBytes: 64 * 1024 * 1024, electionTicks: 100 };
    const one = await group.bootstrap(1);
    await one.leads();
    await group.join(2);
    const before = one.raft.status().term;
    const data = randomBytes(20 * 1024 * 1024).toString("latin1");
    await one.propose(data);
    await group.converge();
    assert.ok(group.get(2).values()[0] === data);
    assert.equal(one.raft.status().term, before);
  });

  it("large entries proposed at once are the same on all members", async () => {
    group.options = { electionTicks: 100 };
    const one = await group.bootstrap(1);
    await one.leads();
    await group.join(2);
    await Promise.all(Array.from({ length: 12 }, () => one.propose(randomBytes(2 * 1024 * 1024).toString("latin1"))));
    await group.converge();
    const sums = (id: RaftId): string[] => group.get(id).values().map((value) => createHash("sha1").update(value, "latin1").digest("hex"));
    assert.equal(sums(1).length, 12);
    assert.deepEqual(sums(2), sums(1));
  });

  for (const way of ["up", "down"] as const) {
    it(`large messages to a member that reads nothing for a while arrive whole or not at all: ${way} the stream`, async () => {
      const sender = await serve(1), receiver = await serve(2);
      // What stands between them can stop.
      const sockets: Socket[] = [];
      const { port } = servers.get(way === "up" ? 2 : 1)!;
      const proxy = createServer((near) => {
        const far = connect(port, "127.0.0.1");
        near.pipe(far).pipe(near);
        for (const socket of [near, far]) sockets.push(socket.on("error", () => {}));
      });
      atEnd = async () => {
        await Promise.all([sender.close(), receiver.close()]);
        for (const socket of sockets) socket.destroy();
        proxy.close();
      };
      await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
      const received: Uint8Array[] = [];
      const ignore = { receive: () => {}, receiveSnapshot: async () => {}, unreachable: () => {} };
      sender.start({ ...ignore, receive: () => { isCalled = true; } });
      receiver.start({ ...ignore, receive: (_, message) => { received.push(message); } });
      let isCalled = false;
      const context = Buffer.from(`127.0.0.1:${(proxy.address() as AddressInfo).port}`);
      if (way === "up") sender.setMembers([{ id: 2, isLearner: false, context }]);
      else {
        // The sender has no address of the receiver, which has called.
        receiver.setMembers([{ id: 1, isLearner: false, context }]);
        await until(() => { receiver.send(1, [Buffer.from("hello")]); return isCalled; }, "it has called");
      }
      // Begins as an append does, so that it keeps its place.
      const send = (bytes: number): void => {
        const data = randomBytes(bytes);
        sender.send(2, [Buffer.concat([Buffer.of(2), createHash("sha1").update(data).digest(), data])]);
      };
      const last = (bytes: number): Promise<void> => until(() => { send(bytes); return received.at(-1)?.length === bytes + 21; }, `one of ${bytes} bytes arrives`);
      await last(1);
      for (let round = 0; round < 3; round++) {
        for (const socket of sockets) socket.pause();
        for (let i = 0; i < 12; i++) send(3_000_000 + i);
        await new Promise((resolve) => setTimeout(resolve, 20));
        for (let i = 0; i < 4; i++) send(5_000_000 + i);
        for (const socket of sockets) socket.resume();
        await last(10 + round);
      }
      const large = received.filter((message) => message.length > 1_000_000);
      assert.ok(large.length >= 3 && large.length < 48, `${large.length} of 48 arrived`);
      for (const message of received) assert.ok(createHash("sha1").update(message.subarray(21)).digest().equals(message.subarray(1, 21)), `${message.length} bytes are as they were sent`);
    });
  }

  // One that "dial" itself refuses, one that gRPC refuses at once, one that it refuses when it connects.
  for (const context of ["nowhere", "", "foo:bar:baz"]) {
    it(`a member whose context leads nowhere ("${context}") is unreachable until it has a right one, and the others work on`, async () => {
      const one = await group.three();
      await group.start(4);
      const added = one.raft.addMember({ id: 4, context: Buffer.from(context) });
      await until(() => group.get(3).raft.status().members.some(({ id }) => id === 4), "all know of it");
      await one.propose("x");
      await until(() => [1, 2, 3].every((id) => group.get(id).values().length === 1), "the others work on");
      assert.equal(group.get(4).values().length, 0);
      if (context === "nowhere") {
        for (const id of [1, 2, 3]) assert.deepEqual(group.logs.filter((line) => line.startsWith(`${id} warn Cannot dial`)), [`${id} warn Cannot dial member 4: it has no address; it is unreachable from here until "updateMember" gives it a context that leads to it`]);
      }
      await one.raft.updateMember(4, contextOf(4));
      await added;
      await until(() => group.get(4).values().length === 1, "it is reached");
      // And out of reach again, with what was sent to it before.
      await one.raft.updateMember(4, Buffer.from(context));
      await one.propose("y");
      await until(() => [1, 2, 3].every((id) => group.get(id).values().length === 2), "three of four are a majority");
      await one.raft.updateMember(4, contextOf(4));
      await group.converge();
      assert.deepEqual(group.get(4).values(), ["x", "y"]);
    });
  }

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
    await one.raft.updateMember(2, Buffer.from("member 2, moved"));
    await one.propose("x");
    await group.converge();
    assert.equal(Buffer.from(group.get(3).raft.status().members[1]!.context).toString(), "member 2, moved");
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
