import type { Metrics } from "../lib/index.js";
import { decodeContext, type Replication } from "./replication.js";

const gauges = {
  term: "The term of this member", hasLeader: "A leader is known", members: "Members of the raft group", commitIndex: "The last entry that is committed", appliedIndex: "The last entry that is applied",
  lastIndex: "The last entry of the log", entriesInMemory: "Entries that are kept in memory", uncommittedBytes: "Bytes of entries that wait to be committed",
} as const;
const totals = {
  proposals: "Entries that were proposed", proposalsDropped: "Proposals whose fate was unknown as leadership was lost", entriesApplied: "Entries that were applied", reads: "Linearizable reads, by turns",
  leaderChanges: "Leaders that this member has seen", messagesSent: "Raft messages sent", bytesSent: "Bytes of them", messagesReceived: "Raft messages received", bytesReceived: "Bytes of them",
  logWrites: "Writes of the log that had to be synced", logWriteMs: "Milliseconds that these took, added up", logSyncs: "Syncs of the log", logBytesWritten: "Bytes written to the log",
  snapshotsTaken: "Snapshots taken", snapshotsSent: "Snapshots sent to others", snapshotsReceived: "Snapshots received",
} as const;

/** Raft's numbers among the manager's metrics: `raft_commit_index`, `raft_proposals_total`, and on the leader how far each other manager is behind, by node. */
export class RaftMetricsView {
  readonly #peers = new Set<string>();
  constructor(private readonly metrics: Metrics, private readonly replication: Pick<Replication, "metrics" | "status">) {}

  /** Called before they are read. */
  look(): void {
    const { metrics: now, status } = this.replication;
    for (const [key, help] of entries(gauges)) this.metrics.gauge(`raft_${snake(key)}`, `${help}.`).set(now[key]);
    for (const [key, help] of entries(totals)) {
      const counter = this.metrics.counter(`raft_${snake(key)}_total`, `${help}.`);
      counter.add(now[key] - counter.value);
    }
    const seen = new Set<string>();
    for (const member of status.members) {
      if (!member.progress) continue;
      const node = decodeContext(member)?.nodeId ?? String(member.id);
      seen.add(node);
      this.#peer(node, member.progress.lagEntries, member.progress.lastHeardMs, member.isActive ? 1 : 0);
    }
    // Gone, or this manager does not lead any more: a lag that stands still would be taken for a real one.
    for (const node of this.#peers) if (!seen.has(node)) this.#peer(node, 0, 0, 0);
    for (const node of seen) this.#peers.add(node);
  }

  #peer(node: string, lagEntries: number, lastHeardMs: number, isActive: number): void {
    this.metrics.gauge("raft_peer_lag_entries", "Entries of the leader's log that a manager does not have yet.", { node }).set(lagEntries);
    this.metrics.gauge("raft_peer_last_heard_ms", "Milliseconds since the leader heard of a manager.", { node }).set(lastHeardMs);
    this.metrics.gauge("raft_peer_is_active", "The manager answered within an election timeout.", { node }).set(isActive);
  }
}

const entries = <T extends object>(of: T): [keyof T, T[keyof T]][] => Object.entries(of) as [keyof T, T[keyof T]][];
const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
