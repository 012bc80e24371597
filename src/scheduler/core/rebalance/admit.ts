import { Mover } from "./mover.js";
import type { Packing } from "./packing.js";
import { nowhere } from "./problem.js";

/** Places tasks that wait, the heaviest first, moving at most one running task for each. Returns those that still wait, and whether the work ran out. */
export function admit(packing: Packing, maxMoves: number, maxWork: number): { readonly left: readonly number[]; readonly isCut: boolean } {
  const { nodes, tasks } = packing.problem, left: number[] = [];
  const mover = new Mover(packing, Int32Array.from({ length: nodes.count }, (_, n) => n).filter((n) => nodes.receives[n] === 1));
  const waiting = Array.from({ length: tasks.count }, (_, t) => t).filter((t) => packing.nodeOf[t] === nowhere).sort((a, b) => packing.weight(b) - packing.weight(a) || a - b);
  for (const t of waiting) {
    // To place what waits is no move; to make room for it is one.
    if (packing.work > maxWork || !mover.place(t, maxMoves - packing.moves + 1, { kind: "places", task: t })) left.push(t);
  }
  return { left, isCut: packing.work > maxWork };
}
