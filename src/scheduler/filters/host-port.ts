import { groupByDetail, type Filter } from "../core/filter.js";

/** A port published with mode=host can be bound once on each node. */
export const hostPortFilter: Filter = {
  name: "host-port",
  concerns: (shape) => shape.hostPorts.length > 0,
  room: (shape, node) => (shape.hostPorts.some((port) => node.hostPorts.has(port)) ? 0 : 1),
  explain: (shape, nodes) => groupByDetail(nodes, (node) => `host port ${shape.hostPorts.find((port) => node.hostPorts.has(port)) ?? ""} in use`),
};
