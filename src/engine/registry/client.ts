import { createHash } from "node:crypto";
import { SwarmError, backoffMs, codeOf, messageOf, sleep, type Clock, type Logger } from "../../lib/index.js";
import type { RegistryConfig } from "../config.js";
import type { BlobStore } from "../content/blob-store.js";
import type { Reference } from "../images/reference.js";
import { KeyedLock } from "../keyed-lock.js";
import { answerChallenge, parseChallenge } from "./auth.js";
import { endpointsOf, type Credentials, type Endpoint } from "./endpoints.js";
import { manifestTypes, type Descriptor } from "./manifest.js";

export interface RegistryOptions { readonly plainHttp?: boolean; readonly credentials?: Credentials; readonly signal?: AbortSignal }

const attempts = 4;
const answerWithinMs = 30_000;      // until a response's headers
const stallMs = 60_000;             // between two pieces of a body
const manifestMaxBytes = 4 * 1024 * 1024;

/** Pull side of the OCI distribution protocol 1.1. What comes out is verified against its digest. */
export class RegistryClient {
  #authorizations = new Map<string, string>();
  #downloads = new KeyedLock();

  constructor(private readonly config: { registries: Readonly<Record<string, RegistryConfig>>; log: Logger; clock: Clock }) {}

  async manifest(reference: Reference, options: RegistryOptions): Promise<{ digest: string; bytes: Buffer }> {
    const wanted = reference.digest ?? reference.tag!;
    return this.#fromAny(reference, options, `/manifests/${wanted}`, async (response, _endpoint, alive) => {
      const parts: Buffer[] = [];
      let size = 0;
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        alive();
        size += chunk.length;
        if (size > manifestMaxBytes) throw new SwarmError("INVALID_ARGUMENT", `Cannot pull image "${reference.normalized}": its manifest is larger than 4 MiB`);
        parts.push(Buffer.from(chunk));
      }
      const bytes = Buffer.concat(parts);
      const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      const claimed = reference.digest ?? response.headers.get("docker-content-digest") ?? digest;
      if (claimed !== digest) throw new SwarmError("DATA_LOSS", `its manifest does not match its digest: ${claimed} was asked for, ${digest} arrived`);
      return { digest, bytes };
    }, { accept: manifestTypes.join(", ") });
  }

  /** Brings one blob into the store, going on where an earlier try stopped. Two images that share a layer bring it once. */
  blob(reference: Reference, descriptor: Descriptor, store: BlobStore, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<void> {
    return this.#downloads.run(descriptor.digest, () => this.#download(reference, descriptor, store, options, onProgress));
  }

  async #download(reference: Reference, descriptor: Descriptor, store: BlobStore, options: RegistryOptions, onProgress: (bytes: number) => void): Promise<void> {
    if (await store.has(descriptor.digest)) return;
    let mismatches = 0;
    await this.#fromAny(reference, options, `/blobs/${descriptor.digest}`, async (response, endpoint, alive) => {
      const writer = await store.resume(descriptor);
      try {
        const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
        if (response.status !== 206 || Number(range?.[1]) !== writer.offset) await writer.restart();
        for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
          alive();
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
    }, {}, async (): Promise<Record<string, string>> => {
      const writer = await store.resume(descriptor);
      const offset = writer.offset;
      if (offset > descriptor.size) await writer.discard(); else await writer.close();
      return offset > 0 && offset < descriptor.size ? { range: `bytes=${offset}-` } : {};
    });
  }

  /** Each endpoint in turn, each with retries; the origin's failure is the one that is told. */
  async #fromAny<T>(reference: Reference, options: RegistryOptions, path: string, read: (response: Response, endpoint: Endpoint, alive: () => void) => Promise<T>,
    headers: Record<string, string>, moreHeaders?: () => Promise<Record<string, string>>): Promise<T> {
    const endpoints = endpointsOf(reference.host, this.config.registries, options);
    let failure: unknown;
    for (const endpoint of endpoints) {
      for (let attempt = 0; attempt < (endpoint.isMirror ? 1 : attempts); attempt++) {
        options.signal?.throwIfAborted();
        if (attempt > 0) await sleep(this.config.clock, backoffMs(attempt - 1, { baseMs: 200, maxMs: 5_000 }, Math.random), options.signal);
        try {
          return await this.#once(reference, endpoint, options, path, read, { ...headers, ...(await moreHeaders?.()) });
        } catch (error) {
          if (options.signal?.aborted) throw new SwarmError("CANCELLED", `Pulling image "${reference.normalized}" was cancelled`, { cause: error });
          failure = error;
          this.config.log.debug("a request to a registry failed", { registry: endpoint.host, path, attempt, error });
          if (codeOf(error) !== "UNAVAILABLE") break;
        }
      }
    }
    if (codeOf(failure) === "UNAVAILABLE") throw new SwarmError("UNAVAILABLE", `Cannot pull image "${reference.normalized}": ${messageOf(failure)} (tried ${attempts} times); check the registry's address and the network`, { cause: failure });
    if (failure instanceof SwarmError && !failure.message.startsWith("Cannot pull")) throw new SwarmError(failure.code, `Cannot pull image "${reference.normalized}": ${failure.message}`, { cause: failure });
    throw failure;
  }

  async #once<T>(reference: Reference, endpoint: Endpoint, options: RegistryOptions, path: string, read: (response: Response, endpoint: Endpoint, alive: () => void) => Promise<T>, headers: Record<string, string>): Promise<T> {
    const watchdog = new AbortController();
    let timer = this.config.clock.after(answerWithinMs, () => watchdog.abort(new Error(`no answer within ${answerWithinMs / 1000} s`)));
    const alive = () => { timer.cancel(); timer = this.config.clock.after(stallMs, () => watchdog.abort(new Error(`nothing arrived for ${stallMs / 1000} s`))); };
    const signal = options.signal ? AbortSignal.any([options.signal, watchdog.signal]) : watchdog.signal;
    const url = `${endpoint.base}/v2/${reference.repository}${path}`;
    const key = `${endpoint.base} ${reference.repository} ${endpoint.credentials?.username ?? ""}`;
    let response: Response | undefined;
    try {
      for (let round = 0; ; round++) {
        const authorization = this.#authorizations.get(key);
        response = await fetch(url, { headers: { ...headers, ...(authorization ? { authorization } : {}) }, signal });
        if (response.status !== 401 || round > 0) break;
        const challenge = parseChallenge(response.headers.get("www-authenticate"));
        await response.body?.cancel();
        this.#authorizations.delete(key);
        const answer = challenge && (await answerChallenge(challenge, endpoint, reference.repository, signal));
        if (!answer) break;
        this.#authorizations.set(key, answer);
      }
      if (!response.ok) { await response.body?.cancel().catch(() => {}); throw refusal(response.status, reference, endpoint); }
      alive();
      return await read(response, endpoint, alive);
    } catch (error) {
      if (error instanceof SwarmError) throw error;
      const cause = watchdog.signal.aborted ? watchdog.signal.reason : (error as Error).cause ?? error;
      if (isLocalFailure(error)) throw error;
      throw new SwarmError("UNAVAILABLE", `registry ${endpoint.host} cannot be reached: ${explain(cause)}`, { cause: error });
    } finally {
      timer.cancel();
      if (response?.body && !response.body.locked) await response.body.cancel().catch(() => {});
    }
  }
}

