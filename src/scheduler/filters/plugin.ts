import type { NodeInfo, TaskShape } from "../core/cluster-state.js";
import { groupByDetail, type Filter } from "../core/filter.js";

/** The node must have the drivers that the task uses. A node that lists none does not say, and is taken at its silence. */
export const pluginFilter: Filter = {
  name: "plugin",
  concerns: (shape) => shape.plugins.length > 0,
  room: (shape, node) => (missing(shape, node) === undefined ? Infinity : 0),
  explain: (shape, nodes) => groupByDetail(nodes, (node) => `node has no plugin ${missing(shape, node) ?? ""}`),
};

function missing(shape: TaskShape, { node }: NodeInfo): string | undefined {
  const present = node.description?.plugins ?? [];
  return present.length === 0 ? undefined : shape.plugins.find((plugin) => !present.includes(plugin));
}
