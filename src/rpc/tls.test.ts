import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { connect as connectHttp2 } from "node:http2";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChannelCredentials, Client, Server } from "@grpc/grpc-js";
import { silentLogger } from "../lib/index.js";
import type { NodeRole } from "../model/index.js";
import { createCsr, createRootCa, signNodeCertificate, type Root, type TlsIdentity } from "../ca/index.js";
import {
  call, dialForJoin, dialLocal, dialManager, fetchRootCertificate, joiningServerOptions, listenTls, listenUnix, localAuthorize, managerCredentials, newServer, nodeAuthorize,
  parseHostPort, requireManager, serviceDefinition, unary, type Authorize, type CallContext, type ServiceName, type TlsListener,
} from "./index.js";

const hour = 3_600_000;

async function identity(root: Root, nodeId: string, role: NodeRole, clusterId = "c1", now = Date.now(), validityMs = 24 * hour): Promise<TlsIdentity> {
  const { csrPem, keyPem } = await createCsr();
  const certificatePem = await signNodeCertificate({ root, csrPem, nodeId, role, clusterId, validityMs, now });
  return { nodeId, role, clusterId, certificatePem, keyPem, rootCertificatePem: root.certificatePem };
}

/** Every method of the service answers with who called. */
function serve(server: Server, service: ServiceName, authorize: Authorize, seen: CallContext[], answer: object = {}) {
  const definition = serviceDefinition(service);
  server.addService(definition, Object.fromEntries(Object.entries(definition).filter(([, method]) => !method.requestStream && !method.responseStream).map(([name]) =>
    [name, unary(authorize, async (_request: unknown, context) => { seen.push(context); return answer; })])));
}

