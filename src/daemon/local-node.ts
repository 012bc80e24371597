import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { SwarmError, idFromBytes, isRetryable, messageOf, sleep, type Clock } from "../lib/index.js";
import { createCsr, createRootCa, loadIdentity, signNodeCertificate } from "../ca/index.js";
import { newResources, problemOfClusterSpec, withClusterDefaults } from "../model/index.js";
import { call, dialLocal, parseHostPort, unary, type Authorize } from "../rpc/index.js";
import type { InfoResponse } from "../gen/swarm/v1/InfoResponse.js";
import type { InitRequest } from "../gen/swarm/v1/InitRequest.js";
import type { InitResponse } from "../gen/swarm/v1/InitResponse.js";
import type { JoinRequest } from "../gen/swarm/v1/JoinRequest.js";
import type { JoinResponse } from "../gen/swarm/v1/JoinResponse.js";
import type { LeaveRequest } from "../gen/swarm/v1/LeaveRequest.js";
import type { GetClusterResponse } from "../gen/swarm/v1/GetClusterResponse.js";
import { chooseAdvertiseAddr } from "./addresses.js";
import { enroll } from "./enroll.js";
import { Membership, type MembershipOptions } from "./membership.js";
import { loadSettings } from "./settings.js";

type State =
  | { readonly kind: "inactive" }
  | { readonly kind: "joining" }
  | { readonly kind: "leaving" }
  | { readonly kind: "active"; readonly membership: Membership }
  /** What is on disk cannot be used: leave --force clears it. */
  | { readonly kind: "error"; readonly reason: string };

/** The node of this host, in or out of a cluster: what swarmd.sock serves beside the engine. */
export class LocalNode {
  #state: State = { kind: "inactive" };

  constructor(private readonly options: MembershipOptions) {}

  /** Takes up what an earlier life of the daemon left. */
  async resume(): Promise<void> {
    const { stateDir } = this.options.config;
    try {
      const [identity, settings] = [await loadIdentity(stateDir), await loadSettings(stateDir)];
      if (!identity) return;
      if (!settings) throw new SwarmError("DATA_LOSS", `the node's settings are missing from "${stateDir}"`);
      this.#state = { kind: "active", membership: await Membership.resume(this.options, identity, settings) };
    } catch (error) {
      this.options.log.error("the node could not be resumed", { error });
      this.#state = { kind: "error", reason: messageOf(error) };
    }
  }

