import { newUpdateConfig, type Task } from "../../../model/index.js";
import { evictionOf } from "./enforcer.js";
import { hasEnded, isRunning, type Place } from "./places.js";
import { createdAtMs, earliest, freshTask, nodeName, type ServiceView, type Step } from "./view.js";

/** A successor that does not run by then will not: the room that was planned for it is taken, or its image cannot be had there. */
export const moveTimeoutMs = 5 * 60_000;

/**
 * Moves that somebody asked for (Task.move), make before break: a task of the same slot, bound to the other node, starts beside the one that is
 * to go; that one is stopped once the new one runs. As many at a time as an update of the service would replace. With no state but the store's:
 * a new leader goes on where the last one was.
 *
 * A service that is being updated is moved afterwards; an outdated task is replaced anyway. The successor failed or did not run within
 * moveTimeoutMs, or the node may not have it any more (it is down, say): the old task stays, and the wish is forgotten.
 */
export function planMoves(view: ServiceView, places: readonly Place[], isOutdated: (task: Task) => boolean, touched: Set<Place>): { readonly steps: readonly Step[]; readonly wakeAtMs?: number } {
  const steps: Step[] = [];
  let wakeAtMs: number | undefined;
  const moving = places.filter((place) => isMoving(place) && !touched.has(place));
  if (moving.length === 0) return { steps };
  const parallelism = (view.spec.update ?? newUpdateConfig()).parallelism || Infinity;
  let underWay = moving.filter((place) => place.wanted.length > 1).length;
  for (const place of moving) {
    const old = place.wanted.find(({ move }) => move)!;
    const { nodeId, reason, sinceMs } = old.move!;
    const name = nodeName(view.node(nodeId), nodeId);
    const successor = place.wanted.find((task) => task !== old && task.nodeId === nodeId);
    const giveUp = (why: string) => {
      touched.add(place);
      steps.push({ kind: "give-up-move", taskId: old.id, reason: why });
      for (const task of place.wanted) if (task !== old) steps.push({ kind: "stop", taskId: task.id, desired: "SHUTDOWN", reason: `the move to node ${name} was given up: ${why}` });
    };
    if (isOutdated(old) || old.nodeId === nodeId) { giveUp("it is replaced by an update"); continue; }
    if (successor && isRunning(successor)) {
      touched.add(place);
      steps.push({ kind: "stop", taskId: old.id, desired: "SHUTDOWN", reason: `moved to node ${name}: ${reason}` });
      continue;
    }
    const failed = place.tasks.find((task) => task !== old && task.nodeId === nodeId && hasEnded(task) && createdAtMs(task, 0) >= sinceMs);
    if (failed) { giveUp(`its successor on node ${name} failed: ${failed.status?.err || failed.status?.message || "no reason was told"}`); continue; }
    const node = view.node(nodeId);
    if (!node) { giveUp("the node left the cluster"); continue; }
    // Another successor would wait for it for as long as the move may take, and nobody else could move the task meanwhile.
    const unfit = evictionOf({ ...old, nodeId, gpus: [], assigned: [] }, view.spec, node);
    if (unfit) { giveUp(unfit.reason); continue; }
    if (view.nowMs >= sinceMs + moveTimeoutMs) { giveUp(`its successor did not run on node ${name} within ${moveTimeoutMs / 60_000} minutes`); continue; }
    wakeAtMs = earliest(wakeAtMs, sinceMs + moveTimeoutMs);
    if (successor || underWay >= parallelism || !isRunning(old)) continue;
    underWay++;
    touched.add(place);
    steps.push({ kind: "start", task: freshTask(view, { slot: place.slot, nodeId, revision: view.service.revision, desiredState: "RUNNING" }) });
  }
  return { steps, wakeAtMs };
}

/** One of its tasks is to run elsewhere; a second one is no duplicate then. */
export const isMoving = (place: Place): boolean => place.wanted.some(({ move }) => move !== null);
