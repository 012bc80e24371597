import { unlimited, type ClusterState } from "../state/index.js";
import type { Filter } from "./filter.js";
import { tasksText } from "./max-per-node.js";
import { countAround } from "./service-counts.js";

/** At most so many tasks of the service on all nodes that share a value of an attribute: in a zone, in a rack. Lacking the label is a value like any other. */
export const maxPerFilter: Filter = {
  name: "max-per",
  concerns: ({ groups }, g) => groups.rules[g]!.maxPer.length > 0,
  room(state, g, n) {
    let room = unlimited;
    for (const { key, count } of state.groups.rules[g]!.maxPer) room = Math.min(room, count - countAround(state, state.groups.service[g]!, key, n));
    return Math.max(0, room);
  },
  refusals: (state, g, n) => state.groups.rules[g]!.maxPer.filter(({ key, count }) => countAround(state, state.groups.service[g]!, key, n) >= count).map(({ key, count }) => {
    const place = placeText(state, key, n);
    return { filter: "max-per", cause: place, detail: `${place} has its ${tasksText(count)} of this service already` };
  }),
};

/** "node.labels.zone=a"; "node n3" where the key is the node itself. */
export function placeText(state: ClusterState, key: string, n: number): string {
  if (key === "node.id") return `node ${state.nodes.names[n]}`;
  const { values, valueOf } = state.attribute(key);
  return `${key}=${values.names[valueOf[n]!]}`;
}
