import type { LabelFilter } from "./api/index.js";

/** All of them must fit: `label`, `label=value`, and their negations. */
export function matchesLabels(labels: Readonly<Record<string, string>>, filters: readonly LabelFilter[]): boolean {
  return filters.every(({ name, value, isNegated }) => (Object.hasOwn(labels, name) && (value === undefined || labels[name] === value)) !== (isNegated ?? false));
}
