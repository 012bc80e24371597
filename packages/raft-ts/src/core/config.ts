// Membership as values: who is in, who votes, and how changes lead from one configuration to the next (Raft §4, §6). A change takes effect when it is applied.
import type { Member, RaftId } from "../api.js";
import type { Config, ConfigChange } from "./types.js";

/** Nobody: the configuration of a member that waits to be added. Shared, so never changed. */
export const emptyConfig: Config = { members: [], outgoing: [], removed: [] };

/** Ids remembered as removed. The oldest go first; a caller that old finds no member that answers it, which is harmless thanks to pre-vote. */
const maxRemoved = 1000;

/** Between two configurations: majorities of both are needed until the old one is left (Raft §6). */
export const isJoint = (config: Config): boolean => config.outgoing.length > 0;
/** The voters of the incoming configuration. */
export const voters = (config: Config): readonly Member[] => config.members.filter((m) => !m.isLearner);
/** The member as the incoming configuration has it. */
export const memberOf = (config: Config, id: RaftId): Member | undefined => config.members.find((m) => m.id === id);
/** A voter of the incoming configuration. */
export const isVoter = (config: Config, id: RaftId): boolean => memberOf(config, id)?.isLearner === false;
/** A voter of either half: it may campaign, and is asked for its vote. */
export const hasVote = (config: Config, id: RaftId): boolean => isVoter(config, id) || config.outgoing.some((m) => m.id === id);

/** Everybody who gets the log: the members, and while joint those who are on their way out. */
export function everyone(config: Config): readonly Member[] {
  if (!isJoint(config)) return config.members;
  return sorted([...config.members, ...config.outgoing.filter((m) => !memberOf(config, m.id))]);
}

/** Nobody else has a say, and nobody else has the log. */
export const isOnlyVoter = (config: Config, id: RaftId): boolean =>
  isVoter(config, id) && voters(config).length === 1 && config.outgoing.every((m) => m.id === id);

export type NextConfig =
  | { readonly kind: "changed"; readonly config: Config }
  /** It is as asked for already. */
  | { readonly kind: "same" }
  /** `reason`: a clause. */
  | { readonly kind: "unfit"; readonly reason: string };

/**
 * The configuration that `changes`, made in order, lead to. One voter more or less at most is a simple step, as majorities of before and after always meet (Raft §4.1);
 * anything more goes through a joint configuration, and so do a voter that was no learner before, and the `leader`'s own departure, so that a successor finishes it.
 */
export function nextConfig(config: Config, changes: readonly ConfigChange[], leader: RaftId): NextConfig {
  if (isJoint(config)) return { kind: "unfit", reason: "the change before it has not finished" };
  const members = new Map(config.members.map((m) => [m.id, m]));
  const gone: RaftId[] = [];
  let isChanged = false;
  for (const change of changes) {
    const present = members.get(change.id);
    const reason = misfit(change, present, [...config.removed, ...gone]);
    if (reason !== undefined) return { kind: "unfit", reason };
    const next = changed(change, present);
    if (next === present) continue;
    isChanged = true;
    if (next) members.set(change.id, next);
    else { members.delete(change.id); gone.push(change.id); }
  }
  if (!isChanged) return { kind: "same" };
  const incoming = sorted([...members.values()]);
  const before = voters(config);
  const after = incoming.filter((m) => !m.isLearner);
  if (after.length === 0) return { kind: "unfit", reason: "no voter would be left; add another first" };
  const moved = before.filter((m) => !after.some((n) => n.id === m.id)).length + after.filter((m) => !before.some((n) => n.id === m.id)).length;
  const isLeaderLeaving = before.some((m) => m.id === leader) && !after.some((m) => m.id === leader);
  if (moved <= 1 && !isLeaderLeaving && !changes.some((c) => c.kind === "add-voter")) return { kind: "changed", config: { members: incoming, outgoing: [], removed: remembered(config.removed, gone) } };
  // Voters that go count until the joint configuration is left; they are told then.
  const goneNow = gone.filter((id) => !before.some((m) => m.id === id));
  const outgoing = before.map((old) => { const now = members.get(old.id); return now ? promoted(now) : old; });
  return { kind: "changed", config: { members: incoming, outgoing, removed: remembered(config.removed, goneNow) } };
}

/** The configuration after a joint one. */
export function leaveJoint(config: Config): Config {
  const gone = config.outgoing.filter((old) => !memberOf(config, old.id)).map((m) => m.id);
  return { members: config.members, outgoing: [], removed: remembered(config.removed, gone) };
}

function misfit(change: ConfigChange, present: Member | undefined, removed: readonly RaftId[]): string | undefined {
  switch (change.kind) {
    case "add-learner": case "add-voter":
      return removed.includes(change.id) ? `member ${change.id} was removed, and ids are never used again` : badPriority(change.priority);
    case "promote": case "demote":
      return present ? undefined : `member ${change.id} is not in the group`;
    case "update":
      return present ? badPriority(change.priority) : `member ${change.id} is not in the group`;
    case "remove":
      return undefined;
    default: return `a change of the kind "${String((change as { kind: unknown }).kind)}" is not known; the kinds are add-learner, add-voter, promote, demote, remove and update`;
  }
}

const badPriority = (priority = 0): string | undefined => Number.isSafeInteger(priority) && priority >= 0 ? undefined : `the priority ${priority} is not an integer from 0`;

/** The member after the change: the same object when it changes nothing, undefined when it goes. */
function changed(change: ConfigChange, present: Member | undefined): Member | undefined {
  switch (change.kind) {
    case "add-learner":
      // One that was to stay a learner is promoted from now on when it has caught up.
      if (present?.isLearner && present.staysLearner && !change.staysLearner) { const { staysLearner: _, ...rest } = present; return rest; }
      return present ?? withPriority({ id: change.id, isLearner: true, context: change.context, ...(change.staysLearner && { staysLearner: true }) }, change.priority);
    case "add-voter":
      if (!present) return withPriority({ id: change.id, isLearner: false, context: change.context }, change.priority);
      return promoted(present);
    case "promote":
      return promoted(present!);
    case "demote":
      return present!.isLearner && present!.staysLearner ? present : { ...present!, isLearner: true, staysLearner: true };
    case "remove":
      return undefined;
    case "update": {
      const next = withPriority({ ...present!, context: change.context ?? present!.context }, change.priority ?? present!.priority);
      return next.priority === present!.priority && isEqual(next.context, present!.context) ? present : next;
    }
  }
}

function promoted(member: Member): Member {
  if (!member.isLearner) return member;
  const { staysLearner: _, ...rest } = member;
  return { ...rest, isLearner: false };
}

function withPriority({ priority: _, ...member }: Member, priority = 0): Member { return priority > 0 ? { ...member, priority } : member; }
const isEqual = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i]);
const remembered = (removed: readonly RaftId[], more: readonly RaftId[]): readonly RaftId[] => more.length === 0 ? removed : [...removed, ...more].slice(-maxRemoved);
const sorted = (members: Member[]): Member[] => members.sort((a, b) => a.id - b.id);
