// What the leader knows of one member's log, and how much it may send it (after etcd-io/raft tracker.Progress).

import type { RaftId } from "../api.js";

/** Appends on their way: a sliding window limited in number and in bytes. */
export class Inflights {
  private items: { index: number; bytes: number }[] = [];
  private head = 0;
  private bytes = 0;
  constructor(private readonly maxCount: number, private readonly maxBytes: number) {}

  get count(): number { return this.items.length - this.head; }
  get isFull(): boolean { return this.count >= this.maxCount || (this.bytes >= this.maxBytes && this.count > 0); }

  add(index: number, bytes: number): void { this.items.push({ index, bytes }); this.bytes += bytes; }

  /** Everything up to `index` has arrived. */
  freeTo(index: number): void {
    while (this.head < this.items.length && this.items[this.head]!.index <= index) this.bytes -= this.items[this.head++]!.bytes;
    if (this.head > 64) { this.items = this.items.slice(this.head); this.head = 0; }
  }

  /** The byte counter goes with the items (etcd-io/raft #54: a counter that stayed stalled replication). */
  reset(): void { this.items = []; this.head = 0; this.bytes = 0; }
}

/**
 * probe: the match is not known; one append at a time. replicate: appends are pipelined, `next` runs ahead.
 * snapshot: waits until the member has the snapshot. Invariant: match < next.
 */
export class Progress {
  match = 0;
  next: number;
  state: "probe" | "replicate" | "snapshot" = "probe";
  pendingSnapshot = 0;
  /** The leader's tick at which it was last heard of; a new leader counts all as heard of now. */
  heardAt = 0;
  /** Something came from it since this leader leads. */
  hasAnswered = false;
  /** probe: one append is on its way, wait for its answer or the next heartbeat. */
  isProbeSent = false;
  /** The commit index that it was last told. */
  sentCommit = 0;
  /** It said that its log was damaged: until it has this index again it does not vote, so it is no support for a change of members. */
  recoverTarget = 0;
  /** The newest heartbeat round that it answered. */
  ackedRound = 0;
  /** The leader's tick at which the newest round was sent that it answered with a promise (lease reads). */
  promisedAt = -Infinity;
  readonly inflights: Inflights;

  constructor(readonly id: RaftId, next: number, maxInflight: number, maxInflightBytes: number) {
    this.next = next;
    this.inflights = new Inflights(maxInflight, maxInflightBytes);
  }

  heard(tick: number): void { this.heardAt = tick; this.hasAnswered = true; }

  private enter(state: Progress["state"]): void {
    this.state = state;
    this.isProbeSent = false;
    this.pendingSnapshot = 0;
    this.inflights.reset();
  }

  becomeProbe(): void {
    // After a snapshot the follower has at least the snapshot's index once it answers; probe from there.
    const next = this.state === "snapshot" ? Math.max(this.match + 1, this.pendingSnapshot + 1) : this.match + 1;
    this.enter("probe");
    this.next = next;
  }
  becomeReplicate(): void { this.enter("replicate"); this.next = this.match + 1; }
  becomeSnapshot(index: number): void { this.enter("snapshot"); this.pendingSnapshot = index; this.next = index + 1; }

  /** Its log is shorter than what it once acknowledged (its disk lost a part): begin again below. */
  forget(lastIndex: number, recoverTarget: number): void {
    this.match = 0;
    this.recoverTarget = recoverTarget;
    this.enter("probe");
    this.next = lastIndex + 1;
    this.sentCommit = 0;
  }

  /** It acknowledged up to `index`. False: nothing new. */
  accepted(index: number): boolean {
    const isNew = index > this.match;
    if (isNew) { this.match = index; this.isProbeSent = false; }
    this.next = Math.max(this.next, index + 1);
    return isNew;
  }

  /** It refused an append at `rejected`; `matchHint` is the highest index at which the logs may meet. False: an old answer. */
  refused(rejected: number, matchHint: number): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = this.match + 1;
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = Math.max(Math.min(rejected, matchHint + 1), this.match + 1);
    this.isProbeSent = false;
    return true;
  }

  /** Nothing may be sent but heartbeats. */
  get isPaused(): boolean {
    switch (this.state) {
      case "probe": return this.isProbeSent;
      case "replicate": return false;
      case "snapshot": return true;
    }
  }

  /** The window has room for an append that holds entries. */
  get mayTakeEntries(): boolean { return this.state !== "replicate" || !this.inflights.isFull; }
}
