import { Mover } from "./mover.js";
import type { Packing } from "./packing.js";

/** Moves what can be moved from `node`: onto nodes in use, and where that fails onto empty ones. Returns the tasks that stay, and whether the work ran out. */
export function freeNode(packing: Packing, node: number, maxMoves: number, maxWork: number): { readonly left: readonly number[]; readonly isCut: boolean } {
  const { nodes } = packing.problem, left: number[] = [];
  const others = Int32Array.from({ length: nodes.count }, (_, n) => n).filter((n) => n !== node && nodes.receives[n] === 1);
  const mover = new Mover(packing, others);
  for (const t of mover.heaviestFirst(node)) {
    const placed = packing.canMove(t) && packing.work <= maxWork && [others.filter((n) => packing.tasksOn[n]! > 0), others].some((targets) => {
      mover.targets = targets;
      return mover.place(t, maxMoves - packing.moves, { kind: "frees", node });
    });
    if (!placed) left.push(t);
  }
  return { left, isCut: packing.work > maxWork };
}
