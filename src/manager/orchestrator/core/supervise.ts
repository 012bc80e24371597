import { isPreempted, isWanted, type Task } from "../../../model/index.js";
import { evictionOf, volumeEvictionOf, type Eviction } from "./enforcer.js";
import { nodesToFill, takesNewTask } from "./global.js";
import { missingSlots, surplusPlaces } from "./replicated.js";
import { decideRestart, heldUntil } from "./restart.js";
import { isMoving, planMoves } from "./move.js";
import { planUpdate } from "./update.js";
import { groupByPlace, hasEnded, isFinished, isRunning, newestOf, restartedReason, type Place } from "./places.js";
import { needsReplacing } from "./spec-compare.js";
import { earliest, freshTask, type Plan, type ServiceView, type Step } from "./view.js";

/**
 * Everything that one service needs now. Order matters: what is to go goes first, so that nothing is restarted only to be removed; each
 * place then gets at most one change (its next one follows from the next look).
 */
export function superviseService(view: ServiceView): Plan {
  const steps: Step[] = [];
  if (view.service.isRemoving) {
    for (const task of view.tasks) if (task.desiredState !== "REMOVE") steps.push({ kind: "stop", taskId: task.id, desired: "REMOVE", reason: "service is removed" });
    return { steps: steps.slice(0, view.maxSteps) };
  }
  const isGlobal = view.spec.mode === "GLOBAL";
  const isOutdated = outdatedTest(view);
  let places = groupByPlace(view.tasks, isGlobal);

  if (!isGlobal) {
    const surplus = new Set(surplusPlaces(places, view.spec.replicas));
    for (const place of surplus) {
      for (const task of place.tasks) steps.push({ kind: "stop", taskId: task.id, desired: "REMOVE", reason: `scaled to ${view.spec.replicas}` });
    }
    if (surplus.size > 0) places = places.filter((place) => !surplus.has(place));
  }

  let wakeAtMs: number | undefined;
  const touched = new Set<Place>();
  for (const place of places) {
    const settled = settlePlace(view, place, isGlobal, isOutdated);
    wakeAtMs = earliest(wakeAtMs, settled.wakeAtMs);
    if (settled.steps.length === 0) continue;
    touched.add(place);
    steps.push(...settled.steps);
  }

  // Global services only: a place whose task was stopped for the sake of its node, and has no other, is no place any more; one that
  // finished for good is one while its node would get a task.
  const isHeld = (place: Place) => {
    if (place.wanted.length > 0) return true;
    const node = view.node(place.nodeId);
    return isFinished(place) && node !== undefined && takesNewTask(node, view.spec);
  };
  const held = isGlobal ? places.filter(isHeld) : places;
  const moves = planMoves(view, places, isOutdated, touched);
  steps.push(...moves.steps);
  wakeAtMs = earliest(wakeAtMs, moves.wakeAtMs);
  const update = planUpdate(view, held, isOutdated, touched);
  steps.push(...update.steps);
  wakeAtMs = earliest(wakeAtMs, update.wakeAtMs);

  const revision = view.service.revision;
  const room = Math.max(0, view.maxSteps - steps.length);
  if (isGlobal) {
    const occupied = new Set(held.map((place) => place.nodeId));
    for (const node of nodesToFill(view.nodes(), view.spec, occupied).slice(0, room)) {
      steps.push({ kind: "start", task: freshTask(view, { slot: 0, nodeId: node.id, revision, desiredState: "RUNNING" }) });
    }
  } else {
    for (const slot of missingSlots(places, view.spec.replicas, room)) {
      steps.push({ kind: "start", task: freshTask(view, { slot, nodeId: "", revision, desiredState: "RUNNING" }) });
    }
  }
  return { steps: steps.slice(0, view.maxSteps), updateStatus: update.status, wakeAtMs };
}

