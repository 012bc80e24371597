import { unlimited } from "../state/index.js";
import type { Filter } from "./filter.js";
import { countOnNode } from "./service-counts.js";

/** At most so many tasks of the service on one node, of whatever revision. */
export const maxPerNodeFilter: Filter = {
  name: "max-per-node",
  concerns: ({ groups }, g) => groups.rules[g]!.maxPerNode > 0,
  room(state, g, n) {
    const { maxPerNode } = state.groups.rules[g]!;
    return maxPerNode === 0 ? unlimited : Math.max(0, maxPerNode - countOnNode(state, state.groups.service[g]!, n));
  },
  refusals(state, g, n) {
    const { maxPerNode } = state.groups.rules[g]!;
    const free = maxPerNode - countOnNode(state, state.groups.service[g]!, n);
    if (maxPerNode === 0 || free > 0) return [];
    return [{ filter: "max-per-node", cause: "tasks of this service", detail: `node has its ${tasksText(maxPerNode)} of this service already` }];
  },
};

export const tasksText = (count: number): string => `${count} task${count === 1 ? "" : "s"}`;
