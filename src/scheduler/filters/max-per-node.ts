import { groupByDetail, type Filter } from "../core/filter.js";

/** At most so many tasks of the service on one node, of whatever revision. */
export const maxPerNodeFilter: Filter = {
  name: "max-per-node",
  concerns: (shape) => shape.maxPerNode > 0,
  room: (shape, node) => Math.max(0, shape.maxPerNode - node.countOf(shape.serviceId)),
  explain: (shape, nodes) => groupByDetail(nodes, () => `node has its ${shape.maxPerNode} tasks of this service already`),
};
