import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { SwarmError } from "../../lib/index.js";
import { Fields } from "../translate/fields.js";
import { versionText } from "./api-version.js";
import { overSocket, type RawConnection } from "./raw-connection.js";
import { HttpError } from "./status.js";

const jsonLimitBytes = 16 * 1024 * 1024;
const jsonWithinMs = 60_000;

/** The connection of a request that asks to upgrade it: Node's parser has left it. `head` is what has come in behind the request's head. */
export interface Upgrade { readonly socket: Duplex; readonly head: Buffer }

export interface ExchangeParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly params: Readonly<Record<string, string>>;
  /** Minor number of the API version that the client speaks. */
  readonly apiMinor: number;
  readonly upgrade?: Upgrade;
}

/** One request and its answer. */
export class Exchange {
  readonly #leaving = new AbortController();

  constructor(private readonly parts: ExchangeParts) {
    parts.response.once("close", () => this.#leaving.abort());
  }

  get request(): IncomingMessage { return this.parts.request; }
  get response(): ServerResponse { return this.parts.response; }
  get upgrade(): Upgrade | undefined { return this.parts.upgrade; }
  get query(): URLSearchParams { return this.parts.query; }
  get apiMinor(): number { return this.parts.apiMinor; }
  get apiVersion(): string { return versionText(this.parts.apiMinor); }
  /** Fires when the client has gone or the answer is complete. */
  get signal(): AbortSignal { return this.#leaving.signal; }

  param(name: string): string { return this.parts.params[name] ?? ""; }
  text(name: string): string { return this.query.get(name) ?? ""; }
  /** Docker's idea of true: anything but "", 0, no, false and none. */
  flag(name: string): boolean { return !["", "0", "no", "false", "none"].includes(this.text(name).trim().toLowerCase()); }
  integer(name: string): number | undefined {
    const text = this.text(name);
    if (text === "") return undefined;
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw new SwarmError("INVALID_ARGUMENT", `Cannot read the request: ${name} must be a whole number, not "${text.slice(0, 80)}"`);
    return value;
  }
  header(name: string): string { const value = this.request.headers[name]; return (Array.isArray(value) ? value[0] : value) ?? ""; }

  async json(): Promise<Fields> { return Fields.parse((await this.#body()).toString("utf8")); }

  /** An upload, read as fast as it is taken. Ends with an error when the client breaks off. */
  async *upload(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of this.request) yield chunk as Buffer;
    } catch (error) {
      throw new SwarmError("CANCELLED", "the client broke off its upload", { cause: error });
    }
  }

  send(status: number, body: unknown, headers: Record<string, string> = {}): void {
    this.sendText(status, `${JSON.stringify(body)}\n`, "application/json", headers);
  }
  sendText(status: number, text: string, contentType: string, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(text), ...headers });
    this.response.end(text);
  }
  sendEmpty(status: number, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, status === 204 || status === 304 ? headers : { "Content-Length": "0", ...headers });
    this.response.end();
  }

  /** The head of an answer that comes bit by bit; it goes out at once. */
  begin(status: number, contentType: string, headers: Record<string, string> = {}): void {
    this.response.writeHead(status, { "Content-Type": contentType, ...headers });
    this.response.flushHeaders();
  }
  /** Resolves when the client has taken enough for more to come; false when it has gone. */
  async write(bytes: Uint8Array | string): Promise<boolean> {
    if (this.signal.aborted) return false;
    if (!this.response.write(bytes)) await once(this.response, "drain", { signal: this.signal }).catch(() => {});
    return !this.signal.aborted;
  }
  async writeAll(parts: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const part of parts) if (!(await this.write(part))) return;
  }
  end(): void { this.response.end(); }

  /**
   * Takes the connection over for raw bytes both ways: 101 where the client asked for an upgrade; else 200 with a body that ends with the connection,
   * and what is left of the request's body as input.
   */
  hijack(contentType: string, protocol = "tcp"): RawConnection {
    const { response, request, upgrade } = this.parts;
    if (upgrade) {
      response.detachSocket(upgrade.socket as Parameters<ServerResponse["detachSocket"]>[0]);
      upgrade.socket.write(`HTTP/1.1 101 UPGRADED\r\nContent-Type: ${contentType}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\nApi-Version: ${versionText(this.apiMinor)}\r\n\r\n`);
      return overSocket(upgrade.socket);
    }
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    this.begin(200, contentType);
    return { input: request, signal: this.signal, write: (bytes) => this.write(bytes), end: () => response.end() };
  }

  async #body(): Promise<Buffer> {
    const declaredBytes = Number(this.header("content-length") || "0");
    if (declaredBytes > jsonLimitBytes) throw tooLarge();
    const bounded = AbortSignal.any([this.signal, AbortSignal.timeout(jsonWithinMs)]);
    const { upgrade, request } = this.parts;
    if (!upgrade) return readAll(request, bounded);
    const body = await readExactly(upgrade, declaredBytes, bounded);
    return body;
  }
}

const tooLarge = () => new HttpError(413, `Cannot read the request's body: it is larger than ${jsonLimitBytes / 1024 / 1024} MiB`);
const late = (error: unknown) => new HttpError(408, `Cannot read the request's body: ${error instanceof Error && error.name === "TimeoutError" ? `it did not come within ${jsonWithinMs / 1000} s` : "the connection broke"}`);

async function readAll(request: IncomingMessage, signal: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      request.off("data", onData).off("end", onEnd).off("error", onFailure);
      signal.removeEventListener("abort", onFailure);
      finish();
    };
    const onFailure = () => settle(() => reject(late(signal.reason)));
    const onEnd = () => settle(() => resolve(Buffer.concat(parts)));
    const onData = (part: Buffer) => {
      size += part.length;
      if (size > jsonLimitBytes) return settle(() => { request.resume(); reject(tooLarge()); });
      parts.push(part);
      // A client that keeps its body open for what is typed later sends its JSON first (exec start without an upgrade).
      if (isOpenEnded(request) && isWholeJson(parts)) settle(() => { request.pause(); resolve(Buffer.concat(parts)); });
    };
    request.on("data", onData).on("end", onEnd).on("error", onFailure);
    signal.addEventListener("abort", onFailure, { once: true });
    if (signal.aborted) onFailure();
  });
}

const isOpenEnded = (request: IncomingMessage) => request.headers["content-length"] === undefined && /\/exec\/[^/]+\/start$/.test((request.url ?? "").split("?")[0]!);

function isWholeJson(parts: readonly Buffer[]): boolean {
  const text = Buffer.concat(parts).toString("utf8").trimEnd();
  if (!text.endsWith("}") || text.length > 65_536) return false;
  try { JSON.parse(text); return true; } catch { return false; }
}

/** The body of a request that asked for an upgrade is partly in what the parser had read already; what is behind it belongs to the stream. */
async function readExactly({ socket, head }: Upgrade, length: number, signal: AbortSignal): Promise<Buffer> {
  let all = head;
  while (all.length < length) {
    const part = socket.read() as Buffer | null;
    if (part) { all = Buffer.concat([all, part]); continue; }
    if (socket.readableEnded || socket.destroyed) throw late(undefined);
    await once(socket, "readable", { signal }).catch(() => { throw late(signal.reason); });
  }
  if (all.length > length) socket.unshift(all.subarray(length));
  return all.subarray(0, length);
}
