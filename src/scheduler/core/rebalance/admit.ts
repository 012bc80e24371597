import { Mover } from "./mover.js";
import type { Packing } from "./packing.js";
import { nowhere } from "./problem.js";
import { seededRandom } from "../../../lib/index.js";
import { tidy } from "./tidy.js";

/**
 * Places tasks that wait, the heaviest first: where they fit, or where a lighter one makes room. Where that is not enough for all, it tidies up first, while there is room
 * yet for tasks to change places in. Returns those that wait even then, and whether the work ran out.
 */
export function admit(packing: Packing, maxMoves: number, maxWork: number): { readonly left: readonly number[]; readonly isCut: boolean } {
  const { nodes, tasks } = packing.problem;
  const mover = new Mover(packing, Int32Array.from({ length: nodes.count }, (_, n) => n).filter((n) => nodes.receives[n] === 1));
  const waiting = Array.from({ length: tasks.count }, (_, t) => t).filter((t) => packing.nodeOf[t] === nowhere).sort((a, b) => packing.weight(b) - packing.weight(a) || a - b);
  // To place what waits is no move; to make room for it is.
  const place = (): number[] => waiting.filter((t) => !mover.place(t, maxMoves - packing.moves + 1, { kind: "places", task: t }));
  const start = packing.log.length;
  const weigh = (left: readonly number[]) => left.reduce((sum, t) => sum + packing.weight(t), 0);
  const atOnce = place();
  if (atOnce.length === 0) return { left: atOnce, isCut: false };

  let least = weigh(atOnce), best = packing.log.slice();
  packing.rollBack(start);
  const isEnough = (): boolean => {
    const length = packing.log.length, left = place(), weight = weigh(left);
    if (weight < least) { least = weight; best = packing.log.slice(); }
    if (left.length > 0) packing.rollBack(length);
    return left.length === 0;
  };
  const isCut = tidy(packing, { maxMoves, maxWork, random: seededRandom(1), isEnough });
  packing.rollBack(start);
  for (const { task, to, why } of best) packing.move(task, to, why);
  return { left: waiting.filter((t) => packing.nodeOf[t] === nowhere), isCut };
}
