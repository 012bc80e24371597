import assert from "node:assert/strict";
import { InterceptingCall, Metadata, Server, ServerCredentials, credentials, type ClientDuplexStream, type ClientOptions, type Interceptor } from "@grpc/grpc-js";
import type { AgentMessage__Input } from "../../gen/swarm/v1/AgentMessage.js";
import type { DispatcherClient } from "../../gen/swarm/v1/Dispatcher.js";
import type { ManagerMessage } from "../../gen/swarm/v1/ManagerMessage.js";
import type { ManagersClient } from "../../gen/swarm/v1/Managers.js";
import { silentLogger, systemClock, type SwarmError } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import {
  newCluster, newClusterSpec, newNetwork, newNetworkSpec, newNode, newNodeDescription, newRevision, newService, newServiceSpec, newTask, newTaskStatus, revisionId,
  type NodeRole, type Task,
} from "../../model/index.js";
import { clientConstructor, fromServiceError, serviceDefinition, type Authorize } from "../../rpc/index.js";
import { createTestStore, type TestStore } from "../../store/testing.js";
import { startDispatcher, type Dispatcher, type LeaderView } from "./index.js";

const heartbeatMs = 200;

/** The caller as the test says, in place of a certificate. */
const authorize: Authorize = ({ metadata }) => ({ kind: "node", nodeId: String(metadata.get("node")[0]), role: String(metadata.get("role")[0] ?? "WORKER") as NodeRole, clusterId: "c" });

class Agent {
  readonly received: ManagerMessage[] = [];
  error: SwarmError | undefined;
  isEnded = false;
  readonly #stream: ClientDuplexStream<AgentMessage__Input, ManagerMessage>;
  #beat: NodeJS.Timeout | undefined;

