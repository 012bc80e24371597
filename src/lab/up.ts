import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { SwarmError, isRetryable, messageOf, sleep, systemClock } from "../lib/index.js";
import type { NodeRole } from "../model/index.js";
import { newClusterSpec } from "../model/index.js";
import { call, dialLocal, packageRoot, type ServiceName } from "../rpc/index.js";
import type { InitResponse } from "../gen/swarm/v1/InitResponse.js";
import type { InfoResponse } from "../gen/swarm/v1/InfoResponse.js";
import type { GetClusterResponse } from "../gen/swarm/v1/GetClusterResponse.js";
import type { ListNodesResponse } from "../gen/swarm/v1/ListNodesResponse.js";
import { bootHost } from "./host.js";
import { makeBridge, takenSubnets } from "./network.js";
import { checkLabName, claimLab, hostPaths, planHosts, withHostArgs, type HostArgs, type Lab, type LabHost } from "./state.js";
import { labDown } from "./down.js";
import { requireTools } from "./tools.js";

export interface LabUpOptions {
  readonly name: string;
  readonly managers: number;
  readonly workers: number;
  /** The cluster's heartbeat period; default the product's. */
  readonly heartbeatMs?: number;
  /** Further flags for every swarmd. */
  readonly swarmdArgs?: readonly string[];
  /** Further flags for the swarmd of single hosts. */
  readonly hostArgs?: HostArgs;
  /** Runs this instead of swarmd and makes no cluster. */
  readonly command?: readonly string[];
  /** "hosts" made, "daemons" answering, "init", "join" once a host, "ready" once a node; `done` of `total`. */
  readonly onProgress?: (progress: LabProgress) => void;
  readonly signal?: AbortSignal;
}
export interface LabProgress { readonly step: "hosts" | "daemons" | "init" | "join" | "ready"; readonly done: number; readonly total: number; readonly host?: string }

export interface LabUp {
  readonly lab: Lab;
  /** Run directories, managers first: what a context holds. */
  readonly sockets: readonly string[];
}

