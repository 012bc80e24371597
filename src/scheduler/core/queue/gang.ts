import { nowhere, type ClusterState } from "../state/index.js";

/** How long a gang waits for tasks that its service should have and that do not show up (some have finished for good, say). */
export const gatherForMs = 10_000;

/**
 * A gang is decided about when all tasks are there that the service is to have: those that wait, and those that run already (one that is
 * restarted alone joins the others). undefined: it is complete, or has waited long enough for the rest.
 */
export function gangReadiness(state: ClusterState, g: number, waiting: number, sinceMs: number, nowMs: number): { readonly untilMs: number } | undefined {
  const { replicas } = state.groups.rules[g]!;
  const untilMs = sinceMs + gatherForMs;
  if (waiting >= replicas || untilMs <= nowMs) return undefined;
  let wanted = waiting;
  for (let t = state.firstOfService(state.groups.service[g]!); t !== nowhere; t = state.nextOfService(t)) wanted += state.tasks.countOf(t);
  return wanted >= replicas ? undefined : { untilMs };
}
