import { newEndpointSpec, newPlacement, type Node, type ServiceSpec, type Task } from "../../../model/index.js";
import { unmetConstraint } from "./enforcer.js";

/**
 * Whether a task made from `old` would be made differently from `present`, so that an update has to replace it. A change of placement
 * alone is none for a task whose node satisfies the new one.
 */
export function needsReplacing(task: Task, old: ServiceSpec | undefined, present: ServiceSpec, node: Node | undefined): boolean {
  if (!old) return true;
  if (old === present) return false;
  if (!deepEqual({ ...old.task, placement: null }, { ...present.task, placement: null })) return true;
  if (!deepEqual(old.endpoint ?? newEndpointSpec(), present.endpoint ?? newEndpointSpec())) return true;
  if (deepEqual(old.task?.placement ?? newPlacement(), present.task?.placement ?? newPlacement())) return false;
  return task.nodeId === "" || !node || unmetConstraint(present, node) !== undefined;
}

/** Plain data only. A key that is absent equals one that is undefined. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((value, i) => deepEqual(value, b[i]));
  }
  const left = a as Record<string, unknown>, right = b as Record<string, unknown>;
  for (const key of Object.keys(left)) if (!deepEqual(left[key], Object.hasOwn(right, key) ? right[key] : undefined)) return false;
  for (const key of Object.keys(right)) if (!Object.hasOwn(left, key) && right[key] !== undefined) return false;
  return true;
}
