import type { Placer } from "../place/index.js";
import type { ClusterState } from "../state/index.js";

/** More than so many are "1,000 or more". */
export const maxHeadroom = 1_000;

/** How many more tasks of group `g` would be placed as things are, at most `maxHeadroom`: by placing them and taking them away again. */
export function headroomOf(state: ClusterState, placer: Placer, g: number, most = maxHeadroom): number {
  const tasks = Array.from({ length: most }, (_, i) => state.addNewTask(`one more ${i}`, g, 0));
  const placed = placer.place(g, tasks);
  for (const t of tasks) state.removeTask(t);
  return placed;
}
