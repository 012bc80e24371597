// The promises of Raft (figure 3 of the paper), looked after while the run goes on: after every event of a member, what is new in its core is compared with what is known of all.
import type { RaftId } from "../src/api.js";
import type { RaftCore } from "../src/core/raft.js";
import type { Entry } from "../src/core/types.js";
import { idOf } from "./register-machine.js";
import type { World } from "./world.js";

/** Names what was broken, so that a smaller run can be compared with a larger one. */
export class Violation extends Error {
  constructor(readonly promise: string, detail: string) { super(`${promise}: ${detail}`); this.name = "Violation"; }
}

export function check(condition: boolean, promise: string, detail: () => string): asserts condition {
  if (!condition) throw new Violation(promise, detail());
}

/** What was last seen of one process. */
export class Seen {
  commit: number;
  term = 0;
  role = "";
  /** The log as it was: entries by identity, from `base` + 1 on. */
  base: number;
  entries: Entry[] = [];
  constructor(core: RaftCore) { this.base = this.commit = core.log.firstIndex - 1; }
}

export class Checkers {
  /** term → its leader */
  private readonly leaders = new Map<number, RaftId>();
  /** index → the entry that is committed there. */
  readonly committed: Entry[] = [];
  /** index → the term in which that was first known. It may be later than the entry's own: a leader commits with its first entry what leaders before it left behind. */
  private readonly committedIn: number[] = [];
  /** id of a write → the index where it is committed. */
  readonly committedWrites = new Map<number, number>();
  /** index → the entry that some log held there first, and the term before it. Those of other terms are few. */
  private readonly first: Entry[] = [];
  private readonly firstPrevious: number[] = [];
  private readonly others = new Map<string, { readonly entry: Entry; readonly previousTerm: number }>();
  /** index → digest of the state after it. */
  private readonly digests: number[] = [];
  elections = 0;
  highestTerm = 0;
  onLeader: (id: RaftId) => void = () => {};

  constructor(private readonly world: World) {}

  look(id: RaftId, core: RaftCore, seen: Seen): void {
    const { log } = core;
    const last = log.lastIndex;
    if (seen.base + seen.entries.length !== last || (last > seen.base && seen.entries[seen.entries.length - 1] !== log.entry(last))) this.lookAtLog(id, core, seen);
    if (log.commit !== seen.commit) this.lookAtCommit(id, core, seen);
    if (core.role !== seen.role || core.term !== seen.term) this.lookAtRole(id, core, seen);
  }

  /** Log matching: entries with one index and term are the same, and so is everything before them. */
  private lookAtLog(id: RaftId, core: RaftCore, seen: Seen): void {
    const { log } = core;
    const base = log.firstIndex - 1;
    if (base !== seen.base) {
      // Compacted, or replaced by a snapshot.
      seen.entries = base > seen.base && base <= seen.base + seen.entries.length ? seen.entries.slice(base - seen.base) : [];
      seen.base = base;
    }
    const { entries } = seen;
    if (entries.length > log.lastIndex - base) entries.length = log.lastIndex - base;
    let from = log.lastIndex;
    while (from > base && entries[from - base - 1] !== log.entry(from)) from--;
    for (let index = from + 1; index <= log.lastIndex; index++) {
      const entry = log.entry(index)!;
      entries[index - base - 1] = entry;
      const previousTerm = log.term(index - 1)!;
      check(entry.index === index && previousTerm <= entry.term, "log matching", () => `member ${id} holds entry ${entry.index} of term ${entry.term} at ${index}, behind one of term ${previousTerm}`);
      const first = this.first[index];
      if (!first) { this.first[index] = entry; this.firstPrevious[index] = previousTerm; }
      else if (first.term === entry.term) checkMatch(id, entry, previousTerm, first, this.firstPrevious[index]!);
      else {
        const key = `${index} ${entry.term}`;
        const other = this.others.get(key);
        if (!other) this.others.set(key, { entry, previousTerm });
        else checkMatch(id, entry, previousTerm, other.entry, other.previousTerm);
      }
    }
  }