/** Moves, restarts, releases: what keeps one place served, whatever its spec. */
function settlePlace(view: ServiceView, place: Place, isGlobal: boolean, isOutdated: (task: Task) => boolean): { steps: Step[]; wakeAtMs?: number } {
  const steps: Step[] = [];
  let wakeAtMs: number | undefined;
  const hasSpare = place.wanted.length > 1;
  for (const task of place.wanted) {
    // A task keeps the spec that it was made from until an update replaces it: a paused update must not spread by restarts.
    const isOld = isOutdated(task);
    const revision = isOld ? task.revision : view.service.revision;
    const spec = isOld ? view.specOf(task.revision) : view.spec;
    const seat = { slot: place.slot, nodeId: place.nodeId, revision };

    const eviction = evictionOf(task, spec, view.node(task.nodeId)) ?? volumeEvictionOf(task, (id) => view.volume(id)) ?? excessOf(view, task);
    if (hasEnded(task) && !(isGlobal && eviction)) {
      const decision = decideRestart(task, spec, place);
      if (decision.kind === "finished" || (hasSpare && (isOld || isMoving(place)))) {
        steps.push({ kind: "stop", taskId: task.id, desired: "SHUTDOWN", reason: "" });
      } else if (decision.delayMs > 0 && task.notBeforeMs > view.nowMs) {
        // It ended, rejected say, while it was itself held back: a successor is prepared at once, so one made now would spin.
        wakeAtMs = earliest(wakeAtMs, task.notBeforeMs);
      } else {
        const notBeforeMs = decision.delayMs > 0 ? view.nowMs + decision.delayMs : 0;
        steps.push({ kind: "replace", taskId: task.id, reason: restartedReason, successor: freshTask(view, { ...seat, desiredState: "TASK_READY", notBeforeMs, restarts: decision.restarts }) });
      }
      continue;
    }
    if (eviction) {
      if (isGlobal || (hasSpare && (isOld || isMoving(place)))) steps.push({ kind: "stop", taskId: task.id, desired: "SHUTDOWN", reason: eviction.reason });
      else steps.push({ kind: "replace", taskId: task.id, reason: eviction.reason, successor: freshTask(view, { ...seat, desiredState: eviction.isNodeLost ? "RUNNING" : "TASK_READY" }) });
      continue;
    }
    if (task.desiredState === "TASK_READY") {
      const hold = heldUntil(task, place, view);
      if (hold) wakeAtMs = earliest(wakeAtMs, hold.untilMs);
      else steps.push({ kind: "release", taskId: task.id });
    }
  }
  if (place.wanted.length === 0 && !isGlobal && isPreempted(newestOf(place))) {
    // As after a drain: prepared where it fits, and held until the one before it has stopped. A global service fills the node by itself.
    const old = newestOf(place);
    steps.push({ kind: "start", task: freshTask(view, { slot: place.slot, nodeId: "", revision: isOutdated(old) ? old.revision : view.service.revision, desiredState: "TASK_READY" }) });
  }
  if (steps.length === 0 && !isMoving(place)) steps.push(...stopDuplicates(place, isOutdated));
  return { steps, wakeAtMs };
}

function excessOf(view: ServiceView, { id, nodeId }: Task): Eviction | undefined {
  const reason = nodeId === "" ? undefined : view.inExcess(nodeId).get(id);
  return reason === undefined ? undefined : { reason, isNodeLost: false };
}

/** Two tasks of the same spec in one place: never made by this code, but one would run for ever unnoticed. */
function stopDuplicates(place: Place, isOutdated: (task: Task) => boolean): Step[] {
  const alike = place.wanted.filter((task) => isWanted(task) && !isOutdated(task));
  if (alike.length < 2) return [];
  const keep = alike.find(isRunning) ?? alike[0]!;
  return alike.filter((task) => task !== keep).map((task) => ({ kind: "stop", taskId: task.id, desired: "SHUTDOWN", reason: "duplicate" }));
}

function outdatedTest(view: ServiceView): (task: Task) => boolean {
  const known = new Map<string, boolean>();
  return (task) => {
    if (task.revision === view.service.revision) return false;
    const key = `${task.revision}/${task.nodeId}`;
    let isOutdated = known.get(key);
    if (isOutdated === undefined) {
      isOutdated = needsReplacing(task, view.specOf(task.revision), view.spec, task.nodeId === "" ? undefined : view.node(task.nodeId));
      known.set(key, isOutdated);
    }
    return isOutdated;
  };
}
