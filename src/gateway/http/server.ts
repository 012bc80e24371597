import { createServer, ServerResponse, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { messageOf, type Logger } from "../../lib/index.js";
import { newestMinor, splitVersion, versionText } from "./api-version.js";
import { Exchange, type Upgrade } from "./exchange.js";
import type { Router } from "./router.js";
import { errorBody, HttpError, statusOf } from "./status.js";

const headersWithinMs = 30_000;
/** docker-py and Go's client keep connections and would have to repeat a request whose connection was closed under it. */
const idleConnectionMs = 300_000;
const headersLimitBytes = 128 * 1024;
const connectionsLimit = 4_096;

export interface ServerOptions {
  readonly router: Router;
  readonly log: Logger;
  readonly serverName: string;
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

const dropBodyWithinMs = 30_000;
const dropBodyIdleMs = 1_000;

/** Reads what is still to come and forgets it, while it comes. */
function dropBody(request: IncomingMessage): void {
  const idle = setTimeout(() => request.destroy(), dropBodyIdleMs);
  const late = setTimeout(() => request.destroy(), dropBodyWithinMs);
  const done = () => { clearTimeout(idle); clearTimeout(late); };
  request.on("data", () => idle.refresh()).once("close", done).once("end", done);
}

/** An HTTP server that answers with the router's routes: bounded heads, Docker's headers and errors, connections that can be taken over. */
export function newHttpServer({ router, log, serverName, tls }: ServerOptions): Server {
  const answer = async (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): Promise<void> => {
    response.setHeader("Api-Version", versionText(newestMinor));
    response.setHeader("Docker-Experimental", "false");
    response.setHeader("Ostype", "linux");
    response.setHeader("Server", serverName);
    try {
      const url = request.url ?? "/";
      const at = url.indexOf("?");
      const { minor, rest } = splitVersion(at < 0 ? url : url.slice(0, at));
      const { route, params } = router.match(request.method ?? "GET", rest);
      if (upgrade && !route.isHijack) throw new HttpError(400, `Cannot upgrade the connection: ${request.method} ${rest} does not offer that`);
      await route.handle(new Exchange({ request, response, path: rest, query: new URLSearchParams(at < 0 ? "" : url.slice(at + 1)), params, apiMinor: minor, ...(upgrade ? { upgrade } : {}) }));
    } catch (error) { fail(request, response, error, upgrade); }
  };
  const fail = (request: IncomingMessage, response: ServerResponse, error: unknown, upgrade: Upgrade | undefined): void => {
    const status = statusOf(error);
    const about = { method: request.method, path: (request.url ?? "").split("?")[0], error };
    if (status === 500) log.warn("a request failed", about); else log.debug("a request was refused", { ...about, status });
    // What is half said cannot be taken back: the connection breaks, so that nobody takes it for whole.
    if (response.headersSent || response.destroyed) { response.destroy(); return; }
    const body = request.method === "HEAD" ? "" : errorBody(error);
    response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
    response.end(body);
  };
  const listener: RequestListener = (request, response) => {
    // An answer may be complete before its request is (a build's context behind its end mark): unread bytes would keep the connection, and hide that the client has left it.
    response.once("finish", () => { if (!request.complete) dropBody(request); });
    // A client that vanishes is no failure of ours; whoever answers sees the exchange's signal.
    request.on("error", () => {});
    response.on("error", () => {});
    void answer(request, response);
  };
  const options = { maxHeaderSize: headersLimitBytes, headersTimeout: headersWithinMs, requestTimeout: 0, keepAliveTimeout: idleConnectionMs, connectionsCheckingInterval: 5_000, allowHalfOpen: true };
  const server = tls
    ? createTlsServer({ ...options, ca: tls.ca, cert: tls.cert, key: tls.key, requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2", handshakeTimeout: 10_000, ALPNProtocols: ["http/1.1"] }, listener)
    : createServer(options, listener);
  server.maxConnections = connectionsLimit;
  server.on("checkContinue", (request, response) => { response.writeContinue(); server.emit("request", request, response); });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on("error", (error) => log.debug("a client's connection broke", { error: messageOf(error) }));
    const response = new ServerResponse(request);
    response.on("error", () => {});
    // Said to be kept, closed all the same: the docker command overlooks the status of a refusal that says "Connection: close".
    response.shouldKeepAlive = true;
    response.assignSocket(socket as Socket);
    response.once("finish", () => { response.detachSocket(socket as Socket); socket.end(); socket.resume(); setTimeout(() => socket.destroy(), 1_000).unref(); });
    void answer(request, response, { socket, head });
  });
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    log.debug("a client sent no valid HTTP", { error: messageOf(error) });
    if (!socket.writable || error.code === "ECONNRESET") { socket.destroy(); return; }
    const [status, text] = error.code === "HPE_HEADER_OVERFLOW" ? ["431 Request Header Fields Too Large", `the request's headers are larger than ${headersLimitBytes / 1024} KiB`]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT" ? ["408 Request Timeout", "the request did not come in time"] : ["400 Bad Request", "this is not a valid HTTP request"];
    const body = errorBody(new Error(`Cannot read the request: ${text}`));
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`);
    setTimeout(() => socket.destroy(), 1_000).unref();
  });
  if (tls) server.on("tlsClientError", (error: Error) => log.debug("a TLS connection was refused", { error: messageOf(error) }));
  return server;
}
