import { SwarmError } from "../../lib/index.js";
import type { AttachOptions, ContainerDetails } from "../../engine/index.js";
import { WebSocketServer, type WebSocket } from "ws";
import { PassThrough } from "node:stream";
import type { Socket } from "node:net";
import { findContainer, type GatewayContext } from "../context.js";
import type { Exchange } from "../http/exchange.js";
import type { RawConnection } from "../http/raw-connection.js";
import type { Route } from "../http/router.js";
import { HttpError } from "../http/status.js";
import { parseDetachKeys } from "../streams/detach-keys.js";
import { contentTypeOf } from "../streams/frames.js";
import { joinStreams } from "../streams/join.js";
import { parseTimeNs } from "../translate/human.js";

const webSocketLimitBytes = 1024 * 1024;

/** logs, attach, attach/ws. */
export function streamRoutes(context: GatewayContext): Route[] {
  return [
    { method: "GET", path: "/containers/{id}/logs", handle: (exchange) => logs(context, exchange) },
    { method: "POST", path: "/containers/{id}/attach", isHijack: true, handle: (exchange) => attach(context, exchange) },
    { method: "GET", path: "/containers/{id}/attach/ws", isHijack: true, handle: (exchange) => attachWebSocket(context, exchange) },
  ];
}

async function logs(context: GatewayContext, exchange: Exchange): Promise<void> {
  const [stdout, stderr] = [exchange.flag("stdout"), exchange.flag("stderr")];
  if (!stdout && !stderr) throw new SwarmError("INVALID_ARGUMENT", "Bad parameters: you must choose at least one stream");
  const details = await findContainer(context, exchange.param("id"));
  const time = (name: string) => {
    const at = parseTimeNs(exchange.text(name) === "0" ? "" : exchange.text(name), context.clock.now());
    if (at === "invalid") throw new SwarmError("INVALID_ARGUMENT", `invalid value for "${name}": "${exchange.text(name).slice(0, 60)}" is no time`);
    return at;
  };
  const [sinceNs, untilNs] = [time("since"), time("until")];
  const tail = exchange.text("tail");
  const frames = context.engine.logFrames(details.id, {
    follow: exchange.flag("follow"), stdout, stderr, timestamps: exchange.flag("timestamps"), details: exchange.flag("details"), signal: exchange.signal, ...(sinceNs === undefined ? {} : { sinceNs }), ...(untilNs === undefined ? {} : { untilNs }),
    // Anything but a number is "all", as in Docker.
    ...(/^\d+$/.test(tail) ? { tail: Number(tail) } : {}),
  })[Symbol.asyncIterator]();
  // What can be refused is refused before the head goes out; the first line of a silent container may take for ever.
  const first = frames.next();
  first.catch(() => {});
  const isEarly = await Promise.race([first.then(() => true), new Promise<false>((resolve) => setImmediate(() => resolve(false)))]);
  if (isEarly) await first;
  exchange.begin(200, contentTypeOf(details.config.tty ?? false, exchange.apiMinor));
  // The next piece is read and framed while the client takes this one.
  for (let next = await first; !next.done;) {
    const coming = frames.next();
    coming.catch(() => {});
    if (!(await exchange.write(next.value))) { await coming.catch(() => {}); await frames.return?.(undefined); return; }
    next = await coming;
  }
  exchange.end();
}

async function attach(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { details, options, isStream, detachKeys } = await attachOptions(context, exchange);
  const isTty = details.config.tty ?? false;
  const contentType = contentTypeOf(isTty, exchange.apiMinor);
  if (!isStream) return replay(context, details, options, exchange.hijack(contentType));
  const streams = await context.engine.attach(details.id, options);
  await joinStreams(exchange.hijack(contentType), streams, {
    hasStdin: options.stdin, isMultiplexed: !isTty, ...(isTty ? { detachKeys } : {}), onDetach: () => publishDetach(context, details),
  });
}

async function attachOptions(context: GatewayContext, exchange: Exchange): Promise<{ details: ContainerDetails; options: AttachOptions; isStream: boolean; detachKeys: Buffer }> {
  const detachKeys = parseDetachKeys(exchange.text("detachKeys"));
  const details = await findContainer(context, exchange.param("id"));
  if (details.isPaused) throw new SwarmError("FAILED_PRECONDITION", `container ${exchange.param("id")} is paused, unpause the container before attach`);
  if (details.isRestarting) throw new SwarmError("FAILED_PRECONDITION", `container ${exchange.param("id")} is restarting, wait until the container is running`);
  const options = { stdin: exchange.flag("stdin") && (details.config.openStdin ?? false), stdout: exchange.flag("stdout"), stderr: exchange.flag("stderr"), logs: exchange.flag("logs") };
  return { details, options, isStream: exchange.flag("stream"), detachKeys };
}

/** What was printed so far, and nothing live. */
async function replay(context: GatewayContext, details: ContainerDetails, options: AttachOptions, connection: RawConnection): Promise<void> {
  if (options.logs) {
    for await (const bytes of context.engine.logFrames(details.id, { stdout: options.stdout, stderr: options.stderr, signal: connection.signal })) if (!(await connection.write(bytes))) break;
  }
  connection.end();
}

function publishDetach({ engine }: GatewayContext, details: ContainerDetails): void {
  engine.events.publish({ type: "container", action: "detach", actorId: details.id, attributes: { ...details.labels, image: details.image, name: details.name } });
}

/** A browser's way to attach: raw bytes in binary messages, stdout and stderr together. */
async function attachWebSocket(context: GatewayContext, exchange: Exchange): Promise<void> {
  const { upgrade, request, response } = exchange;
  if (!upgrade || request.headers.upgrade?.toLowerCase() !== "websocket") throw new HttpError(400, "Cannot attach: this path speaks WebSocket only; send Upgrade: websocket");
  const { details, options, detachKeys } = await attachOptions(context, exchange);
  const isAnyNamed = ["stdin", "stdout", "stderr"].some((name) => exchange.query.has(name));
  const streams = await context.engine.attach(details.id, isAnyNamed ? options : { ...options, stdin: details.config.openStdin ?? false, stdout: true, stderr: true });
  response.detachSocket(upgrade.socket as Socket);
  const server = new WebSocketServer({ noServer: true, maxPayload: webSocketLimitBytes, perMessageDeflate: false });
  const socket = await new Promise<WebSocket>((resolve) => server.handleUpgrade(request, upgrade.socket as Socket, upgrade.head, resolve));
  await joinStreams(overWebSocket(socket), streams, { hasStdin: true, isMultiplexed: false, ...(details.config.tty ? { detachKeys } : {}), onDetach: () => publishDetach(context, details) });
}

function overWebSocket(socket: WebSocket): RawConnection {
  const leaving = new AbortController();
  const input = new PassThrough();
  socket.on("message", (data: Buffer) => { if (!input.write(data)) { socket.pause(); input.once("drain", () => socket.resume()); } });
  socket.on("error", () => {});
  socket.once("close", () => { input.end(); leaving.abort(); });
  return {
    input, signal: leaving.signal,
    async write(bytes) {
      if (leaving.signal.aborted) return false;
      await new Promise<void>((resolve) => socket.send(bytes, { binary: true }, () => resolve()));
      return !leaving.signal.aborted;
    },
    end: () => socket.close(1000),
  };
}
