// Changes of the group: members that join, change, hand over and go. The core decides what may be; here are the waiting and the words.
import { RaftError, type MemberChange, type NewMember, type RaftId } from "../api.js";
import { isJoint, isVoter, memberOf, voters } from "../core/config.js";
import { encodeLeave } from "../leave.js";
import type { NodeContext } from "./context.js";
import { checkBytes, checkId, droppedError } from "./errors.js";
import type { LocalReads } from "./reads.js";
import type { Proposals } from "./proposals.js";

export class Members {
  private leaveRefusal: RaftError | undefined;
  constructor(private readonly node: NodeContext, private readonly proposals: Proposals, private readonly reads: LocalReads) {}

  async add({ id, context, priority, isLearner = false }: NewMember, signal?: AbortSignal): Promise<void> {
    checkId(id);
    checkBytes(context, `The context of member ${id}`);
    this.node.throwIfEnded();
    signal?.throwIfAborted();
    const { core } = this.node;
    if (core.role !== "leader") throw this.proposals.refusal("not-leader", `add member ${id}`);
    if (core.config.removed.includes(id)) throw new RaftError("removed", `Cannot add member ${id}: a member with this id was removed, and ids are never used again; join under a new id`);
    if (isLearner && isVoter(core.config, id)) throw new RaftError("unfit", `Cannot add member ${id} as a learner: it votes already; demote it with changeMembers`);
    const optional = { ...(priority !== undefined && { priority }) };
    // Of one that is there already the address and the priority become what they are now.
    await this.change([{ kind: "add-learner", id, context, ...optional, ...(isLearner && { staysLearner: true }) }, { kind: "update", id, context, ...optional }], `add member ${id}`);
    if (isLearner) return;
    await this.node.waiters.until(() => {
      this.node.throwIfEnded();
      if (isVoter(core.config, id)) return true;
      if (!memberOf(core.config, id)) throw new RaftError("removed", `Cannot add member ${id}: it was removed before it had caught up`);
      if (core.role !== "leader") throw droppedError();
      return undefined;
    }, signal);
    await this.spread();
  }

  async remove(id: RaftId): Promise<void> {
    checkId(id);
    const { core } = this.node;
    this.node.throwIfEnded();
    const isOnlyVoter = isVoter(core.config, id) && voters(core.config).length === 1;
    if (isOnlyVoter) throw new RaftError("quorum", `Cannot remove member ${id}: it is the only voter; add another first`);
    if (id !== core.id) return this.change([{ kind: "remove", id }]);
    if (!memberOf(core.config, id)) return;
    // A leader that removes itself leaves followers that do not know yet that its removal is committed; with two members that would be the end of the group.
    if (core.role === "leader") {
      const refusal = core.refusalOf([{ kind: "remove", id }]);
      if (refusal?.why === "quorum") throw quorumError(`remove member ${id}`, refusal.missing);
      await this.transfer(undefined);
    }
    await this.leave();
  }

  /** Proposes until it is accepted (changes go one at a time), then waits until it is applied, and the joint configuration on the way there is left. */
  async change(changes: readonly MemberChange[], what = describe(changes)): Promise<void> {
    const { node } = this;
    const { core, config } = node;
    for (const change of changes) {
      checkId(change.id);
      const isAdded = change.kind === "add-learner" || change.kind === "add-voter";
      if (isAdded || (change.kind === "update" && change.context !== undefined)) checkBytes(change.context, `The context of member ${change.id}`);
    }
    const target = await node.waiters.until(() => {
      node.throwIfEnded();
      const result = core.proposeConfig(changes);
      if (result.kind === "appended") return result;
      switch (result.why) {
        case "pending-config": case "transferring": return undefined;
        case "no-change": return { index: 0, term: 0 };
        case "quorum": throw quorumError(what, result.missing);
        case "unfit": throw new RaftError("unfit", `Cannot ${what}: ${result.reason}`);
        default: throw this.proposals.refusal(result.why, what);
      }
    }, undefined, { ticks: config.electionTicks * 10, error: () => new RaftError("busy", `Cannot ${what}: another membership change has not finished; try again later`) });
    node.schedule();
    // Nothing to change, as far as this member knows: so does a leader whom nobody follows any more.
    if (target.index === 0) { await this.reads.readIndex(undefined); return; }
    const isOwnRemoval = changes.some((change) => change.kind === "remove" && change.id === core.id);
    try {
      await this.proposals.follow(target.index, target.term);
      await node.waiters.until(() => { node.throwIfEnded(); return isJoint(core.config) ? undefined : true; });
    } catch (error) {
      if (isOwnRemoval && error instanceof RaftError && error.kind === "removed") return;
      throw error;
    }
    await this.spread();
  }

