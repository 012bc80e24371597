import { createHash } from "node:crypto";
import { KeyedLock, SwarmError, backoffMs, codeOf, messageOf, sleep, type Clock, type Logger } from "../../lib/index.js";
import type { Credentials } from "../api/index.js";
import type { RegistryConfig } from "../config.js";
import type { BlobStore } from "../content/blob-store.js";
import type { Reference } from "../images/reference.js";
import { answerChallenge, fingerprint, parseChallenge } from "./auth.js";
import { endpointsOf, registryHostOf, type Endpoint } from "./endpoints.js";
import { HttpClient, readBody, type HttpRequest, type HttpResponse } from "./http.js";
import { manifestTypes, type Descriptor } from "./manifest.js";

export interface RegistryOptions { readonly plainHttp?: boolean; readonly credentials?: Credentials; readonly signal?: AbortSignal }
export interface RegistryClientConfig {
  readonly registries: Readonly<Record<string, RegistryConfig>>;
  readonly log: Logger;
  readonly clock: Clock;
  /** Until a response's headers; 30 s. */
  readonly answerWithinMs?: number;
  /** In which at least 16 KiB of a body arrive or leave; 60 s. */
  readonly stallMs?: number;
}

const attempts = 4;
const manifestMaxBytes = 4 * 1024 * 1024;
const configMaxBytes = 16 * 1024 * 1024;
const tagPages = 100;
const tagsOfPage = 1_000;
const leastBytesPerStall = 16 * 1024;

/** One exchange with one registry. */
interface Ask {
  readonly method: HttpRequest["method"];
  /** Below /v2/<repository>, or a whole address that the registry gave. */
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: HttpRequest["body"];
  readonly scopes: readonly string[];
  /** Statuses beside 2xx that are an answer. */
  readonly accept?: readonly number[];
}

/** The OCI distribution protocol 1.1, both ways. What comes in is verified against its digest. */
export class RegistryClient {
  #http = new HttpClient();
  #authorizations = new Map<string, Promise<string | undefined>>();
  #downloads = new KeyedLock();
  #uploads = new KeyedLock();

  constructor(private readonly config: RegistryClientConfig) {}

