import { randomBytes } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Client, Server } from "@grpc/grpc-js";
import type { GrpcTransport } from "raft-ts";
import type { Root, TlsIdentity } from "../ca/index.js";
import type { ManagersClient } from "../gen/swarm/v1/Managers.js";
import { Metrics, RepeatFilter, SwarmError, codeOf, idFromBytes, messageOf, type Clock, type Logger } from "../lib/index.js";
import type { ClusterSpec } from "../model/index.js";
import { localAuthorize, nodeAuthorize, serviceDefinition, type Authorize } from "../rpc/index.js";
import { createSchedulerQueries, startRebalancing, startScheduler, type RebalanceRequest, type Rebalancing } from "../scheduler/index.js";
import { createStore, type Store } from "../store/index.js";
import { startAllocator } from "./allocator/index.js";
import { createFirstObjects, type FirstManager } from "./bootstrap.js";
import { caHandlers } from "./ca-handlers.js";
import { createCaServer } from "./ca-server/index.js";
import { createControlApi } from "./control-api/index.js";
import { controlHandlers } from "./control-handlers.js";
import { startDispatcher } from "./dispatcher/index.js";
import { createLeaderForward } from "./leader-forward.js";
import { Leadership, type Loop } from "./leadership.js";
import { createLogBroker } from "./log-broker/index.js";
import { ManagerClients } from "./manager-clients.js";
import { managersHandlers } from "./managers-handlers.js";
import { ExpelledError, ensureMembership } from "./membership.js";
import { startOrchestrator } from "./orchestrator/index.js";
import { createRaftTransport } from "./raft-transport.js";
import { RaftMetricsView } from "./raft-metrics.js";
import { openReplication, type Replication } from "./replication.js";
import { startRoleManager } from "./role-manager.js";

export type ManagerStart =
  /** The first manager of a new cluster. */
  | { readonly kind: "init"; readonly clusterSpec: ClusterSpec | null; readonly rootCa: Root; readonly self: FirstManager }
  /** Joins the raft group through one of these (host:port). */
  | { readonly kind: "join"; readonly managers: readonly string[] }
  /** Was a member before, and is to be the only one from now on: the others are lost. */
  | { readonly kind: "recover" }
  /** Was a member before. `managers` are asked when its address changed or its disk was lost. */
  | { readonly kind: "resume"; readonly managers: readonly string[] };

export interface ManagerConfig {
  readonly identity: TlsIdentity;
  /** Everything of the manager is in <stateDir>/manager. */
  readonly stateDir: string;
  /** host:port as other managers and agents reach this one. */
  readonly advertiseAddr: string;
  /** Servers without services yet; the caller makes them listen after this. `full`: connections with a certificate; `joining`: without; `local`: root's socket. */
  readonly servers: { readonly full: Server; readonly joining: Server; readonly local: Server };
  readonly start: ManagerStart;
  readonly log: Logger;
  readonly clock: Clock;
  /** The nodes that were removed from the cluster, a moment after one more was. Their calls are refused; the connections that they hold open are the caller's to end. */
  readonly onRemoved?: (nodeIds: ReadonlySet<string>) => void;
  /** [0, 1), default Math.random. */
  readonly random?: () => number;
  /** Raft's tick, default 100 ms: elections take 10 to 20. */
  readonly raftTickMs?: number;
}

/** Why a manager ended by itself. */
export type ManagerEnd =
  /** It is not a member of the raft group any more; its raft state was deleted. It may join again. */
  | { readonly kind: "removed" }
  | { readonly kind: "failed"; readonly error: Error };

export interface Manager {
  readonly store: Store;
  readonly isLeader: boolean;
  readonly leader: { readonly nodeId: string; readonly addr: string } | undefined;
  /** host:port of every member of the raft group. */
  readonly managers: readonly string[];
  /** A voting member, with a cluster to serve. Rejects when it is refused for good, or stopped before. */
  readonly ready: Promise<void>;
  /** Resolves when it cannot go on; call `stop` then. Never rejects. */
  readonly ended: Promise<ManagerEnd>;
  /** Connections to other managers are made with this certificate from now on. (The listener has a `renew` of its own.) */
  renew(identity: TlsIdentity): void;
  /** Hands leadership over if it leads (unless told not to), ends sessions and loops, closes the log. The servers are the caller's to close. */
  stop(options?: { readonly handOver?: boolean }): Promise<void>;
}

/** A removed node's session tells it so before its connections end, with whatever it watches or relays. */
const farewellMs = 1_000;

