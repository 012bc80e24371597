import { X509Certificate } from "node:crypto";
import type { AddressInfo } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import { ServerCredentials, type Server } from "@grpc/grpc-js";
import { RepeatFilter, SwarmError, messageOf, systemClock, type Logger } from "../lib/index.js";
import { identityOf, tlsContextOf, type TlsIdentity } from "../ca/index.js";

export interface TlsListenOptions {
  readonly host: string;
  readonly port: number;
  readonly identity: TlsIdentity;
  /** Serves connections with a certificate of this cluster. */
  readonly full: Server;
  /** Serves connections without any: only what a joining host needs. */
  readonly joining: Server;
  readonly log: Logger;
}

export interface TlsListener {
  readonly port: number;
  /** New connections are made with this identity; open ones go on. */
  renew(identity: TlsIdentity): void;
  /** Ends the connections of these nodes, and with them every stream that they hold open. */
  disconnect(nodeIds: { has(nodeId: string): boolean }): void;
  /** Stops listening, lets calls finish for `graceMs`, then ends every connection. */
  close(graceMs?: number): Promise<void>;
}

/** Connections that no certificate has proved yet and those being shaken hands with; further ones wait in the kernel's queue. */
const maxConnections = 20_000;

/**
 * The managers' port: TLS 1.3 only. What a peer's certificate says decides which gRPC server it talks to; a bad certificate
 * ends the connection with a line in the log. Nothing that a peer sends can throw here.
 */
export async function listenTls(options: TlsListenOptions): Promise<TlsListener> {
  const { log } = options;
  let identity = options.identity;
  const repeats = new RepeatFilter(systemClock);
  /** Each with the node that its certificate names, undefined without one. */
  const sockets = new Map<TLSSocket, string | undefined>();
  const full = options.full.createConnectionInjector(ServerCredentials.createInsecure());
  const joining = options.joining.createConnectionInjector(ServerCredentials.createInsecure());

  const server = createServer({
    ...tlsContextOf(identity), requestCert: true, rejectUnauthorized: false, ALPNProtocols: ["h2"], handshakeTimeout: 10_000, noDelay: true,
  });
  server.maxConnections = maxConnections;
  server.on("secureConnection", (socket) => {
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const decision = admit(socket, identity);
    sockets.set(socket, decision.kind === "node" ? decision.nodeId : undefined);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", (error) => log.debug("connection failed", { peer, error }));
    if (decision.kind === "refuse") {
      const held = repeats.pass(`${socket.remoteAddress} ${decision.reason}`);
      if (held !== undefined) log.warn("connection refused", { peer, reason: decision.reason, ...(held > 0 && { repeated: held }) });
      socket.destroy();
      return;
    }
    try {
      (decision.kind === "node" ? full : joining).injectConnection(socket);
    } catch (error) {
      log.warn("connection failed", { peer, error });
      socket.destroy();
    }
  });
  // Not TLS, an old TLS, a client that gave up: common on any open port.
  server.on("tlsClientError", (error, socket) => { log.debug("TLS handshake failed", { peer: `${socket.remoteAddress}:${socket.remotePort}`, error }); socket.destroy(); });
  server.on("error", (error) => log.error("listener failed", { error }));

  await new Promise<void>((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(new SwarmError("FAILED_PRECONDITION", `Cannot listen on "${options.host}:${options.port}": ${listenReason(error)}`, { cause: error }));
    server.once("error", failed);
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => { server.off("error", failed); resolve(); });
  });

  return {
    port: (server.address() as AddressInfo).port,
    disconnect(nodeIds) {
      for (const [socket, nodeId] of sockets) if (nodeId !== undefined && nodeIds.has(nodeId)) socket.destroy();
    },
    renew(next) { identity = next; server.setSecureContext(tlsContextOf(next)); },
    async close(graceMs = 0) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      full.drain(graceMs);
      joining.drain(graceMs);
      if (graceMs > 0 && sockets.size > 0) await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, graceMs).unref())]);
      for (const socket of sockets.keys()) socket.destroy();
      full.destroy();
      joining.destroy();
      await closed;
    },
  };
}

function admit(socket: TLSSocket, identity: TlsIdentity): { kind: "node"; nodeId: string } | { kind: "joining" } | { kind: "refuse"; reason: string } {
  const certificate = socket.getPeerCertificate();
  if (!certificate?.raw) return { kind: "joining" };
  if (!socket.authorized) return { kind: "refuse", reason: `its certificate is not of this cluster's CA or no longer valid (${String(socket.authorizationError)})` };
  try {
    const peer = identityOf(new X509Certificate(certificate.raw));
    if (peer.clusterId !== identity.clusterId) return { kind: "refuse", reason: `its certificate is of cluster "${peer.clusterId}", this is "${identity.clusterId}"` };
    return { kind: "node", nodeId: peer.nodeId };
  } catch (error) { return { kind: "refuse", reason: messageOf(error) }; }
}

function listenReason(error: NodeJS.ErrnoException): string {
  if (error.code === "EADDRINUSE") return `another process listens there; stop it, or choose another port with --listen-addr`;
  if (error.code === "EADDRNOTAVAIL") return `this host has no such address; choose another with --listen-addr`;
  return error.message;
}
