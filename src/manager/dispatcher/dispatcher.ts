import type { DispatcherHandlers } from "../../gen/swarm/v1/Dispatcher.js";
import type { AgentMessage } from "../../gen/swarm/v1/AgentMessage.js";
import type { ManagerMessage__Input } from "../../gen/swarm/v1/ManagerMessage.js";
import type { ManagersHandlers } from "../../gen/swarm/v1/Managers.js";
import type { NodeLiveness__Input } from "../../gen/swarm/v1/NodeLiveness.js";
import type { NodeUpdate__Input } from "../../gen/swarm/v1/NodeUpdate.js";
import type { ReportLivenessRequest } from "../../gen/swarm/v1/ReportLivenessRequest.js";
import type { ReportStatusesRequest } from "../../gen/swarm/v1/ReportStatusesRequest.js";
import type { ReportUsageRequest } from "../../gen/swarm/v1/ReportUsageRequest.js";
import type { UsageReport } from "../../gen/swarm/v1/UsageReport.js";
import { SwarmError, idFromBytes, sleep, type Clock, type Logger, type Timer } from "../../lib/index.js";
import { newClusterSpec, type ClusterSpec } from "../../model/index.js";
import { bidiStream, call, unary, type Authorize, type CallContext } from "../../rpc/index.js";
import type { Store } from "../../store/index.js";
import { AssignmentSource } from "./assignment-source.js";
import { reportedAddr } from "./core/reported.js";
import { isSame } from "./core/same.js";
import { Liveness } from "./liveness.js";
import { Session, type SessionStream } from "./session.js";
import { StatusIntake, type LeaderView } from "./status-intake.js";
import { UsageTable } from "./usage-table.js";

export interface DispatcherOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  /** This manager's own node. */
  readonly nodeId: string;
  readonly authorize: Authorize;
  /** Who leads, as this manager sees it now. isSelf: this store takes writes. */
  readonly leader: () => LeaderView | undefined;
  /** [0, 1) */
  readonly random: () => number;
}

/** A node's session on this manager, for what travels over it that is not the dispatcher's (log subscriptions). */
export interface SessionHandle {
  readonly id: string;
  readonly nodeId: string;
  readonly closed: AbortSignal;
  send(message: ManagerMessage__Input): void;
}

export interface Dispatcher {
  /** To be merged with the log broker's PublishLogs. */
  readonly dispatcherHandlers: Pick<DispatcherHandlers, "Session">;
  readonly managersHandlers: Pick<ManagersHandlers, "ReportStatuses" | "ReportLiveness" | "ReportUsage">;
  /** Tell it at once when this manager gains or loses leadership; it also asks `leader()` by itself, a little later. */
  setLeader(isLeader: boolean): void;
  session(nodeId: string): SessionHandle | undefined;
  /** What nodes and tasks use; filled on the leader. */
  readonly usage: UsageTable;
  readonly sessionCount: number;
  /** Ends all sessions, so that agents go to other managers. */
  stop(): Promise<void>;
}

/** With no leader for so long, this manager is likely on the wrong side of something: its agents are sent elsewhere. */
const leaderlessMs = 3_000;
/** How long a session waits for this manager's copy to reach what the agent has seen already. */
const catchUpMs = 2_000;
const helloMs = 10_000;
/** Followers pass on what their agents use this often, many in one message. */
const usageEveryMs = 5_000;
const usageBatch = 200;

