/**
 * Moves of running tasks. In: the scheduler's state, what is asked (pack, spread, free a node), the cluster's auto_rebalance. Out: plans, and Task.move, by which the
 * orchestrator makes them. plan-in-worker.ts and worker.ts run the planner (core/rebalance) in a thread; places no task that waits.
 */
import type { Clock, Logger } from "../../lib/index.js";
import type { Store } from "../../store/index.js";
import type { ClusterState } from "../core/state/index.js";
import { startAutoRebalance } from "./auto-rebalance.js";
import { Rebalancer, type Rebalance, type RebalanceRequest } from "./rebalancer.js";

export type { PlannedMove, NamedNodeUse, Rebalance, RebalanceRequest } from "./rebalancer.js";

export interface RebalancingPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** The scheduler's live state; throws UNAVAILABLE while there is none. */
  readonly state: () => ClusterState;
}

export interface Rebalancing { rebalance(request: RebalanceRequest): Promise<Rebalance>; stop(): Promise<void> }

/** Leader only: moves that are asked for, and those that the cluster's settings ask for. */
export function startRebalancing(ports: RebalancingPorts): Rebalancing {
  const rebalancer = new Rebalancer(ports);
  const auto = startAutoRebalance({ ...ports, rebalancer });
  return {
    rebalance: (request) => rebalancer.run(request),
    async stop() {
      rebalancer.stop();
      await auto.stop();
    },
  };
}