function refusal(status: number, reference: Reference, endpoint: Endpoint): SwarmError {
  const start = `Cannot pull image "${reference.normalized}"`;
  if (status === 404) return new SwarmError("NOT_FOUND", `${start}: image "${reference.repository}${reference.digest ? `@${reference.digest}` : `:${reference.tag}`}" does not exist at registry ${endpoint.host}; check the name and the tag`);
  if (status === 401 || status === 403) {
    return new SwarmError("PERMISSION_DENIED", endpoint.credentials
      ? `${start}: registry ${endpoint.host} refuses user "${endpoint.credentials.username}"; check the password and the user's rights`
      : `${start}: it does not exist at registry ${endpoint.host}, or it needs a login; check the name, or give credentials`);
  }
  if (status === 429 || status >= 500 || status === 416) return new SwarmError("UNAVAILABLE", `registry ${endpoint.host} answered with HTTP status ${status}`);
  return new SwarmError("FAILED_PRECONDITION", `${start}: registry ${endpoint.host} answered with HTTP status ${status}`);
}

/** Our own disk's errors are not the registry's. */
const isLocalFailure = (error: unknown): boolean => ["ENOSPC", "EROFS", "EDQUOT", "EACCES", "EIO", "EMFILE"].includes((error as NodeJS.ErrnoException).code ?? "");

function explain(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ECONNREFUSED") return "the connection was refused";
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") return "its name does not resolve";
  if (code === "ECONNRESET" || code === "UND_ERR_SOCKET") return "the connection broke";
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "EPROTO") return "it does not speak TLS; allow plain HTTP for it if that is intended";
  if (code === "UND_ERR_CONNECT_TIMEOUT" || code === "ETIMEDOUT") return "no connection within 10 s";
  return messageOf(cause);
}
