import { readdirSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { credentials, type Client } from "@grpc/grpc-js";
import { SwarmError, isRetryable, messageOf } from "../lib/index.js";
import { call, clientConstructor, stream, type ServiceName } from "../rpc/index.js";
import { DockerClient } from "./docker/client.js";
import type { GetClusterResponse } from "../gen/swarm/v1/GetClusterResponse.js";
import type { ReadInfo } from "../gen/swarm/v1/ReadInfo.js";

export interface CallOptions { readonly timeoutMs?: number; readonly signal?: AbortSignal }

/** Calls to one cluster: to whichever manager answers, and to one host's daemon. */
export interface Connection {
  control<Response>(method: string, request: object, options?: CallOptions): Promise<Response>;
  controlStream<Response>(method: string, request: object, options?: CallOptions): AsyncGenerator<Response>;
  node<Response>(method: string, request: object, options?: CallOptions): Promise<Response>;
  /** One host's engine by its Docker API: this host's, or through a manager that of the node named. */
  docker(node?: string): DockerClient;
  close(): void;
}

export interface ConnectionOptions {
  /** Run directories, or paths of sockets, in the order to try. */
  readonly places: readonly string[];
  /** Told once a call was answered from a copy that may be out of date. */
  readonly onStale: (reason: string) => void;
}

/** How long a manager may take to say whether it knows the leader before the next one is asked as well. */
const nextManagerAfterMs = 250;
/** A socket whose daemon is stopped or stuck accepts and says nothing. */
const handshakeMs = 3_000;

/** Opens nothing until the first call. */
export function connect(options: ConnectionOptions): Connection {
  const clients: Client[] = [];
  const open = (service: ServiceName, socket: string): Client => {
    const client = new (clientConstructor(service))(`unix:${socket}`, credentials.createInsecure(), {
      "grpc.max_receive_message_length": 64 << 20, "grpc.max_send_message_length": 64 << 20, "grpc.enable_retries": 0, "grpc.use_local_subchannel_pool": 1,
    });
    clients.push(client);
    return client;
  };
  let manager: Promise<Client> | undefined;
  const pickManager = () => (manager ??= chooseManager(options.places, (socket) => open("Control", socket)).catch(forgetIfGone));
  /** A manager that went away is not asked again: the next call chooses anew. */
  const forgetIfGone = (error: unknown): never => {
    if (isRetryable(error)) manager = undefined;
    throw error;
  };
  const pickNode = (service: ServiceName) => firstThatAnswers(options.places, (socket) => open(service, socket));
  return {
    async control<Response>(method: string, request: object, callOptions: CallOptions = {}) {
      const response = await call<Response & { read?: ReadInfo | null }>(await pickManager(), method, request, callOptions).catch(forgetIfGone);
      if (response.read?.isStale) options.onStale(response.read.reason);
      return response as Response;
    },
    async *controlStream<Response>(method: string, request: object, callOptions: CallOptions = {}) {
      try { yield* stream<Response>(await pickManager(), method, request, callOptions); } catch (error) { forgetIfGone(error); }
    },
    async node<Response>(method: string, request: object, callOptions: CallOptions = {}) {
      return call<Response>(await pickNode("LocalNode"), method, request, callOptions);
    },
    docker: (node) => new DockerClient(dockerSocketIn(options.places, node)),
    close: () => { for (const client of clients) client.close(); },
  };
}

/** A host's docker.sock; a node's lies in a manager's run directory, which passes it on (src/gateway). */
function dockerSocketIn(places: readonly string[], node: string | undefined): string {
  const runDirs = places.map((place) => dirname(socketIn(place, "swarmd.sock")));
  const found = runDirs.map((runDir) => (node === undefined ? join(runDir, "docker.sock") : join(runDir, "nodes", `${node}.sock`))).find(exists);
  if (found) return found;
  if (node === undefined) throw new SwarmError("UNAVAILABLE", `No engine listens at ${runDirs.map((runDir) => `"${join(runDir, "docker.sock")}"`).join(", ")}: start swarmd on this host (without --docker-socket ""), or choose another host with --host.`);
  const known = [...new Set(runDirs.flatMap((runDir) => namesIn(join(runDir, "nodes"))))].sort();
  throw new SwarmError("NOT_FOUND", known.length > 0 ? `There is no node "${node}" that a manager here passes on to: known are ${known.join(", ")}; "swarmctl node ls" lists the cluster's nodes.`
    : `Cannot reach node "${node}": none of ${runDirs.map((runDir) => `"${runDir}"`).join(", ")} belongs to a manager; call this on a manager, or choose one with --host.`);
}

const namesIn = (directory: string): string[] => { try { return readdirSync(directory).filter((name) => name.endsWith(".sock")).map((name) => name.slice(0, -5)); } catch { return []; } };

/** A run directory's socket, or the path itself where it is a socket. */
export function socketIn(place: string, name: "manager.sock" | "swarmd.sock"): string {
  const path = place.replace(/^unix:(\/\/)?/, "");
  return basename(path).endsWith(".sock") ? (basename(path) === name ? path : join(path, "..", name)) : join(path, name);
}

const exists = (path: string): boolean => { try { return statSync(path).isSocket(); } catch { return false; } };

/**
 * The first manager, in order, that can reach the leader; where none can, the first that answers at all, so that reads still work. With one
 * socket there is nothing to choose, and nothing is asked.
 */
async function chooseManager(places: readonly string[], open: (socket: string) => Client): Promise<Client> {
  const sockets = places.map((place) => socketIn(place, "manager.sock")).filter(exists);
  if (sockets.length === 0) throw noManager(places);
  if (sockets.length === 1) {
    const client = open(sockets[0]!);
    await ready(client).catch((error: unknown) => { throw noManager(places, error); });
    return client;
  }
  const giveUp = new AbortController();
  const stale: Client[] = [];
  const failures: unknown[] = [];
  const ask = async (socket: string): Promise<Client | undefined> => {
    const client = open(socket);
    try {
      await ready(client);
      const answer = await call<GetClusterResponse>(client, "getCluster", {}, { timeoutMs: 10_000, signal: giveUp.signal });
      if (!answer.read?.isStale) return client;
      stale.push(client);
    } catch (error) {
      failures.push(error);
      // It answered, though with a refusal: the call itself will tell the person.
      if (!isRetryable(error) && !giveUp.signal.aborted) stale.push(client);
    }
    return undefined;
  };
  try {
    return await firstFresh(sockets.map((socket) => () => ask(socket))) ?? stale[0] ?? (() => { throw noManager(places, failures[0]); })();
  } finally { giveUp.abort(new SwarmError("CANCELLED", "another manager answered")); }
}

/** Starts each attempt when the one before it failed or took too long; the first that yields a value wins. */
async function firstFresh<T>(attempts: readonly (() => Promise<T | undefined>)[]): Promise<T | undefined> {
  return new Promise((resolve) => {
    let pending = 0;
    let next = 0;
    const start = () => {
      const attempt = attempts[next++];
      if (!attempt) { if (pending === 0) resolve(undefined); return; }
      pending++;
      let isPassed = false;
      const pass = () => { if (!isPassed) { isPassed = true; start(); } };
      const timer = setTimeout(pass, nextManagerAfterMs);
      void attempt().then((value) => {
        pending--;
        clearTimeout(timer);
        if (value !== undefined) resolve(value); else { pass(); if (pending === 0 && next >= attempts.length) resolve(undefined); }
      });
    };
    start();
  });
}

async function firstThatAnswers(places: readonly string[], open: (socket: string) => Client): Promise<Client> {
  let failure: unknown;
  for (const socket of places.map((place) => socketIn(place, "swarmd.sock"))) {
    if (!exists(socket)) continue;
    const client = open(socket);
    try { await ready(client); return client; } catch (error) { failure = error; }
  }
  const where = places.map((place) => `"${socketIn(place, "swarmd.sock")}"`).join(", ");
  throw new SwarmError("UNAVAILABLE", failure
    ? `No daemon answers at ${where}: ${messageOf(failure)}; start swarmd, or see its log.`
    : `No daemon listens at ${where}: start swarmd on this host, or choose another host with --host or another cluster with --context.`, { cause: failure });
}

function ready(client: Client): Promise<void> {
  return new Promise((resolve, reject) => {
    client.waitForReady(Date.now() + handshakeMs, (error) => { if (error) reject(new SwarmError("UNAVAILABLE", "it does not answer", { cause: error })); else resolve(); });
  });
}

function noManager(places: readonly string[], cause?: unknown): SwarmError {
  const where = places.map((place) => `"${place}"`).join(", ");
  const daemon = places.some((place) => exists(socketIn(place, "swarmd.sock")));
  const next = daemon
    ? "this host runs no manager; call a manager with --host, or start a cluster with \"swarmctl init\""
    : "start swarmd here, choose a cluster with --context, or try one out with \"npm run up\"";
  return new SwarmError("UNAVAILABLE", `No manager answers at ${where}${cause ? `: ${messageOf(cause)}` : ""}; ${next}.`, { cause });
}
