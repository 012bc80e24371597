import { admit } from "./admit.js";
import { freeNode } from "./free-node.js";
import { pack } from "./pack.js";
import { Packing } from "./packing.js";
import type { RebalanceLimits, RebalancePlan, RebalanceProblem, Strategy } from "./problem.js";
import { spread } from "./spread.js";

/** 5 s at most in one worker thread on the machine of the benchmarks (10,000 nodes, 200,000 tasks: bench scheduler, case R). */
const defaultMaxWork = 200_000_000;

/** What to move so that `strategy` is served better, best move first, within the limits. No task moves twice, but with "admit", where tasks change places. */
export function planRebalance(problem: RebalanceProblem, strategy: Strategy, limits: RebalanceLimits = {}): RebalancePlan {
  const { maxMoves = Infinity, maxWork = defaultMaxWork } = limits;
  const packing = new Packing(problem, strategy.kind === "admit"), nodesInUseBefore = packing.nodesInUse();
  const { left, isCut } = run(packing, strategy, maxMoves, maxWork);
  return { moves: packing.log, nodesInUseBefore, nodesInUseAfter: packing.nodesInUse(), left, isCut };
}

function run(packing: Packing, strategy: Strategy, maxMoves: number, maxWork: number): { readonly left: readonly number[]; readonly isCut: boolean } {
  switch (strategy.kind) {
    case "pack": return { left: [], isCut: pack(packing, maxMoves, maxWork) };
    case "spread": return { left: [], isCut: spread(packing, maxMoves, maxWork) };
    case "free": return freeNode(packing, strategy.node, maxMoves, maxWork);
    case "admit": return admit(packing, maxMoves, maxWork);
  }
}
