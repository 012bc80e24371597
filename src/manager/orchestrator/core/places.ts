import { compareTaskStates, isTerminal, isWanted, stateOf, type Task } from "../../../model/index.js";

/**
 * Where a service has one task at a time: a slot of a replicated service, a node of a global one. Holds the present task, those that
 * are being stopped for it, and the dead ones kept as history; tasks on their way out for good (desired REMOVE) belong to no place.
 */
export interface Place {
  readonly key: string;
  readonly slot: number;
  readonly nodeId: string;            // global only
  readonly tasks: readonly Task[];    // oldest first
  readonly wanted: readonly Task[];   // desired RUNNING or READY
}

export function groupByPlace(tasks: readonly Task[], isGlobal: boolean): Place[] {
  const byKey = new Map<string, Task[]>();
  for (const task of tasks) {
    if (task.desiredState === "REMOVE") continue;
    const key = isGlobal ? task.nodeId : String(task.slot);
    const group = byKey.get(key);
    if (group) group.push(task);
    else byKey.set(key, [task]);
  }
  const places: Place[] = [];
  for (const [key, group] of byKey) {
    if (group.length > 1) group.sort(byAge);
    places.push({ key, slot: group[0]!.slot, nodeId: isGlobal ? key : "", tasks: group, wanted: group.filter(isWanted) });
  }
  return places.sort((a, b) => a.slot - b.slot || (a.key < b.key ? -1 : 1));
}

/** Oldest first. Of one millisecond: a successor is held back longer, has more restarts behind it, and is less far on. */
export function byAge(a: Task, b: Task): number {
  const created = (task: Task) => task.meta?.createdAtMs ?? Number.MAX_SAFE_INTEGER;
  return created(a) - created(b) || a.notBeforeMs - b.notBeforeMs || a.restarts - b.restarts || Number(isWanted(a)) - Number(isWanted(b))
    || compareTaskStates(stateOf(b), stateOf(a)) || (a.id < b.id ? -1 : 1);
}

export const newestOf = (place: Place): Task => place.tasks[place.tasks.length - 1]!;

/** The container ended by itself, or never could start: what restart policies speak about. */
export const endedByItself = (task: Task): boolean => ["COMPLETE", "FAILED", "REJECTED"].includes(stateOf(task));

/** Stop reason of a task that ended by itself and has a successor. Without one it is the end of its place: see isFinished. */
export const restartedReason = "it ended and was started again";

/** It ended for good: its restart policy forbids another. It holds its place until the service is changed. */
export function isFinished(place: Place): boolean {
  const newest = newestOf(place);
  return place.wanted.length === 0 && endedByItself(newest) && newest.stopReason === "";
}

export const isRunning = (task: Task): boolean => stateOf(task) === "RUNNING";
export const hasEnded = (task: Task): boolean => isTerminal(stateOf(task));