/** See index.ts. Runs on every manager. */
export function startDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, clock, log, authorize, leader, random } = options;
  const clusterSpec = (): ClusterSpec => store.view((tx) => tx.list("cluster")[0]?.spec) ?? newClusterSpec();
  const heartbeatMs = () => clusterSpec().heartbeatMs || newClusterSpec().heartbeatMs;

  const sessions = new Map<string, Session>();
  const open = new Set<Promise<unknown>>();
  /** Nodes heard of since the leader last took a report. */
  const unreported = new Set<string>();
  const source = new AssignmentSource({ store, clock, log });
  const liveness = new Liveness({ store, clock, log, heartbeatMs });
  const intake = new StatusIntake({ store, clock, leader });
  const usage = new UsageTable(clock);
  /** Follower: the last report of each node that the leader does not have. */
  const unreportedUse = new Map<string, UsageReport>();
  const stopping = new AbortController();

  let isLeader = false;
  let leaderSeen = clock.monotonic();
  let lastReport = 0;
  let isReporting = false;
  let lastUsage = 0;
  let isReportingUse = false;

  const stopWatching = store.watch((commit) => {
    for (const change of commit.changes) {
      if (change.table !== "node" || change.kind !== "removed") continue;
      sessions.get(change.object.id)?.close(removedError(change.object.id));
      // Not inside the commit's own turn: the store has to finish it first.
      clock.after(0, () => liveness.orphanTasks(change.object.id, "its node was removed from the cluster"));
    }
  });

  // ---- leadership and time -------------------------------------------------------------------------------------------

  function lookAtLeader(): void {
    const now = clock.monotonic();
    const view = leader();
    if (view) leaderSeen = now;
    if ((view?.isSelf ?? false) === isLeader) return;
    isLeader = !isLeader;
    if (!isLeader) { liveness.loseLeader(); usage.clear(); for (const id of sessions.keys()) unreported.add(id); return; }
    liveness.becomeLeader();
    for (const [nodeId, report] of unreportedUse) usage.note(nodeId, report);
    unreportedUse.clear();
    for (const session of sessions.values()) hear(session);
  }

  const tickMs = () => Math.min(500, Math.max(50, heartbeatMs() / 4));
  let ticker: Timer = clock.after(tickMs(), tick);
  function tick(): void {
    if (stopping.signal.aborted) return;
    ticker = clock.after(tickMs(), tick);
    lookAtLeader();
    const now = clock.monotonic();
    if (now - leaderSeen > leaderlessMs) {
      for (const session of sessions.values()) session.close(new SwarmError("UNAVAILABLE", "this manager has no leader; try another manager"));
    }
    for (const session of sessions.values()) {
      if (now - session.lastHeard > 3 * heartbeatMs()) session.close(new SwarmError("DEADLINE_EXCEEDED", `no heartbeat from node "${session.nodeId}" for ${Math.round(now - session.lastHeard)} ms`));
    }
    liveness.tick();
    if (!isLeader && now - lastReport >= heartbeatMs() / 2) void reportLiveness();
    if (now - lastUsage < usageEveryMs) return;
    lastUsage = now;
    if (isLeader) usage.forgetSilent(); else void reportUse();
  }

  function hear(session: Session): void {
    if (isLeader) liveness.heard({ nodeId: session.nodeId, addr: session.addr, description: session.description });
    else unreported.add(session.nodeId);
  }

  /** Follower: tells the leader whom it heard. What fails is reported again with the next tick. */
  async function reportLiveness(gone: readonly Session[] = []): Promise<void> {
    const client = leader()?.client;
    if (!client || (isReporting && gone.length === 0)) return;
    const heard = [...unreported];
    const nodes: NodeLiveness__Input[] = gone.map((session) => ({ nodeId: session.nodeId, sessionId: session.id, isGone: true, addr: session.addr }));
    for (const nodeId of heard) {
      const session = sessions.get(nodeId);
      if (!session) { unreported.delete(nodeId); continue; }
      const known = store.view((tx) => tx.get("node", nodeId)?.description);
      nodes.push({ nodeId, sessionId: session.id, addr: session.addr, description: isSame(known, session.description) ? null : session.description });
    }
    if (nodes.length === 0) return;
    isReporting = true;
    lastReport = clock.monotonic();
    for (const nodeId of heard) unreported.delete(nodeId);
    try {
      await call(client, "reportLiveness", { nodes }, { timeoutMs: Math.max(1_000, heartbeatMs() / 2), signal: stopping.signal });
    } catch (error) {
      for (const nodeId of heard) unreported.add(nodeId);
      log.debug("Could not tell the leader which agents are alive; trying again", { error });
    } finally { isReporting = false; }
  }

  function noteUse(nodeId: string, report: UsageReport): void {
    if (isLeader) usage.note(nodeId, report);
    else unreportedUse.set(nodeId, report);
  }

  /** Follower: passes reports on. What is lost comes again with the node's next one. */
  async function reportUse(): Promise<void> {
    const client = leader()?.client;
    if (!client || isReportingUse || unreportedUse.size === 0) return;
    isReportingUse = true;
    try {
      while (unreportedUse.size > 0) {
        const nodes = [...unreportedUse].slice(0, usageBatch).map(([nodeId, report]) => ({ nodeId, report }));
        for (const { nodeId } of nodes) unreportedUse.delete(nodeId);
        await call(client, "reportUsage", { nodes }, { timeoutMs: 5_000, signal: stopping.signal });
      }
    } catch (error) {
      log.debug("Could not tell the leader what agents use", { error });
    } finally { isReportingUse = false; }
  }

  // ---- sessions ------------------------------------------------------------------------------------------------------

  async function serveSession(stream: SessionStream, context: CallContext): Promise<void> {
    const { caller } = context;
    if (caller.kind !== "node") throw new SwarmError("PERMISSION_DENIED", "Cannot open a session: only a node of the cluster, with its certificate, may do that");
    const { nodeId } = caller;
    const ended = AbortSignal.any([context.signal, stopping.signal]);
    const hello = await firstMessage(stream, ended);
    if (!hello?.hello) throw new SwarmError("INVALID_ARGUMENT", "Cannot open a session: the first message must be a hello");
    await admit(nodeId, hello.hello.assignments, ended);

    const session = new Session({
      id: idFromBytes(Uint8Array.from({ length: 17 }, () => Math.floor(random() * 256))),
      nodeId, hello: hello.hello, addr: reportedAddr(hello.hello.addr) ?? hostOf(context.peer), stream, source, clock, random,
      log: log.with({ node: nodeId }),
      nodeUpdate: () => nodeUpdate(nodeId),
      onHeard: hear,
      onGoodbye: goodbye,
      onUsage: (report) => noteUse(nodeId, report),
      report: (updates) => intake.report(nodeId, updates),
    });
    sessions.get(nodeId)?.close(new SwarmError("ABORTED", `node "${nodeId}" opened a newer session`));
    sessions.set(nodeId, session);
    log.info("An agent opened a session", { node: nodeId, session: session.id, addr: session.addr });
    if (!isLeader) { unreported.add(nodeId); clock.after(0, () => void reportLiveness()); }
    try {
      await session.run();
      log.info("An agent ended its session", { node: nodeId, session: session.id });
    } catch (error) {
      log.info("An agent's session broke off", { node: nodeId, session: session.id, error });
      throw error;
    } finally {
      if (sessions.get(nodeId) === session) sessions.delete(nodeId);
    }
  }

  /** Refuses who does not belong to the cluster, and whom this manager would tell old news. */
  async function admit(nodeId: string, seenIndex: number, ended: AbortSignal): Promise<void> {
    const deadline = clock.monotonic() + catchUpMs;
    for (;;) {
      lookAtLeader();
      if (clock.monotonic() - leaderSeen > leaderlessMs) throw new SwarmError("UNAVAILABLE", "Cannot open a session: this manager has no leader; try another manager");
      const { node, isRemoved } = store.view((tx) => ({ node: tx.get("node", nodeId), isRemoved: nodeId in (tx.list("cluster")[0]?.removedNodes ?? {}) }));
      if (isRemoved) throw removedError(nodeId);
      if (node && store.index >= seenIndex) return;
      if (clock.monotonic() >= deadline) {
        if (!isLeader) throw new SwarmError("UNAVAILABLE", "Cannot open a session: this manager's copy of the cluster's state is behind; try another manager");
        if (!node) throw new SwarmError("NOT_FOUND", `Cannot open a session: the cluster has no node "${nodeId}"; let it leave and join again`);
        log.warn("An agent has seen a newer state than the leader's; the leader's counts", { node: nodeId, seen: seenIndex, index: store.index });
        return;
      }
      await sleep(clock, 25, ended);
    }
  }

  function goodbye(session: Session): void {
    log.info("A node leaves the cluster", { node: session.nodeId });
    if (isLeader) liveness.heard({ nodeId: session.nodeId, addr: session.addr, description: undefined, isGone: true });
    else { unreported.delete(session.nodeId); void reportLiveness([session]); }
  }

  function nodeUpdate(nodeId: string): NodeUpdate__Input {
    const { heartbeatMs: period, dataPort } = clusterSpec();
    return store.view((tx) => ({
      node: tx.get("node", nodeId) ?? null,
      managers: tx.list("node").flatMap((node) => (node.manager?.addr ? [node.manager.addr] : [])).sort(),
      heartbeatMs: period || newClusterSpec().heartbeatMs,
      dataPort: dataPort || newClusterSpec().dataPort,
    }));
  }

  // ---- what other managers ask of the leader ---------------------------------------------------------------------------

  function requireManagerAndLeader(context: CallContext): void {
    if (context.caller.kind !== "node" || context.caller.role !== "MANAGER") throw new SwarmError("PERMISSION_DENIED", "Only a manager may report for other nodes");
    lookAtLeader();
    if (!isLeader) throw new SwarmError("UNAVAILABLE", "Cannot take the report: this manager is not the leader; send it to the leader");
  }

  async function reportStatuses(request: ReportStatusesRequest, context: CallContext) {
    requireManagerAndLeader(context);
    return { unknownTaskIds: await intake.store(request.nodeId, request.updates) };
  }

  async function takeLivenessReport(request: ReportLivenessRequest, context: CallContext) {
    requireManagerAndLeader(context);
    for (const { nodeId, addr, description, isGone } of request.nodes) liveness.heard({ nodeId, addr, description: description ?? undefined, isGone });
    return {};
  }

  async function takeUsageReport(request: ReportUsageRequest, context: CallContext) {
    requireManagerAndLeader(context);
    for (const { nodeId, report } of request.nodes) if (report) usage.note(nodeId, report);
    return {};
  }

  lookAtLeader();
  return {
    dispatcherHandlers: {
      Session: bidiStream<AgentMessage, ManagerMessage__Input>(authorize, (stream, context) => {
        const served = serveSession(stream, context);
        const settled = served.catch(() => {}).finally(() => open.delete(settled));
        open.add(settled);
        return served;
      }),
    },
    managersHandlers: { ReportStatuses: unary(authorize, reportStatuses), ReportLiveness: unary(authorize, takeLivenessReport), ReportUsage: unary(authorize, takeUsageReport) },
    setLeader: () => lookAtLeader(),
    session: (nodeId) => sessions.get(nodeId),
    usage,
    get sessionCount() { return sessions.size; },
    async stop() {
      const reason = new SwarmError("UNAVAILABLE", "this manager is stopping; try another manager");
      stopping.abort(reason);
      ticker.cancel();
      stopWatching();
      source.stop();
      intake.stop();
      liveness.loseLeader();
      for (const session of sessions.values()) session.close(reason);
      await Promise.all(open);
    },
  };

  function firstMessage(stream: SessionStream, ended: AbortSignal): Promise<AgentMessage | undefined> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        timer.cancel();
        ended.removeEventListener("abort", onAbort);
        stream.off("data", onData).off("end", onEnd).off("error", onError);
        settle();
      };
      const onData = (message: AgentMessage) => { stream.pause(); finish(() => resolve(message)); };
      const onEnd = () => finish(() => resolve(undefined));
      const onError = (error: Error) => finish(() => reject(error));
      const onAbort = () => finish(() => reject(ended.reason));
      const timer = clock.after(helloMs, () => finish(() => reject(new SwarmError("DEADLINE_EXCEEDED", "Cannot open a session: no hello came within 10 s"))));
      if (ended.aborted) return onAbort();
      ended.addEventListener("abort", onAbort, { once: true });
      stream.on("data", onData).once("end", onEnd).once("error", onError);
    });
  }
}

const removedError = (nodeId: string) =>
  new SwarmError("PERMISSION_DENIED", `Node "${nodeId}" was removed from the cluster; to use the host again, run "swarmctl leave --force" on it and join it anew`);

/** "10.0.0.5:4711", "[::ffff:10.0.0.5]:4711" → "10.0.0.5" */
function hostOf(peer: string): string {
  const host = /^\[?(.*?)\]?:\d+$/.exec(peer)?.[1] ?? peer;
  return host.replace(/^::ffff:/, "");
}
