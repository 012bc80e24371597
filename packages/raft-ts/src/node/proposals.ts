// From `propose` to the entry that was applied here. On the leader an entry is followed by index and term; on a follower, with `forwardProposals`, the proposal is first sent to the
// leader, again and again until that answers or its term ends.
import { RaftError } from "../api.js";
import type { Entry, Forwarded } from "../core/types.js";
import type { NodeContext } from "./context.js";
import { checkBytes, droppedError, removedError } from "./errors.js";

export interface Committed { readonly index: number; readonly term: number }

interface Proposal { readonly resolve: (result: Committed) => void; readonly reject: (error: Error) => void }
interface Appended extends Proposal { readonly term: number; /** appended by this leader, not by another on our behalf */ readonly isOwn: boolean }
interface Forward extends Proposal { readonly data: Uint8Array; ticks: number }

export class Proposals {
  /** By index, until it is applied. */
  private readonly appended = new Map<number, Appended>();
  /** By the id that the core knows it by, until the leader has answered. */
  private readonly forwarded = new Map<number, Forward>();
  /** No leader is known that could be asked. */
  private unsent: Forward[] = [];
  private nextForwardId = 1;

  constructor(private readonly node: NodeContext) {}

  propose(data: Uint8Array, signal: AbortSignal | undefined): Promise<Committed> {
    return new Promise((resolve, reject) => {
      const { node } = this;
      node.throwIfEnded();
      signal?.throwIfAborted();
      checkBytes(data, "A proposal");
      if (data.length > node.config.maxEntryBytes) throw new RaftError("too-large", `Cannot propose ${data.length} bytes: an entry holds at most ${node.config.maxEntryBytes}; split the change`);
      const result = node.core.propose(data);
      if (result.kind === "appended") this.appended.set(result.index, appendedBy(result.term, signal ? abortable({ resolve, reject }, signal) : { resolve, reject }));
      else if (result.why === "not-leader" && node.config.forwardProposals) this.forward({ data, ticks: 0, ...(signal ? abortable({ resolve, reject }, signal) : { resolve, reject }) });
      else throw this.refusal(result.why);
      node.counters.proposals++;
      node.schedule();
    });
  }

  /** Resolves once the entry at `index` is applied here, if it is the one of `term`. */
  follow(index: number, term: number): Promise<Committed> {
    return new Promise((resolve, reject) => { this.appended.set(index, { term, isOwn: true, resolve, reject }); });
  }

  /** `action`: what was asked for, as an infinitive. */
  refusal(why: string, action = "propose"): RaftError {
    const { core } = this.node;
    switch (why) {
      case "not-leader": return new RaftError("not-leader", core.leader === undefined ? `Cannot ${action} here: this member is not the leader, and none is known` : `Cannot ${action} here: member ${core.leader} is the leader`);
      case "busy": return new RaftError("busy", `Cannot ${action} now: too much waits to be committed; try again when some of it is`);
      case "transferring": return new RaftError("busy", `Cannot ${action} now: leadership is being handed to member ${core.transferee ?? "another"}; try again there`);
      default: return new RaftError("busy", `Cannot ${action} now: ${why}`);
    }
  }

  // ---- forwarding ----

  private forward(proposal: Forward): void {
    if (this.node.core.forward(this.nextForwardId, proposal.data)) this.forwarded.set(this.nextForwardId++, proposal);
    else this.unsent.push(proposal);
  }

  /** What the leader answered. */
  onForwarded(answers: readonly Forwarded[]): void {
    for (const { id, result } of answers) {
      const proposal = this.forwarded.get(id);
      if (!proposal) continue;
      this.forwarded.delete(id);
      if (result.kind === "dropped") proposal.reject(droppedError());
      // It is certain that it was not appended, so it may be sent again under another id.
      else if (result.kind === "refused" && (result.why === "not-leader" || result.why === "transferring")) this.unsent.push(proposal);
      else if (result.kind === "refused") proposal.reject(this.refusal(result.why));
      else this.followForward(result, proposal);
    }
    // The leader remembers so many at once: others may have waited for these.
    if (answers.length > 0 && this.unsent.length > 0) this.sendWaiting();
  }

  private followForward(at: Committed, proposal: Forward): void {
    const { log } = this.node.core;
    if (log.applied < at.index) {
      this.appended.get(at.index)?.reject(droppedError());
      this.appended.set(at.index, { ...proposal, term: at.term, isOwn: false });
    } else if (log.term(at.index) === at.term) proposal.resolve(at);
    else proposal.reject(droppedError());
  }

  private sendWaiting(): void {
    const waiting = this.unsent;
    this.unsent = [];
    for (const proposal of waiting) {
      const own = this.node.core.propose(proposal.data);
      if (own.kind === "appended") this.appended.set(own.index, { ...proposal, term: own.term, isOwn: true });
      else this.forward(proposal);
    }
  }

  tick(): void {
    const { core, config } = this.node;
    if (this.unsent.length > 0) {
      this.unsent = this.unsent.filter((proposal) => {
        if (++proposal.ticks < config.electionTicks * 5) return true;
        proposal.reject(this.refusal("not-leader"));
        return false;
      });
      this.sendWaiting();
    }
    // The question or its answer may have been lost; the leader takes the same id only once.
    for (const [id, proposal] of this.forwarded) if (++proposal.ticks % 3 === 0) core.forward(id, proposal.data);
  }

  // ---- the end of it ----

  applied(committed: readonly Entry[]): void {
    if (this.appended.size === 0) return;
    for (const { index, term } of committed) {
      const proposal = this.appended.get(index);
      if (!proposal) continue;
      this.appended.delete(index);
      if (proposal.term === term) proposal.resolve({ index, term });
      else proposal.reject(droppedError());
    }
  }

  /** Gives up what this turn made uncertain: a leader that is none any more, a term that is over. */
  settle(): void {
    const { role, term } = this.node.core;
    if (this.appended.size > 0 && role !== "leader") {
      for (const [index, proposal] of this.appended) {
        if (!proposal.isOwn && proposal.term === term) continue;
        this.appended.delete(index);
        this.node.counters.proposalsDropped++;
        proposal.reject(role === "removed" ? removedError() : droppedError());
      }
    }
    if (role === "removed") this.rejectAll(removedError());
  }

  rejectAll(error: Error): void {
    for (const proposal of [...this.appended.values(), ...this.forwarded.values(), ...this.unsent]) proposal.reject(error);
    this.appended.clear();
    this.forwarded.clear();
    this.unsent = [];
  }
}

const appendedBy = (term: number, { resolve, reject }: Proposal): Appended => ({ term, isOwn: true, resolve, reject });

/** Gives up waiting when told to; the entry itself goes its way. */
function abortable(proposal: Proposal, signal: AbortSignal): Proposal {
  const abort = (): void => proposal.reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  return {
    resolve: (result) => { signal.removeEventListener("abort", abort); proposal.resolve(result); },
    reject: (error) => { signal.removeEventListener("abort", abort); proposal.reject(error); },
  };
}
