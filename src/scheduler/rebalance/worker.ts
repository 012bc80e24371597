/** The planner in a thread of its own: 10,000 nodes with 200,000 tasks take seconds, for which the manager's event loop cannot wait. */
import { parentPort, workerData } from "node:worker_threads";
import { planRebalance, type RebalanceLimits, type RebalanceProblem, type Strategy } from "../core/rebalance/index.js";

export interface PlanningJob { readonly problem: RebalanceProblem; readonly strategy: Strategy; readonly limits: RebalanceLimits }

const { problem, strategy, limits } = workerData as PlanningJob;
parentPort!.postMessage(planRebalance(problem, strategy, limits));