  constructor(client: DispatcherClient, nodeId: string, hello: AgentMessage__Input["hello"] = {}) {
    const metadata = new Metadata();
    metadata.set("node", nodeId);
    this.#stream = client.session(metadata);
    this.#stream.on("data", (message) => this.received.push(message));
    this.#stream.on("error", (error) => { this.error = fromServiceError(error); });
    this.#stream.on("end", () => { this.isEnded = true; this.pause(); });
    this.send({ hello: { description: newNodeDescription({ hostname: nodeId }), addr: "198.18.0.1", ...hello } });
  }
  send(message: AgentMessage__Input) { this.#stream.write(message); }
  beat() { this.#beat ??= setInterval(() => this.send({ heartbeat: { sequence: 1 } }), heartbeatMs / 2); return this; }
  pause() { clearInterval(this.#beat); this.#beat = undefined; }
  end() { this.pause(); this.#stream.end(); }
  cancel() { this.pause(); this.#stream.cancel(); }
  get welcome() { return this.received.find((m) => m.welcome)?.welcome ?? undefined; }
  get assignments() { return this.received.flatMap((m) => m.assignments ?? []); }
  get acks() { return this.received.flatMap((m) => m.statusAck ?? []); }
}

/** Each call says that this manager makes it, as its certificate would. */
const calledByManager = (nodeId: string): Interceptor => (options, nextCall) => new InterceptingCall(nextCall(options), {
  start(metadata, listener, next) {
    metadata.set("node", nodeId);
    metadata.set("role", "MANAGER");
    next(metadata, listener);
  },
});

describe("dispatcher", () => {
  let store: TestStore;
  let dispatcher: Dispatcher;
  let view: LeaderView | undefined;
  let cleanups: (() => unknown)[];

  async function serve(options: { store: TestStore; leader: () => LeaderView | undefined }) {
    const started = startDispatcher({ clock: systemClock, log: silentLogger, nodeId: "m1", authorize, random: Math.random, ...options });
    const server = new Server();
    server.addService(serviceDefinition("Dispatcher"), { ...started.dispatcherHandlers, PublishLogs: () => {} });
    server.addService(serviceDefinition("Managers"), { ...started.managersHandlers });
    const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
    const make = <T>(name: "Dispatcher" | "Managers", options: ClientOptions = {}) => {
      const client = new (clientConstructor(name))(`127.0.0.1:${port}`, credentials.createInsecure(), options);
      cleanups.push(() => client.close());
      return client as unknown as T;
    };
    cleanups.push(async () => { await started.stop(); server.forceShutdown(); });
    return { dispatcher: started, client: () => make<DispatcherClient>("Dispatcher"), managers: (as?: string) => make<ManagersClient>("Managers", as ? { interceptors: [calledByManager(as)] } : {}) };
  }

  let connect: (nodeId: string, hello?: AgentMessage__Input["hello"]) => Agent;
  let managers: (as?: string) => ManagersClient;
  const node = (id: string) => store.view((tx) => tx.get("node", id))!;
  const task = (id: string) => store.view((tx) => tx.get("task", id))!;
  const put = (id: string, fields: Partial<Task> = {}) => store.update((tx) => tx.create("task", newTask({ id, serviceId: "s1", revision: 1, slot: 1, nodeId: "n1", status: newTaskStatus({ state: "ASSIGNED" }), ...fields })));

  beforeEach(async () => {
    cleanups = [];
    store = createTestStore();
    view = { isSelf: true };
    await store.update((tx) => {
      tx.create("cluster", newCluster({ id: "c", spec: newClusterSpec({ heartbeatMs }), removedNodes: { gone: 1 } }));
      tx.create("node", newNode({ id: "n1" }));
      tx.create("node", newNode({ id: "n2", status: { state: "READY", message: "", addr: "198.18.0.2", sinceMs: 1 } }));
      tx.create("node", newNode({ id: "m1", manager: { raftId: 1, addr: "198.18.0.9:2377", isLeader: false, isReachable: false, lagEntries: 0, lastHeardMs: 0, replication: "" } }));
      tx.create("network", newNetwork({ id: "net", spec: newNetworkSpec({ name: "front" }), subnet: "10.0.1.0/24" }));
      tx.create("service", newService({ id: "s1", spec: newServiceSpec({ name: "web" }), endpoint: { ports: [], vips: [{ networkId: "net", addr: "10.0.1.2" }] } }));
      tx.create("revision", newRevision("s1", 1, newServiceSpec({ name: "web" })));
    });
    const served = await serve({ store, leader: () => view });
    dispatcher = served.dispatcher;
    managers = served.managers;
    connect = (nodeId, hello) => {
      const agent = new Agent(served.client(), nodeId, hello);
      cleanups.push(() => agent.cancel());
      return agent;
    };
  });
  afterEach(async () => { for (const cleanup of cleanups.reverse()) await cleanup(); });

  it("welcomes a node with its heartbeat, its node object and the managers, and calls it ready", async () => {
    const agent = connect("n1").beat();
    await waitFor("welcome", () => agent.welcome);
    assert.equal(agent.welcome!.heartbeatMs, heartbeatMs);
    assert.deepEqual(agent.welcome!.node!.managers, ["198.18.0.9:2377"]);
    assert.equal(agent.welcome!.node!.dataPort, 4789);
    await waitFor("READY", () => node("n1").status!.state === "READY" && node("n1").description?.hostname === "n1");
    assert.equal(node("n1").status!.addr, "198.18.0.1");
    await waitFor("ack", () => agent.received.some((m) => m.heartbeatAck));
    await waitFor("own node pushed", () => agent.received.some((m) => m.node?.node?.status?.state === "READY"));
  });

  it("refuses a removed and an unknown node with the reason", async () => {
    const removed = connect("gone");
    const unknown = connect("stranger");
    await waitFor("refusals", () => removed.error && unknown.error);
    assert.equal(removed.error!.code, "PERMISSION_DENIED");
    assert.match(removed.error!.message, /was removed from the cluster; /);
    assert.equal(unknown.error!.code, "NOT_FOUND");
  });

  it("ends the old session when the node opens a new one", async () => {
    const first = connect("n1").beat();
    await waitFor("first", () => first.welcome);
    const second = connect("n1").beat();
    await waitFor("end of the first", () => first.error);
    assert.equal(first.error!.code, "ABORTED");
    await waitFor("second", () => second.welcome);
    assert.equal(dispatcher.session("n1")!.id, second.welcome!.sessionId);
  });

  it("sends everything at first and then only what changed, from one state to the next", async () => {
    await put("t1", { networks: [{ networkId: "net", addr: "10.0.1.5/24", mac: "", aliases: [] }] });
    const agent = connect("n1").beat();
    await waitFor("complete", () => agent.assignments.length > 0);
    const [complete] = agent.assignments;
    assert.ok(complete!.isComplete);
    assert.deepEqual(complete!.changes.map((c) => Object.entries(c).find(([key, value]) => key !== "isRemoval" && value)![0]), ["network", "endpoints", "nodeAttachments", "task"]);
    assert.equal(complete!.changes[1]!.endpoints!.vip, "10.0.1.2");
    await waitFor("the vtep", () => agent.assignments.some((a) => a.changes.some((c) => c.endpoints?.endpoints[0]?.vtep === "198.18.0.1")));

    await store.update((tx) => tx.update("task", { ...tx.get("task", "t1")!, desiredState: "SHUTDOWN" }));
    await waitFor("the new desired state", () => agent.assignments.at(-1)!.changes.some((c) => c.task?.task?.desiredState === "SHUTDOWN"));
    await put("t2", { nodeId: "n2", networks: [{ networkId: "net", addr: "10.0.1.6/24", mac: "", aliases: [] }] });
    await waitFor("the other node's endpoint", () => agent.assignments.at(-1)!.changes.some((c) => c.endpoints?.endpoints.some((e) => e.addr === "10.0.1.6" && e.vtep === "198.18.0.2")));
    assert.ok(!agent.assignments.at(-1)!.changes.some((c) => c.task), "another node's task is none of its business");

    await store.update((tx) => tx.remove("task", "t1"));
    await waitFor("removal of task and network", () => agent.assignments.at(-1)!.changes.some((c) => c.isRemoval && c.network?.id === "net"));
    for (const [index, assignment] of agent.assignments.entries()) if (index > 0) assert.equal(assignment.appliesTo, agent.assignments[index - 1]!.resultsIn);
  });

  it("gives a node with an ingress address the ingress network though no task of it is there", async () => {
    await store.update((tx) => {
      tx.create("network", newNetwork({ id: "ingress", spec: newNetworkSpec({ name: "ingress", isIngress: true }) }));
      tx.update("node", { ...tx.get("node", "n1")!, attachments: [{ networkId: "ingress", addr: "10.255.0.3/16", mac: "", aliases: [] }] });
    });
    const agent = connect("n1").beat();
    await waitFor("attachments with the node's own address", () => agent.assignments.some((a) => a.changes.some((c) => c.nodeAttachments?.nodes.some((n) => n.addr === "10.255.0.3"))));
  });

  it("stores statuses, acknowledges them after that and names tasks that are not the node's", async () => {
    await put("t1");
    await put("other", { nodeId: "n2" });
    const agent = connect("n1").beat();
    await waitFor("welcome", () => agent.welcome);
    const status = newTaskStatus({ state: "RUNNING", timestampMs: 5 });
    store.hold();
    agent.send({ statuses: { sequence: 7, updates: ["t1", "other", "none"].map((taskId) => ({ taskId, status })) } });
    await waitFor("heartbeat after it", () => agent.received.some((m) => m.heartbeatAck));
    assert.equal(agent.acks.length, 0);
    store.release();
    await waitFor("ack", () => agent.acks.length === 1);
    assert.deepEqual(agent.acks[0], { sequence: 7, unknownTaskIds: ["other", "none"] });
    assert.equal(task("t1").status!.state, "RUNNING");
    assert.ok(task("t1").status!.appliedAtMs > 0);
    assert.equal(task("other").status!.state, "ASSIGNED");
  });

  it("calls a silent node down after three heartbeats, and ready when it is back", async () => {
    const agent = connect("n1").beat();
    await waitFor("READY", () => node("n1").status!.state === "READY");
    const silentSince = Date.now();
    agent.cancel();
    await waitFor("DOWN", () => node("n1").status!.state === "DOWN");
    assert.ok(Date.now() - silentSince > 2 * heartbeatMs);
    assert.match(node("n1").status!.message, /no heartbeat for 0\.6 s/);
    connect("n1").beat();
    await waitFor("READY again", () => node("n1").status!.state === "READY");
  });

  it("calls a node that says goodbye down at once", async () => {
    const agent = connect("n1").beat();
    await waitFor("READY", () => node("n1").status!.state === "READY");
    agent.send({ goodbye: {} });
    agent.end();
    await waitFor("DOWN", () => node("n1").status!.state === "DOWN", heartbeatMs * 2);
    assert.equal(node("n1").status!.message, "the node left the cluster");
  });

  it("calls nodes that were ready under the last leader down when none hears of them", async () => {
    await waitFor("DOWN", () => node("n2").status!.state === "DOWN");
  });

  it("gives up the tasks of a removed node", async () => {
    await put("t9", { nodeId: "n2", status: newTaskStatus({ state: "RUNNING" }) });
    await store.update((tx) => tx.remove("node", "n2"));
    await waitFor("ORPHANED", () => task("t9").status!.state === "ORPHANED");
  });

  it("a follower serves sessions from its replica and sends what must be written to the leader", async () => {
    await put("t1");
    // The follower's replica is this store too: only where the writes go matters here.
    const asManager = managers("m2");
    const follower = await serve({ store, leader: () => ({ isSelf: false, client: asManager }) });
    const agent = new Agent(follower.client(), "n1").beat();
    cleanups.push(() => agent.cancel());
    await waitFor("READY by the leader", () => node("n1").status!.state === "READY" && node("n1").description?.hostname === "n1");
    agent.send({ statuses: { sequence: 1, updates: [{ taskId: "t1", status: newTaskStatus({ state: "RUNNING" }) }] } });
    await waitFor("ack", () => agent.acks.length === 1);
    assert.equal(task("t1").status!.state, "RUNNING");
    await new Promise((resolve) => setTimeout(resolve, 4 * heartbeatMs));
    assert.equal(node("n1").status!.state, "READY", "heartbeats at the follower keep the node alive at the leader");
    agent.cancel();
    await waitFor("DOWN", () => node("n1").status!.state === "DOWN", 8 * heartbeatMs);
  });

  it("what agents use reaches the leader, from its own sessions and from a follower's", async () => {
    const agent = connect("n1").beat();
    await waitFor("welcome", () => agent.welcome);
    agent.send({ usage: { cpuMillis: 700, memoryBytes: 5, tasks: [{ taskId: "t1", windowMs: 10_000, cpuP95Millis: 50, memoryPeakBytes: 4 }] } });
    await waitFor("the report", () => dispatcher.usage.node("n1")?.cpuMillis === 700);
    assert.equal(dispatcher.usage.task("t1")?.cpuP95Millis, 50);
    const follower = await serve({ store, leader: () => ({ isSelf: false, client: managers("m2") }) });
    const other = new Agent(follower.client(), "n2").beat();
    cleanups.push(() => other.cancel());
    await waitFor("welcome", () => other.welcome);
    other.send({ usage: { cpuMillis: 900, memoryBytes: 6, tasks: [] } });
    await waitFor("the follower's report", () => dispatcher.usage.node("n2")?.cpuMillis === 900, 8_000);
    assert.equal(follower.dispatcher.usage.nodeCount, 0);
    view = undefined;
    dispatcher.setLeader(false);
    assert.equal(dispatcher.usage.nodeCount, 0, "who does not lead any more forgets");
  });

  it("refuses reports for other nodes by a worker", async () => {
    const metadata = new Metadata();
    metadata.set("node", "n1");
    const error = await new Promise<unknown>((resolve) => managers().reportStatuses({ nodeId: "n2", updates: [] }, metadata, (failure) => resolve(failure)));
    assert.equal(fromServiceError(error).code, "PERMISSION_DENIED");
  });

  it("sends its agents elsewhere after 3 s without a leader", async () => {
    const agent = connect("n1").beat();
    await waitFor("welcome", () => agent.welcome);
    view = undefined;
    await waitFor("the end of the session", () => agent.error);
    assert.equal(agent.error!.code, "UNAVAILABLE");
    const late = connect("n1");
    await waitFor("refusal", () => late.error);
    assert.match(late.error!.message, /has no leader; try another manager/);
  });

  it("does not tell an agent old news: a follower that is behind sends it on", async () => {
    view = { isSelf: false };
    const agent = connect("n1", { assignments: store.index + 100 });
    await waitFor("refusal", () => agent.error);
    assert.equal(agent.error!.code, "UNAVAILABLE");
    assert.match(agent.error!.message, /behind/);
  });

  it("hands out a task only when its revision is known", async () => {
    const agent = connect("n1").beat();
    await waitFor("complete", () => agent.assignments.length > 0);
    await put("t3", { revision: 2 });
    await store.update((tx) => tx.create("revision", newRevision("s1", 2, newServiceSpec({ name: "web" }))));
    await waitFor("the task", () => agent.assignments.some((a) => a.changes.some((c) => c.task?.task?.id === "t3")));
    assert.equal(revisionId("s1", 2), "s1.2");
  });
});
