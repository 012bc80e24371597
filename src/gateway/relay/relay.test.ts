import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { createCsr, createRootCa, signNodeCertificate, tlsContextOf, type Root, type TlsIdentity } from "../../ca/index.js";
import { silentLogger, systemClock } from "../../lib/index.js";
import { listenForManagers, type ManagerPort } from "./manager-port.js";
import { namesOf, serveNodeSockets, type NodePlace, type NodeSockets } from "./node-sockets.js";

async function identity(root: Root, nodeId: string, role: "MANAGER" | "WORKER", clusterId = "c1"): Promise<TlsIdentity> {
  const { csrPem, keyPem } = await createCsr();
  const certificatePem = await signNodeCertificate({ root, csrPem, nodeId, role, clusterId, validityMs: 3_600_000, now: Date.now() });
  return { nodeId, role, clusterId, certificatePem, keyPem, rootCertificatePem: root.certificatePem };
}

const get = (socketPath: string, path = "/"): Promise<{ status: number; body: string }> => new Promise((resolve, reject) => {
  request({ socketPath, path, agent: false }, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (text: string) => { body += text; }).on("end", () => resolve({ status: response.statusCode!, body }));
  }).on("error", reject).end();
});

describe("the relay to other nodes' engines", () => {
  let directory: string;
  let root: Root;
  let manager: TlsIdentity;
  let worker: TlsIdentity;
  let api: Server;
  let port: ManagerPort;
  let sockets: NodeSockets;
  let nodes: NodePlace[];

  before(async () => {
    root = await createRootCa({ clusterId: "c1", now: Date.now() });
    manager = await identity(root, "m1", "MANAGER");
    worker = await identity(root, "w1", "WORKER");
  });
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), "skein-relay-"));
    api = createServer({ allowHalfOpen: true } as object, (message, response) => response.end(`hello from ${message.url}`));
    // Echoes what it was sent only once the client has ended its side: half-close must get through.
    api.on("upgrade", (_message, socket, head) => {
      socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
      const parts: Buffer[] = [head];
      socket.on("data", (part: Buffer) => parts.push(part)).on("end", () => socket.end(Buffer.concat(parts))).on("error", () => {});
    });
    port = await listenForManagers({ host: "127.0.0.1", port: 0, identity: worker, accept: (socket) => api.emit("connection", socket), log: silentLogger });
    nodes = [{ id: "w1", hostname: "box", addr: "127.0.0.1" }];
    sockets = await serveNodeSockets({ directory: join(directory, "nodes"), nodes: async () => nodes, identity: () => manager, clock: systemClock, log: silentLogger, port: port.port });
  });
  afterEach(async () => {
    await sockets.close();
    await port.close();
    api.closeAllConnections();
    rmSync(directory, { recursive: true, force: true });
  });
  const socketOf = (name: string) => join(directory, "nodes", `${name}.sock`);

  it("passes requests on, for root alone", async () => {
    assert.deepEqual(await get(socketOf("box"), "/containers/json"), { status: 200, body: "hello from /containers/json" });
    assert.equal(statSync(socketOf("box")).mode & 0o777, 0o600);
  });

  it("passes a megabyte and the end of the client's side on through a hijacked connection", async () => {
    const text = Buffer.alloc(1 << 20, "x");
    const answer = await new Promise<Buffer>((resolve, reject) => {
      const socket = createConnection({ path: socketOf("box"), allowHalfOpen: true });
      const parts: Buffer[] = [];
      socket.on("error", reject).on("data", (part: Buffer) => parts.push(part)).on("end", () => { socket.end(); resolve(Buffer.concat(parts)); });
      socket.write("POST /exec/1/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n");
      socket.end(text);
    });
    assert.equal(answer.length - answer.indexOf("\r\n\r\n") - 4, text.length);
  });

  it("follows the nodes", async () => {
    nodes = [{ id: "w2", hostname: "other", addr: "127.0.0.1" }];
    await sockets.refresh();
    assert.deepEqual([existsSync(socketOf("box")), existsSync(socketOf("other"))], [false, true]);
  });

  it("refuses a node that is not the one that is meant", async () => {
    nodes = [{ id: "w9", hostname: "box", addr: "127.0.0.1" }];
    await sockets.refresh();
    const { status, body } = await get(socketOf("box"));
    assert.equal(status, 503);
    assert.match(body, /at 127\.0\.0\.1 is node \\"w1\\"/);
  });

  it("says that a node does not answer", async () => {
    await port.close();
    const { status, body } = await get(socketOf("box"));
    assert.equal(status, 503);
    assert.match(body, /Node \\"box\\" cannot be reached: connect ECONNREFUSED/);
  });

  it("lets in no worker, no other cluster and nobody without a certificate", async () => {
    const otherRoot = await createRootCa({ clusterId: "c2", now: Date.now() });
    const attempt = (options: object): Promise<string> => new Promise((resolve) => {
      const socket = connect({ host: "127.0.0.1", port: port.port, rejectUnauthorized: false, checkServerIdentity: () => undefined, ...options });
      let text = "";
      socket.on("data", (part: Buffer) => { text += part.toString(); }).on("error", () => resolve("refused")).on("close", () => resolve(text || "refused"));
      socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    assert.match(await attempt(tlsContextOf(manager)), /hello/);
    assert.equal(await attempt(tlsContextOf(worker)), "refused");
    assert.equal(await attempt(tlsContextOf(await identity(otherRoot, "m1", "MANAGER", "c2"))), "refused");
    assert.equal(await attempt(tlsContextOf(await identity(root, "m1", "MANAGER", "c2"))), "refused");
    assert.equal(await attempt({ minVersion: "TLSv1.3" }), "refused");
  });

  it("gives every node a name of its own", () => {
    const place = (id: string, hostname: string, addr = "10.0.0.1") => ({ id, hostname, addr });
    assert.deepEqual([...namesOf([place("b", "x"), place("a", "x"), place("c", "../../etc"), place("d", "y", "")])].map(([name, node]) => `${name}=${node.id}`), ["x=a", "b=b", "c=c"]);
  });
});
