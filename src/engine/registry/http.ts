import { readFileSync } from "node:fs";
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { rootCertificates } from "node:tls";
import { SwarmError } from "../../lib/index.js";
import { feed } from "../content/feed.js";

export interface HttpRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** A stream needs a content-length among the headers. */
  readonly body?: Buffer | AsyncIterable<Uint8Array>;
  /** PEM file with the registry's own certificate authority, trusted beside the public ones. */
  readonly caFile?: string | undefined;
  readonly signal: AbortSignal;
}

export interface HttpResponse { readonly status: number; readonly headers: IncomingHttpHeaders; readonly url: URL; readonly body: IncomingMessage }

const redirectsAtMost = 5;

/** HTTP as registries need it: streams both ways, private CAs, redirects that carry no credentials elsewhere. Connections are kept and shared. */
export class HttpClient {
  #plain = new HttpAgent({ keepAlive: true, maxFreeSockets: 8 });
  #secure = new Map<string, HttpsAgent>();   // by CA file

  /** Follows redirects of GET and HEAD. The caller reads the body to its end or destroys it. */
  async send(request: HttpRequest): Promise<HttpResponse> {
    let { url, headers = {} } = request;
    for (let redirects = 0; ; redirects++) {
      const response = await this.#once({ ...request, url, headers });
      const location = response.headers.location;
      const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined && (request.method === "GET" || request.method === "HEAD");
      if (!isRedirect) return response;
      response.body.destroy();
      if (redirects === redirectsAtMost) throw new SwarmError("FAILED_PRECONDITION", `it redirects again and again (more than ${redirectsAtMost} times, last to ${new URL(location, url).origin})`);
      if (!URL.canParse(location, url.href)) throw new SwarmError("FAILED_PRECONDITION", "it redirects to something that is no address");
      const next = new URL(location, url);
      if (url.protocol === "https:" && next.protocol !== "https:") throw new SwarmError("FAILED_PRECONDITION", `it redirects from TLS to ${next.origin}, without TLS`);
      if (next.protocol !== "https:" && next.protocol !== "http:") throw new SwarmError("FAILED_PRECONDITION", `it redirects to "${next.protocol}"`);
      if (next.origin !== url.origin) { const { authorization, ...kept } = headers; headers = kept; }
      url = next;
    }
  }

  close(): void {
    this.#plain.destroy();
    for (const agent of this.#secure.values()) agent.destroy();
  }

  #once(request: HttpRequest): Promise<HttpResponse> {
    const { method, url, headers, body, signal } = request;
    const isSecure = url.protocol === "https:";
    const options: RequestOptions = { method, headers: { ...headers, ...(Buffer.isBuffer(body) ? { "content-length": String(body.length) } : {}) }, signal, agent: isSecure ? this.#agentFor(request.caFile) : this.#plain };
    return new Promise((resolve, reject) => {
      const outgoing: ClientRequest = (isSecure ? httpsRequest : httpRequest)(url, options);
      outgoing.on("error", reject);
      outgoing.on("response", (incoming) => {
        incoming.on("error", () => {});   // the reader hears of it; nobody reading is no crash
        resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, url, body: incoming });
      });
      if (body === undefined || Buffer.isBuffer(body)) outgoing.end(body);
      // A refusal may come before the whole body went out: then the answer counts, not the broken pipe.
      else void feed(body, outgoing).catch((error: unknown) => { if (!outgoing.destroyed) outgoing.destroy(error as Error); reject(error); });
    });
  }

  #agentFor(caFile: string | undefined): HttpsAgent {
    const key = caFile ?? "";
    let agent = this.#secure.get(key);
    if (!agent) {
      let own: string | undefined;
      try { own = caFile && readFileSync(caFile, "utf8"); } catch (error) { throw new SwarmError("FAILED_PRECONDITION", `its CA file "${caFile}" cannot be read (${(error as Error).message}); see the registry configuration`, { cause: error }); }
      agent = new HttpsAgent({ keepAlive: true, maxFreeSockets: 8, ...(own ? { ca: [...rootCertificates, own] } : {}) });
      this.#secure.set(key, agent);
    }
    return agent;
  }
}

/** A whole body of bounded size. */
export async function readBody(response: HttpResponse, maxBytes: number, what: string, alive: (bytes: number) => void = () => {}): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    alive(chunk.length);
    size += chunk.length;
    if (size > maxBytes) { response.body.destroy(); throw new SwarmError("INVALID_ARGUMENT", `${what} is larger than ${maxBytes >= 1 << 20 ? `${maxBytes >> 20} MiB` : `${maxBytes >> 10} KiB`}`); }
    parts.push(chunk);
  }
  if (!response.body.complete) throw new SwarmError("UNAVAILABLE", "the connection ended in the middle of an answer");
  return Buffer.concat(parts);
}
