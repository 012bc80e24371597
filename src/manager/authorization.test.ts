import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Metadata, status, type Client, type ServiceDefinition, type ServiceError } from "@grpc/grpc-js";
import { GrpcTransport } from "raft-ts";
import { createCsr, type TlsIdentity } from "../ca/index.js";
import { call, dialLocal, packageRoot, serviceDefinition, stream, type ServiceName } from "../rpc/index.js";
import { TestCluster } from "./testing.js";

type Caller = "anonymous" | "worker" | "manager" | "local";

/**
 * Who may make which call, method by method: anonymous (TLS without a certificate), worker and manager (by certificate), local (root on the
 * manager's socket). A method that is not here fails the test: whoever adds one decides who may call it.
 */
const managers: readonly Caller[] = ["manager"];
const operators: readonly Caller[] = ["manager", "local"];
const nodes: readonly Caller[] = ["worker", "manager"];
const allowed: Readonly<Record<string, Readonly<Record<string, readonly Caller[]>>>> = {
  Control: {
    GetCluster: operators, UpdateCluster: operators, RotateJoinToken: operators, ListNodes: operators, GetNode: operators, UpdateNode: operators, RemoveNode: operators,
    CreateService: operators, ListServices: operators, GetService: operators, UpdateService: operators, RemoveService: operators, ListRevisions: operators,
    ListTasks: operators, GetTask: operators, CreateNetwork: operators, ListNetworks: operators, GetNetwork: operators, RemoveNetwork: operators,
    CreateVolume: operators, ListVolumes: operators, GetVolume: operators, UpdateVolume: operators, RemoveVolume: operators,
    Watch: operators, Logs: operators, Explain: operators, WhatIf: operators, ServiceHints: operators, Rebalance: operators, GetMetrics: operators,
  },
  Dispatcher: { Session: nodes, PublishLogs: nodes },
  Ca: { GetRootCertificate: ["anonymous", ...nodes], IssueCertificate: ["anonymous", ...nodes], RenewCertificate: nodes },
  Managers: { JoinRaft: managers, LeaveRaft: operators, ReportStatuses: managers, ReportLiveness: managers, ReportUsage: managers, RelayLogs: managers },
  // The node process's socket only: on the managers' port nobody has them.
  LocalNode: { Info: [], Init: [], Join: [], Leave: [], Recover: [] },
  Raft: { Stream: managers, Snapshot: managers },
};
const raft = new GrpcTransport({ self: 1, dial: () => { throw new Error("unused"); }, identify: () => undefined });
const definitionOf = (service: string): ServiceDefinition => (service === "Raft" ? raft.service : serviceDefinition(service as ServiceName));

/** The code of a call with an empty request; OK when it was taken and goes on. */
function codeOfCall(client: Client, { path, requestStream, responseStream, requestSerialize, responseDeserialize }: ServiceDefinition[string], request: object = {}): Promise<string> {
  return new Promise((resolve) => {
    const deadline = { deadline: Date.now() + 3_000 };
    const metadata = new Metadata();
    if (path.startsWith("/raft.")) metadata.set("x-raft-id", "4711");
    const answered = (error: ServiceError | null) => resolve(error ? status[error.code]! : "OK");
    const begun = requestStream
      ? responseStream ? client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata, deadline) : client.makeClientStreamRequest(path, requestSerialize, responseDeserialize, metadata, deadline, answered)
      : responseStream ? client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadata, deadline) : client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, deadline, answered);
    begun.on("error", (error: Error) => resolve(status[(error as ServiceError).code]!));
    if ("resume" in begun) begun.on("data", () => { resolve("OK"); begun.cancel(); }).on("end", () => resolve("OK"));
    if (requestStream) (begun as unknown as { end(): void }).end();
  });
}

describe("managers: who may call what", function () {
  this.timeout(60_000);
  let cluster: TestCluster;
  let worker: TlsIdentity;
  let manager: TlsIdentity;
  const clients = new Map<Caller, Client>();
  before(async () => {
    cluster = await TestCluster.start(1);
    const [m1] = cluster.managers;
    const { cluster: { joinTokens } } = await m1!.control("getCluster");
    worker = await cluster.issue("w1", joinTokens.worker);
    manager = await cluster.issue("m2", joinTokens.manager);
    clients.set("anonymous", cluster.anonymous(m1!.addr)).set("worker", cluster.client("Control", m1!.addr, worker))
      .set("manager", cluster.client("Control", m1!.addr, manager)).set("local", dialLocal("Control", m1!.socket));
  });
  after(async () => { clients.get("local")?.close(); await cluster?.stop(); });

  for (const [service, methods] of Object.entries(allowed)) {
    it(`${service}: each method serves those it is for, and refuses the others before it reads the request`, async () => {
      const definition = definitionOf(service);
      assert.deepEqual(Object.keys(definition).sort(), Object.keys(methods).sort());
      for (const [method, may] of Object.entries(methods)) {
        for (const [caller, client] of clients) {
          // Leaving is what a permitted caller would do.
          if (method === "LeaveRaft" && may.includes(caller)) continue;
          const code = await codeOfCall(client, definition[method]!);
          const isRefused = ["UNAUTHENTICATED", "UNIMPLEMENTED"].includes(code) || (code === "PERMISSION_DENIED" && method !== "IssueCertificate");
          assert.equal(!isRefused, may.includes(caller), `${service}.${method} by ${caller} ended with ${code}`);
        }
      }
    });
  }

  it("covers every service that is defined", () => {
    const directory = join(packageRoot(fileURLToPath(import.meta.url)), "proto/swarm/v1");
    const defined = readdirSync(directory).flatMap((name) => [...readFileSync(join(directory, name), "utf8").matchAll(/^service (\w+)/gm)].map((match) => match[1]!));
    assert.deepEqual(Object.keys(allowed).sort(), [...defined, "Raft"].sort());
  });

  it("whoever claims in metadata to forward for a manager is believed as a manager only", async () => {
    const metadata = new Metadata();
    for (const [key, value] of [["x-swarm-forwarded", "m1"], ["x-swarm-caller", "m1"], ["x-swarm-peer", "127.0.0.1:1"]] as const) metadata.set(key, value);
    const { addr } = cluster.managers[0]!;
    await assert.rejects(call(cluster.client("Control", addr, worker), "listNodes", {}, { metadata }), { code: "PERMISSION_DENIED" });
    const { csrPem } = await createCsr();
    await assert.rejects(call(cluster.anonymous(addr), "renewCertificate", { csrPem }, { metadata }), { code: "UNAUTHENTICATED" });
    const { nodeId, role } = await call<{ nodeId: string; role: string }>(cluster.client("Ca", addr, worker), "renewCertificate", { csrPem }, { metadata });
    assert.deepEqual([nodeId, role], [worker.nodeId, "WORKER"]);
  });

  it("the watch of a manager that is removed ends, and its next call is refused", async () => {
    const [m1] = cluster.managers;
    const client = cluster.client("Control", m1!.addr, manager);
    const events = stream(client, "watch", { kinds: ["service"] });
    await events.next();
    const ended = events.next();
    await m1!.control("removeNode", { ref: manager.nodeId, force: true });
    await assert.rejects(ended, { code: "UNAVAILABLE" });
    await assert.rejects(call(client, "listNodes", {}), { code: "PERMISSION_DENIED", message: /was removed/ });
  });
});
