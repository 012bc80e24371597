import { newUpdateConfig, stateOf, taskName, taskStateOrder, type Task, type UpdateConfig, type UpdateStatus } from "../../../model/index.js";
import { hasEnded, isRunning, newestOf, restartedReason, type Place } from "./places.js";
import { createdAtMs, earliest, freshTask, type ServiceView, type Step } from "./view.js";

/**
 * Rolling update, with no state but the store's: a place is *outdated* while its task was made from another spec, *in progress* while its
 * new task does not run yet, *settling* for delayMs after. At most `parallelism` places are in progress or settling. A task of the new
 * spec that fails pauses the update (or not, by failure action); it is complete when nothing is outdated or in progress and everything has
 * run for monitorMs.
 *
 * Any failure while the update goes on counts, also later than monitorMs after that task's start: the store does not hold when a
 * dead task began to run, and to stop too early is the safe side.
 */
export interface UpdatePlan { readonly steps: readonly Step[]; readonly status?: UpdateStatus; readonly wakeAtMs?: number }

/** `touched`: places that this look already decided about; they count, but are left alone. */
export function planUpdate(
  view: ServiceView, places: readonly Place[], isOutdated: (task: Task) => boolean, touched: ReadonlySet<Place> = new Set(),
): UpdatePlan {
  const { service, nowMs } = view;
  const config = view.spec.update ?? newUpdateConfig();
  const stored = service.updateStatus ?? undefined;
  const ofThisRevision = stored?.revision === service.revision ? stored : undefined;
  const progress = places.map((place) => assess(place, isOutdated));

  const steps: Step[] = progress.flatMap((p) => (touched.has(p.place) ? [] : stopSuperseded(p, config, service.revision)));
  const outdated = progress.filter((p) => p.isOutdated);
  if (outdated.length === 0 && ofThisRevision?.state !== "UPDATING") {
    const isLeftOver = !ofThisRevision && (stored?.state === "UPDATING" || stored?.state === "UPDATE_PAUSED");
    return isLeftOver ? { steps, status: completed(stored!, service.revision, nowMs) } : { steps };
  }
  if (ofThisRevision?.state === "UPDATE_PAUSED") return { steps };
  const status: UpdateStatus = ofThisRevision?.state === "UPDATING" ? ofThisRevision
    : { state: "UPDATING", startedAtMs: nowMs, completedAtMs: 0, message: "update in progress", revision: service.revision };

  if (config.failureAction === "UPDATE_PAUSE") {
    const failed = findFailure(progress, status);
    if (failed) {
      const why = failed.status?.err || failed.status?.message || "it failed";
      const message = `update paused: task "${taskName(view.spec.name, failed)}" failed: ${why}; correct the service and update it again`;
      return { steps, status: { ...status, state: "UPDATE_PAUSED", message } };
    }
  }

  // A task that has no node loses nothing when it is replaced, and must not take the room that an update is about to free.
  for (const p of outdated) {
    if (p.current.length > 0 || touched.has(p.place) || !p.superseded.some(isUnplaced) || p.superseded.length > 1) continue;
    steps.push({
      kind: "replace", taskId: p.superseded[0]!.id, reason: replacedBy(service.revision),
      successor: freshTask(view, { slot: p.place.slot, nodeId: p.place.nodeId, revision: service.revision, desiredState: "RUNNING" }),
    });
  }

  // Where there is not room for all, a task that waited before may have got the place of one that was replaced: as many run as before.
  const unplaced = progress.filter((p) => p.isInProgress && p.current.every(isUnplaced)).length;
  const gained = progress.filter((p) => p.runningSinceMs !== undefined && !p.hasPredecessor).length;
  const inProgress = progress.filter((p) => p.isInProgress).length - Math.min(unplaced, gained);
  const runningSince = progress.filter((p) => p.runningSinceMs !== undefined && p.hasPredecessor).map((p) => p.runningSinceMs!);
  if (outdated.length === 0 && inProgress === 0) {
    const doneAtMs = Math.max(status.startedAtMs, ...runningSince) + config.monitorMs;
    return nowMs >= doneAtMs ? { steps, status: completed(status, service.revision, nowMs) } : { steps, status, wakeAtMs: doneAtMs };
  }

  const settling = runningSince.filter((sinceMs) => sinceMs + config.delayMs > nowMs);
  const capacity = (config.parallelism || Infinity) - inProgress - settling.length;
  let wakeAtMs: number | undefined;
  for (const sinceMs of settling) wakeAtMs = earliest(wakeAtMs, sinceMs + config.delayMs);
  const turn = outdated.filter((p) => p.current.length === 0 && !touched.has(p.place) && !p.superseded.some(isUnplaced)).sort((a, b) => urgency(a) - urgency(b) || a.place.slot - b.place.slot);
  for (const p of turn.slice(0, Math.max(0, Math.min(capacity, view.maxSteps)))) steps.push(updatePlace(view, p, config));
  return { steps, status, wakeAtMs };
}

