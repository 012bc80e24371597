import { SwarmError } from "../../lib/index.js";
import type { RebalanceRequest } from "../../gen/swarm/v1/RebalanceRequest.js";
import type { RebalanceResponse } from "../../gen/swarm/v1/RebalanceResponse.js";
import type { ControlDependencies, RebalanceQuery } from "./ports.js";
import { nameOf, resolveRef } from "./refs.js";

const strategies: Readonly<Record<RebalanceRequest["strategy"], RebalanceQuery["strategy"]>> = {
  REBALANCE_DEFAULT: undefined, REBALANCE_PACK: "pack", REBALANCE_SPREAD: "spread", REBALANCE_FREE: "free",
};

/** Moves as the scheduler plans them; applied, they are written into the tasks, and the orchestrator makes them. */
export async function rebalance({ store, scheduler }: ControlDependencies, { strategy, node, maxMoves, apply }: RebalanceRequest): Promise<RebalanceResponse> {
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `Cannot rebalance: ${why}`);
  if (strategy === "REBALANCE_FREE" && node === "") throw refuse("no node is named that is to become free");
  if (strategy !== "REBALANCE_FREE" && node !== "") throw refuse(`node "${node.slice(0, 100)}" is named, and only the strategy "free" takes one`);
  const nodeId = node === "" ? "" : store.view((tx) => resolveRef(tx, "node", node, "Cannot free")).id;
  const { moves, ...rest } = await scheduler.rebalance({ strategy: strategies[strategy], nodeId, maxMoves, isApplied: apply });
  return {
    ...rest, before: [...rest.before], after: [...rest.after],
    moves: moves.map(({ taskId, taskName, from, to, gain }) => ({ taskId, taskName, fromNodeId: from.id, fromNode: nameOf.node(from), toNodeId: to.id, toNode: nameOf.node(to), gain })),
  };
}
