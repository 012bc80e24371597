/** The reasons to pass a node by, in the order in which they are asked: the first refusal is the one that counts for a node. */
import { constraintFilter } from "./constraint.js";
import type { Filter } from "../core/filter.js";
import { hostPortFilter } from "./host-port.js";
import { maxPerNodeFilter } from "./max-per-node.js";
import { platformFilter } from "./platform.js";
import { pluginFilter } from "./plugin.js";
import { readyFilter } from "./ready.js";
import { resourcesFilter } from "./resources.js";

export type { Explanation, Filter } from "../core/filter.js";

// What a user can not change by waiting comes before what time may cure: "constraint not met" tells more than "no memory" on a node
// that was never meant.
export const filters: readonly Filter[] = [
  readyFilter, constraintFilter, platformFilter, pluginFilter, maxPerNodeFilter, resourcesFilter, hostPortFilter,
];