/** Composes one manager: replication, the API, and while it leads the control loops. */
export async function startManager(config: ManagerConfig): Promise<Manager> {
  const { clock, log, servers, start, stateDir, advertiseAddr, random = Math.random } = config;
  const { nodeId, clusterId, rootCertificatePem } = config.identity;
  const directory = join(stateDir, "manager");
  const newId = () => idFromBytes(randomBytes(17));
  const startManagers = "managers" in start ? start.managers : [];
  const stopping = new AbortController();

  const store = createStore({ clock, log: log.with({ part: "store" }), random });
  const authorize = loggedRefusals(nodeAuthorize({ clusterId, removedNodes: removedNodesOf(store, (removed) => clock.after(farewellMs, () => { if (!stopping.signal.aborted) config.onRemoved?.(removed); })), now: () => clock.now() }), log, clock);
  const clients = new ManagerClients(config.identity);

  // ---- replication ----------------------------------------------------------------------------------------------------
  let replication: Replication | undefined;
  let transport!: GrpcTransport;
  const opened = await openReplication({
    store, directory, self: { nodeId, addr: advertiseAddr }, start: start.kind === "init" ? "bootstrap" : start.kind === "recover" ? "recover" : "join", log: log.with({ part: "raft" }),
    transport: (raftId) => transport = createRaftTransport({
      raftId, authorize, credentials: () => clients.credentials, members: () => replication?.status.members ?? [], log: log.with({ part: "raft" }),
    }),
    ...(config.raftTickMs === undefined ? {} : { tickMs: config.raftTickMs }),
  });
  replication = opened;

  // ---- the API ----------------------------------------------------------------------------------------------------------
  const others = () => opened.members.filter((member) => member.nodeId !== nodeId);
  const members = {
    nodeId,
    get leaderNodeId() { return opened.leader?.nodeId; },
    list: () => opened.members,
    remove: (id: string) => opened.removeMember(id),
  };
  const forward = createLeaderForward({ nodeId, clock, replication: opened, index: () => store.index, client: (service, addr) => clients.client(service, addr) });
  const dispatcher = startDispatcher({
    store, clock, log: log.with({ part: "dispatcher" }), nodeId, authorize, random,
    leader() {
      if (opened.isLeader) return { isSelf: true };
      const { leader } = opened;
      return leader && !leader.isSelf ? { isSelf: false, client: clients.client<Client & ManagersClient>("Managers", leader.addr) } : undefined;
    },
  });
  const logBroker = createLogBroker({
    store, clock, log: log.with({ part: "logs" }), authorize, random, session: (id) => dispatcher.session(id),
    managers: () => others().map(({ nodeId: id, addr }) => ({ nodeId: id, client: clients.client<Client & ManagersClient>("Managers", addr) })),
  });
  const metrics = new Metrics();
  const raftMetrics = new RaftMetricsView(metrics, opened);
  let scheduler: ReturnType<typeof startScheduler> | undefined;
  const queries = createSchedulerQueries({
    store, clock, usage: dispatcher.usage,
    inspect(look) {
      if (!scheduler) throw new SwarmError("UNAVAILABLE", "Cannot ask the scheduler: this manager does not lead, or has only begun to; try again");
      return scheduler.inspect(({ state, placer, queue }) => look({ state, defaultStrategy: placer.defaultStrategy, reservations: queue.reservations }));
    },
  });
  // Only what is reported is told: after a new picture was made, the next reports fill it in within half a minute.
  const stopUsage = dispatcher.usage.onChange((id, use) => {
    try {
      scheduler?.inspect(({ state }) => state.setUsage(id, use?.cpuMillis ?? -1, use?.memoryBytes ?? -1));
    } catch (error) { if (codeOf(error) !== "UNAVAILABLE") throw error; }
  });
  let rebalancing: Rebalancing | undefined;
  const schedulerQueries = {
    ...queries,
    async rebalance(request: RebalanceRequest) {
      if (!rebalancing) throw new SwarmError("UNAVAILABLE", "Cannot plan any moves: this manager does not lead, or has only begun to; try again");
      return rebalancing.rebalance(request);
    },
  };
  const api = createControlApi({ store, clock, log: log.with({ part: "control" }), members, logBroker, scheduler: schedulerQueries, metrics: { text() { raftMetrics.look(); return metrics.text(); } }, newId });
  const ca = createCaServer({ store, clock, log: log.with({ part: "ca" }), newId });

  const control = (by: Authorize) => controlHandlers({ api, forward, store, replication: opened, authorize: by, log });
  const membership = (by: Authorize) => managersHandlers({ store, clock, log, authorize: by, forward, replication: opened, api, nodeId });
  const certificates = caHandlers({ ca, forward, authorize, rootCertificatePem });
  servers.full.addService(serviceDefinition("Control"), control(authorize));
  servers.full.addService(serviceDefinition("Ca"), certificates);
  servers.full.addService(serviceDefinition("Dispatcher"), { ...dispatcher.dispatcherHandlers, ...logBroker.dispatcherHandlers });
  servers.full.addService(serviceDefinition("Managers"), { ...membership(authorize), ...dispatcher.managersHandlers, ...logBroker.managersHandlers });
  servers.full.addService(transport.service, transport.handlers);
  servers.joining.addService(serviceDefinition("Ca"), certificates);
  servers.local.addService(serviceDefinition("Control"), control(localAuthorize));
  servers.local.addService(serviceDefinition("Managers"), { LeaveRaft: membership(localAuthorize)["LeaveRaft"]! });

  // ---- leadership -------------------------------------------------------------------------------------------------------
  const leadership = new Leadership({
    clock, log, isLeader: () => opened.isLeader, term: () => opened.status.term,
    async start() {
      if (start.kind === "init") await createFirstObjects(store, { clusterId, clusterSpec: start.clusterSpec, rootCa: start.rootCa, nodeId, self: start.self }, newId);
      const ports = { store, clock, random };
      return [
        startOrchestrator({ ...ports, newId, log: log.with({ part: "orchestrator" }) }),
        startAllocator({ ...ports, log: log.with({ part: "allocator" }) }),
        ...startOwnScheduler(ports),
        startRoleManager({ ...ports, nodeId, replication: opened, log: log.with({ part: "roles" }) }),
      ];
    },
  });

  function startOwnScheduler(ports: Omit<Parameters<typeof startScheduler>[0], "log">): Loop[] {
    const started = scheduler = startScheduler({ ...ports, metrics, log: log.with({ part: "scheduler" }) });
    const moving = rebalancing = startRebalancing({ ...ports, log: log.with({ part: "rebalance" }), state: () => started.inspect(({ state }) => state) });
    return [{ stop() { scheduler = undefined; return started.stop(); } }, { stop() { rebalancing = undefined; return moving.stop(); } }];
  }

  let end!: (how: ManagerEnd) => void;
  const ended = new Promise<ManagerEnd>((resolve) => { end = resolve; });
  /** Deletes what a later membership, under a new raft id, must not find. */
  const endAsRemoved = async () => {
    await opened.close().catch(() => {});
    await rm(directory, { recursive: true, force: true });
    end({ kind: "removed" });
  };
  const look = () => {
    const { status } = opened;
    dispatcher.setLeader(opened.isLeader);
    leadership.look();
    clients.keepOnly(new Set([...opened.members.map(({ addr }) => addr), ...startManagers]));
    if (status.role === "failed") end({ kind: "failed", error: status.failure ?? new Error("raft failed") });
    if (status.role === "removed") {
      log.warn("this manager was removed from the raft group");
      void endAsRemoved().catch((error: unknown) => end({ kind: "failed", error: error as Error }));
    }
  };
  const stopListening = opened.onChange(look);
  look();

  const ready = becomeReady().catch(async (error: unknown) => {
    if (error instanceof ExpelledError) await endAsRemoved();
    throw error;
  });
  ready.catch((error: unknown) => { if (!stopping.signal.aborted) log.error("this manager cannot serve the cluster", { reason: messageOf(error) }); });

  async function becomeReady(): Promise<void> {
    await ensureMembership({
      replication: opened, clients, clock, log, random, nodeId, addr: advertiseAddr, managers: startManagers, signal: stopping.signal,
    });
    await clusterIsThere(store, stopping.signal);
  }

  return {
    store, ready, ended,
    get isLeader() { return opened.isLeader; },
    get leader() { return opened.leader; },
    get managers() { return opened.members.map(({ addr }) => addr); },
    renew: (identity) => clients.renew(identity),
    async stop({ handOver = true } = {}) {
      stopping.abort(new SwarmError("CANCELLED", "this manager is stopping"));
      // Others need not wait for an election when this one can name its successor.
      if (handOver && opened.isLeader && others().some(({ isReachable }) => isReachable)) await opened.transferLeadership().catch((error: unknown) => log.info("could not hand leadership over before stopping", { reason: messageOf(error) }));
      stopListening();
      stopUsage();
      await leadership.stop();
      await dispatcher.stop();
      await opened.close().catch((error: unknown) => log.warn("the raft log did not close cleanly", { error: messageOf(error) }));
      clients.close();
    },
  };
}

