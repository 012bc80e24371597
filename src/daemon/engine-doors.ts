import { join } from "node:path";
import type { Duplex } from "node:stream";
import { messageOf, type Clock, type Logger } from "../lib/index.js";
import type { TlsIdentity } from "../ca/index.js";
import { listenForManagers, managerPort, serveNodeSockets, type ManagerPort, type NodePlace, type NodeSockets } from "../gateway/index.js";
import { call, dialLocal } from "../rpc/index.js";
import type { ListNodesResponse } from "../gen/swarm/v1/ListNodesResponse.js";

export interface EngineDoorsOptions {
  readonly host: string;
  readonly runDir: string;
  readonly identity: TlsIdentity;
  readonly accept: (socket: Duplex) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Between the engines of a cluster: this node's port for its managers and, while it is a manager itself, its sockets to all nodes. */
export class EngineDoors {
  #port: ManagerPort | undefined;
  #sockets: NodeSockets | undefined;
  #identity: TlsIdentity;

  private constructor(private readonly options: EngineDoorsOptions) { this.#identity = options.identity; }

  /** A port that is taken is told in the log: the node works without it, only its engine is out of the managers' reach. */
  static async open(options: EngineDoorsOptions): Promise<EngineDoors> {
    const doors = new EngineDoors(options);
    const { host, identity, accept, log } = options;
    doors.#port = await listenForManagers({ host, port: managerPort, identity, accept, log }).catch((error: unknown) => {
      log.warn("managers cannot reach this host's engine", { error: messageOf(error) });
      return undefined;
    });
    await doors.#followRole();
    return doors;
  }

  async renew(identity: TlsIdentity): Promise<void> {
    this.#identity = identity;
    this.#port?.renew(identity);
    await this.#followRole();
  }

  async close(): Promise<void> {
    await Promise.all([this.#port?.close(), this.#sockets?.close()]);
  }

  async #followRole(): Promise<void> {
    const { runDir, clock, log } = this.options;
    if (this.#identity.role === "MANAGER") {
      this.#sockets ??= await serveNodeSockets({ directory: join(runDir, "nodes"), nodes: () => listNodes(join(runDir, "manager.sock")), identity: () => this.#identity, clock, log });
    } else {
      await this.#sockets?.close();
      this.#sockets = undefined;
    }
  }
}

async function listNodes(socket: string): Promise<NodePlace[]> {
  const client = dialLocal("Control", socket);
  try {
    const { nodes } = await call<ListNodesResponse>(client, "listNodes", { filters: [] }, { timeoutMs: 3_000 });
    return nodes.map((node) => ({ id: node.id, hostname: node.description?.hostname ?? "", addr: node.status?.addr ?? "" }));
  } finally { client.close(); }
}
