import type { Placer } from "../place/index.js";
import type { ClusterState } from "../state/index.js";
import type { Cause } from "./causes.js";
import { applyToSpec, changeCost, roundUnit, specOfGroup, type Change } from "./change.js";
import type { Suggestion } from "./smallest-change.js";

/** The tasks of one revision of a service: a reservation that is changed is changed for all of them. */
export interface WholeService {
  readonly placer: Placer;
  /** Rows of those that have a node. */
  readonly placed: readonly number[];
  /** All that are wanted. */
  readonly wanted: number;
}

/** Placing more of them twenty times over would take too long for an answer. */
export const mostOfWhole = 2_000;

/**
 * The largest amounts with which all tasks of group `g` would be placed, one dimension (or the GPUs) each of `short`: by placing all of them on `state`, a copy, which is left as it
 * was found. What would do for one more task alone is far too little where its siblings shrink as well.
 */
export function* amountsForAll(state: ClusterState, g: number, { placer, placed, wanted }: WholeService, short: readonly Cause[]): Generator<void, Suggestion[]> {
  const { tasks } = state;
  const before = placed.map((t) => ({ t, n: tasks.nodeOf(t), counts: tasks.countOf(t) === 1, mask: tasks.gpuMask[t]!, volumes: state.volumes.heldBy(t) }));
  for (const { t } of before) state.unplace(t);
  const found: Suggestion[] = [];
  for (const cause of short) {
    const { unit, needed, changeTo } = stepsOf(state, g, cause);
    let fits = 0, tooMany = Math.ceil(needed / unit);
    while (tooMany - fits > 1) {
      const middle = Math.floor((fits + tooMany) / 2);
      if (placeAll(state, g, placer, wanted, changeTo(middle))) fits = middle;
      else tooMany = middle;
      yield;
    }
    if (fits > 0) found.push({ changes: [changeTo(fits)], nodes: [], tasks: wanted, cost: changeCost(changeTo(fits)) });
  }
  for (const { t, n, counts, mask, volumes } of before) state.place(t, n, counts, mask, volumes);
  return found;
}

/** How an amount is made smaller: by which unit, from what. */
function stepsOf(state: ClusterState, g: number, { dimension, needed }: Cause): { readonly unit: number; readonly needed: number; readonly changeTo: (units: number) => Change } {
  const { requests, groups } = state, r = groups.request[g]!;
  if (dimension !== undefined) {
    const name = state.dimensions.names[dimension]!, unit = roundUnit(name, needed!);
    return { unit, needed: needed!, changeTo: (units) => ({ kind: "amount", dimension: name, from: needed!, to: units * unit }) };
  }
  if (requests.isWholeGpus(r)) return { unit: 1, needed: requests.gpuCount[r]!, changeTo: (units) => ({ kind: "gpu-count", from: requests.gpuCount[r]!, to: units }) };
  const millis = requests.gpuMillis[r]!, unit = millis >= shareUnitMillis ? shareUnitMillis : 1;
  return { unit, needed: millis, changeTo: (units) => ({ kind: "gpu-share", from: millis, to: units * unit }) };
}

const shareUnitMillis = 10;

function placeAll(state: ClusterState, g: number, placer: Placer, wanted: number, change: Change): boolean {
  const group = state.addGroup("tried out", state.services.ids[state.groups.service[g]!]!, applyToSpec(change, specOfGroup(state, g)));
  state.holdGroup(group);
  const tasks = Array.from({ length: wanted }, (_, i) => state.addNewTask(`tried out ${i}`, group, 0));
  const isPlaced = placer.place(group, tasks) === wanted;
  for (const t of tasks) state.removeTask(t);
  state.releaseGroup(group);
  return isPlaced;
}
