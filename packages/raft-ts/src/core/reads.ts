// Linearizable reads on the leader (Raft §6.4): a read gets the commit index of its arrival, and is let go once a heartbeat round that began
// after it was answered by a majority. Rounds are counters of this leader, so an old answer can confirm nothing new (etcd-io/raft #397).
import type { RaftId } from "../api.js";

interface PendingRead { readonly from: RaftId; readonly id: number; readonly index: number; readonly round: number }

export class Reads {
  /** Arrived before this leader committed an entry of its own term: its commit index may be behind (etcd #7331). */
  private postponed: { from: RaftId; id: number }[] = [];
  private waiting: PendingRead[] = [];
  /** The last round that was sent. */
  round = 0;

  get needsRound(): boolean { return this.waiting.length > 0 && this.waiting[this.waiting.length - 1]!.round > this.round; }

  add(from: RaftId, id: number, commit: number, hasOwnCommit: boolean): void {
    if (hasOwnCommit) this.waiting.push({ from, id, index: commit, round: this.round + 1 });
    else this.postponed.push({ from, id });
  }

  ownTermCommitted(commit: number): void {
    for (const read of this.postponed.splice(0)) this.add(read.from, read.id, commit, true);
  }

  /** `confirmed`: the highest round that a majority has answered. */
  take(confirmed: number): PendingRead[] {
    let count = 0;
    while (count < this.waiting.length && this.waiting[count]!.round <= confirmed) count++;
    return this.waiting.splice(0, count);
  }
}
