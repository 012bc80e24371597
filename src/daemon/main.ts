import { join } from "node:path";
import { SwarmError, createLogger, messageOf, systemClock } from "../lib/index.js";
import { openEngine } from "../engine/index.js";
import { startGateway } from "../gateway/index.js";
import { listenUnix, localAuthorize, newServer, serviceDefinition } from "../rpc/index.js";
import { watchEventLoop } from "./event-loop.js";
import { LocalNode } from "./local-node.js";
import { lockStateDir } from "./lock.js";
import { parseArguments, resolveOptions, type Config } from "./options.js";

/** swarmd: reads its options, builds everything, and runs until SIGTERM or SIGINT. Resolves with the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    const options = await parseArguments(argv);
    if (!options) return 0;
    return await serve(resolveOptions(options));
  } catch (error) {
    process.stderr.write(`swarmd: ${error instanceof SwarmError ? error.message : error instanceof Error ? error.stack : String(error)}\n`);
    return error instanceof SwarmError && error.code === "INVALID_ARGUMENT" ? 2 : 1;
  }
}

async function serve(config: Config): Promise<number> {
  const log = createLogger({ level: config.logLevel });
  if (process.getuid?.() !== 0) throw new SwarmError("PERMISSION_DENIED", `Cannot start as user ${process.getuid?.()}: containers and networks take root; run it with sudo`);
  const unlock = lockStateDir(config.stateDir);
  const stopWatching = watchEventLoop(log.with({ process: "node" }));
  const engine = await openEngine({
    stateDir: join(config.stateDir, "engine"), runDir: join(config.runDir, "engine"), cgroupParent: config.cgroupParent, runtime: config.runtime, ...(config.storageDriver ? { storageDriver: config.storageDriver } : {}), registries: config.registries,
    log, clock: systemClock, monitorPath: config.monitorPath,
  });
  const gateway = await startGateway({ engine, log, clock: systemClock, version: config.version, hostname: config.hostname, isDebug: config.logLevel === "debug", ...config.docker });
  const node = new LocalNode({ config, engine, acceptManager: (socket) => gateway.accept(socket), clock: systemClock, log, random: Math.random });
  await node.resume();

  const server = newServer();
  server.addService(serviceDefinition("LocalNode"), node.handlers(localAuthorize));
  const listener = await listenUnix({ path: join(config.runDir, "swarmd.sock"), server, log });
  log.info("swarmd is ready", { version: config.version, socket: join(config.runDir, "swarmd.sock"), docker: gateway.addresses, state: config.stateDir });

  const signal = await new Promise<NodeJS.Signals>((resolve) => { for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, resolve); });
  log.info("stopping; containers go on", { signal });
  const failures: unknown[] = [];
  for (const end of [() => listener.close(1_000), () => gateway.close(1_000), () => node.close(), () => engine.close()]) await end().catch((error: unknown) => failures.push(error));
  for (const failure of failures) log.error("stopping failed", { error: messageOf(failure) });
  stopWatching();
  unlock();
  return failures.length > 0 ? 1 : 0;
}