  close(): void { this.#http.close(); }

  async manifest(reference: Reference, options: RegistryOptions): Promise<{ digest: string; bytes: Buffer; mediaType: string }> {
    return this.#fromAny(reference, options, async (endpoint) => this.#ask(endpoint, reference, options, { method: "GET", path: `/manifests/${reference.digest ?? reference.tag!}`, headers: { accept: manifestTypes.join(", ") }, scopes: pullScope(reference) }, async (response, alive) => {
      const bytes = await readBody(response, manifestMaxBytes, "its manifest", alive);
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      const claimed = reference.digest ?? headerOf(response, "docker-content-digest") ?? digest;
      if (claimed !== digest) throw new SwarmError("DATA_LOSS", `its manifest does not match its digest: ${claimed} was asked for, ${digest} arrived`);
      return { digest, bytes, mediaType: mediaTypeOf(bytes, headerOf(response, "content-type")) };
    }));
  }

  /** Of the whole repository, in the registry's order: 100,000 at most. */
  async tags(reference: Reference, options: RegistryOptions): Promise<string[]> {
    return this.#fromAny(reference, options, async (endpoint) => {
      const tags = new Set<string>();
      let path: Ask["path"] | undefined = `/tags/list?n=${tagsOfPage}`;
      for (let page = 0, known = -1; path !== undefined && page < tagPages && tags.size > known; page++) {
        known = tags.size;
        path = await this.#ask(endpoint, reference, options, { method: "GET", path, scopes: pullScope(reference) }, async (response, alive) => {
          for (const tag of tagsIn(await readBody(response, manifestMaxBytes, "its list of tags", alive))) tags.add(tag);
          const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(headerOf(response, "link") ?? "")?.[1];
          return next === undefined ? undefined : new URL(next, endpoint.base);
        });
      }
      return [...tags];
    });
  }

  /** A blob that fits in memory, such as a config; nothing is stored. */
  smallBlob(reference: Reference, descriptor: Descriptor, options: RegistryOptions): Promise<Buffer> {
    return this.#fromAny(reference, options, (endpoint) => this.#ask(endpoint, reference, options, { method: "GET", path: `/blobs/${descriptor.digest}`, scopes: pullScope(reference) }, async (response, alive) => {
      const bytes = await readBody(response, configMaxBytes, "its config", alive);
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      if (digest !== descriptor.digest) throw new SwarmError("DATA_LOSS", `its config does not match its digest: ${descriptor.digest} was asked for, ${digest} arrived`);
      return bytes;
    }));
  }

  /** Brings one blob into the store, going on where an earlier try stopped. Two images that share a layer bring it once. */
  blob(reference: Reference, descriptor: Descriptor, store: BlobStore, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<void> {
    return this.#downloads.run(descriptor.digest, () => this.#download(reference, descriptor, store, options, onProgress));
  }

  /** Whether the name and the password (or token) are good for this registry. */
  async login(text: string, credentials: Credentials): Promise<void> {
    const host = registryHostOf(text);
    const subject = `Cannot log in to registry "${host}"`;
    const endpoint = endpointsOf(host, this.config.registries, { credentials }).at(-1)!;
    const signal = AbortSignal.timeout(this.config.answerWithinMs ?? 30_000);
    const ask = async (headers: Record<string, string>): Promise<HttpResponse> => {
      const response = await this.#http.send({ method: "GET", url: new URL(`${endpoint.base}/v2/`), headers, caFile: endpoint.caFile, signal });
      response.body.destroy();
      return response;
    };
    try {
      let { status, headers } = await ask({});
      if (status === 401) {
        const challenge = parseChallenge(headers["www-authenticate"]);
        const answer = challenge && await answerChallenge(challenge, endpoint, [], this.#http, signal);
        if (!answer) throw new SwarmError("UNAUTHENTICATED", `${subject}: user "${credentials.username}" is unauthorized: incorrect username or password`);
        ({ status, headers } = await ask({ authorization: answer }));
      }
      if (status === 401 || status === 403) throw new SwarmError("UNAUTHENTICATED", `${subject}: user "${credentials.username}" is unauthorized: incorrect username or password`);
      if (status !== 200) throw new SwarmError(status >= 500 ? "UNAVAILABLE" : "FAILED_PRECONDITION", `${subject}: it answered with HTTP status ${status}; is it a registry?`);
    } catch (error) {
      if (error instanceof SwarmError && error.message.startsWith(subject)) throw error;
      const failure = this.#networkFailure(error, endpoint, undefined);
      throw new SwarmError(codeOf(failure), `${subject}: ${messageOf(failure)}`, { cause: error });
    }
  }

  /** Whether the registry has a blob in this repository. Never asks mirrors: they are not pushed to. */
  async hasBlob(reference: Reference, digest: string, options: RegistryOptions): Promise<boolean> {
    return this.#toOrigin(reference, options, (endpoint) => this.#ask(endpoint, reference, options, { method: "HEAD", path: `/blobs/${digest}`, scopes: pushScope(reference), accept: [404] }, async ({ status }) => status === 200));
  }

  /**
   * Sends one blob: mounted from another of the registry's repositories where that works, else uploaded in one stream that goes on
   * where it broke. Two pushes of one layer to one repository send it once.
   */
  upload(reference: Reference, blob: { readonly digest: string; readonly sizeBytes: number }, store: BlobStore, from: readonly string[], options: RegistryOptions, onProgress: (bytes: number) => void): Promise<"mounted" | "pushed" | "exists"> {
    return this.#uploads.run(`${reference.name} ${blob.digest}`, async () => {
      if (await this.hasBlob(reference, blob.digest, options)) return "exists";
      for (const repository of from) {
        if (await this.#toOrigin(reference, options, (endpoint) => this.#mount(endpoint, reference, blob.digest, repository, options))) return "mounted";
      }
      const endpoint = this.#originOf(reference, options);
      let upload: URL | undefined;
      let reached = 0;
      let isMonolithic = false;
      for (let failures = 0; ;) {
        try {
          let offset = 0;
          if (upload && !isMonolithic) {
            const known = await this.#uploadedBytes(endpoint, reference, upload, options);
            if (known === undefined) upload = undefined; else offset = known;
          }
          if (!upload) { upload = await this.#ask(endpoint, reference, options, { method: "POST", path: "/blobs/uploads/", headers: { "content-length": "0" }, scopes: pushScope(reference) }, async (response) => locationOf(response)); offset = 0; }
          // Progress since the last failure means that the line works: the count begins again.
          if (offset > reached) { reached = offset; failures = 0; }
          const alive = (bytes: number) => onProgress(bytes);
          if (isMonolithic) {
            await this.#put(endpoint, reference, upload, blob, store, true, options, alive);
          } else {
            const next = offset < blob.sizeBytes || blob.sizeBytes === 0 ? await this.#patch(endpoint, reference, upload, blob, store, offset, options, alive) : upload;
            if (next === undefined) { isMonolithic = true; upload = undefined; continue; }
            upload = next;
            await this.#put(endpoint, reference, upload, blob, store, false, options, alive);
          }
          return "pushed";
        } catch (error) {
          if (options.signal?.aborted) throw new SwarmError("CANCELLED", `Pushing image "${reference.normalized}" was cancelled`, { cause: error });
          this.config.log.debug("an upload to a registry failed", { registry: endpoint.host, digest: blob.digest, failures, error });
          if (codeOf(error) !== "UNAVAILABLE" || ++failures >= attempts) throw this.#told(error, reference, "push");
          if (isMonolithic) upload = undefined;
          await sleep(this.config.clock, backoffMs(failures - 1, { baseMs: 200, maxMs: 5_000 }, Math.random), options.signal);
        }
      }
    });
  }

  async putManifest(reference: Reference, manifest: { readonly bytes: Buffer; readonly mediaType: string }, options: RegistryOptions): Promise<void> {
    await this.#toOrigin(reference, options, (endpoint) => this.#ask(endpoint, reference, options, { method: "PUT", path: `/manifests/${reference.tag!}`, headers: { "content-type": manifest.mediaType }, body: manifest.bytes, scopes: pushScope(reference) }, async () => {}));
  }

  async #download(reference: Reference, descriptor: Descriptor, store: BlobStore, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<void> {
    if (await store.has(descriptor.digest)) return;
    let mismatches = 0;
    await this.#fromAny(reference, options, async (endpoint) => {
      const begun = await store.resume(descriptor);
      const have = begun.offset;
      if (have > descriptor.size) await begun.discard(); else if (have === descriptor.size && await commitWhole(begun, descriptor)) return; else await begun.close();
      const range: Record<string, string> = have > 0 && have < descriptor.size ? { range: `bytes=${have}-` } : {};
      await this.#ask(endpoint, reference, options, { method: "GET", path: `/blobs/${descriptor.digest}`, headers: range, scopes: pullScope(reference) }, async (response, alive) => {
        const writer = await store.resume(descriptor);
        try {
          const start = /^bytes (\d+)-/.exec(headerOf(response, "content-range") ?? "")?.[1];
          if (response.status !== 206 || Number(start) !== writer.offset) await writer.restart();
          for await (const chunk of response.body as AsyncIterable<Buffer>) {
            alive(chunk.length);
            if (writer.offset + chunk.length > descriptor.size) { await writer.discard(); throw new SwarmError("DATA_LOSS", `content is longer than the ${descriptor.size} bytes its manifest names`); }
            await writer.write(chunk);
            onProgress(writer.offset);
          }
          if (writer.offset < descriptor.size) throw new SwarmError("UNAVAILABLE", `the connection ended after ${writer.offset} of ${descriptor.size} bytes`);
          await writer.commit(descriptor);
        } catch (error) {
          // A flipped bit on the way happens; twice the same is the registry.
          if (codeOf(error) === "DATA_LOSS" && ++mismatches < 2) throw new SwarmError("UNAVAILABLE", messageOf(error), { cause: error });
          if (codeOf(error) === "DATA_LOSS") throw new SwarmError("DATA_LOSS", `Cannot pull image "${reference.normalized}": ${messageOf(error)}; registry ${endpoint.host} or something on the way to it is faulty`, { cause: error });
          throw error;
        } finally { await writer.close(); }
      });
    });
  }

  #originOf(reference: Reference, options: RegistryOptions): Endpoint { return endpointsOf(reference.host, this.config.registries, options).at(-1)!; }

  async #mount(endpoint: Endpoint, reference: Reference, digest: string, from: string, options: RegistryOptions): Promise<boolean> {
    const scopes = [...pushScope(reference), `repository:${from}:pull`];
    return this.#ask(endpoint, reference, options, { method: "POST", path: `/blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`, headers: { "content-length": "0" }, scopes, accept: [400, 401, 403, 404, 405] }, async (response) => {
      if (response.status === 201) return true;
      // It began an upload instead, which nobody wants.
      if (response.status === 202) await this.#ask(endpoint, reference, options, { method: "DELETE", path: locationOf(response), scopes, accept: [400, 404, 405] }, async () => {}).catch(() => {});
      return false;
    });
  }

  /** How much of an upload has arrived; undefined: begin anew. */
  #uploadedBytes(endpoint: Endpoint, reference: Reference, upload: URL, options: RegistryOptions): Promise<number | undefined> {
    return this.#ask(endpoint, reference, options, { method: "GET", path: upload, scopes: pushScope(reference), accept: [400, 404, 405, 416] }, async (response) => {
      const last = /^(?:bytes=)?0-(\d+)$/.exec(headerOf(response, "range") ?? "")?.[1];
      // "0-0" is said for nothing and for one byte.
      return response.status === 204 && last !== undefined && last !== "0" ? Number(last) + 1 : undefined;
    });
  }

  /** Where to go on; undefined when this registry takes whole blobs only. */
  #patch(endpoint: Endpoint, reference: Reference, upload: URL, blob: { readonly digest: string; readonly sizeBytes: number }, store: BlobStore, offset: number, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<URL | undefined> {
    const headers = { "content-type": "application/octet-stream", "content-length": String(blob.sizeBytes - offset), ...(blob.sizeBytes > 0 ? { "content-range": `${offset}-${blob.sizeBytes - 1}` } : {}) };
    return this.#ask(endpoint, reference, options, { method: "PATCH", path: upload, headers, body: counted(store.stream(blob.digest, offset), offset, onProgress), scopes: pushScope(reference), accept: [405, 501] }, async (response) => (response.status === 405 || response.status === 501 ? undefined : locationOf(response, upload)));
  }

  async #put(endpoint: Endpoint, reference: Reference, upload: URL, blob: { readonly digest: string; readonly sizeBytes: number }, store: BlobStore, isWhole: boolean, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<void> {
    const url = new URL(upload);
    url.searchParams.set("digest", blob.digest);
    await this.#ask(endpoint, reference, options, {
      method: "PUT", path: url, headers: { "content-type": "application/octet-stream", "content-length": isWhole ? String(blob.sizeBytes) : "0" },
      ...(isWhole ? { body: counted(store.stream(blob.digest), 0, onProgress) } : {}), scopes: pushScope(reference),
    }, async () => {});
  }

  /** Each endpoint in turn, each with retries; the origin's failure is the one that is told. */
  async #fromAny<T>(reference: Reference, options: RegistryOptions, attempt: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    let failure: unknown;
    let missingAt: string | undefined;
    for (const endpoint of endpointsOf(reference.host, this.config.registries, options)) {
      try { return await this.#retry(reference, options, endpoint, endpoint.isMirror ? 1 : missingAt ? 2 : attempts, "pull", attempt); } catch (error) {
        if (codeOf(error) === "CANCELLED") throw error;
        if (endpoint.isMirror && codeOf(error) === "NOT_FOUND") missingAt ??= endpoint.host;
        // A mirror that lacks it, and no registry behind it to ask: that is an answer.
        if (!endpoint.isMirror && missingAt && codeOf(error) === "UNAVAILABLE") throw new SwarmError("NOT_FOUND", `Cannot pull image "${reference.normalized}": image "${reference.repository}${reference.digest ? `@${reference.digest}` : `:${reference.tag}`}" does not exist at mirror ${missingAt}, and ${messageOf(error)}; check the name and the tag`, { cause: error });
        failure = error;
      }
    }
    throw this.#told(failure, reference, "pull");
  }

  async #toOrigin<T>(reference: Reference, options: RegistryOptions, attempt: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const endpoint = this.#originOf(reference, options);
    try { return await this.#retry(reference, options, endpoint, attempts, "push", attempt); } catch (error) { throw this.#told(error, reference, "push"); }
  }

  async #retry<T>(reference: Reference, options: RegistryOptions, endpoint: Endpoint, times: number, verb: "pull" | "push", attempt: (endpoint: Endpoint) => Promise<T>): Promise<T> {
    const cancelled = (cause: unknown) => new SwarmError("CANCELLED", `${verb === "pull" ? "Pulling" : "Pushing"} image "${reference.normalized}" was cancelled`, { cause });
    for (let failures = 0; ;) {
      if (options.signal?.aborted) throw cancelled(options.signal.reason);
      try { return await attempt(endpoint); } catch (error) {
        if (options.signal?.aborted) throw cancelled(error);
        this.config.log.debug("a request to a registry failed", { registry: endpoint.host, failures, error });
        if (codeOf(error) !== "UNAVAILABLE" || ++failures >= times) throw error;
        await sleep(this.config.clock, backoffMs(failures - 1, { baseMs: 200, maxMs: 5_000 }, Math.random), options.signal).catch((reason: unknown) => { throw cancelled(reason); });
      }
    }
  }

  #told(failure: unknown, reference: Reference, verb: "pull" | "push"): unknown {
    const start = `Cannot ${verb} image "${reference.normalized}"`;
    if (!(failure instanceof SwarmError) || failure.code === "CANCELLED" || failure.message.startsWith("Cannot ")) return failure;
    if (failure.code === "UNAVAILABLE") return new SwarmError("UNAVAILABLE", `${start}: ${failure.message} (tried ${attempts} times); check the registry's address and the network`, { cause: failure });
    return new SwarmError(failure.code, `${start}: ${failure.message}`, { cause: failure });
  }

  /** One request with its authentication and its deadlines; `read` has the answer until it returns. */
  async #ask<T>(endpoint: Endpoint, reference: Reference, options: RegistryOptions, ask: Ask, read: (response: HttpResponse, alive: (bytes: number) => void) => Promise<T>): Promise<T> {
    const { clock, answerWithinMs = 30_000, stallMs = 60_000 } = this.config;
    const watchdog = new AbortController();
    const isSending = ask.body !== undefined && !Buffer.isBuffer(ask.body);
    const stalled = () => watchdog.abort(new Error(`less than ${leastBytesPerStall >> 10} KiB went through in ${stallMs / 1000} s`));
    let timer = isSending ? clock.after(stallMs, stalled) : clock.after(answerWithinMs, () => watchdog.abort(new Error(`no answer within ${answerWithinMs / 1000} s`)));
    let bytesSince = 0;
    const alive = (bytes: number) => {
      bytesSince += bytes;
      if (bytesSince < leastBytesPerStall) return;
      bytesSince = 0;
      timer.cancel();
      timer = clock.after(stallMs, stalled);
    };
    const signal = options.signal ? AbortSignal.any([options.signal, watchdog.signal]) : watchdog.signal;
    const url = typeof ask.path === "string" ? new URL(`${endpoint.base}/v2/${reference.repository}${ask.path}`) : ask.path;
    // An upload's address may be another server's (object stores): it is signed by itself.
    const isOwn = url.origin === new URL(endpoint.base).origin;
    const key = `${endpoint.base} ${ask.scopes.join(" ")} ${fingerprint(endpoint.credentials)}`;
    let response: HttpResponse | undefined;
    try {
      for (let round = 0; ; round++) {
        const authorization = isOwn ? await this.#authorizations.get(key) : undefined;
        const body = isSending ? watched(ask.body as AsyncIterable<Uint8Array>, alive) : ask.body;
        response = await this.#http.send({ method: ask.method, url, headers: { ...ask.headers, ...(authorization ? { authorization } : {}) }, ...(body ? { body } : {}), caFile: endpoint.caFile, signal });
        if (response.status !== 401 || round > 0 || !isOwn) break;
        const challenge = parseChallenge(response.headers["www-authenticate"]);
        response.body.resume();
        if (!challenge) break;
        const answer = await this.#authorize(key, () => answerChallenge(challenge, endpoint, ask.scopes, this.#http, signal));
        if (!answer) break;
        if (isSending) throw new SwarmError("UNAVAILABLE", `registry ${endpoint.host} asked for a new login in the middle of an upload`);
      }
      const { status } = response;
      if ((status < 200 || status > 299) && !ask.accept?.includes(status)) {
        const detail = await explainBody(response);
        throw refusal(status, reference, endpoint, ask, detail);
      }
      timer.cancel();
      timer = clock.after(stallMs, stalled);
      return await read(response, alive);
    } catch (error) {
      throw this.#networkFailure(error, endpoint, watchdog.signal.aborted ? watchdog.signal.reason : undefined);
    } finally {
      timer.cancel();
      // What is left of a body is read if it is little, so that the connection can be used again.
      if (response && !response.body.destroyed) { if (response.body.complete || Number(response.headers["content-length"] ?? Infinity) < 64 * 1024 || ask.method === "HEAD") response.body.resume(); else response.body.destroy(); }
    }
  }

  /** Several that need the same token fetch it once. */
  #authorize(key: string, fetch: () => Promise<string | undefined>): Promise<string | undefined> {
    const fetched = fetch();
    this.#authorizations.set(key, fetched);
    const forget = () => { if (this.#authorizations.get(key) === fetched) this.#authorizations.delete(key); };
    void fetched.then((answer) => { if (!answer) forget(); }, forget);
    return fetched;
  }

  #networkFailure(error: unknown, endpoint: Endpoint, watchdogReason: unknown): unknown {
    if (watchdogReason === undefined && (error instanceof SwarmError || isLocalFailure(error))) {
      return error instanceof SwarmError && /^it[s]? /.test(error.message) ? new SwarmError(error.code, `registry ${endpoint.host}: ${error.message}`, { cause: error }) : error;
    }
    const cause = watchdogReason ?? (error as Error).cause ?? error;
    const { code = "" } = cause as NodeJS.ErrnoException;
    if (/CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|ALTNAME/.test(code)) return new SwarmError("FAILED_PRECONDITION", `registry ${endpoint.host} cannot be trusted: ${messageOf(cause)}; name its certificate authority with "ca" in the registry configuration`, { cause: error });
    return new SwarmError("UNAVAILABLE", `registry ${endpoint.host} cannot be reached: ${explain(cause)}`, { cause: error });
  }
}