/** Hosts, their daemons, one cluster of all of them. A failure takes everything down again. */
export async function labUp(options: LabUpOptions): Promise<LabUp> {
  const { name, managers, workers } = options;
  checkLabName(name);
  requireTools();
  if (!Number.isInteger(managers) || managers < 1 || !Number.isInteger(workers) || workers < 0 || managers + workers > 200) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot make lab "${name}" of ${managers} managers and ${workers} workers: it takes 1 manager or more, and at most 200 hosts in all`);
  }
  const plan = (subnet: number) => withHostArgs(planHosts(subnet, managers, workers), options.hostArgs ?? {}, name);
  plan(1);
  const taken = await takenSubnets();
  const command = options.command ?? swarmdCommand(options.swarmdArgs ?? []);
  const lab = claimLab(name, (subnet) => taken.has(subnet), (subnet) => ({ name, subnet, createdAtMs: Date.now(), hosts: plan(subnet), command }));
  try {
    await bring(lab, options);
  } catch (error) {
    await labDown(name).catch(() => {});
    throw error;
  }
  return { lab, sockets: lab.hosts.map((host) => hostPaths(name, host.name).run) };
}

function swarmdCommand(extra: readonly string[]): string[] {
  const swarmd = join(packageRoot(fileURLToPath(import.meta.url)), "bin/swarmd");
  if (!existsSync(swarmd)) throw new SwarmError("FAILED_PRECONDITION", `Cannot start swarmd: "${swarmd}" is missing; build it with "npm run build"`);
  return [
    process.execPath, swarmd, "--state-dir", "%STATE%", "--run-dir", "%RUN%", "--cgroup-parent", "%CGROUP%", "--hostname", "%HOST%", "--advertise-addr", "%ADDR%",
    // A registry on this machine is reached at the bridge's address.
    "--registry-plain-http", "%GATEWAY%:5000", ...extra,
  ];
}

async function bring(lab: Lab, options: LabUpOptions): Promise<void> {
  const { signal } = options;
  const total = lab.hosts.length;
  const tell = counter(options.onProgress);
  await makeBridge(lab);
  await inParallel(lab.hosts, 8, async (host) => { signal?.throwIfAborted(); await bootHost(lab, host); tell("hosts", total, host.name); });
  if (options.command) return;

  await Promise.all(lab.hosts.map(async (host) => {
    await eventually(`swarmd on host "${host.name}" answers; its log is ${hostPaths(lab.name, host.name).log}`, 60_000, signal, () => ask<InfoResponse>(lab, host, "LocalNode", "info", {}));
    tell("daemons", total, host.name);
  }));

  const [first, ...others] = lab.hosts as readonly [LabHost, ...LabHost[]];
  const { workerToken, addr } = await ask<InitResponse>(lab, first, "LocalNode", "init", {
    advertiseAddr: first.address, spec: newClusterSpec({ name: lab.name, ...options.heartbeatMs !== undefined && { heartbeatMs: options.heartbeatMs } }),
  }, 60_000, signal);
  tell("init", 1, first.name);
  const managerToken = async () => {
    const { cluster } = await ask<GetClusterResponse>(lab, first, "Control", "getCluster", {});
    return cluster?.joinTokens?.manager ?? "";
  };
  const tokens: Record<NodeRole, string> = { WORKER: workerToken, MANAGER: others.some((host) => host.role === "manager") ? await eventually("the manager token", 20_000, signal, managerToken) : "" };
  await Promise.all(others.map(async (host) => {
    await ask(lab, host, "LocalNode", "join", { token: tokens[host.role === "manager" ? "MANAGER" : "WORKER"], addr, advertiseAddr: host.address }, 90_000, signal);
    tell("join", total - 1, host.name);
  }));

  const ready = new Set<string>();
  await eventually("every node is ready", 60_000, signal, async () => {
    const { nodes } = await ask<ListNodesResponse>(lab, first, "Control", "listNodes", {});
    for (const node of nodes) {
      const host = node.description?.hostname ?? "";
      if (node.status?.state === "READY" && !ready.has(host)) { ready.add(host); tell("ready", total, host); }
    }
    if (ready.size < total) throw new SwarmError("UNAVAILABLE", `not ready: ${lab.hosts.filter((host) => !ready.has(host.name)).map((host) => host.name).join(", ")}`);
  });
}

/** One call to a host's socket. */
async function ask<Response>(lab: Lab, host: LabHost, service: ServiceName, method: string, request: object, timeoutMs = 5_000, signal?: AbortSignal): Promise<Response> {
  const client = dialLocal(service, join(hostPaths(lab.name, host.name).run, service === "Control" ? "manager.sock" : "swarmd.sock"));
  try { return await call<Response>(client, method, request, { timeoutMs, signal }); } catch (error) {
    throw error instanceof SwarmError ? new SwarmError(error.code, `host "${host.name}": ${error.message}`, { cause: error }) : error;
  } finally { client.close(); }
}

async function eventually<T>(what: string, boundMs: number, signal: AbortSignal | undefined, attempt: () => Promise<T>): Promise<T> {
  const end = systemClock.monotonic() + boundMs;
  for (;;) {
    try { return await attempt(); } catch (error) {
      if (systemClock.monotonic() > end || !(isRetryable(error) || error instanceof SwarmError && error.code === "FAILED_PRECONDITION")) {
        throw new SwarmError("DEADLINE_EXCEEDED", `Waited ${Math.round(boundMs / 1000)} s in vain for: ${what} (${messageOf(error)})`, { cause: error });
      }
    }
    await sleep(systemClock, 100, signal);
  }
}

async function inParallel<T>(items: readonly T[], width: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, async () => { for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item); }));
}

function counter(onProgress: LabUpOptions["onProgress"]) {
  const done = new Map<LabProgress["step"], number>();
  return (step: LabProgress["step"], total: number, host: string) => {
    done.set(step, (done.get(step) ?? 0) + 1);
    onProgress?.({ step, done: done.get(step)!, total, host });
  };
}
