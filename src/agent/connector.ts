import type { DispatcherClient } from "../gen/swarm/v1/Dispatcher.js";
import { SwarmError } from "../lib/index.js";

/** How the agent finds a manager. */
export interface Connector {
  /** A client of a manager to try now, another than the last ones if there is another. The agent closes it. */
  next(): { readonly addr: string; readonly client: DispatcherClient };
  /** host:port of every manager, as the cluster says it. */
  update(managers: readonly string[]): void;
}

/** Managers in random order, none twice before all were tried. `dial` makes a client with this node's certificate. */
export function createConnector(options: { managers: readonly string[]; dial: (addr: string) => DispatcherClient; random: () => number }): Connector {
  let managers = [...options.managers];
  const tried = new Set<string>();
  return {
    next() {
      if (managers.length === 0) throw new SwarmError("UNAVAILABLE", "Cannot reach the cluster: this node knows no manager's address");
      if (managers.every((addr) => tried.has(addr))) {
        const last = [...tried].at(-1)!;
        tried.clear();
        if (managers.length > 1) tried.add(last);
      }
      const untried = managers.filter((addr) => !tried.has(addr));
      const addr = untried[Math.floor(options.random() * untried.length)]!;
      tried.delete(addr);
      tried.add(addr);
      return { addr, client: options.dial(addr) };
    },
    update(next) { if (next.length > 0) managers = [...next]; },
  };
}