const pullScope = (reference: Reference) => [`repository:${reference.repository}:pull`];
const pushScope = (reference: Reference) => [`repository:${reference.repository}:pull,push`];
const headerOf = (response: HttpResponse, name: string): string | undefined => { const value = response.headers[name]; return Array.isArray(value) ? value[0] : value; };

/** What an earlier try left is all of it, only not yet said so. */
async function commitWhole(writer: Awaited<ReturnType<BlobStore["resume"]>>, descriptor: Descriptor): Promise<boolean> {
  try { await writer.commit(descriptor); return true; } catch (error) { if (codeOf(error) === "DATA_LOSS") return false; throw error; }
}

function locationOf(response: HttpResponse, fallback?: URL): URL {
  const location = headerOf(response, "location");
  if (location === undefined && fallback) return fallback;
  if (location === undefined || !URL.canParse(location, response.url.href)) throw new SwarmError("FAILED_PRECONDITION", "it names no address to upload to");
  const url = new URL(location, response.url);
  if (!["http:", "https:"].includes(url.protocol) || (response.url.protocol === "https:" && url.protocol !== "https:")) throw new SwarmError("FAILED_PRECONDITION", `it wants uploads to go to ${url.origin}, without TLS`);
  return url;
}

async function* counted(source: AsyncIterable<Uint8Array>, offset: number, onProgress: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  let bytes = offset;
  for await (const chunk of source) { yield chunk; bytes += chunk.length; onProgress(bytes); }
}

