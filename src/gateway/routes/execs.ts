import { SwarmError, codeOf, messageOf } from "../../lib/index.js";
import type { ExecState, ProcessStreams } from "../../engine/index.js";
import { findContainer, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { RawConnection } from "../http/raw-connection.js";
import type { Route } from "../http/router.js";
import { parseDetachKeys } from "../streams/detach-keys.js";
import { contentTypeOf, frame } from "../streams/frames.js";
import { joinStreams } from "../streams/join.js";
import { sizeOf } from "./containers.js";

export function execRoutes(context: GatewayContext): Route[] {
  const { engine } = context;
  return [
    {
      method: "POST", path: "/containers/{id}/exec", handle: async (exchange) => {
        const details = await findContainer(context, exchange.param("id"));
        const body = await exchange.json();
        const command = body.command("Cmd") ?? [];
        if (command.length === 0) throw new SwarmError("INVALID_ARGUMENT", "No exec command specified");
        if (details.isPaused) throw new SwarmError("FAILED_PRECONDITION", `container ${exchange.param("id")} is paused, unpause the container before exec`);
        if (details.phase !== "running") throw new SwarmError("FAILED_PRECONDITION", `container ${details.id} is not running`);
        const detachKeys = body.text("DetachKeys") || undefined;
        if (detachKeys) parseDetachKeys(detachKeys);
        const id = await engine.execs.create({
          containerId: details.id, command, env: body.texts("Env") ?? [], user: body.text("User") || undefined, workdir: body.text("WorkingDir") || undefined, privileged: body.boolean("Privileged") ?? false,
          tty: body.boolean("Tty") ?? false, attachStdin: body.boolean("AttachStdin") ?? false, attachStdout: body.boolean("AttachStdout") ?? false, attachStderr: body.boolean("AttachStderr") ?? false, detachKeys,
        });
        exchange.send(201, { Id: id });
      },
    },
    { method: "POST", path: "/exec/{id}/start", isHijack: true, handle: (exchange) => start(context, exchange) },
    {
      method: "POST", path: "/exec/{id}/resize", handle: async (exchange) => {
        const size = { rows: sizeOf(exchange, "h"), columns: sizeOf(exchange, "w") };
        const { id } = findExec(context, exchange.param("id"));
        await engine.execs.resize(id, size);
        exchange.sendEmpty(200);
      },
    },
    { method: "GET", path: "/exec/{id}/json", handle: async (exchange) => exchange.send(200, execJson(findExec(context, exchange.param("id")))) },
  ];
}

function findExec({ engine }: GatewayContext, id: string): ExecState {
  try { return engine.execs.inspect(id); } catch (error) {
    throw codeOf(error) === "NOT_FOUND" ? new SwarmError("NOT_FOUND", `No such exec instance: ${id}`, { cause: error }) : error;
  }
}

async function start(context: GatewayContext, exchange: Exchange): Promise<void> {
  const state = findExec(context, exchange.param("id"));
  const body = await exchange.json();
  const isDetached = body.boolean("Detach") ?? false;
  const tty = body.boolean("Tty") ?? state.config.tty;
  const consoleSize = body.raw("ConsoleSize");
  if (consoleSize !== undefined && !(Array.isArray(consoleSize) && consoleSize.length === 2 && consoleSize.every((n) => Number.isSafeInteger(n) && n >= 0))) {
    throw new SwarmError("INVALID_ARGUMENT", "Cannot read the request's body: ConsoleSize must be two whole numbers, [height, width]");
  }
  const [rows = 0, columns = 0] = (consoleSize ?? []) as number[];
  const detachKeys = parseDetachKeys(state.config.detachKeys ?? "");
  const hijack = (): RawConnection => exchange.hijack(contentTypeOf(state.config.tty, exchange.apiMinor));
  const starting = context.engine.execs.start(state.id, { tty, isDetached, ...(rows > 0 && columns > 0 ? { size: { rows, columns } } : {}) });
  let connection: RawConnection | undefined;
  let streams: ProcessStreams | undefined;
  try {
    if (!isDetached) {
      // The head goes out before the command begins: docker-py loses what comes together with it (src/gateway/http/raw-connection.ts). What cannot be started at all is known at once, and has a status.
      await Promise.race([starting, new Promise((resolve) => { setImmediate(resolve); })]);
      connection = hijack();
    }
    streams = await starting;
  } catch (error) {
    // A command that could not be started has ended: its client reads why in the stream, and the exit code from the exec.
    const hasEnded = state.exitCode === undefined && findExec(context, state.id).exitCode !== undefined;
    if (isDetached || (!connection && !hasEnded)) throw error;
    connection ??= hijack();
    const words = Buffer.from(`${messageOf(error)}\r\n`);
    await connection.write(state.config.tty ? words : frame("stderr", words));
    connection.end();
    return;
  }
  if (!connection || !streams) {
    streams?.close();
    if (connection) connection.end(); else exchange.sendEmpty(200);
    return;
  }
  await joinStreams(connection, streams, {
    hasStdin: state.config.attachStdin, isMultiplexed: !streams.isTty, ...(streams.isTty ? { detachKeys } : {}),
    onDetach: () => context.engine.events.publish({ type: "container", action: "exec_detach", actorId: state.config.containerId, attributes: { execID: state.id } }),
  });
}

function execJson({ id, config, isRunning, exitCode, pid }: ExecState): object {
  const [entrypoint = "", ...args] = config.command;
  return {
    ID: id, Running: isRunning, ExitCode: exitCode ?? null, ProcessConfig: { tty: config.tty, entrypoint, arguments: args, privileged: config.privileged ?? false, ...(config.user ? { user: config.user } : {}) },
    OpenStdin: config.attachStdin, OpenStderr: config.attachStderr, OpenStdout: config.attachStdout, CanRemove: !isRunning && exitCode !== undefined, ContainerID: config.containerId, DetachKeys: config.detachKeys ?? "", Pid: pid,
  };
}
