import { Mover } from "./mover.js";
import type { Packing } from "./packing.js";
import { nowhere } from "./problem.js";

/** So many nodes one after the other that could not be emptied, and the rest is not tried: they are fuller still. */
const failuresToStop = 48;

/**
 * Empties nodes, those with the fewest tasks first (most nodes for a move), onto the others that are in use. What has been emptied stays empty,
 * and what has been moved stays where it is. Returns whether the work ran out.
 */
export function pack(packing: Packing, maxMoves: number, maxWork: number): boolean {
  const { nodes } = packing.problem;
  for (;;) {
    const inUse = Int32Array.from({ length: nodes.count }, (_, n) => n).filter((n) => packing.tasksOn[n]! > 0);
    const sources = inUse.slice().sort((a, b) => packing.tasksOn[a]! - packing.tasksOn[b]! || packing.left[b]! - packing.left[a]! || a - b);
    const mover = new Mover(packing, inUse.filter((n) => nodes.receives[n] === 1));
    let emptied = 0, failures = 0;
    for (const node of sources) {
      if (packing.work > maxWork) return true;
      if (!isMovable(packing, node)) continue;
      if (packing.tasksOn[node]! > maxMoves - packing.moves || failures >= failuresToStop) break;
      if (!mover.empty(node, maxMoves - packing.moves, { kind: "empties", node })) { failures++; continue; }
      emptied++;
      failures = 0;
      mover.targets = mover.targets.filter((n) => n !== node);
    }
    if (emptied === 0) return false;
  }
}

function isMovable(packing: Packing, node: number): boolean {
  for (let t = packing.firstOn[node]!; t !== nowhere; t = packing.nextOn[t]!) if (!packing.canMove(t)) return false;
  return true;
}
