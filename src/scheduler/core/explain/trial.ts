import { filters, type Filter } from "../filters/index.js";
import type { ClusterState, CompiledSpec } from "../state/index.js";
import { applyToSpec, specOfGroup, type Change } from "./change.js";
import { makeVolumeChange } from "./volume-change.js";

/** Tries changes out on a copy of the state, which is afterwards as it was before. */
export class Trial {
  readonly spec: CompiledSpec;
  readonly #asked: readonly Filter[];

  constructor(readonly state: ClusterState, readonly g: number) {
    this.spec = specOfGroup(state, g);
    this.#asked = filters.filter((filter) => filter.concerns(state, g));
  }

  /** Those of `nodes` (rows) that take one more task of the group once all of `changes` are made. Moves are not for here (moves.ts). */
  fittingAfter(changes: readonly Change[], nodes: readonly number[]): number[] {
    const { state } = this;
    const undo = changes.flatMap((change): (() => void)[] => {
      const takeBack = makeVolumeChange(state, change);
      if (takeBack) return [takeBack];
      if (change.kind !== "activate") return [];
      const node = state.nodeObjects[state.nodes.rowOf(change.nodeId)!]!;
      state.setNode({ ...node, spec: { ...node.spec!, availability: "ACTIVE" } });
      return [() => state.setNode(node)];
    });
    const spec = changes.reduce((present, change) => applyToSpec(change, present), this.spec);
    const fitting = spec === this.spec ? nodes.filter((n) => this.canFit(n)) : this.#withGroup(spec, (changed) => {
      const asked = filters.filter((filter) => filter.concerns(state, changed));
      return nodes.filter((n) => fitsBy(state, changed, n, asked));
    });
    for (const takeBack of undo.reverse()) takeBack();
    return fitting;
  }

  canFit(n: number): boolean { return fitsBy(this.state, this.g, n, this.#asked); }

  #withGroup<T>(spec: CompiledSpec, run: (group: number) => T): T {
    const { state, g } = this;
    const group = state.addGroup(trialKey, state.services.ids[state.groups.service[g]!]!, spec);
    state.holdGroup(group);
    try { return run(group); } finally { state.releaseGroup(group); }
  }
}

/** No revision's id has a space. */
const trialKey = "tried out";

/** Whether node `n` takes one more task of group `g` by everything that is asked. */
export function canFit(state: ClusterState, g: number, n: number): boolean {
  return fitsBy(state, g, n, filters.filter((filter) => filter.concerns(state, g)));
}

export function fitsBy(state: ClusterState, g: number, n: number, asked: readonly Filter[]): boolean {
  const r = state.groups.request[g]!;
  if (!state.isEligible(n, r) || !state.fits(n, r)) return false;
  for (const filter of asked) if (filter.room(state, g, n) === 0) return false;
  return true;
}
