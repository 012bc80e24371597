import type { ClusterState } from "../state/index.js";

export function lowestStoppable({ groups }: ClusterState, mayStop: Uint8Array): number {
  let lowest = Infinity;
  for (let g = 0; g < mayStop.length; g++) if (mayStop[g] === 1 && groups.priority[g]! < lowest) lowest = groups.priority[g]!;
  return lowest;
}

/** By group: 1 = its tasks may be stopped for `g`. */
export function stoppable(state: ClusterState, g: number): Uint8Array {
  const { groups } = state;
  const priority = groups.priority[g]!;
  const near = new Set(groups.rules[g]!.affinities.filter(({ isAnti, isRequired }) => isRequired && !isAnti).map(({ serviceId }) => serviceId));
  const may = new Uint8Array(groups.size);
  for (let other = 0; other < groups.size; other++) {
    if (groups.users[other]! === 0 || groups.priority[other]! >= priority) continue;
    const rules = groups.rules[other]!;
    if (rules.isGang || !rules.mayMove || (near.size > 0 && near.has(state.services.ids[groups.service[other]!]!))) continue;
    may[other] = 1;
  }
  return may;
}
