/**
 * A node for each task. In: the cluster's state, waiting tasks of one group. Out: tasks placed in the state. Knows no store, writes nothing, wakes nobody.
 *   placer.ts            the way in: picks the cheapest way that gives the same answer
 *   exact-placement.ts   every rule there is, by looking at all nodes once
 *   strategy.ts          pack, spread, balanced: points
 *   soft-terms.ts        failures, soft taints, preferences, affinities, images: points
 */
export { Placer, type PlacerOptions } from "./placer.js";
export type { RankedNode } from "./exact-placement.js";
export type { Strategy } from "./strategy.js";
