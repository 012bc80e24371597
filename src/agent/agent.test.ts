import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InterceptingCall, Server, ServerCredentials, credentials, status, type InterceptorOptions, type ServerDuplexStream } from "@grpc/grpc-js";
import type { DispatcherClient } from "../gen/swarm/v1/Dispatcher.js";
import type { LogRecord } from "../gen/swarm/v1/LogRecord.js";
import type { NodeUpdate } from "../gen/swarm/v1/NodeUpdate.js";
import { SwarmError, silentLogger, systemClock } from "../lib/index.js";
import { waitFor } from "../lib/testing.js";
import {
  newCluster, newClusterSpec, newContainerSpec, newNetwork, newNetworkSpec, newNode, newNodeDescription, newPort, newRevision, newEndpointSpec, newService, newServiceSpec,
  newTask, newTaskSpec, newTaskStatus, type ContainerSpec, type Task, type TaskState,
} from "../model/index.js";
import { clientConstructor, serviceDefinition, type Authorize } from "../rpc/index.js";
import { createTestStore, type TestStore } from "../store/testing.js";
import { createLogBroker, type LogBroker } from "../manager/log-broker/index.js";
import { startDispatcher, type Dispatcher } from "../manager/dispatcher/index.js";
import { createConnector, startAgent, type Agent } from "./index.js";
import { FakeEngine, FakeOverlay } from "./testing.js";

type NextCall = (options: InterceptorOptions) => InterceptingCall;

/** The caller as the client says, in place of a certificate. */
const authorize: Authorize = ({ metadata }) => ({ kind: "node", nodeId: String(metadata.get("node")[0]), role: "WORKER", clusterId: "c" });

