import type { LabelFilter } from "../api/index.js";
import { matchesLabels } from "../label-filter.js";
import { isRestarting, type ContainerRecord } from "./record.js";

/** Whether `docker container prune` with these filters takes it: nothing runs in it, and nothing is about to. */
export function isPrunable(record: ContainerRecord, options: { untilMs?: number; labels?: readonly LabelFilter[] }): boolean {
  if ((record.phase !== "created" && record.phase !== "exited") || isRestarting(record)) return false;
  if (options.untilMs !== undefined && record.createdAtMs >= options.untilMs) return false;
  return matchesLabels(record.config.labels, options.labels ?? []);
}
