import { X509Certificate } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { SwarmError, messageOf, type Logger } from "../../lib/index.js";
import { identityOf, tlsContextOf, type TlsIdentity } from "../../ca/index.js";

/** The port of every node at which its managers reach its engine. */
export const managerPort = 2378;

export interface ManagerPortOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: TlsIdentity;
  /** Serves the Docker API on a connection that a manager made. */
  readonly accept: (socket: Duplex) => void;
  readonly log: Logger;
}

export interface ManagerPort {
  readonly port: number;
  renew(identity: TlsIdentity): void;
  close(): Promise<void>;
}

const maxConnections = 1_000;

/**
 * Lets this cluster's managers, and nobody else, use this node's engine: TLS 1.3 with certificates of the cluster on both sides, the role read
 * from the certificate. A manager may run any container here anyway, through the scheduler; this gives it no new right.
 */
export async function listenForManagers(options: ManagerPortOptions): Promise<ManagerPort> {
  const { log } = options;
  let identity = options.identity;
  const sockets = new Set<Socket>();
  const server = createServer({ ...tlsContextOf(identity), requestCert: true, rejectUnauthorized: true, handshakeTimeout: 10_000, noDelay: true, allowHalfOpen: true });
  server.maxConnections = maxConnections;
  // From the first byte on: who leaves in the middle of a handshake is held by nobody else.
  server.on("connection", (socket) => { sockets.add(socket); socket.on("close", () => sockets.delete(socket)); });
  server.on("secureConnection", (socket) => {
    socket.on("error", (error) => log.debug("connection failed", { peer: socket.remoteAddress, error }));
    const refusal = refusalOf(socket, identity);
    if (refusal) { log.warn("connection refused", { peer: socket.remoteAddress, reason: refusal }); socket.destroy(); return; }
    options.accept(socket);
  });
  server.on("tlsClientError", (error, socket) => { log.debug("TLS handshake failed", { peer: socket.remoteAddress, error }); socket.destroy(); });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new SwarmError("FAILED_PRECONDITION", `Cannot listen for managers on "${options.host}:${options.port}": ${messageOf(error)}`, { cause: error })));
    server.listen({ host: options.host, port: options.port }, resolve);
  });
  server.on("error", (error) => log.error("listener failed", { error }));
  return {
    port: (server.address() as AddressInfo).port,
    renew(next) { identity = next; server.setSecureContext(tlsContextOf(next)); },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** What a peer's certificate says; undefined where it cannot be read. */
export function peerOf(socket: TLSSocket): { nodeId: string; role: string; clusterId: string } | undefined {
  try { return identityOf(new X509Certificate(socket.getPeerCertificate().raw)); } catch { return undefined; }
}

function refusalOf(socket: TLSSocket, own: TlsIdentity): string | undefined {
  const peer = peerOf(socket);
  if (!peer) return "its certificate is no node's";
  if (peer.clusterId !== own.clusterId) return `its certificate is of cluster "${peer.clusterId}", this is "${own.clusterId}"`;
  return peer.role === "MANAGER" ? undefined : `node "${peer.nodeId}" is no manager`;
}
