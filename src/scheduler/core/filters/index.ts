/**
 * The reasons to pass a node by that depend on what runs there, each with its own words. In: state, group, node. Out: how many more tasks it can take, or
 * why none. Decides nothing: core/place asks the same questions of many nodes at once, and its tests hold it to these answers.
 */
import { affinityFilter } from "./affinity.js";
import type { Filter } from "./filter.js";
import { gpusFilter } from "./gpus.js";
import { hostPortFilter } from "./host-port.js";
import { maxPerNodeFilter } from "./max-per-node.js";
import { maxPerFilter } from "./max-per.js";
import { resourcesFilter } from "./resources.js";
import { volumeFilter } from "./volume.js";

export type { Filter, Refusal } from "./filter.js";
export { Places } from "./places.js";
export { maxPerCause } from "./max-per.js";
export { amountText, formatBytes, formatThousandths, wordOf } from "./amount-text.js";
export { countAnywhere, countAround, countOnNode, countsByValue } from "./service-counts.js";
export { countOfGroupAround, isOwn } from "./affinity.js";

/**
 * In the order in which they are asked, after the predicates: the first refusal is the one that counts for a node. What a user can not change by waiting
 * comes before what time may cure: "keeps away from service db" tells more than "no memory" on a node that was never meant.
 */
export const filters: readonly Filter[] = [volumeFilter, affinityFilter, maxPerNodeFilter, maxPerFilter, resourcesFilter, gpusFilter, hostPortFilter];
