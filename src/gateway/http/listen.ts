import { chmodSync, chownSync, readFileSync } from "node:fs";
import type { Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { SwarmError, type Logger } from "../../lib/index.js";
import { listenOnSocketFile } from "../../rpc/index.js";

export interface Listening {
  /** "unix:///run/skein/docker.sock", "tcp://127.0.0.1:2376". */
  readonly address: string;
  close(graceMs: number): Promise<void>;
}

/** On a Unix socket for its owner and, if it is there, one group. */
export async function listenOnSocket(server: Server, options: { path: string; group: string | undefined; mode: number; log: Logger }): Promise<Listening> {
  const { path } = options;
  const gid = options.group === undefined ? undefined : groupId(options.group);
  const connections = track(server);
  await listenOnSocketFile(server, { path, flag: "--docker-socket" });
  server.on("error", (error) => options.log.error("the Docker API's socket failed", { error }));
  if (gid !== undefined) chownSync(path, 0, gid);
  chmodSync(path, options.mode);
  return { address: `unix://${path}`, close: (graceMs) => close(server, connections, graceMs) };
}

export async function listenOnTcp(server: Server, options: { host: string; port: number; log: Logger }): Promise<Listening> {
  const connections = track(server);
  server.on("connection", (socket) => socket.setKeepAlive(true, 30_000));
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error) => reject(new SwarmError("FAILED_PRECONDITION", `Cannot listen on ${options.host}:${options.port} for the Docker API: ${error.message}`, { cause: error }));
    server.once("error", refuse);
    server.listen({ host: options.host, port: options.port }, () => { server.off("error", refuse); resolve(); });
  });
  server.on("error", (error) => options.log.error("the Docker API's port failed", { error }));
  const { port } = server.address() as AddressInfo;
  return { address: `tcp://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`, close: (graceMs) => close(server, connections, graceMs) };
}

/** The group's number, or undefined when this host has no such group. */
export function findGroup(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name);
  const line = readFileSync("/etc/group", "utf8").split("\n").find((l) => l.startsWith(`${name}:`));
  return line === undefined ? undefined : Number(line.split(":")[2]);
}

function groupId(name: string): number {
  const gid = findGroup(name);
  if (gid === undefined) throw new SwarmError("INVALID_ARGUMENT", `Cannot give the Docker API's socket to group "${name}": /etc/group has no such group; create it with groupadd, or name another with --docker-group`);
  return gid;
}

/** Upgraded connections are no longer the server's own: closing it would leave them open. */
function track(server: Server): Set<Socket> {
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => { connections.add(socket); socket.once("close", () => connections.delete(socket)); });
  return connections;
}

async function close(server: Server, connections: Set<Socket>, graceMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  let late: NodeJS.Timeout | undefined;
  if (graceMs > 0 && connections.size > 0) await Promise.race([closed, new Promise((resolve) => { late = setTimeout(resolve, graceMs); })]);
  clearTimeout(late);
  for (const socket of connections) socket.destroy();
  await closed;
}