describe("agent, with a dispatcher over loopback", () => {
  let store: TestStore;
  let engine: FakeEngine;
  let overlay: FakeOverlay;
  let stateDir: string;
  let agents: Agent[];
  let updates: NodeUpdate[];
  let manager: { dispatcher: Dispatcher; broker: LogBroker; server: Server; port: number } | undefined;
  let port: number;
  let others: string[];

  async function startManager() {
    const options = { store, clock: systemClock, log: silentLogger, nodeId: "m1", authorize, random: Math.random };
    const dispatcher = startDispatcher({ ...options, leader: () => ({ isSelf: true }) });
    const broker = createLogBroker({ ...options, session: (id) => dispatcher.session(id), managers: () => [] });
    const server = new Server();
    server.addService(serviceDefinition("Dispatcher"), { ...dispatcher.dispatcherHandlers, ...broker.dispatcherHandlers });
    port = await new Promise<number>((resolve, reject) => server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
    manager = { dispatcher, broker, server, port };
  }
  async function stopManager() {
    await manager?.dispatcher.stop();
    manager?.server.forceShutdown();
    manager = undefined;
  }
  async function start(describe = async () => newNodeDescription({ hostname: "host-a" })): Promise<Agent> {
    const agent = await startAgent({
      nodeId: "n1", engine, overlay, stateDir, clock: systemClock, log: silentLogger, random: Math.random, addr: "198.18.0.1",
      connector: createConnector({
        managers: [`127.0.0.1:${port}`, ...others], random: Math.random,
        dial: (addr) => new (clientConstructor("Dispatcher"))(addr, credentials.createInsecure(), {
          interceptors: [(options: InterceptorOptions, next: NextCall) => new InterceptingCall(next(options), { start: (metadata, listener, proceed) => { metadata.set("node", "n1"); proceed(metadata, listener); } })],
        }) as unknown as DispatcherClient,
      }),
      describe,
      gpuDeviceNodes: async (ids) => ids.map((id) => `/dev/fake-${id}`),
      onNodeUpdate: (update) => updates.push(update),
    });
    agents.push(agent);
    return agent;
  }
  const task = (id: string) => store.view((tx) => tx.get("task", id));
  const state = (id: string) => task(id)?.status?.state;
  const reaches = (id: string, wanted: TaskState) => waitFor(`${id} is ${wanted} (${state(id)}: ${task(id)?.status?.err})`, () => state(id) === wanted);
  const put = (id: string, fields: Partial<Task> = {}) => store.update((tx) => tx.create("task", newTask({ id, serviceId: "s1", revision: 1, slot: 1, nodeId: "n1", status: newTaskStatus({ state: "ASSIGNED" }), ...fields })));
  const desire = (id: string, desiredState: TaskState) => store.update((tx) => tx.update("task", { ...tx.get("task", id)!, desiredState }));
  const revise = (number: number, container: Partial<ContainerSpec>) => store.update((tx) => tx.create("revision", newRevision("s1", number, newServiceSpec({
    name: "web", task: newTaskSpec({ container: newContainerSpec({ image: "busybox", ...container }) }), endpoint: newEndpointSpec({ ports: [newPort({ mode: "HOST", targetPort: 80 })] }),
  }))));

  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), "skein-agent-"));
    store = createTestStore();
    engine = new FakeEngine();
    overlay = new FakeOverlay();
    agents = [];
    updates = [];
    others = [];
    port = 0;
    await store.update((tx) => {
      tx.create("cluster", newCluster({ id: "c", spec: newClusterSpec({ heartbeatMs: 300 }) }));
      tx.create("node", newNode({ id: "n1", description: newNodeDescription({ hostname: "host-a" }) }));
      tx.create("network", newNetwork({ id: "net", spec: newNetworkSpec({ name: "front" }), subnet: "10.0.1.0/24" }));
      tx.create("service", newService({ id: "s1", spec: newServiceSpec({ name: "web" }) }));
    });
    await revise(1, { env: ["SLOT={{.Task.Slot}}", "HOST={{.Node.Hostname}}"] });
    await startManager();
  });
  afterEach(async () => {
    for (const agent of agents) await agent.stop();
    await stopManager();
    await rm(stateDir, { recursive: true, force: true });
  });

  it("outlives a session that breaks off while the host is still being described", async () => {
    await stopManager();
    let described = 0;
    const agent = await start(async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      described += 1;
      return newNodeDescription({ hostname: "host-a" });
    });
    await waitFor("it says why", () => described > 0 && /ECONNREFUSED|No connection/.test(agent.status().error));
    await startManager();
    await waitFor("it has a session", () => agent.status().isConnected, 20_000);
  });

  it("tries ever more rarely while sessions end as soon as they began", async () => {
    await stopManager();
    let sessions = 0;
    const server = new Server();
    server.addService(serviceDefinition("Dispatcher"), {
      Session: (call: ServerDuplexStream<unknown, unknown>) => {
        sessions += 1;
        call.on("error", () => {});
        call.write({ welcome: { sessionId: `s${sessions}`, heartbeatMs: 5000, node: { node: newNode({ id: "n1" }), managers: [], heartbeatMs: 5000, dataPort: 4789 } } });
        setTimeout(() => call.emit("error", { code: status.UNAVAILABLE, details: "not now" }), 20);
      },
    });
    port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
    try {
      await start();
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      assert.ok(sessions >= 2 && sessions <= 8, `${sessions} sessions in 2.5 s`);
    } finally { server.forceShutdown(); }
  });

  it("runs a task from its assignment to its end and leaves nothing behind", async () => {
    await put("t1", { networks: [{ networkId: "net", addr: "10.0.1.5/24", mac: "", aliases: [] }] });
    const agent = await start();
    await reaches("t1", "RUNNING");
    assert.ok(agent.status().isConnected);
    const config = engine.configs.get("t1")!;
    assert.equal(config.name, "web.1.t1");
    assert.deepEqual(config.env, ["SLOT=1", "HOST=host-a"]);
    assert.equal(config.labels["skein.task"], "t1");
    assert.equal(config.netnsPath, "/run/netns/t1");
    assert.equal(overlay.state!.networks[0]!.id, "net");
    await waitFor("its endpoint is ready", () => overlay.state!.endpoints[0]?.endpoints[0]?.isReady);
    assert.ok(task("t1")!.status!.container!.pid > 0);
    assert.equal(task("t1")!.status!.hostPorts[0]!.publishedPort, 40_000);

    await desire("t1", "SHUTDOWN");
    await reaches("t1", "SHUTDOWN");
    await waitFor("container and sandbox gone", () => engine.containers.size === 0 && overlay.sandboxes.size === 0);
    await waitFor("the task is forgotten", () => agent.status().tasks === 0);
    await waitFor("its network is gone", () => overlay.state!.networks.length === 0);
    assert.deepEqual(updates[0]!.node!.id, "n1");
  });

  it("lets a task that is to stop go on while hosts hear that another takes its connections", async () => {
    for (const [i, id] of ["t1", "t2"].entries()) await put(id, { slot: i + 1, networks: [{ networkId: "net", addr: `10.0.1.${5 + i}/24`, mac: "", aliases: [] }] });
    await start();
    const ready = () => (overlay.state?.endpoints[0]?.endpoints ?? []).filter(({ isReady }) => isReady).map(({ taskId }) => taskId);
    await waitFor("both take connections", () => ready().length === 2);
    await desire("t1", "SHUTDOWN");
    await waitFor("only one does", () => ready().join() === "t2");
    assert.equal(engine.containers.get("t1")!.phase, "running");
    await reaches("t1", "SHUTDOWN");
  });

  it("tells a task which of the node's resources and GPUs are its own, whatever its spec says", async () => {
    await revise(2, { env: ["DOCKER_RESOURCE_FPGA=mine", "NVIDIA_VISIBLE_DEVICES=all"] });
    await put("t1", { revision: 2, assigned: [{ kind: "fpga", count: 2, ids: ["f1", "f2"] }, { kind: "NVIDIA-licence", count: 3, ids: [] }], gpus: [{ id: "GPU-1", millis: 1000 }, { id: "GPU-2", millis: 1000 }] });
    await start();
    await reaches("t1", "RUNNING");
    const config = engine.configs.get("t1")!;
    assert.deepEqual(config.env.slice(-3), ["DOCKER_RESOURCE_FPGA=f1,f2", "DOCKER_RESOURCE_NVIDIA-LICENCE=3", "NVIDIA_VISIBLE_DEVICES=GPU-1,GPU-2"]);
    assert.deepEqual(config.devices, ["GPU-1", "GPU-2"].map((id) => ({ source: `/dev/fake-${id}`, target: `/dev/fake-${id}`, permissions: "rwm" })));
  });

  it("pulls an image that is not there, and rejects a task whose image exists nowhere", async () => {
    engine.remoteImages.add("demo:1");
    await revise(2, { image: "demo:1" });
    await revise(3, { image: "nosuch:1" });
    let release = () => {};
    engine.pullGate = new Promise((resolve) => { release = resolve; });
    await put("t2", { revision: 2 });
    await start();
    await waitFor("the message", () => task("t2")!.status!.message === "pulling image demo:1");
    assert.equal(state("t2"), "PREPARING");
    release();
    await reaches("t2", "RUNNING");
    await put("t3", { revision: 3 });
    await reaches("t3", "REJECTED");
    assert.match(task("t3")!.status!.err, /Cannot pull "nosuch:1": the registry has no such image/);
  });

  it("gives up a pull when the task shall stop meanwhile", async () => {
    await revise(2, { image: "demo:1" });
    engine.pullGate = new Promise(() => {});
    await put("t1", { revision: 2 });
    await start();
    await waitFor("pulling", () => engine.calls.includes("pull demo:1"));
    await desire("t1", "REMOVE");
    await reaches("t1", "SHUTDOWN");
    assert.equal(engine.containers.size, 0);
  });

  it("tries again what may pass by itself", async () => {
    engine.remoteImages.add("demo:1");
    engine.failures.pull = [new SwarmError("UNAVAILABLE", "the registry does not answer")];
    await revise(2, { image: "demo:1" });
    await put("t1", { revision: 2 });
    await start();
    await reaches("t1", "RUNNING");
    assert.equal(engine.calls.filter((c) => c.startsWith("pull")).length, 2);
  });

  it("fails a task that cannot be started, with the sentence", async () => {
    engine.failures.start = [new SwarmError("INVALID_ARGUMENT", 'Cannot start container "web.1.t1": there is no "/nosuch" in the image')];
    await put("t1");
    await start();
    await reaches("t1", "FAILED");
    assert.match(task("t1")!.status!.err, /there is no "\/nosuch"/);
    await waitFor("sandbox gone", () => overlay.sandboxes.size === 0);
  });

  it("refuses a template that stands for nothing", async () => {
    await revise(2, { env: ["A={{.Nope}}"] });
    await put("t1", { revision: 2 });
    await start();
    await reaches("t1", "REJECTED");
    assert.match(task("t1")!.status!.err, /Cannot expand "\{\{\.Nope\}\}"/);
  });

  it("prepares a held-back task and starts it when it is let go", async () => {
    await put("t1", { desiredState: "TASK_READY" });
    await start();
    await reaches("t1", "TASK_READY");
    assert.equal(engine.containers.size, 0);
    await desire("t1", "RUNNING");
    await reaches("t1", "RUNNING");
  });

  it("waits for health, and fails an unhealthy task", async () => {
    await revise(2, { health: { test: ["CMD", "true"], intervalMs: 1, timeoutMs: 1, retries: 1, startPeriodMs: 0, startIntervalMs: 1 } });
    await put("t1", { revision: 2 });
    await start();
    await waitFor("started", () => engine.runs("t1"));
    await reaches("t1", "STARTING");
    engine.setHealth("t1", "healthy");
    await reaches("t1", "RUNNING");
    engine.setHealth("t1", "unhealthy", "no answer");
    await reaches("t1", "FAILED");
    assert.equal(task("t1")!.status!.err, "unhealthy: no answer");
    assert.ok(!engine.runs("t1"));
  });

  it("reports an exit, keeps the container for its log, and removes it with the task's history", async () => {
    await put("t1");
    await start();
    await reaches("t1", "RUNNING");
    engine.exit("t1", 3);
    await reaches("t1", "FAILED");
    assert.equal(task("t1")!.status!.err, "exited with code 3");
    assert.equal(task("t1")!.status!.container!.exitCode, 3);
    await desire("t1", "SHUTDOWN");
    await waitFor("sandbox gone", () => overlay.sandboxes.size === 0);
    assert.ok(engine.containers.has("t1"));
    await store.update((tx) => tx.remove("task", "t1"));
    await waitFor("container gone", () => engine.containers.size === 0);
  });

  it("takes over running containers also when its database was lost", async () => {
    const agent = await start();
    await put("t1");
    await reaches("t1", "RUNNING");
    await agent.stop();
    agents.pop();
    await rm(join(stateDir, "agent"), { recursive: true });
    const again = await start();
    await waitFor("the tasks are told again", () => again.status().tasks === 1);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(state("t1"), "RUNNING", task("t1")?.status?.err);
    assert.equal((await engine.list()).length, 1);
  });

  it("takes over running containers after a restart, reports what ended meanwhile and removes strays", async () => {
    for (const id of ["t1", "t2"]) await put(id);
    const first = await start();
    await Promise.all(["t1", "t2"].map((id) => reaches(id, "RUNNING")));
    const pid = engine.containers.get("t1")!.pid;
    await first.stop();
    assert.ok(engine.runs("t1"), "a stopping agent leaves containers alone");
    await stopManager();
    engine.exit("t2", 9);
    await engine.create({ ...engine.configs.get("t1")!, id: "stray", labels: { "skein.task": "stray" } });
    await engine.create({ ...engine.configs.get("t1")!, id: "mine", labels: {} });
    overlay.sandboxes.set("stray", overlay.sandboxes.get("t1")!);
    overlay.calls.length = engine.calls.length = 0;

    const second = await start(); // no manager in reach
    await waitFor("adoption", () => overlay.calls.includes("attach t1"));
    await waitFor("strays gone", () => !engine.containers.has("stray") && !overlay.sandboxes.has("stray"));
    assert.ok(engine.containers.has("mine"), "a container that is no task's is not the agent's to remove");
    assert.equal(engine.containers.get("t1")!.pid, pid);
    assert.ok(!engine.calls.includes("start t1"));
    assert.ok(!second.status().isConnected);
    await startManager();
    await reaches("t2", "FAILED");
    assert.equal(task("t2")!.status!.err, "exited with code 9");
    assert.equal(state("t1"), "RUNNING");
  });

  it("goes on with no manager and sends what happened when one is back", async () => {
    await put("t1", { networks: [{ networkId: "net", addr: "10.0.1.5/24", mac: "", aliases: [] }] });
    const agent = await start();
    await reaches("t1", "RUNNING");
    await stopManager();
    await waitFor("disconnected", () => !agent.status().isConnected);
    engine.exit("t1", 0);
    await waitFor("seen", () => overlay.sandboxes.size === 0);
    assert.equal(overlay.state!.networks.length, 1);
    assert.equal(state("t1"), "RUNNING");
    await startManager();
    await reaches("t1", "COMPLETE");
  });

  it("sends a status again until the leader has stored it", async () => {
    store.failure = new SwarmError("UNAVAILABLE", "no quorum");
    const agent = await start();
    await waitFor("connected", () => agent.status().isConnected);
    store.failure = undefined;
    await put("t1");
    store.failure = new SwarmError("UNAVAILABLE", "no quorum");
    await waitFor("it runs here", () => engine.runs("t1"));
    assert.equal(state("t1"), "ASSIGNED");
    store.failure = undefined;
    await reaches("t1", "RUNNING");
  });

  it("tries other managers when one does not answer", async () => {
    others = ["127.0.0.1:1", "127.0.0.1:2"];
    const agent = await start();
    await waitFor("connected", () => agent.status().isConnected);
  });

  it("does what the manager says after it missed changes", async () => {
    await put("t1");
    const agent = await start();
    await reaches("t1", "RUNNING");
    await stopManager();
    await waitFor("disconnected", () => !agent.status().isConnected);
    await store.update((tx) => tx.remove("task", "t1"));
    await put("t2");
    await startManager();
    await reaches("t2", "RUNNING");
    await waitFor("t1 is gone", () => !engine.containers.has("t1") && !overlay.sandboxes.has("t1"));
  });

  it("says goodbye and removes everything when the node leaves", async () => {
    await put("t1");
    const agent = await start();
    await reaches("t1", "RUNNING");
    await agent.leave();
    assert.equal(engine.containers.size, 0);
    assert.equal(overlay.sandboxes.size, 0);
    await waitFor("DOWN", () => store.view((tx) => tx.get("node", "n1")!.status!.state === "DOWN"));
  });

  it("runs many tasks side by side", async () => {
    await start();
    await store.update((tx) => { for (let slot = 1; slot <= 40; slot += 1) tx.create("task", newTask({ id: `m${slot}`, serviceId: "s1", revision: 1, slot, nodeId: "n1", status: newTaskStatus({ state: "ASSIGNED" }) })); });
    await waitFor("40 running", () => store.view((tx) => tx.tasksOfNode("n1").filter((t) => t.status!.state === "RUNNING").length === 40));
  });

  describe("logs", () => {
    const read = async (follow: boolean, signal = new AbortController().signal, tail = -1, onRecord?: (records: LogRecord[]) => void) => {
      const tasks = store.view((tx) => tx.tasksOfService("s1")).map((t) => ({ task: t, name: `web.${t.slot}`, nodeName: "host-a" }));
      const records: LogRecord[] = [];
      for await (const record of manager!.broker.logs({ ref: "s1", follow, tail, sinceMs: 0, untilMs: 0 }, tasks, signal)) { records.push(record); onRecord?.(records); }
      return records;
    };

    it("of a service end when all its tasks are read", async () => {
      await put("t1");
      await put("t2", { slot: 2 });
      await start();
      await Promise.all(["t1", "t2"].map((id) => reaches(id, "RUNNING")));
      for (let line = 0; line < 2_000; line += 1) engine.print("t1", `line ${line} ${"x".repeat(100)}`);
      engine.print("t2", "hello");
      const records = await read(false);
      const first = records.filter((r) => r.taskId === "t1").map((r) => r.line.toString().split(" x")[0]);
      assert.deepEqual(first, Array.from({ length: 2_000 }, (_, line) => `line ${line}`));
      assert.deepEqual(records.filter((r) => r.taskId === "t2").map((r) => [r.taskName, r.nodeName, r.stream, r.line.toString()]), [["web.2", "host-a", "STDOUT", "hello"]]);
      assert.deepEqual((await read(false, undefined, 1)).length, 2);
    });

    it("are followed, also those of tasks that join later", async () => {
      await put("t1");
      await start();
      await reaches("t1", "RUNNING");
      engine.print("t1", "one");
      const abort = new AbortController();
      let seen: LogRecord[] = [];
      const reading = read(true, abort.signal, -1, (records) => { seen = records; });
      await waitFor("the first line", () => seen.length === 1, 3_000);
      await put("t2", { slot: 2 });
      await reaches("t2", "RUNNING");
      engine.print("t2", "two");
      engine.print("t1", "three");
      await waitFor("all lines", () => seen.length === 3, 3_000);
      abort.abort();
      assert.deepEqual((await reading).map((r) => `${r.taskName} ${r.line.toString()}`).sort(), ["web.1 one", "web.1 three", "web.2 two"]);
    });

    it("of a node out of reach are replaced by one sentence", async () => {
      await put("t1", { nodeId: "n9", status: newTaskStatus({ state: "RUNNING" }) });
      const records = await read(false);
      assert.deepEqual(records.map((r) => [r.stream, r.line.toString()]), [["SYSTEM", 'Logs of "web.1" on node "host-a" are not complete: no manager has a connection to the node']]);
    });
  });
});
