import { join } from "node:path";
import { codeOf, createLogger, messageOf, systemClock, type Logger } from "../lib/index.js";
import { startManager, type Manager } from "../manager/index.js";
import { joiningServerOptions, memberServerOptions, listenTls, listenUnix, newServer, type TlsListener, type UnixListener } from "../rpc/index.js";
import { watchEventLoop } from "./event-loop.js";
import type { FromManager, ManagerConfig, ToManager } from "./manager-protocol.js";

/**
 * The manager process: raft, store and control loops of one host, in a process of their own so that nothing is ever spawned from a process with large
 * buffers, and nothing of the engine holds up the raft loop. Started by the node process, told everything over IPC, and gone with it.
 */
interface Running { readonly manager: Manager; readonly tls: TlsListener; readonly local: UnixListener; readonly log: Logger }

let running: Promise<Running> | undefined;
let isStopping = false;

const tell = (message: FromManager) => new Promise<void>((resolve) => { if (process.connected) process.send!(message, () => resolve()); else resolve(); });

async function start(config: ManagerConfig): Promise<Running> {
  const log = createLogger({ level: config.logLevel, fields: { node: config.identity.nodeId } });
  watchEventLoop(log.with({ process: "manager" }));
  const servers = { full: newServer(memberServerOptions), joining: newServer(joiningServerOptions), local: newServer() };
  let listener: TlsListener | undefined;
  const manager = await startManager({
    identity: config.identity, stateDir: config.stateDir, advertiseAddr: config.advertiseAddr, servers, start: config.start, log, clock: systemClock,
    onRemoved: (nodeIds) => listener?.disconnect(nodeIds),
  });
  // It may be told of its failure before it is ready: neither promise may go unheard.
  manager.ready.catch(() => {});
  const tls = listener = await listenTls({ host: config.listenHost, port: config.listenPort, identity: config.identity, full: servers.full, joining: servers.joining, log });
  const local = await listenUnix({ path: join(config.runDir, "manager.sock"), server: servers.local, log });
  log.info("the manager listens", { addr: `${config.listenHost}:${tls.port}`, advertised: config.advertiseAddr, start: config.start.kind });
  void manager.ended.then(async (end) => {
    if (isStopping) return;
    await tell(end.kind === "removed" ? { kind: "removed" } : { kind: "failed", code: "INTERNAL", message: `the manager failed: ${end.error.message}` });
    await stop(1);
  });
  return { manager, tls, local, log };
}

async function stop(exitCode: number): Promise<void> {
  if (isStopping) return;
  isStopping = true;
  // Whatever hangs, the process does not outlive its parent for long.
  setTimeout(() => process.exit(exitCode || 1), 8_000).unref();
  const parts = await running?.catch(() => undefined);
  if (parts) {
    await parts.local.close(200).catch(() => {});
    await parts.manager.stop().catch((error: unknown) => parts.log.error("stopping the manager failed", { error }));
    await parts.tls.close(200).catch(() => {});
  }
  process.exit(exitCode);
}

async function fail(error: unknown): Promise<void> {
  await tell({ kind: "failed", code: codeOf(error), message: messageOf(error) });
  await stop(1);
}

process.on("message", (message: ToManager) => {
  switch (message.kind) {
    case "start":
      running = start(message.config);
      running.then(({ manager }) => manager.ready).then(() => tell({ kind: "ready" })).catch(fail);
      break;
    case "identity":
      void running?.then(({ manager, tls }) => { manager.renew(message.identity); tls.renew(message.identity); }).catch(() => {});
      break;
    case "stop":
      void stop(0);
      break;
  }
});
process.on("disconnect", () => void stop(0));
// The terminal's and the service manager's signals go to the whole group; the node process says when to stop.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});
