// Membership as values: who votes, what a majority is, and the one-at-a-time changes (Raft §4.1). A change takes effect when it is applied.
import type { Member, RaftId } from "../api.js";
import type { Config } from "./types.js";

export const emptyConfig: Config = { members: [], removed: [] };

/** Ids remembered as removed. The oldest go first; a caller that old finds no member that answers it, which is harmless thanks to pre-vote. */
const maxRemoved = 1000;

export const voters = (config: Config): readonly Member[] => config.members.filter((m) => !m.isLearner);
export const quorumOf = (voterCount: number): number => Math.floor(voterCount / 2) + 1;
export const memberOf = (config: Config, id: RaftId): Member | undefined => config.members.find((m) => m.id === id);
export const isVoter = (config: Config, id: RaftId): boolean => memberOf(config, id)?.isLearner === false;

/** Nobody else has a say, and nobody else has the log. */
export const isOnlyVoter = (config: Config, id: RaftId): boolean => isVoter(config, id) && voters(config).length === 1;

export type ConfigChange =
  | { readonly kind: "add-learner"; readonly id: RaftId; readonly context: Uint8Array }
  | { readonly kind: "promote"; readonly id: RaftId }
  | { readonly kind: "remove"; readonly id: RaftId }
  | { readonly kind: "update"; readonly id: RaftId; readonly context: Uint8Array };

/** The configuration after `change`; undefined when it changes nothing or does not fit. At most one voter more or less, so majorities always meet. */
export function changeConfig(config: Config, change: ConfigChange): Config | undefined {
  const present = memberOf(config, change.id);
  const replace = (member: Member): Config => ({ ...config, members: sorted([...config.members.filter((m) => m.id !== member.id), member]) });
  switch (change.kind) {
    case "add-learner":
      if (present || config.removed.includes(change.id)) return undefined;
      return replace({ id: change.id, isLearner: true, context: change.context });
    case "promote":
      return present?.isLearner ? replace({ ...present, isLearner: false }) : undefined;
    case "update":
      return present ? replace({ ...present, context: change.context }) : undefined;
    case "remove": {
      if (!present) return undefined;
      const members = config.members.filter((m) => m.id !== change.id);
      if (!members.some((m) => !m.isLearner)) return undefined;
      return { members, removed: [...config.removed, change.id].slice(-maxRemoved) };
    }
  }
}

const sorted = (members: Member[]): Member[] => members.sort((a, b) => a.id - b.id);

/** The highest index that a majority of `matches` (one for each voter) has reached; 0 without voters. */
export function quorumIndex(matches: readonly number[]): number {
  if (matches.length === 0) return 0;
  const descending = [...matches].sort((a, b) => b - a);
  return descending[quorumOf(matches.length) - 1]!;
}

/** How a vote stands. Missing answers are neither. */
export function voteResult(config: Config, votes: ReadonlyMap<RaftId, boolean>): "won" | "lost" | "pending" {
  const all = voters(config);
  const quorum = quorumOf(all.length);
  const granted = all.filter((m) => votes.get(m.id) === true).length;
  const refused = all.filter((m) => votes.get(m.id) === false).length;
  if (granted >= quorum) return "won";
  return refused > all.length - quorum ? "lost" : "pending";
}
