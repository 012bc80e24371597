import type { Node, Taint, TaintEffect, Toleration } from "./types.js";

/** "dedicated=ml:no-schedule" */
export const formatTaint = ({ key, value, effect }: Taint): string => `${key}${value ? `=${value}` : ""}:${effect.toLowerCase().replaceAll("_", "-")}`;

/** The first taint of `node` with one of `effects` that none of `tolerations` covers. */
export const untoleratedTaint = (node: Node, tolerations: readonly Toleration[], effects: readonly TaintEffect[]): Taint | undefined =>
  node.spec?.taints.find(({ key, value, effect }) => effects.includes(effect) && !tolerations.some((toleration) => toleration.key === key && (toleration.value === "" || toleration.value === value)));