  /** State machine safety: what one member knows to be committed is what all others know there. */
  private lookAtCommit(id: RaftId, core: RaftCore, seen: Seen): void {
    const { log } = core;
    check(log.commit >= seen.commit, "the commit index never goes back", () => `member ${id} went from ${seen.commit} to ${log.commit}`);
    for (let index = Math.max(seen.commit + 1, log.firstIndex); index <= log.commit; index++) {
      const entry = log.entry(index)!;
      const known = this.committed[index];
      if (known) {
        // What they hold was compared when their logs were looked at: there is one entry of an index and a term.
        check(known.term === entry.term, "state machine safety", () => `member ${id} commits entry ${index} of term ${entry.term}, others one of term ${known.term}`);
        continue;
      }
      this.committed[index] = entry;
      this.committedIn[index] = core.term;
      this.world.mix(index * 31 + entry.term);
      if (entry.kind !== "data") continue;
      const write = idOf(entry.data);
      const before = this.committedWrites.get(write);
      check(before === undefined, "once only", () => `write ${write} is committed at ${before} and at ${index}`);
      this.committedWrites.set(write, index);
    }
    seen.commit = log.commit;
  }

  private lookAtRole(id: RaftId, core: RaftCore, seen: Seen): void {
    check(core.term >= seen.term, "the term never goes back", () => `member ${id} went from ${seen.term} to ${core.term}`);
    if (core.term > this.highestTerm) this.highestTerm = core.term;
    if (core.role === "leader" && (seen.role !== "leader" || seen.term !== core.term)) {
      const known = this.leaders.get(core.term);
      check(known === undefined || known === id, "election safety", () => `members ${known} and ${id} lead in term ${core.term}`);
      this.leaders.set(core.term, id);
      this.elections++;
      this.world.mix(core.term * 64 + id);
      this.world.tell(`member ${id} leads in term ${core.term}; its log ends at ${core.log.lastIndex}`);
      this.checkCompleteness(id, core);
      seen.role = core.role;
      seen.term = core.term;
      this.onLeader(id);
      return;
    }
    seen.role = core.role;
    seen.term = core.term;
  }

  /** Leader completeness: everything committed in earlier terms is in the log of every later leader. Not what is committed later: a candidate may stand still and win long after its time. */
  private checkCompleteness(id: RaftId, core: RaftCore): void {
    for (let index = core.log.firstIndex; index < this.committed.length; index++) {
      const entry = this.committed[index];
      if (entry && this.committedIn[index]! < core.term) check(core.log.term(index) === entry.term, "leader completeness", () => `member ${id}, leader of term ${core.term}, does not hold entry ${index} of term ${entry.term}, which is committed`);
    }
    check(core.log.lastIndex >= this.committedBefore(core.term), "leader completeness", () => `the log of member ${id}, leader of term ${core.term}, ends at ${core.log.lastIndex}`);
  }

  private committedBefore(term: number): number {
    let index = this.committed.length - 1;
    while (index > 0 && !(this.committed[index] && this.committedIn[index]! < term)) index--;
    return index;
  }

  /** The newest index that anybody knows to be committed. */
  get committedIndex(): number { return this.committed.length - 1; }

  applied(id: RaftId, index: number, data: Uint8Array, digest: number): void {
    const known = this.committed[index];
    if (known) check(known.kind === "data" && (known.data === data || isEqual(known.data, data)), "state machine safety", () => `member ${id} applies another entry ${index} than the one that is committed`);
    this.checkDigest(id, index, digest);
  }

  checkDigest(id: RaftId, index: number, digest: number): void {
    const known = this.digests[index];
    if (known === undefined) this.digests[index] = digest;
    else check(known === digest, "state machine safety", () => `the state of member ${id} after entry ${index} differs from that of others`);
  }

  acknowledged(write: number, index: number, term: number): void {
    const entry = this.committed[index];
    check(entry !== undefined && entry.term === term && entry.kind === "data" && idOf(entry.data) === write, "no acknowledged write is lost", () => `write ${write} was acknowledged at ${index} of term ${term}, where ${entry ? `an entry of term ${entry.term}` : "nothing"} is committed`);
  }
}

function checkMatch(id: RaftId, entry: Entry, previousTerm: number, other: Entry, otherPreviousTerm: number): void {
  check(previousTerm === otherPreviousTerm && isSame(entry, other), "log matching", () => `member ${id} holds another entry ${entry.index} of term ${entry.term} than others do, or another one before it`);
}

function isSame(a: Entry, b: Entry): boolean { return a === b || (a.term === b.term && a.kind === b.kind && isEqual(a.data, b.data)); }

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  if (a.buffer === b.buffer && a.byteOffset === b.byteOffset) return true;
  if (a.length > 64) return Buffer.compare(a, b) === 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
