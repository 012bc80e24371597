import { auditSteps } from "./core/state/index.js";
import type { Picture } from "./picture.js";

/** Where a picture that was kept up to date and one made anew differ, a sentence each; undefined after each step. Both may change alike between steps. */
export function* comparePictures(kept: Picture, made: Picture): Generator<string | undefined, void> {
  yield* auditSteps(kept.state, made.state);
  const waiting = kept.queue.waitingTasks, right = made.queue.waitingTasks;
  if (waiting !== right) yield `tasks that wait: ${waiting} are kept, ${right} is right`;
  for (const project of made.queue.quotas.projects) {
    const held = kept.queue.quotas.held(project);
    for (const [name, amount] of made.queue.quotas.held(project)) {
      if ((held.get(name) ?? 0) !== amount) yield `${name} held by project ${project}: ${held.get(name) ?? 0} is kept, ${amount} is right`;
    }
  }
}
