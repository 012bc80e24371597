import type { LabelFilter } from "../api/index.js";
import { isRestarting, type ContainerRecord } from "./record.js";

/** Whether `docker container prune` with these filters takes it: nothing runs in it, and nothing is about to. */
export function isPrunable(record: ContainerRecord, options: { untilMs?: number; labels?: readonly LabelFilter[] }): boolean {
  if ((record.phase !== "created" && record.phase !== "exited") || isRestarting(record)) return false;
  if (options.untilMs !== undefined && record.createdAtMs >= options.untilMs) return false;
  return (options.labels ?? []).every((filter) => matchesLabel(record.config.labels, filter));
}

function matchesLabel(labels: Readonly<Record<string, string>>, { name, value, isNegated }: LabelFilter): boolean {
  const isMatch = Object.hasOwn(labels, name) && (value === undefined || labels[name] === value);
  return isNegated ? !isMatch : isMatch;
}
