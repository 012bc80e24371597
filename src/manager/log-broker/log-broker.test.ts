import assert from "node:assert/strict";
import { Client, InterceptingCall, Server, ServerCredentials, credentials, type InterceptorOptions } from "@grpc/grpc-js";
import type { DispatcherClient } from "../../gen/swarm/v1/Dispatcher.js";
import type { LogSubscription } from "../../gen/swarm/v1/LogSubscription.js";
import type { ManagerMessage__Input } from "../../gen/swarm/v1/ManagerMessage.js";
import type { ManagersClient } from "../../gen/swarm/v1/Managers.js";
import { silentLogger, systemClock } from "../../lib/index.js";
import { waitFor } from "../../lib/testing.js";
import { newService, newServiceSpec, newTask, newTaskStatus, type NodeRole } from "../../model/index.js";
import { clientConstructor, serviceDefinition, type Authorize } from "../../rpc/index.js";
import { createTestStore } from "../../store/testing.js";
import { createLogBroker, type LogBroker, type LogSession } from "./index.js";
import { BoundedQueue } from "./queue.js";

const authorize: Authorize = ({ metadata }) => ({ kind: "node", nodeId: String(metadata.get("node")[0]), role: String(metadata.get("role")[0]) as NodeRole, clusterId: "c" });
type NextCall = (options: InterceptorOptions) => InterceptingCall;
/** Says who calls, in place of a certificate. */
const as = (node: string, role: NodeRole) => ({
  interceptors: [(options: InterceptorOptions, next: NextCall) => new InterceptingCall(next(options), { start: (metadata, listener, proceed) => { metadata.set("node", node); metadata.set("role", role); proceed(metadata, listener); } })],
});

describe("log broker", () => {
  const store = createTestStore();
  const task = newTask({ id: "t1", serviceId: "s1", slot: 1, nodeId: "n1", status: newTaskStatus({ state: "RUNNING" }) });
  const request = { ref: "s1", follow: false, tail: -1, sinceMs: 0, untilMs: 0 };
  const cleanups: (() => void)[] = [];
  after(() => { for (const cleanup of cleanups) cleanup(); });

  async function manager(session: (nodeId: string) => LogSession | undefined, others: () => ManagersClient[]): Promise<{ broker: LogBroker; port: number }> {
    const broker = createLogBroker({ store, clock: systemClock, log: silentLogger, authorize, random: Math.random, session, managers: () => others().map((client, index) => ({ nodeId: `m${index}`, client })) });
    const server = new Server();
    server.addService(serviceDefinition("Dispatcher"), { ...broker.dispatcherHandlers, Session: () => {} });
    server.addService(serviceDefinition("Managers"), { ...broker.managersHandlers });
    const port = await new Promise<number>((resolve, reject) => server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound))));
    cleanups.push(() => server.forceShutdown());
    return { broker, port };
  }
  function client<T extends Client>(name: "Dispatcher" | "Managers", port: number, node: string, role: NodeRole): T {
    const made = new (clientConstructor(name))(`127.0.0.1:${port}`, credentials.createInsecure(), as(node, role)) as unknown as T;
    cleanups.push(() => made.close());
    return made;
  }

  it("reads a node whose session another manager holds", async () => {
    await store.update((tx) => tx.create("service", newService({ id: "s1", spec: newServiceSpec({ name: "web" }) })));
    const sent: ManagerMessage__Input[] = [];
    const session: LogSession = { closed: new AbortController().signal, send: (message) => sent.push(message) };
    const holder = await manager((nodeId) => (nodeId === "n1" ? session : undefined), () => []);
    const stranger = await manager(() => undefined, () => []);
    const asked = await manager(() => undefined, () => [stranger, holder].map(({ port }) => client<ManagersClient>("Managers", port, "m9", "MANAGER")));

    const reading = (async () => {
      const lines: string[] = [];
      for await (const record of asked.broker.logs(request, [{ task, name: "web.1", nodeName: "host-a" }], new AbortController().signal)) lines.push(`${record.taskName} ${record.nodeName} ${record.line.toString()}`);
      return lines;
    })();
    await waitFor("the subscription at the agent", () => sent.length > 0);
    const { id, taskIds } = sent[0]!.subscribe as LogSubscription;
    assert.deepEqual(taskIds, ["t1"]);

    const thief = client<DispatcherClient>("Dispatcher", holder.port, "n2", "WORKER");
    const refused = await new Promise<string>((resolve) => { const call = thief.publishLogs((error) => resolve(error?.details ?? "")); call.on("error", () => {}); call.write({ subscriptionId: id }); });
    assert.match(refused, /Nobody asks for these logs/, "another node cannot answer in its place");

    await new Promise<void>((resolve, reject) => {
      const call = client<DispatcherClient>("Dispatcher", holder.port, "n1", "WORKER").publishLogs((error) => (error ? reject(error) : resolve()));
      call.write({ subscriptionId: id });
      call.write({ subscriptionId: id, records: [{ taskId: "t1", timestamp: "2026-01-01T00:00:00.000000001Z", line: Buffer.from("hello") }, { taskId: "foreign", line: Buffer.from("x") }] });
      call.write({ subscriptionId: id, finishedTaskIds: ["t1"] });
      call.end();
    });
    assert.deepEqual(await reading, ["web.1 host-a hello"]);
  });

  it("says so when the node goes away in the middle", async () => {
    const closing = new AbortController();
    const sent: ManagerMessage__Input[] = [];
    const { broker } = await manager(() => ({ closed: closing.signal, send: (message) => sent.push(message) }), () => []);
    const reading = (async () => {
      const lines: string[] = [];
      for await (const record of broker.logs(request, [{ task, name: "web.1", nodeName: "host-a" }], new AbortController().signal)) lines.push(record.line.toString());
      return lines;
    })();
    await waitFor("the subscription", () => sent.length > 0);
    closing.abort();
    assert.deepEqual(await reading, ['Logs of "web.1" on node "host-a" are not complete: the connection to the node broke']);
  });

  it("holds its producers back when nobody reads, and loses nothing", async () => {
    const queue = new BoundedQueue<number>(2);
    let pushed = 0;
    const producing = (async () => { for (let n = 0; n < 10; n += 1) { await queue.push(n); pushed += 1; } queue.close(); })();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(pushed, 2);
    const read: number[] = [];
    for await (const n of queue) read.push(n);
    await producing;
    assert.deepEqual(read, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});
