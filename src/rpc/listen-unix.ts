import { createServer, type Socket } from "node:net";
import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { ServerCredentials, type Server } from "@grpc/grpc-js";
import { SwarmError, type Logger } from "../lib/index.js";

export interface UnixListener { close(graceMs?: number): Promise<void> }

/**
 * Serves on a Unix socket that only its owner may open. A socket file that is there already is removed: the caller holds the
 * state directory's lock, so nobody can be behind it.
 */
export async function listenUnix(options: { path: string; server: Server; log: Logger }): Promise<UnixListener> {
  const { path, log } = options;
  if (Buffer.byteLength(path) > 107) throw new SwarmError("INVALID_ARGUMENT", `Cannot listen on "${path}": the kernel takes socket paths of at most 107 bytes; choose a shorter --run-dir`);
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  removeStale(path);
  const injector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", (error) => log.debug("local connection failed", { error }));
    injector.injectConnection(socket);
  });
  server.on("error", (error) => log.error("local listener failed", { error }));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    // The file is made within listen(), so no moment exists in which others could open it.
    const mask = process.umask(0o177);
    try { server.listen(path, () => { server.off("error", reject); resolve(); }); } finally { process.umask(mask); }
  });
  return {
    async close(graceMs = 0) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      injector.drain(graceMs);
      if (graceMs > 0 && sockets.size > 0) await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, graceMs).unref())]);
      for (const socket of sockets) socket.destroy();
      injector.destroy();
      await closed;
    },
  };
}

function removeStale(path: string): void {
  let isSocket: boolean;
  try { isSocket = lstatSync(path).isSocket(); } catch { return; }
  if (!isSocket) throw new SwarmError("FAILED_PRECONDITION", `Cannot listen on "${path}": a file that is not a socket is there; remove it`);
  unlinkSync(path);
}
