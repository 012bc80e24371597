import type { PendingReason } from "../../../model/index.js";
import type { RankedNode } from "../place/index.js";
import type { ClusterState } from "../state/index.js";
import { collectCauses, type Causes } from "./causes.js";
import { changeCost, type Change } from "./change.js";
import { refusalSteps } from "./sentence.js";
import { maxSuggestions, smallestChanges, type Suggestion } from "./smallest-change.js";
import { amountsForAll, mostOfWhole, type WholeService } from "./whole-service.js";

export interface ExplainOptions {
  /** Only these nodes (rows): a task of a global service has no other. */
  readonly nodes?: readonly number[];
  /** Why the quota of its project has no room for one more (Quotas.refusals); empty: it has. */
  readonly quota?: readonly string[];
  /** Rows of the score table. */
  readonly candidates: number;
  /** Whether to look for the smallest change. Of one that fits there is none. */
  readonly suggests: boolean;
  /** Of a service with several tasks: reservations are suggested for all of them together. */
  readonly whole?: WholeService;
  /** A node whose place among them is wanted, however far down. */
  readonly including?: number;
  /** Placer.rankSteps over the same state. */
  readonly rank: (g: number, limit: number, including?: number) => Generator<void, RankedNode[]>;
}

/** Why one more task of a group goes where it goes, or nowhere. */
export interface Explanation extends Causes {
  /** As on tasks that wait: a node counts once, for what refuses it first. Only where suggestions are asked for. */
  readonly reasons: readonly PendingReason[];
  /** By cause, in the order of `causes`: nodes that nothing else refuses. */
  readonly alone: readonly number[];
  /** The smallest change first; none where something fits. */
  readonly suggestions: readonly Suggestion[];
  /** Best first. */
  readonly candidates: readonly RankedNode[];
}

/**
 * Looks at every node. `state` is a copy when suggestions are asked for: they are tried out on it. Yields about once a millisecond, so that
 * whoever runs it may see to something else in between; the state must not change meanwhile.
 */
export function* explain(state: ClusterState, g: number, options: ExplainOptions): Generator<void, Explanation> {
  const { quota = [] } = options;
  const causes = yield* collectCauses(state, g, options.nodes);
  const alone = causes.causes.map((cause) => causes.patterns.find((pattern) => pattern.causes.length === 1 && pattern.causes[0] === cause)?.nodes.length ?? 0);
  const raise: readonly Change[] = quota.length === 0 ? [] : [{ kind: "quota", project: state.groups.rules[g]!.project, detail: quota.join("; ") }];
  const suggestions = !options.suggests ? [] : causes.fitting.length === 0 ? withRaise(yield* changesOf(state, g, causes, options.whole), raise)
    : raise.length > 0 ? [{ changes: raise, nodes: causes.fitting, cost: changeCost(raise[0]!) }] : [];
  yield;
  const reasons = options.suggests ? yield* refusalSteps(state, g, options.nodes) : [];
  return { ...causes, reasons, alone, suggestions, candidates: causes.fitting.length === 0 ? [] : yield* ranked(g, options) };
}

function* changesOf(state: ClusterState, g: number, causes: Causes, whole: WholeService | undefined): Generator<void, readonly Suggestion[]> {
  const single = yield* smallestChanges(state, g, causes);
  if (!whole || whole.wanted < 2 || whole.wanted > mostOfWhole) return single;
  const forAll = yield* amountsForAll(state, g, whole, causes.causes.filter(({ dimension, filter }) => dimension !== undefined || filter === "gpu"));
  const others = single.filter(({ changes }) => (changes.length !== 1 || !isOfAllTasks(changes[0]!)) && (forAll.length === 0 || !changes.some(isGivenUp)));
  return [...forAll, ...others].sort((a, b) => a.cost - b.cost).slice(0, maxSuggestions);
}

/** A reservation of which nothing is left. */
const isGivenUp = (change: Change): boolean => (change.kind === "amount" || change.kind === "gpu-count") && change.to === 0;
/** What cannot be made smaller for one task alone; given up, it is in nobody's way. */
const isOfAllTasks = (change: Change): boolean => (change.kind === "amount" || change.kind === "gpu-count" || change.kind === "gpu-share") && !isGivenUp(change);

function* ranked(g: number, { nodes, candidates, including, rank }: ExplainOptions): Generator<void, RankedNode[]> {
  if (candidates === 0) return [];
  if (!nodes) return yield* rank(g, candidates, including);
  const all: RankedNode[] = [];
  for (const n of nodes.slice(0, candidates)) all.push(...yield* rank(g, 0, n));
  return all;
}

/** Where the quota is used up as well, nothing else helps by itself. */
const withRaise = (suggestions: readonly Suggestion[], raise: readonly Change[]): Suggestion[] =>
  suggestions.map(({ changes, cost, ...rest }) => ({ ...rest, changes: [...changes, ...raise], cost: raise.reduce((sum, change) => sum + changeCost(change), cost) }));
