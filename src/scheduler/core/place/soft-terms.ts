import { countsByValue } from "../filters/index.js";
import { nowhere, prefersOthers, type AffinityRule, type ClusterState } from "../state/index.js";
import type { Strategy } from "./strategy.js";

/** Points that outweigh everything below them, in the order: a node where the service fails, one that had rather not, one that has its half. */
export const failingPoints = -1e6;
export const softTaintPoints = -1e5;
export const overHalfPoints = -1e4;
/** A preference or affinity of full weight, under strategies that hold more against a node than a weight can make up for (GPUs that are free, generic resources): it decides. */
export const fullWeightPoints = 1_000;
const fullWeight = 100;
/** Less than any reason: between nodes that are equally good, the one that need not pull the image. */
export const imagePoints = 0.00005;

/** What a node scores whatever is placed during the decision. `value` is in points; a term that concerns no node is not in the list. */
export interface StaticTerm { readonly name: string; readonly value: (n: number) => number }

/** Of group `g`: recent failures, soft taints, preferences, affinities to other services, image locality. */
export function staticTerms(state: ClusterState, g: number, strategy: Strategy, nowMs: number): StaticTerm[] {
  const rules = state.groups.rules[g]!;
  const terms: StaticTerm[] = [];
  const failing = new Set(state.failures.nodesFailing(state.groups.keys[g]!, nowMs));
  if (failing.size > 0) terms.push({ name: "recent failures", value: (n) => (failing.has(n) ? failingPoints : 0) });
  if (state.softTaintedCount > 0) {
    const avoided = state.passing(prefersOthers(rules.tolerations));
    terms.push({ name: "taint", value: (n) => (avoided.has(n) ? softTaintPoints : 0) });
  }
  for (const { predicate, weight } of rules.preferences) {
    const preferred = state.passing(predicate);
    const points = weightPoints(strategy, weight);
    terms.push({ name: `preference ${predicate.key}`, value: (n) => (preferred.has(n) ? points : 0) });
  }
  const ownId = state.services.ids[state.groups.service[g]!]!;
  for (const rule of rules.affinities) {
    if (rule.isRequired || rule.serviceId === ownId) continue;
    const s = state.services.rowOf(rule.serviceId);
    if (s === undefined) continue;
    const counts = countsByValue(state, s, rule.key), { valueOf } = state.attribute(rule.key);
    terms.push({ name: affinityName(rule), value: (n) => affinityPoints(rule, strategy, counts[valueOf[n]!] ?? 0) });
  }
  const holders = rules.image === "" ? noNodes : nodesWithImage(state, rules.image);
  if (holders.size > 0) terms.push({ name: "image", value: (n) => (holders.has(n) ? imagePoints : 0) });
  return terms;
}

/** One task nearby is as good as many; of those to be kept away from, each counts. */
export function affinityPoints({ isAnti, weight }: AffinityRule, strategy: Strategy, count: number): number {
  const points = weightPoints(strategy, weight);
  return isAnti ? -points * count : count > 0 ? points : 0;
}

const weightPoints = (strategy: Strategy, weight: number): number => (strategy !== "SPREAD" && Math.abs(weight) >= fullWeight ? Math.sign(weight) * fullWeightPoints : weight);

export const affinityName = ({ isAnti, serviceId, key }: AffinityRule): string => `${isAnti ? "away from" : "near"} ${serviceId}${key === "node.id" ? "" : ` by ${key}`}`;

const noNodes: ReadonlySet<number> = new Set();
/** Enough to choose among: nobody walks a million tasks for a tie. */
const maxLooks = 1_000;

/** Where tasks with the same image are, a node has it. */
function nodesWithImage({ groups, tasks }: ClusterState, image: string): ReadonlySet<number> {
  const holders = new Set<number>();
  let looks = 0;
  for (const g of groups.withImage(image)) {
    for (let t = groups.firstOf(g); t !== nowhere && looks < maxLooks; t = tasks.nextOfGroup(t), looks++) holders.add(tasks.nodeOf(t));
    if (++looks >= maxLooks) break;
  }
  return holders;
}