  async close(): Promise<void> {
    if (this.#state.kind === "active") await this.#state.membership.close();
  }

  handlers(authorize: Authorize): UntypedServiceImplementation {
    return {
      Info: unary<object, InfoResponse>(authorize, () => this.info()),
      Init: unary<InitRequest, InitResponse>(authorize, (request) => this.init(request)),
      Join: unary<JoinRequest, JoinResponse>(authorize, (request) => this.join(request)),
      Leave: unary<LeaveRequest, object>(authorize, async (request) => { await this.leave(request); return {}; }),
      Recover: unary<object, object>(authorize, async () => { await this.recover(); return {}; }),
    };
  }

  async info(): Promise<InfoResponse> {
    const { config, engine } = this.options;
    const engineInfo = await engine.info();
    const membership = this.#state.kind === "active" ? this.#state.membership : undefined;
    return {
      version: config.version, hostname: config.hostname, stateDir: config.stateDir,
      state: this.#state.kind === "leaving" ? "active" : this.#state.kind,
      nodeId: membership?.identity.nodeId ?? "", clusterId: membership?.identity.clusterId ?? "", role: membership?.identity.role ?? "WORKER",
      addr: membership?.advertiseAddr ?? "", managers: [...membership?.managers ?? []], isConnected: membership?.isConnected ?? false,
      error: this.#state.kind === "error" ? this.#state.reason : membership?.error ?? "",
      resources: newResources({ cpuMillis: engineInfo.cpuMillis, memoryBytes: engineInfo.memoryBytes }),
      kernel: engineInfo.kernel, os: engineInfo.os, arch: engineInfo.arch, runtime: engineInfo.runtime, cgroups: engineInfo.cgroups, storageDriver: engineInfo.storageDriver,
      containersRunning: engineInfo.containersRunning, containersTotal: engineInfo.containersTotal, images: engineInfo.images,
    };
  }

  init(request: InitRequest): Promise<InitResponse> {
    return this.#enter("init", async () => {
      const { config, clock } = this.options;
      const advertiseAddr = await chooseAdvertiseAddr(request.advertiseAddr || config.advertiseAddr);
      const listenAddr = listenAddrOf(request.listenAddr, advertiseAddr);
      const spec = withClusterDefaults(request.spec);
      const problem = problemOfClusterSpec(spec);
      if (problem) throw new SwarmError("INVALID_ARGUMENT", `Cannot init: ${problem}`);
      const [clusterId, nodeId] = [newId(), newId()];
      const root = await createRootCa({ clusterId, now: clock.now() });
      const { csrPem, keyPem } = await createCsr();
      const certificatePem = await signNodeCertificate({ root, csrPem, nodeId, role: "MANAGER", clusterId, validityMs: spec.certificateValidityMs, now: clock.now() });
      const membership = await Membership.begin(this.options,
        { nodeId, role: "MANAGER", clusterId, certificatePem, keyPem, rootCertificatePem: root.certificatePem },
        { advertiseAddr, listenAddr, managers: [advertiseAddr], isManagerMember: false },
        { kind: "init", clusterSpec: spec, rootCa: root, self: { hostname: config.hostname, availability: request.availability } });
      this.options.log.info("made a new cluster", { cluster: clusterId, node: nodeId, addr: advertiseAddr });
      return { membership, answer: { nodeId, clusterId, addr: advertiseAddr, workerToken: await workerToken(join(config.runDir, "manager.sock"), clock) } };
    });
  }

  join(request: JoinRequest): Promise<JoinResponse> {
    return this.#enter("join", async () => {
      const { config, clock, log } = this.options;
      if (request.addr === "") throw new SwarmError("INVALID_ARGUMENT", 'Cannot join: no manager\'s address is given; add it, such as "swarmctl join --token TOKEN 192.0.2.10:2377"');
      const target = parseHostPort(request.addr);
      const addr = `${target.host.includes(":") ? `[${target.host}]` : target.host}:${target.port}`;
      const advertiseAddr = await chooseAdvertiseAddr(request.advertiseAddr || config.advertiseAddr, addr);
      const listenAddr = listenAddrOf(request.listenAddr, advertiseAddr);
      const { identity, managers } = await enroll({ token: request.token, addr, hostname: config.hostname, availability: request.availability, clock });
      const membership = await Membership.begin(this.options, identity, { advertiseAddr, listenAddr, managers, isManagerMember: false },
        identity.role === "MANAGER" ? { kind: "join", managers } : undefined);
      log.info("joined a cluster", { cluster: identity.clusterId, node: identity.nodeId, role: identity.role, addr: advertiseAddr });
      return { membership, answer: { nodeId: identity.nodeId, role: identity.role } };
    });
  }

  async leave({ force }: LeaveRequest): Promise<void> {
    const state = this.#state;
    if (state.kind === "inactive") throw new SwarmError("FAILED_PRECONDITION", "Cannot leave: this host is in no cluster");
    if (state.kind === "joining" || state.kind === "leaving") throw new SwarmError("FAILED_PRECONDITION", `Cannot leave: this host is ${state.kind} already; wait until it has finished`);
    if (state.kind === "error") {
      if (!force) throw new SwarmError("FAILED_PRECONDITION", `Cannot leave: this node's state cannot be used (${state.reason}); delete it with "swarmctl leave --force"`);
      const { stateDir } = this.options.config;
      for (const name of ["manager", "agent", "overlay", "node.json", "certificates"]) await rm(join(stateDir, name), { recursive: true, force: true });
      this.#state = { kind: "inactive" };
      return;
    }
    this.#state = { kind: "leaving" };
    try {
      await state.membership.leave(force);
      this.#state = { kind: "inactive" };
    } catch (error) {
      this.#state = state;
      throw error;
    }
  }

  async recover(): Promise<void> {
    if (this.#state.kind !== "active") throw new SwarmError("FAILED_PRECONDITION", "Cannot recover: this host is no node of a cluster; run it on the manager that is left");
    await this.#state.membership.recover();
  }

  /** Becoming a node happens once at a time, and only from outside any cluster. */
  async #enter<T>(verb: "init" | "join", work: () => Promise<{ membership: Membership; answer: T }>): Promise<T> {
    const state = this.#state;
    const refuse = (why: string) => new SwarmError("FAILED_PRECONDITION", `Cannot ${verb}: ${why}`);
    if (state.kind === "active") throw refuse(`this host is node "${state.membership.identity.nodeId}" of cluster "${state.membership.identity.clusterId}" already; leave that with "swarmctl leave" first`);
    if (state.kind === "error") throw refuse(`this host has the state of another cluster that cannot be used (${state.reason}); delete it with "swarmctl leave --force" first`);
    if (state.kind !== "inactive") throw refuse(`this host is ${state.kind} already; wait until it has finished`);
    this.#state = { kind: "joining" };
    try {
      const { membership, answer } = await work();
      this.#state = { kind: "active", membership };
      return answer;
    } catch (error) {
      this.#state = { kind: "inactive" };
      throw error;
    }
  }
}

const newId = () => idFromBytes(randomBytes(17));

function listenAddrOf(told: string, advertiseAddr: string): string {
  const port = parseHostPort(advertiseAddr).port;
  if (!told) return `0.0.0.0:${port}`;
  const { host, port: listenPort } = parseHostPort(told, port);
  return `${host.includes(":") ? `[${host}]` : host}:${listenPort}`;
}

async function workerToken(managerSocket: string, clock: Clock): Promise<string> {
  const client = dialLocal("Control", managerSocket);
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        const { cluster } = await call<GetClusterResponse>(client, "getCluster", {}, { timeoutMs: 5_000 });
        if (cluster?.joinTokens?.worker) return cluster.joinTokens.worker;
      } catch (error) { if (!isRetryable(error) || attempt > 50) throw error; }
      if (attempt > 100) throw new SwarmError("UNAVAILABLE", 'The cluster is made, but its join token could not be read; ask for it with "swarmctl join-token worker"');
      await sleep(clock, 100);
    }
  } finally { client.close(); }
}