describe("rpc: the managers' TLS port", () => {
  let root: Root;
  let manager: TlsIdentity;
  let listener: TlsListener;
  let addr: string;
  const removed = new Set<string>();
  const seen: CallContext[] = [];
  const clients: Client[] = [];
  const client = (service: ServiceName, credentials: ChannelCredentials) => { const made = dialManager(service, addr, credentials); clients.push(made); return made; };

  before(async () => {
    root = await createRootCa({ clusterId: "c1", now: Date.now() });
    manager = await identity(root, "m1", "MANAGER");
    const authorize = nodeAuthorize({ clusterId: "c1", removedNodes: () => removed });
    const full = newServer();
    for (const service of ["Control", "Managers", "Ca"] as const) serve(full, service, authorize, seen, { certificatePem: root.certificatePem });
    const joining = newServer(joiningServerOptions);
    serve(joining, "Ca", authorize, seen, { certificatePem: root.certificatePem });
    listener = await listenTls({ host: "127.0.0.1", port: 0, identity: manager, full, joining, log: silentLogger });
    addr = `127.0.0.1:${listener.port}`;
  });
  beforeEach(() => { removed.clear(); seen.length = 0; });
  afterEach(() => { for (const made of clients.splice(0)) made.close(); });
  after(() => listener.close());

  it("knows node, role and cluster of a caller from its certificate", async () => {
    await call(client("Control", managerCredentials(await identity(root, "m2", "MANAGER"))), "getCluster", {});
    assert.deepEqual(seen[0]!.caller, { kind: "node", nodeId: "m2", role: "MANAGER", clusterId: "c1" });
    assert.equal(requireManager(seen[0]!).nodeId, "m2");
  });
  it("refuses a worker that calls a manager's method, and lets it renew its certificate", async () => {
    const credentials = managerCredentials(await identity(root, "w1", "WORKER"));
    await assert.rejects(call(client("Control", credentials), "listNodes", {}), { code: "PERMISSION_DENIED", message: /Cannot call "ListNodes": node "w1" is a worker/ });
    await assert.rejects(call(client("Managers", credentials), "joinRaft", {}), { code: "PERMISSION_DENIED" });
    await call(client("Ca", credentials), "renewCertificate", {});
    assert.equal(seen.length, 1);
  });
  it("refuses a certificate of another cluster, and is refused by its holder", async () => {
    const other = await createRootCa({ clusterId: "c2", now: Date.now() });
    const stranger = await identity(other, "m9", "MANAGER", "c2");
    await assert.rejects(call(client("Control", managerCredentials(stranger)), "listNodes", {}, { timeoutMs: 5000 }), { code: "UNAVAILABLE" });
    // Even one that trusts this cluster's root gets nothing.
    await assert.rejects(call(client("Control", managerCredentials({ ...stranger, rootCertificatePem: root.certificatePem })), "listNodes", {}, { timeoutMs: 5000 }), { code: "UNAVAILABLE" });
    assert.equal(seen.length, 0);
  });
  it("refuses a certificate of this CA that names another cluster", async () => {
    await assert.rejects(call(client("Control", managerCredentials(await identity(root, "m9", "MANAGER", "c2"))), "listNodes", {}, { timeoutMs: 5000 }), { code: "UNAVAILABLE" });
    assert.equal(seen.length, 0);
  });
  it("refuses an expired certificate", async () => {
    await assert.rejects(call(client("Control", managerCredentials(await identity(root, "m3", "MANAGER", "c1", Date.now() - 48 * hour, hour))), "listNodes", {}, { timeoutMs: 5000 }));
    assert.equal(seen.length, 0);
  });
  it("refuses a removed node on a connection that is open already", async () => {
    const control = client("Control", managerCredentials(await identity(root, "m4", "MANAGER")));
    await call(control, "listNodes", {});
    removed.add("m4");
    await assert.rejects(call(control, "listNodes", {}), { code: "PERMISSION_DENIED", message: /node "m4" was removed/ });
  });
  it("ends the connections of a removed node, and nobody else's", async () => {
    const [gone, stays] = await Promise.all(["m4", "m5"].map((id) => identity(root, id, "MANAGER")));
    const open = (who: TlsIdentity) => new Promise<TLSSocket>((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port: listener.port, cert: who.certificatePem, key: who.keyPem, ca: root.certificatePem, ALPNProtocols: ["h2"], checkServerIdentity: () => undefined });
      // The server's settings frame: the connection is in its hands.
      socket.once("data", () => resolve(socket)).once("error", reject);
    });
    const [removedOne, other] = [await open(gone!), await open(stays!)];
    const closed = new Promise<string>((resolve) => { removedOne.on("error", () => {}).once("close", () => resolve("closed")); });
    listener.disconnect(new Set(["m4"]));
    assert.equal(await closed, "closed");
    await call(client("Control", managerCredentials(stays!)), "listNodes", {});
    assert.equal(other.destroyed, false);
    other.destroy();
  });
  it("lets a caller without a certificate reach only what joining needs", async () => {
    assert.equal(await fetchRootCertificate(addr, root.digest), root.certificatePem);
    const joining = dialForJoin(addr, root.certificatePem);
    clients.push(joining);
    await call(joining, "issueCertificate", {});
    assert.deepEqual(seen.at(-1)!.caller, { kind: "anonymous" });
    await assert.rejects(call(joining, "renewCertificate", {}), { code: "UNAUTHENTICATED" });
    await assert.rejects(fetchRootCertificate(addr, "0".repeat(64)), { code: "PERMISSION_DENIED" });
  });
  it("is not believed by clients when its certificate is a worker's", async () => {
    listener.renew(await identity(root, "w1", "WORKER"));
    try {
      await assert.rejects(call(client("Control", managerCredentials(await identity(root, "m5", "MANAGER"))), "listNodes", {}, { timeoutMs: 5000 }), { code: "UNAVAILABLE" });
    } finally { listener.renew(manager); }
    await call(client("Control", managerCredentials(await identity(root, "m6", "MANAGER"))), "listNodes", {});
  });
  it("takes nothing below TLS 1.3", async () => {
    const error = await new Promise<Error>((resolve, reject) => {
      const socket = connectTls({ host: "127.0.0.1", port: listener.port, rejectUnauthorized: false, maxVersion: "TLSv1.2" }, () => reject(new Error("connected")));
      socket.on("error", resolve);
    });
    assert.match(String(error), /protocol version|EPROTO|ECONNRESET/i);
  });
  it("survives bytes that are not TLS, not HTTP/2, not Protobuf", async () => {
    for (const bytes of ["GET / HTTP/1.1\r\n\r\n", "\0".repeat(1000), Buffer.from([22, 3, 1, 255, 255, 1, 2, 3])]) {
      await new Promise<void>((resolve) => { const socket = connectTcp(listener.port, "127.0.0.1", () => socket.end(bytes)); socket.on("close", () => resolve()); socket.on("error", () => {}); socket.resume(); });
    }
    const w1 = await identity(root, "w1", "WORKER");
    const secure = { host: "127.0.0.1", port: listener.port, rejectUnauthorized: false, ALPNProtocols: ["h2"], cert: w1.certificatePem, key: w1.keyPem };
    for (const bytes of [Buffer.from("hello, this is not HTTP/2 at all, not at all"), Buffer.concat([Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Buffer.alloc(64, 0xff)])]) {
      await new Promise<void>((resolve) => { const socket = connectTls(secure, () => socket.write(bytes)); socket.on("close", () => resolve()); socket.on("error", () => {}); socket.setTimeout(2000, () => socket.destroy()); socket.resume(); });
    }
    const status = await new Promise<string>((resolve, reject) => {
      const session = connectHttp2(`https://127.0.0.1:${listener.port}`, { ...secure, checkServerIdentity: () => undefined });
      session.on("error", reject);
      const request = session.request({ ":method": "POST", ":path": "/swarm.v1.Ca/RenewCertificate", "content-type": "application/grpc", te: "trailers" });
      const see = (headers: Record<string, unknown>) => { if (headers["grpc-status"] !== undefined) { resolve(String(headers["grpc-status"])); session.close(); } };
      request.on("response", see); request.on("trailers", see); request.on("error", reject);
      request.end(Buffer.from([0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]));
      request.resume();
    });
    assert.equal(status, "13");
    await call(client("Control", managerCredentials(await identity(root, "m7", "MANAGER"))), "listNodes", {});
  });
  it("says why it cannot listen", async () => {
    await assert.rejects(listenTls({ host: "127.0.0.1", port: listener.port, identity: manager, full: newServer(), joining: newServer(), log: silentLogger }), { code: "FAILED_PRECONDITION", message: /another process listens/ });
  });
  it("fails a call to a port where nobody listens at once", async () => {
    const control = dialManager("Control", "127.0.0.1:1", managerCredentials(manager));
    clients.push(control);
    const before = Date.now();
    await assert.rejects(call(control, "listNodes", {}), { code: "UNAVAILABLE" });
    assert.ok(Date.now() - before < 2000);
  });
  it("reads addresses", () => {
    assert.deepEqual(parseHostPort("198.18.0.1"), { host: "198.18.0.1", port: 2377 });
    assert.deepEqual(parseHostPort("[::1]:5"), { host: "::1", port: 5 });
    assert.throws(() => parseHostPort("a:b"), { code: "INVALID_ARGUMENT" });
  });
});

describe("rpc: the local socket", () => {
  let directory: string;
  beforeEach(() => { directory = mkdtempSync(join(tmpdir(), "skein-rpc-")); });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it("serves root only, again over the socket that a crash left, and never removes another file", async () => {
    const path = join(directory, "swarmd.sock");
    const seen: CallContext[] = [];
    const make = () => { const server = newServer(); serve(server, "LocalNode", localAuthorize, seen); return server; };
    const first = await listenUnix({ path, server: make(), log: silentLogger });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const client = dialLocal("LocalNode", path);
    await call(client, "info", {});
    assert.deepEqual(seen[0]!.caller, { kind: "local" });
    client.close();
    const second = await listenUnix({ path, server: make(), log: silentLogger });
    await first.close();
    const again = dialLocal("LocalNode", path);
    await second.close();
    await assert.rejects(call(again, "info", {}), { code: "UNAVAILABLE" });
    again.close();
    writeFileSync(path, "");
    await assert.rejects(listenUnix({ path, server: make(), log: silentLogger }), { code: "FAILED_PRECONDITION" });
  });
});
