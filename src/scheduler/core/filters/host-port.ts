import { unlimited } from "../state/index.js";
import type { Filter } from "./filter.js";

/** A port published with mode=host can be bound once on each node; a task that is being stopped has it to the end. */
export const hostPortFilter: Filter = {
  name: "host-port",
  concerns: ({ groups }, g) => groups.rules[g]!.hostPorts.length > 0,
  room({ groups, ports }, g, n) {
    const wanted = groups.rules[g]!.hostPorts;
    if (wanted.length === 0) return unlimited;
    for (const port of wanted) if (ports.isTaken(port, n)) return 0;
    return 1;
  },
  refusals: ({ groups, ports }, g, n) => groups.rules[g]!.hostPorts.filter((port) => ports.isTaken(port, n))
    .map((port) => ({ filter: "host-port", cause: `port ${port}`, detail: `host port ${port} in use` })),
};