  /**
   * Until a majority knows that the change is committed. As long as only the leader does, its death can leave members that would campaign with the
   * configuration of before, and may miss the majority of that one. A heartbeat round carries the commit index.
   */
  private async spread(): Promise<void> { await this.reads.readIndex(undefined).catch(() => {}); }

  // ---- leaving by oneself ----

  /** Asks the leader for our removal until we are told. */
  private async leave(): Promise<void> {
    const { node } = this;
    const { core, config, transport } = node;
    this.leaveRefusal = undefined;
    let asked: RaftId | undefined;
    let askedAt = -Infinity;
    await node.waiters.until((ticks) => {
      if (core.role === "removed") return true;
      node.throwIfEnded();
      if (this.leaveRefusal !== undefined) throw this.leaveRefusal;
      const { leader } = core;
      if (leader !== undefined && leader !== core.id && (leader !== asked || ticks - askedAt >= config.electionTicks)) {
        asked = leader;
        askedAt = ticks;
        transport.send(leader, [encodeLeave({ kind: "leave" })]);
      }
      return undefined;
    }, undefined, { ticks: config.electionTicks * 10, error: () => new RaftError("quorum", `Cannot remove member ${core.id}: no leader confirmed it in time; try again when a majority is there`) });
  }

  onLeave(from: RaftId): void {
    const { node } = this;
    if (node.core.role !== "leader" || !memberOf(node.core.config, from)) return;
    this.remove(from).catch((error: Error) => {
      if (error instanceof RaftError && error.kind === "quorum" && !node.hasEnded) node.transport.send(from, [encodeLeave({ kind: "refused", why: error.message, missing: error.missing })]);
    });
  }

  onLeaveRefused(why: string, missing: readonly RaftId[]): void {
    this.leaveRefusal = new RaftError("quorum", why, { missing });
    this.node.waiters.wake();
  }

  // ---- leadership ----

  async transfer(to: RaftId | undefined): Promise<void> {
    const { node } = this;
    const { core, config } = node;
    node.throwIfEnded();
    if (core.role !== "leader") throw this.proposals.refusal("not-leader", "hand over leadership");
    if (to === core.id) return;
    if (to !== undefined && !isVoter(core.config, to)) throw new RaftError("unfit", `Cannot hand leadership to member ${to}: it is ${memberOf(core.config, to) ? "a learner; promote it first" : "not in the group"}`);
    const target = to ?? this.bestSuccessor();
    if (target === undefined || !core.transfer(target)) throw new RaftError("quorum", "Cannot hand over leadership: no other voter is active", { missing: voters(core.config).map((m) => m.id).filter((id) => !core.isActive(id)) });
    node.schedule();
    await node.waiters.until(() => {
      node.throwIfEnded();
      if (core.role !== "leader" && core.leader !== undefined) return true;
      if (core.role === "leader" && core.transferee === undefined) throw new RaftError("busy", `Cannot hand leadership to member ${target}: it did not take over within ${config.electionTicks * config.tickMs} ms`);
      return undefined;
    }, undefined, { ticks: config.electionTicks * 5, error: () => new RaftError("quorum", "Leadership was given up, but no new leader is known yet") });
  }

  /** The one of highest priority, and of those the one that has most of the log. */
  private bestSuccessor(): RaftId | undefined {
    const { core } = this.node;
    const match = (id: RaftId): number => core.progress.get(id)?.match ?? 0;
    return voters(core.config).filter(({ id }) => id !== core.id && core.isActive(id)).sort((a, b) => (b.priority ?? 0) - (a.priority ?? 0) || match(b.id) - match(a.id))[0]?.id;
  }
}

function quorumError(what: string, missing: readonly RaftId[]): RaftError {
  return new RaftError("quorum", `Cannot ${what}: the voters would have no majority without ${missing.map((id) => `member ${id}`).join(" and ")}, which ${missing.length === 1 ? "does" : "do"} not answer; bring back what is missing first`, { missing });
}

const verbs: Readonly<Record<MemberChange["kind"], string>> = { "add-learner": "add", "add-voter": "add", promote: "promote", demote: "demote", remove: "remove", update: "update" };
const describe = (changes: readonly MemberChange[]): string => changes.map(({ kind, id }) => `${verbs[kind] ?? "change"} member ${id}`).join(" and ");
