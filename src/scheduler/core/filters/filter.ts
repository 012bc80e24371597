import type { ClusterState } from "../state/index.js";
import type { RefusedPlace } from "./places.js";

/**
 * One reason to pass a node by that depends on what runs there: amounts, ports, limits per place, affinities, quotas. What depends on the node alone is a
 * predicate (state/compile-spec.ts). Each is asked for a group, of the state as it is now: after `state.place` its answers have changed.
 */
export interface Filter {
  /** As in PendingReason.filter. */
  readonly name: string;
  /** Whether it has anything to say about tasks of group `g`; one that has not is not asked. */
  concerns(state: ClusterState, g: number): boolean;
  /** How many more tasks of `g` node `n` can take as far as this filter is concerned: 0 = it refuses, `unlimited` = it does not mind. */
  room(state: ClusterState, g: number, n: number): number;
  /** Why it refuses (room 0): every amount that is missing, in words that tell a user what to change. */
  refusals(state: ClusterState, g: number, n: number): Refusal[];
}

export interface Refusal {
  readonly filter: string;
  /** About this node: "needs 2.0 GiB memory, 1.2 GiB free". */
  readonly detail: string;
  /** Nodes with the same cause are told together. For amounts it is without the node's own number: "memory". */
  readonly cause: string;
  /** Of amounts: what is asked and what there is; the unit is the dimension's. */
  readonly needed?: number;
  readonly free?: number;
  /** Of what is in a place: nodes of several places with the same cause are told together. */
  readonly place?: RefusedPlace;
}
