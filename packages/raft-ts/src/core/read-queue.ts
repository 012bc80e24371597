// Reads that wait on the leader (Raft §6.4): each has the commit index of its arrival, and is let go once a heartbeat round that began after it was answered by a
// majority. Rounds are counters of this leader, so an old answer can confirm nothing new (etcd-io/raft #397).
import type { RaftId } from "../api.js";

export interface WaitingRead { readonly from: RaftId; readonly id: number; readonly index: number; readonly round: number }

/** More are dropped; who asked asks again. */
const maxReads = 10_000;
/** Rounds whose ticks are remembered. An answer that is older gives no lease. */
const rememberedRounds = 1024;

export class ReadQueue {
  /** Arrived before this leader committed an entry of its own term: its commit index may be behind (etcd #7331). */
  private postponed: { from: RaftId; id: number }[] = [];
  private waiting: WaitingRead[] = [];
  private readonly sentAt = new Float64Array(rememberedRounds);
  /** The last round that was sent. */
  round = 0;

  get isWaiting(): boolean { return this.waiting.length > 0; }
  get needsRound(): boolean { return this.waiting.length > 0 && this.waiting[this.waiting.length - 1]!.round > this.round; }

  reset(): void {
    this.postponed = [];
    this.waiting = [];
    this.round = 0;
  }

  startRound(tick: number): number {
    this.round++;
    this.sentAt[this.round % rememberedRounds] = tick;
    return this.round;
  }

  /** The tick at which the round was sent; long ago for one that is forgotten or never was. */
  tickOf(round: number): number { return round <= this.round && round > this.round - rememberedRounds && round > 0 ? this.sentAt[round % rememberedRounds]! : -Infinity; }

  add(from: RaftId, id: number, commit: number, hasOwnCommit: boolean): void {
    if (this.waiting.length + this.postponed.length >= maxReads) return;
    if (hasOwnCommit) this.waiting.push({ from, id, index: commit, round: this.round + 1 });
    else this.postponed.push({ from, id });
  }

  ownTermCommitted(commit: number): void {
    for (const read of this.postponed.splice(0)) this.add(read.from, read.id, commit, true);
  }

  /** `confirmed`: the highest round that a majority has answered. */
  take(confirmed: number): readonly WaitingRead[] {
    let count = 0;
    while (count < this.waiting.length && this.waiting[count]!.round <= confirmed) count++;
    return count === 0 ? [] : this.waiting.splice(0, count);
  }
}
