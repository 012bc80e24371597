// The log in memory: everything after the compaction point. Durable copies are the storage's affair; here is only the knowledge of how far they reach.
import type { Entry } from "./types.js";

/** Overhead counted for an entry beside its data, so that empty entries are not free. */
export const entryOverheadBytes = 16;
export const entryBytes = (entry: Entry): number => entry.data.length + entryOverheadBytes;

interface PendingWrite { readonly id: number; lastIndex: number }

export class RaftLog {
  private entries: Entry[] = [];
  private baseIndex = 0;
  private baseTerm = 0;
  /** Entries up to here were handed out to be written. */
  private handedOut = 0;
  private pending: PendingWrite[] = [];
  /** Synced up to here. Invariant: stable <= handedOut <= lastIndex. */
  stable = 0;
  commit = 0;
  /** In the state machine up to here. */
  applied = 0;
  /** Entries up to here were handed out to be applied. Invariant: applied <= applying <= commit. */
  private applying = 0;
  /** Of the entries in (applied, applying]. */
  private applyingBytes = 0;
  /** There is no config entry beyond this index. */
  private lastConfigAtMost = 0;

  /** `base`: the point up to which the log was compacted. `entries` are durable. */
  constructor(base: { index: number; term: number }, entries: readonly Entry[], commit: number, applied: number) {
    this.baseIndex = base.index;
    this.baseTerm = base.term;
    this.entries = [...entries];
    for (let i = 0; i < entries.length; i++) {
      assert(entries[i]!.index === base.index + 1 + i, "the log has no gap");
      if (entries[i]!.kind === "config") this.lastConfigAtMost = entries[i]!.index;
    }
    this.stable = this.handedOut = this.lastIndex;
    this.commit = Math.max(Math.min(commit, this.lastIndex), applied);
    this.applied = this.applying = applied;
    assert(applied >= base.index && applied <= this.lastIndex, "what was applied is in the log or just before it");
  }

  get firstIndex(): number { return this.baseIndex + 1; }
  get lastIndex(): number { return this.baseIndex + this.entries.length; }
  get lastTerm(): number { return this.entries.length > 0 ? this.entries[this.entries.length - 1]!.term : this.baseTerm; }
  get hasUnwritten(): boolean { return this.handedOut < this.lastIndex; }

  /** undefined: compacted or not there yet. Never 0 for "unknown" (etcd-io/raft #31: a wrong 0 looks like a match). */
  term(index: number): number | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.entry(index)?.term;
  }

  entry(index: number): Entry | undefined { return this.entries[index - this.baseIndex - 1]; }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Entries from `from` on, at most `maxBytes` but at least one if there is one, up to `to` inclusive. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    const out: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.entry(index);
      if (!entry) break;
      bytes += entryBytes(entry);
      if (out.length > 0 && bytes > maxBytes) break;
      out.push(entry);
    }
    return out;
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "entries are appended in order");
    this.entries.push(entry);
    if (entry.kind === "config") this.lastConfigAtMost = entry.index;
  }

  /** A follower's append (Raft §5.3), `prev` known to match: cuts at the first conflict, keeps what is there already. Returns the last index sent. */
  merge(entries: readonly Entry[]): void {
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (entry.index <= this.baseIndex) continue;
      const present = this.entry(entry.index);
      if (present?.term === entry.term) continue;
      if (present) this.truncate(entry.index);
      for (let k = i; k < entries.length; k++) this.append(entries[k]!);
      return;
    }
  }

  private truncate(index: number): void {
    assert(index > this.commit, `a committed entry (${index} <= ${this.commit}) is never cut`);
    this.entries.length = index - this.baseIndex - 1;
    this.stable = Math.min(this.stable, index - 1);
    this.handedOut = Math.min(this.handedOut, index - 1);
    // Writes on their way hold entries that are void now; their completion must not count for what replaces them, even if
    // index and term come back the same (the "ABA" of asynchronous appends).
    for (const write of this.pending) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** What has to be written next; remembered under `writeId`. */
  takeUnwritten(writeId: number): Entry[] {
    const out = this.entries.slice(this.handedOut - this.baseIndex);
    this.handedOut = this.lastIndex;
    if (out.length > 0) this.pending.push({ id: writeId, lastIndex: this.lastIndex });
    return out;
  }

  writeDone(writeId: number): void {
    while (this.pending.length > 0 && this.pending[0]!.id <= writeId) {
      this.stable = Math.max(this.stable, this.pending.shift()!.lastIndex);
    }
    assert(this.stable <= this.lastIndex, "only entries of the log are stable");
  }

  /** The next entries to apply, up to `to`, as far as those that are out and these hold at most `maxBytes`; one alone may be larger. */
  takeCommitted(to: number, maxBytes: number): Entry[] {
    const out: Entry[] = [];
    for (let index = this.applying + 1; index <= to; index++) {
      const entry = this.entry(index)!;
      const bytes = entryBytes(entry);
      if (this.applyingBytes > 0 && this.applyingBytes + bytes > maxBytes) break;
      out.push(entry);
      this.applyingBytes += bytes;
      this.applying = index;
    }
    return out;
  }

  acknowledgeApplied(index: number): void {
    assert(index <= this.applying, `only what was handed out is applied (${index} <= ${this.applying})`);
    for (let i = this.applied + 1; i <= index; i++) this.applyingBytes -= entryBytes(this.entry(i)!);
    this.applied = index;
  }

  /** Largest index at or below `index` whose term is at or below `term`: the first place where two logs can meet (conflict hint). */
  findConflict(index: number, term: number): { index: number; term: number } {
    if (index < this.baseIndex) return { index, term: 0 };
    for (let i = Math.min(index, this.lastIndex); i > this.baseIndex; i--) {
      const own = this.term(i)!;
      if (own <= term) return { index: i, term: own };
    }
    // Below the compaction point terms are not known: only a snapshot helps there.
    return this.baseTerm <= term ? { index: this.baseIndex, term: this.baseTerm } : { index: Math.max(0, this.baseIndex - 1), term: 0 };
  }

  /** Drops entries up to `index`, which is applied and covered by a durable snapshot. */
  compact(index: number): void {
    if (index <= this.baseIndex) return;
    assert(index <= this.applied && index <= this.stable, "only applied entries are compacted");
    const term = this.term(index)!;
    this.entries = this.entries.slice(index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  /** A snapshot replaces everything, the tail too (scylladb #9551). */
  reset(index: number, term: number): void {
    this.entries = [];
    this.pending = [];
    this.baseIndex = this.stable = this.handedOut = this.commit = this.applying = index;
    this.baseTerm = term;
    this.applyingBytes = 0;
  }

  /** Is there a config entry in (after, upTo]? */
  hasConfig(after: number, upTo: number): boolean { return this.firstConfig(after, upTo) !== undefined; }

  /** The index of the first config entry in (after, upTo]. Asked for every commit, and nearly always there is none. */
  firstConfig(after: number, upTo: number): number | undefined {
    const end = Math.min(upTo, this.lastConfigAtMost);
    for (let index = after + 1; index <= end; index++) if (this.entry(index)?.kind === "config") return index;
    return undefined;
  }
}

export function assert(condition: boolean, claim: string): asserts condition {
  if (!condition) throw new Error(`Raft invariant broken: ${claim}`);
}