/** Who may not call any more, as the store says; read once a commit, asked on every call. */
function removedNodesOf(store: Store, onChange: (removed: ReadonlySet<string>) => void): () => ReadonlySet<string> {
  const read = () => new Set(store.view((tx) => tx.list("cluster").flatMap(({ removedNodes }) => Object.keys(removedNodes))));
  let removed = read();
  store.watch((commit) => {
    if (commit.changes.length > 0 && !commit.changes.some(({ table }) => table === "cluster")) return;
    removed = read();
    onChange(removed);
  });
  return () => removed;
}

/** A removed node asks again every second, and a stranger as often as it likes: one line a minute says as much. */
function loggedRefusals(authorize: Authorize, log: Logger, clock: Clock): Authorize {
  const repeats = new RepeatFilter(clock);
  return (call) => {
    try {
      return authorize(call);
    } catch (error) {
      const held = repeats.pass(messageOf(error));
      if (held !== undefined) log.warn("call refused", { method: call.getPath(), peer: call.getPeer(), reason: messageOf(error), ...(held > 0 && { repeated: held }) });
      throw error;
    }
  };
}

function clusterIsThere(store: Store, signal: AbortSignal): Promise<void> {
  const isThere = () => store.view((tx) => tx.list("cluster").length > 0);
  if (isThere()) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const stop = store.watch(() => { if (isThere()) { stop(); resolve(); } });
    signal.addEventListener("abort", () => { stop(); reject(signal.reason as Error); }, { once: true });
  });
}
