import { request, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from "node:http";
import { pipeline } from "node:stream/promises";
import type { Duplex, Readable } from "node:stream";
import { SwarmError, messageOf, type ErrorCode } from "../../lib/index.js";

export interface DockerRequest {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A connection that has left HTTP: bytes both ways; ending it closes the sending side only. */
export interface Hijacked { readonly socket: Duplex; readonly head: Buffer; readonly isRaw: boolean }

const apiVersion = "/v1.47";

const codes: Readonly<Record<number, ErrorCode>> = {
  400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 405: "UNIMPLEMENTED", 409: "FAILED_PRECONDITION", 501: "UNIMPLEMENTED", 503: "UNAVAILABLE",
};

/** One host's engine over its Docker REST API, the same that `docker` speaks. Refusals become SwarmErrors with the engine's own sentence. */
export class DockerClient {
  constructor(readonly socketPath: string) {}

  async json<T>(method: string, path: string, options: DockerRequest = {}): Promise<T> {
    const response = await this.stream(method, path, options);
    const text = (await bytesOf(response)).toString("utf8");
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The answer's body, as it comes. */
  stream(method: string, path: string, options: DockerRequest = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const outgoing = request(this.#options(method, path, options), (response) => settle(response, resolve, reject));
      outgoing.on("error", (error) => reject(this.#broken(error)));
      outgoing.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    });
  }

  /** Sends a body of any length, no faster than it is taken. */
  upload(method: string, path: string, source: Readable | AsyncIterable<Uint8Array>, options: DockerRequest = {}): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      let isAnswered = false;
      const outgoing = request(this.#options(method, path, { ...options, headers: { "content-type": "application/x-tar", ...options.headers } }), (response) => {
        isAnswered = true;
        // Who has answered to the end reads no more of it: a refusal in mid-upload, whose rest would wait for ever.
        response.once("end", () => { if (!outgoing.writableFinished) outgoing.destroy(); });
        settle(response, resolve, reject);
      });
      // That the rest cannot be sent then is no news.
      outgoing.on("error", (error) => { if (!isAnswered) reject(this.#broken(error)); });
      pipeline(source, outgoing).catch((error: unknown) => { if (!isAnswered) { outgoing.destroy(); reject(error instanceof SwarmError ? error : this.#broken(error)); } });
    });
  }

  hijack(path: string, options: DockerRequest = {}): Promise<Hijacked> {
    return new Promise((resolve, reject) => {
      const body = options.body === undefined ? "" : JSON.stringify(options.body);
      const outgoing = request(this.#options("POST", path, { ...options, headers: { connection: "Upgrade", upgrade: "tcp", "content-length": String(Buffer.byteLength(body)), ...options.headers } }));
      outgoing.on("error", (error) => reject(this.#broken(error)));
      outgoing.on("response", (response) => settle(response, () => reject(new SwarmError("INTERNAL", `The daemon at "${this.socketPath}" did not open a stream for ${path}`)), reject));
      outgoing.on("upgrade", (response, socket, head) => resolve({ socket, head, isRaw: response.headers["content-type"] === "application/vnd.docker.raw-stream" }));
      outgoing.end(body);
    });
  }

  #options(method: string, path: string, { query, body, headers, signal }: DockerRequest): RequestOptions {
    const search = new URLSearchParams(Object.entries(query ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)] as [string, string]]))).toString();
    return {
      socketPath: this.socketPath, method, path: `${apiVersion}${path}${search ? `?${search}` : ""}`, agent: false,
      headers: { host: "skein", ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers }, ...(signal ? { signal } : {}),
    };
  }

  #broken(error: unknown): SwarmError {
    if ((error as { name?: string }).name === "AbortError") return new SwarmError("CANCELLED", "Interrupted.", { cause: error });
    return new SwarmError("UNAVAILABLE", `The daemon at "${this.socketPath}" cannot be reached: ${messageOf(error)}; see its log.`, { cause: error });
  }
}

function settle(response: IncomingMessage, resolve: (response: IncomingMessage) => void, reject: (error: unknown) => void): void {
  const status = response.statusCode ?? 0;
  if (status < 400) { resolve(response); return; }
  bytesOf(response).then((bytes) => reject(refusalOf(status, bytes.toString("utf8"), response.headers)), reject);
}

function refusalOf(status: number, text: string, headers: IncomingHttpHeaders): SwarmError {
  let message = text.trim();
  if (/json/.test(headers["content-type"] ?? "")) try { message = (JSON.parse(text) as { message?: string }).message ?? message; } catch { /* shown as it is */ }
  return new SwarmError(codes[status] ?? "INTERNAL", message || `The daemon answered with status ${status}`);
}

export async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

/** JSON values, one a line or none between them a newline, as Docker's streams have them. */
export async function* jsonLines<T>(stream: AsyncIterable<Uint8Array>): AsyncGenerator<T> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const part of stream) {
    rest += decoder.decode(part, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop()!;
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as T;
  }
  if (rest.trim() !== "") yield JSON.parse(rest) as T;
}

/** Docker's filters parameter of --filter KEY=VALUE flags. */
export const filtersParameter = (filters: readonly { key: string; value: string }[]): string | undefined => {
  const lists: Record<string, string[]> = {};
  for (const { key, value } of filters) (lists[key] ??= []).push(value);
  return filters.length === 0 ? undefined : JSON.stringify(lists);
};
