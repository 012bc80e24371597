import type { Server } from "node:http";
import type { Duplex } from "node:stream";
import { messageOf, SwarmError, type Clock, type Logger } from "../lib/index.js";
import type { Engine } from "../engine/index.js";
import type { GatewayContext } from "./context.js";
import { readHostFacts } from "./host-facts.js";
import { findGroup, listenOnSocket, listenOnTcp, type Listening } from "./http/listen.js";
import { Router } from "./http/router.js";
import { newHttpServer } from "./http/server.js";
import { archiveRoutes } from "./routes/archive.js";
import { buildRoutes } from "./routes/build.js";
import { containerRoutes } from "./routes/containers.js";
import { elsewhereRoutes } from "./routes/elsewhere.js";
import { execRoutes } from "./routes/execs.js";
import { imageRoutes } from "./routes/images.js";
import { networkRoutes } from "./routes/networks.js";
import { streamRoutes } from "./routes/streams.js";
import { systemRoutes } from "./routes/system.js";
import { volumeRoutes } from "./routes/volumes.js";

export interface GatewayOptions {
  readonly engine: Engine;
  readonly log: Logger;
  readonly clock: Clock;
  /** The daemon's own, for /version. */
  readonly version: string;
  /** This host's name for /info; default: the kernel's. */
  readonly hostname?: string;
  /** Told by /info. */
  readonly isDebug?: boolean;
  /** Undefined: no Unix socket. */
  readonly socketPath?: string;
  /** A name or a number; undefined: the socket is root's alone. */
  readonly group?: string;
  readonly mode?: number;                  // 0o660, or 0o600 without a group
  readonly tcp?: GatewayTcp;
}

export interface GatewayTcp {
  readonly host: string;
  readonly port: number;
  /** PEM texts. Clients need a certificate that the ca signed. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
  /** Whoever reaches the port is root on this host: plain TCP is for loopback addresses, and only when it is asked for. */
  readonly isInsecureAllowed?: boolean;
}

export interface Gateway {
  /** "unix:///run/skein/docker.sock", "tcp://127.0.0.1:2376". */
  readonly addresses: readonly string[];
  /** Serves one connection that somebody else has accepted and whose peer may do everything. */
  accept(socket: Duplex): void;
  /** Nothing new is taken; what is under way has graceMs. Containers go on. */
  close(graceMs?: number): Promise<void>;
}

/** Serves the Docker Engine API over an engine. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { engine, clock, tcp } = options;
  const log = options.log.with({ part: "gateway" });
  if (tcp && !tcp.tls && !(tcp.isInsecureAllowed && isLoopback(tcp.host))) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot serve the Docker API on ${tcp.host}:${tcp.port} without TLS: whoever reaches it is root on this host; give --docker-tls-ca, --docker-tls-cert and --docker-tls-key${isLoopback(tcp.host) ? ", or --docker-tcp-insecure for this loopback address" : ""}`);
  }
  const context: GatewayContext = { engine, clock, log, version: options.version, isDebug: options.isDebug ?? false, host: await readHostFacts(options.hostname, (await engine.info()).stateDir) };
  const router = new Router([
    ...systemRoutes(context), ...containerRoutes(context), ...streamRoutes(context), ...archiveRoutes(context), ...execRoutes(context), ...imageRoutes(context), ...buildRoutes(context),
    ...volumeRoutes(context), ...networkRoutes(context), ...elsewhereRoutes(),
  ]);
  const newServer = (tls?: GatewayTcp["tls"]): Server => newHttpServer({ router, log, serverName: `Skein/${options.version} (linux)`, ...(tls ? { tls } : {}) });
  // Never listens: connections are handed to it.
  const handed = newServer();
  const accepted = new Set<Duplex>();
  const listening: Listening[] = [];
  const close = async (graceMs = 0) => {
    await Promise.all(listening.map((one) => one.close(graceMs)));
    for (const socket of accepted) socket.destroy();
  };
  try {
    if (options.socketPath !== undefined) listening.push(await listenOnSocket(newServer(), { path: options.socketPath, group: options.group, mode: options.mode ?? (options.group === undefined ? 0o600 : 0o660), log }));
    if (tcp) listening.push(await listenOnTcp(newServer(tcp.tls), { host: tcp.host, port: tcp.port, log }));
  } catch (error) {
    await close();
    throw error instanceof SwarmError ? error : new SwarmError("FAILED_PRECONDITION", `Cannot serve the Docker API: ${messageOf(error)}`, { cause: error });
  }
  return {
    addresses: listening.map(({ address }) => address),
    accept(socket) {
      accepted.add(socket);
      socket.once("close", () => accepted.delete(socket));
      handed.emit("connection", socket);
    },
    close,
  };
}

export const hasGroup = (name: string): boolean => findGroup(name) !== undefined;

export const isLoopback = (host: string): boolean => host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