interface Progress {
  readonly place: Place;
  readonly current: readonly Task[];       // wanted, of the present spec
  readonly superseded: readonly Task[];    // wanted, of another spec
  readonly isOutdated: boolean;
  readonly isInProgress: boolean;
  readonly hasPredecessor: boolean;        // made by an update, not by scaling
  readonly runningSinceMs: number | undefined;
  readonly ended: readonly Task[];         // of the present spec
}

function assess(place: Place, isOutdated: (task: Task) => boolean): Progress {
  const superseded = place.wanted.filter(isOutdated);
  const current = superseded.length === 0 ? place.wanted : place.wanted.filter((task) => !superseded.includes(task));
  const hasPredecessor = place.tasks.some(isOutdated);
  const running = current.find(isRunning);
  return {
    place, current, superseded, hasPredecessor,
    isOutdated: superseded.length > 0 || (place.wanted.length === 0 && isOutdated(newestOf(place))),
    isInProgress: current.length > 0 && !running && hasPredecessor,
    runningSinceMs: running && (running.status?.appliedAtMs || running.status?.timestampMs || 0),
    ended: place.tasks.filter((task) => hasEnded(task) && !isOutdated(task)),
  };
}

/** Start-first: the old task goes when the new one runs. Stop-first (or an order changed midway): at once. */
function stopSuperseded(p: Progress, config: UpdateConfig, revision: number): Step[] {
  if (p.current.length === 0) return [];
  if (config.order === "START_FIRST" && !p.current.some(isRunning)) return [];
  return p.superseded.map((task) => ({ kind: "stop", taskId: task.id, desired: "SHUTDOWN", reason: replacedBy(revision) }));
}

function updatePlace(view: ServiceView, p: Progress, config: UpdateConfig): Step {
  const old = p.superseded[p.superseded.length - 1];
  const place = { slot: p.place.slot, nodeId: p.place.nodeId, revision: view.service.revision };
  if (!old || (config.order === "START_FIRST" && isRunning(old))) return { kind: "start", task: freshTask(view, { ...place, desiredState: "RUNNING" }) };
  return { kind: "replace", taskId: old.id, reason: replacedBy(view.service.revision), successor: freshTask(view, { ...place, desiredState: "TASK_READY" }) };
}

const replacedBy = (revision: number) => `replaced by revision ${revision}`;

/** Broken ones first: they lose least, and show whether the new spec works. */
const urgency = (p: Progress): number => (p.superseded.some(isRunning) ? 1 : 0);

const isUnplaced = (task: Task): boolean => taskStateOrder[stateOf(task)] < taskStateOrder.ASSIGNED;

function findFailure(progress: readonly Progress[], status: UpdateStatus): Task | undefined {
  for (const p of progress) {
    const failed = p.ended.find((task) => ["FAILED", "REJECTED"].includes(task.status?.state ?? "") && ["", restartedReason].includes(task.stopReason)
      && createdAtMs(task, Infinity) >= status.startedAtMs);
    if (failed) return failed;
  }
  return undefined;
}

const completed = (status: UpdateStatus, revision: number, nowMs: number): UpdateStatus =>
  ({ ...status, state: "UPDATE_COMPLETED", completedAtMs: nowMs, message: "update completed", revision });
