// What can be seen of a node from outside: its status as data, numbers for monitoring, and listeners that hear of each change.
import type { PeerProgress, RaftMetrics, RaftStatus } from "../api.js";
import { everyone, isVoter } from "../core/config.js";
import type { NodeContext } from "./context.js";

/** Counted since the start of the node. */
export class Counters {
  proposals = 0;
  proposalsDropped = 0;
  entriesApplied = 0;
  reads = 0;
  leaderChanges = 0;
  messagesSent = 0;
  bytesSent = 0;
  messagesReceived = 0;
  bytesReceived = 0;
  logWrites = 0;
  logWriteMs = 0;
  snapshotsTaken = 0;
  snapshotsSent = 0;
  snapshotsReceived = 0;
}

export function roleOf({ core, hasEnded }: NodeContext, failure: Error | undefined): RaftStatus["role"] {
  if (failure) return "failed";
  // Closed: it leads nobody any more.
  const role = hasEnded && core.role !== "removed" ? "follower" : core.role;
  if (role === "pre-candidate") return "candidate";
  if (role === "follower" && !isVoter(core.config, core.id)) return "learner";
  return role;
}

export function statusOf(node: NodeContext, failure: Error | undefined): RaftStatus {
  const { core, config } = node;
  const role = roleOf(node, failure);
  const isLeader = role === "leader";
  const incoming = new Set(core.config.members.map(({ id }) => id));
  return {
    id: core.id, role, leader: node.hasEnded ? undefined : core.leader,
    isReady: isLeader && core.log.applied >= core.termStart,
    term: core.term, commitIndex: core.log.commit, appliedIndex: core.log.applied, lastIndex: core.log.lastIndex,
    members: everyone(core.config).map((m) => ({
      ...m,
      matchIndex: m.id === core.id ? core.log.stable : core.progress.get(m.id)?.match ?? 0,
      isActive: isLeader ? core.isActive(m.id) : m.id === core.id || m.id === core.leader,
      ...(!incoming.has(m.id) && { isLeaving: true }),
      ...(isLeader && m.id !== core.id && { progress: progressOf(node, m.id) }),
    })),
    leaderlessMs: isLeader ? 0 : core.leaderlessTicks * config.tickMs,
    ...(failure && { failure }),
  };
}

function progressOf({ core, config }: NodeContext, id: number): PeerProgress {
  const progress = core.progress.get(id);
  if (!progress) return { state: "probe", matchIndex: 0, nextIndex: 0, inFlight: 0, lagEntries: core.log.lastIndex, lastHeardMs: 0 };
  return {
    state: progress.state, matchIndex: progress.match, nextIndex: progress.next, inFlight: progress.inflights.count,
    lagEntries: Math.max(0, core.log.lastIndex - progress.match), lastHeardMs: (core.ticks - progress.heardAt) * config.tickMs,
  };
}

export function metricsOf({ core, counters, storage, hasEnded }: NodeContext): RaftMetrics {
  const { log } = core;
  return {
    ...counters,
    term: core.term, isLeader: core.role === "leader" && !hasEnded ? 1 : 0, hasLeader: core.leader === undefined || hasEnded ? 0 : 1, members: core.config.members.length,
    commitIndex: log.commit, appliedIndex: log.applied, lastIndex: log.lastIndex, entriesInMemory: log.lastIndex - log.firstIndex + 1,
    uncommittedBytes: core.role === "leader" ? core.uncommittedBytes : 0,
    logSyncs: storage.syncs, logBytesWritten: storage.bytesWritten,
  };
}

/** Who hears of each change of leader, role or members. */
export class Listeners {
  private readonly listeners = new Set<(status: RaftStatus) => void>();
  private role: RaftStatus["role"] | undefined;
  private leader: number | undefined;
  private term = -1;
  private isReady = false;
  private config: unknown;

  constructor(private readonly node: NodeContext, private readonly status: () => RaftStatus) {}

  add(listener: (status: RaftStatus) => void): () => void {
    // A copy, so that the same function can listen twice.
    const own = (status: RaftStatus): void => listener(status);
    own(this.status());
    this.listeners.add(own);
    return () => { this.listeners.delete(own); };
  }

  /** Called once a turn: compares without making anything. */
  notify(role: RaftStatus["role"]): void {
    const { core, counters, config } = this.node;
    const isReady = core.role === "leader" && core.log.applied >= core.termStart;
    if (role === this.role && core.leader === this.leader && core.term === this.term && isReady === this.isReady && core.config === this.config) return;
    if (core.leader !== undefined && (core.leader !== this.leader || core.term !== this.term)) counters.leaderChanges++;
    this.role = role;
    this.leader = core.leader;
    this.term = core.term;
    this.isReady = isReady;
    this.config = core.config;
    if (this.listeners.size === 0) return;
    const status = this.status();
    for (const listener of [...this.listeners]) {
      try { listener(status); } catch (error) { config.log("error", `A listener of this member's state threw: ${(error as Error).message}`); }
    }
  }

  clear(): void { this.listeners.clear(); }
}
