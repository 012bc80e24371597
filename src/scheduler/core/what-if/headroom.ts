import type { Placer } from "../place/index.js";
import type { ClusterState } from "../state/index.js";

/** More than so many are "1,000 or more". */
export const maxHeadroom = 1_000;
const perStep = 100;

/** How many more tasks of group `g` would be placed as things are, at most `maxHeadroom`: by placing them and taking them away again. The state must not change meanwhile. */
export function* headroomOf(state: ClusterState, placer: Placer, g: number): Generator<void, number> {
  const tasks: number[] = [];
  let placed = 0;
  // Whoever looks at every node for each decision does so once for all of them.
  const size = placer.looksAtAll(g) ? maxHeadroom : perStep;
  while (tasks.length < maxHeadroom && placed === tasks.length) {
    const slice = Array.from({ length: size }, (_, i) => state.addNewTask(`one more ${tasks.length + i}`, g, 0));
    tasks.push(...slice);
    placed += placer.place(g, slice);
    yield;
  }
  for (let at = 0; at < tasks.length; at += perStep) {
    for (const t of tasks.slice(at, at + perStep)) state.removeTask(t);
    yield;
  }
  return placed;
}
