import { unlimited } from "../state/index.js";
import type { Filter } from "./filter.js";
import { tasksText } from "./max-per-node.js";
import { placeText, valueText } from "./places.js";
import { countAround } from "./service-counts.js";

/** What its refusals for limits by `key` are told as. */
export const maxPerCause = (key: string): string => `tasks per ${key}`;

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
    const rest = `${tasksText(count)} of this service already`;
    return {
      filter: "max-per", cause: maxPerCause(key), detail: `${placeText(state, key, n)} has its ${rest}`,
      place: { key, value: valueText(state, key, n), words: (places) => `${places} have their ${rest}` },
    };
  }),
};
