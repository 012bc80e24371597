import { randomInt } from "node:crypto";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";
import { SwarmError, messageOf, type Logger } from "../../lib/index.js";
import type { DnsTable } from "../core/dns-table.js";
import { decide, serverFailure, udpLimitOf } from "./answer.js";
import { forward } from "./upstream.js";

export interface DnsServerOptions {
  readonly log: Logger;
  readonly preferredPort: number;
  /** The names as they are now; asked for each question. */
  readonly table: () => DnsTable;
  /** Servers for clients that name none of their own. */
  readonly upstream: () => readonly string[];
}

const mostForwards = 1_024;      // beyond: SERVFAIL, the client asks again
const mostConnections = 256;
const idleMs = 10_000;

/**
 * DNS for containers, on the bridges' addresses at one high port, to which the host's rules redirect port 53. Not on port 53 itself:
 * a container that publishes that port, or the host's own server, may have it.
 */
export class DnsServer {
  readonly #options: DnsServerOptions;
  readonly #listeners = new Map<string, { udp: UdpSocket; tcp: Server }>();
  readonly #connections = new Set<Socket>();
  #port: number;
  #forwards = 0;

  constructor(options: DnsServerOptions) { this.#options = options; this.#port = options.preferredPort; }

  /** Meaningful once listenOn() has resolved. */
  get port(): number { return this.#port; }

  /** Listens on exactly these addresses, which this host holds. Changes the port when another program has it on one of them. */
  async listenOn(addresses: readonly string[]): Promise<void> {
    for (const address of [...this.#listeners.keys()]) if (!addresses.includes(address)) await this.#stop(address);
    for (let attempt = 0; ; attempt++) {
      try {
        for (const address of addresses) if (!this.#listeners.has(address)) await this.#start(address);
        return;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE" || attempt === 5) {
          throw new SwarmError("UNAVAILABLE", `Cannot serve DNS to containers: ${messageOf(error)}.`, { cause: error });
        }
        for (const address of [...this.#listeners.keys()]) await this.#stop(address);
        this.#port = randomInt(20_000, 30_000);
      }
    }
  }

  async close(): Promise<void> {
    for (const address of [...this.#listeners.keys()]) await this.#stop(address);
    for (const socket of this.#connections) socket.destroy();
  }

  async #start(address: string): Promise<void> {
    const udp = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      udp.once("error", (error) => { udp.close(); reject(error); });
      udp.bind({ address, port: this.#port, exclusive: true }, () => { udp.removeAllListeners("error"); resolve(); });
    });
    udp.on("error", (error) => this.#options.log.warn("a DNS socket failed", { address, error }));
    udp.on("message", (query, from) => {
      void this.#answer(query, from.address, "udp").then((reply) => {
        if (reply && this.#listeners.get(address)?.udp === udp) udp.send(reply, from.port, from.address, () => {}); // the client may be gone
      });
    });
    const tcp = createServer((socket) => this.#serveTcp(socket));
    tcp.maxConnections = mostConnections;
    try {
      await new Promise<void>((resolve, reject) => {
        tcp.once("error", reject);
        tcp.listen({ host: address, port: this.#port, exclusive: true }, () => { tcp.removeAllListeners("error"); resolve(); });
      });
    } catch (error) { udp.close(); throw error; }
    tcp.on("error", (error) => this.#options.log.warn("a DNS socket failed", { address, error }));
    this.#listeners.set(address, { udp, tcp });
  }

  async #stop(address: string): Promise<void> {
    const listener = this.#listeners.get(address);
    if (!listener) return;
    this.#listeners.delete(address);
    listener.udp.close();
    listener.tcp.close();
  }

  #serveTcp(socket: Socket): void {
    this.#connections.add(socket);
    socket.setTimeout(idleMs, () => socket.destroy());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#connections.delete(socket));
    const from = socket.remoteAddress?.replace(/^::ffff:/, "") ?? "";
    let received = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const query = Buffer.from(received.subarray(2, 2 + received.readUInt16BE(0)));
        received = received.subarray(2 + query.length);
        void this.#answer(query, from, "tcp").then((reply) => {
          if (!reply) { socket.destroy(); return; }
          const length = Buffer.alloc(2);
          length.writeUInt16BE(reply.length);
          socket.write(Buffer.concat([length, reply]));
        });
      }
    });
  }

  /** Never rejects: a question that breaks something is one lost question. */
  async #answer(query: Buffer, from: string, transport: "udp" | "tcp"): Promise<Buffer | undefined> {
    try {
      const table = this.#options.table();
      const client = table.clientAt(from);
      const limit = transport === "udp" ? udpLimitOf(query) : 65_535;
      const decision = decide(query, { table, client, shuffle, limit });
      if (decision.kind === "drop") return undefined;
      if (decision.kind === "reply") return decision.bytes;
      if (this.#forwards >= mostForwards) return serverFailure(query, limit);
      this.#forwards++;
      try {
        const servers = client && client.servers.length > 0 ? client.servers : this.#options.upstream();
        return await forward(query, servers, transport) ?? serverFailure(query, limit);
      } finally { this.#forwards--; }
    } catch (error) {
      this.#options.log.warn("could not answer a DNS question", { from, error });
      return undefined;
    }
  }
}

function shuffle<T>(items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
