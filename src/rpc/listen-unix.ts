import { createServer, type Socket } from "node:net";
import { ServerCredentials, type Server } from "@grpc/grpc-js";
import type { Logger } from "../lib/index.js";
import { listenOnSocketFile } from "./socket-file.js";

export interface UnixListener { close(graceMs?: number): Promise<void> }

/** gRPC on a Unix socket that only its owner may open. */
export async function listenUnix(options: { path: string; server: Server; log: Logger }): Promise<UnixListener> {
  const { path, log } = options;
  const injector = options.server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", (error) => log.debug("local connection failed", { error }));
    injector.injectConnection(socket);
  });
  server.on("error", (error) => log.error("local listener failed", { error }));
  await listenOnSocketFile(server, { path, flag: "--run-dir" });
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
