import { unlimited } from "../state/index.js";
import { amountText, wordOf } from "./amount-text.js";
import type { Filter, Refusal } from "./filter.js";

/** Amounts of every dimension, generic kinds too. Reservations only: a limit is the kernel's business. GPUs: gpus.ts. */
export const resourcesFilter: Filter = {
  name: "resources",
  concerns({ requests, groups }, g) {
    for (const amounts of requests.amount) if (amounts[groups.request[g]!]! > 0) return true;
    return false;
  },
  room({ nodes, requests, groups }, g, n) {
    const r = groups.request[g]!;
    let room = unlimited;
    for (let d = 0; d < requests.amount.length; d++) {
      const amount = requests.amount[d]![r]!;
      if (amount > 0) room = Math.min(room, Math.floor(nodes.free[d]![n]! / amount));
    }
    return Math.max(0, room);
  },
  refusals({ nodes, requests, groups, dimensions }, g, n) {
    const r = groups.request[g]!;
    const refusals: Refusal[] = [];
    for (let d = 0; d < requests.amount.length; d++) {
      const needed = requests.amount[d]![r]!, free = nodes.free[d]![n]!;
      if (needed <= 0 || free >= needed) continue;
      const name = dimensions.names[d]!;
      refusals.push({
        filter: "resources", cause: name, needed, free: Math.max(0, free),
        detail: nodes.total[d]![n] === 0 ? `needs ${amountText(name, needed)} ${wordOf(name)}, node has none` : `needs ${amountText(name, needed)} ${wordOf(name)}, ${amountText(name, free)} free`,
      });
    }
    return refusals;
  },
};