async function* watched(source: AsyncIterable<Uint8Array>, alive: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) { yield chunk; alive(chunk.length); }
}

/** What a manifest says of itself, else what its server said. */
function mediaTypeOf(bytes: Buffer, contentType: string | undefined): string {
  try {
    const { mediaType } = JSON.parse(bytes.toString("utf8")) as { mediaType?: unknown };
    if (typeof mediaType === "string") return mediaType;
  } catch { /* refused where it is parsed */ }
  return contentType?.split(";")[0]!.trim() ?? "";
}

/** The registry's own words, if they are few. */
async function explainBody(response: HttpResponse): Promise<string> {
  try {
    const { errors } = JSON.parse((await readBody(response, 64 * 1024, "its answer")).toString("utf8")) as { errors?: { message?: unknown }[] };
    const message = errors?.[0]?.message;
    return typeof message === "string" && message !== "" ? ` (${message.replace(/[\x00-\x1f\x7f]/g, " ").slice(0, 200)})` : "";
  } catch { return ""; }
}

function refusal(status: number, reference: Reference, endpoint: Endpoint, ask: Ask, detail: string): SwarmError {
  const verb = ask.scopes.some((scope) => scope.endsWith(",push")) ? "push" : "pull";
  const start = `Cannot ${verb} image "${reference.normalized}"`;
  if (status === 404 && verb === "pull") return new SwarmError("NOT_FOUND", `${start}: image "${reference.repository}${reference.digest ? `@${reference.digest}` : `:${reference.tag}`}" does not exist at registry ${endpoint.host}; check the name and the tag`);
  if (status === 401 || status === 403) {
    return new SwarmError("PERMISSION_DENIED", endpoint.credentials
      ? `${start}: registry ${endpoint.host} refuses user "${endpoint.credentials.username}"; check the password and the user's rights`
      : verb === "push" ? `${start}: registry ${endpoint.host} wants a login; give credentials` : `${start}: it does not exist at registry ${endpoint.host}, or it needs a login; check the name, or give credentials`);
  }
  if (status === 404 && ask.method === "PATCH") return new SwarmError("UNAVAILABLE", `registry ${endpoint.host} has forgotten the upload`);
  if (status === 429 || status >= 500 || status === 416) return new SwarmError("UNAVAILABLE", `registry ${endpoint.host} answered with HTTP status ${status}${detail}`);
  return new SwarmError("FAILED_PRECONDITION", `${start}: registry ${endpoint.host} answered with HTTP status ${status}${detail}`);
}

/** Our own disk's errors are not the registry's. */
const isLocalFailure = (error: unknown): boolean => ["ENOSPC", "EROFS", "EDQUOT", "EACCES", "EIO", "EMFILE", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "") && (error as NodeJS.ErrnoException).syscall !== "getaddrinfo";

function explain(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "the connection was refused";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name does not resolve";
  if (code === "ECONNRESET" || code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE") return "the connection broke";
  if (code === "EPROTO" || /wrong version number|packet length too long/.test(messageOf(cause))) return "it does not speak TLS; allow plain HTTP for it if that is intended";
  if (code === "ETIMEDOUT") return "no connection could be made in time";
  return messageOf(cause);
}

function tagsIn(bytes: Buffer): string[] {
  let parsed: unknown;
  try { parsed = JSON.parse(bytes.toString()); } catch { /* told below */ }
  const tags = (parsed as { tags?: unknown } | undefined)?.tags ?? [];   // null where all were deleted
  if (typeof parsed !== "object" || parsed === null || !Array.isArray(tags) || !tags.every((tag) => typeof tag === "string" && /^\w[\w.-]{0,127}$/.test(tag))) throw new SwarmError("DATA_LOSS", "its list of tags is not one");
  return tags as string[];
}
