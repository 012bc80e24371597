import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "@grpc/grpc-js";
import { createCsr, createRootCa, signNodeCertificate, type Root, type TlsIdentity } from "../ca/index.js";
import { codeOf, createLogger, silentLogger, systemClock, type Logger } from "../lib/index.js";
import { newClusterSpec, type ClusterSpec, type NodeRole } from "../model/index.js";
import { call, dialForJoin, dialLocal, dialManager, joiningServerOptions, listenTls, listenUnix, managerCredentials, newServer, type ServiceName, type TlsListener } from "../rpc/index.js";
import { startManager, type Manager, type ManagerStart } from "./manager.js";

export interface TestManager {
  readonly manager: Manager;
  readonly identity: TlsIdentity;
  readonly addr: string;
  readonly stateDir: string;
  /** Root's socket. */
  readonly socket: string;
  /** Root's calls on this manager's own socket. */
  control<T = any>(method: string, request?: object): Promise<T>;
  client(service: ServiceName): Client;
  /** Root's "leave" on its host; retried while leadership moves. */
  leaveRaft(): Promise<void>;
  /** Stops it without handing anything over; its state stays. */
  kill(): Promise<void>;
}

/** Managers of one cluster in this process, over loopback, with real certificates, raft and disks. */
export class TestCluster {
  readonly clusterId = "testcluster";
  readonly managers: TestManager[] = [];
  readonly #clients: Client[] = [];
  readonly #ends: (() => Promise<unknown>)[] = [];
  #root!: Root;
  #directory!: string;

  private constructor(private readonly log: Logger) {}

  static async start(count: number, options: { spec?: Partial<ClusterSpec>; log?: Logger } = {}): Promise<TestCluster> {
    const cluster = new TestCluster(options.log ?? (process.env["SKEIN_TEST_LOG"] ? createLogger({ level: "debug" }) : silentLogger));
    cluster.#directory = await mkdtemp(join(tmpdir(), "skein-managers-"));
    cluster.#root = await createRootCa({ clusterId: cluster.clusterId, now: Date.now() });
    await cluster.add(await cluster.identity("m1", "MANAGER"), { kind: "init", clusterSpec: newClusterSpec(options.spec), rootCa: cluster.#root, self: { hostname: "m1" } });
    for (let i = 2; i <= count; i++) await cluster.join(`m${i}`);
    return cluster;
  }

  async identity(nodeId: string, role: NodeRole): Promise<TlsIdentity> {
    const { csrPem, keyPem } = await createCsr();
    const certificatePem = await signNodeCertificate({ root: this.#root, csrPem, nodeId, role, clusterId: this.clusterId, validityMs: 24 * 3_600_000, now: Date.now() });
    return { nodeId, role, clusterId: this.clusterId, certificatePem, keyPem, rootCertificatePem: this.#root.certificatePem };
  }

  /** A new host joins by token, through the first manager, and is a manager if the token says so. */
  async issue(hostname: string, token: string, at = this.managers[0]!.addr): Promise<TlsIdentity> {
    const { csrPem, keyPem } = await createCsr();
    const client = dialForJoin(at, this.#root.certificatePem);
    try {
      const { certificatePem, nodeId, role } = await call<{ certificatePem: string; nodeId: string; role: NodeRole }>(client, "issueCertificate", { csrPem, token, hostname, availability: "ACTIVE" });
      return { nodeId, role, clusterId: this.clusterId, certificatePem, keyPem, rootCertificatePem: this.#root.certificatePem };
    } finally { client.close(); }
  }

  async join(hostname: string): Promise<TestManager> {
    const { cluster } = await this.managers[0]!.control("getCluster");
    return this.add(await this.issue(hostname, cluster.joinTokens.manager), { kind: "join", managers: this.managers.map(({ addr }) => addr) });
  }

  /** `again`: the directory, and maybe the address, of an earlier life. */
  async add(identity: TlsIdentity, start: ManagerStart, again?: { readonly addr?: string; readonly stateDir: string }): Promise<TestManager> {
    const addr = again?.addr ?? `127.0.0.1:${await freePort()}`;
    const stateDir = again?.stateDir ?? join(this.#directory, identity.nodeId);
    const servers = { full: newServer(), joining: newServer(joiningServerOptions), local: newServer() };
    const log = this.log.with({ node: identity.nodeId });
    let listener: TlsListener | undefined;
    const manager = await startManager({
      identity, stateDir, advertiseAddr: addr, servers, start, log, clock: systemClock, raftTickMs: 30, onRemoved: (nodeIds) => listener?.disconnect(nodeIds),
    });
    const tls = listener = await listenTls({ host: "127.0.0.1", port: Number(addr.split(":")[1]), identity, full: servers.full, joining: servers.joining, log });
    const socket = join(this.#directory, `${identity.nodeId.slice(0, 8)}-${this.managers.length}.sock`);
    const local = await listenUnix({ path: socket, server: servers.local, log });
    const own = this.#keep(dialLocal("Control", socket));
    const keep = (client: Client) => this.#keep(client);
    let ended: Promise<void> | undefined;
    const end = () => ended ??= (async () => { await tls.close(); await local.close(); await manager.stop({ handOver: false }); })();
    this.#ends.push(end);
    const made: TestManager = {
      manager, identity, addr, stateDir, socket,
      control: (method, request = {}) => call(own, method, request),
      client: (service) => this.#keep(dialManager(service, addr, managerCredentials(identity))),
      kill: end,
      async leaveRaft() {
        const managers = keep(dialLocal("Managers", socket));
        for (;;) {
          try { await call(managers, "leaveRaft", {}); return; } catch (error) { if (codeOf(error) !== "UNAVAILABLE") throw error; }
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
    };
    this.managers.push(made);
    await manager.ready;
    return made;
  }

  get leader(): TestManager | undefined { return this.managers.find(({ manager }) => manager.isLeader); }

  client(service: ServiceName, addr: string, identity: TlsIdentity): Client { return this.#keep(dialManager(service, addr, managerCredentials(identity))); }

  /** A connection that shows no certificate. */
  anonymous(addr: string): Client { return this.#keep(dialForJoin(addr, this.#root.certificatePem)); }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all(this.#ends.map((end) => end()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  #keep(client: Client): Client { this.#clients.push(client); return client; }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server: TcpServer = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => { const { port } = server.address() as AddressInfo; server.close(() => resolve(port)); });
  });
}
