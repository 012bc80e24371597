import { holdsResources, isWanted, matchesConstraint, parseConstraint, type ClusterSpec, type Node, type Resources, type Task } from "../../../model/index.js";
import { lostDeviceOf } from "./enforcer.js";
import { createdAtMs, nodeName } from "./view.js";

/** A task of the node with what its revision reserves. */
export interface Holder { readonly task: Task; readonly reservations: Resources | null; readonly priority: number }

/** One amount of a node: what it promises, and what one task has of it. */
interface Amount {
  readonly name: string;
  readonly total: number;
  of(holder: Holder): number;
}

/**
 * Who can not stay on a node that has less than before, with the reason: as few as will do, the lowest priority first and of one priority the youngest.
 * Tasks that are being stopped, or that lose a device by its name, leave anyway and count no more. The answer stays true while some of them are stopped.
 */
export function tasksInExcess(node: Node, holders: readonly Holder[], overcommit: ClusterSpec["overcommit"], nowMs: number): ReadonlyMap<string, string> {
  const staying = holders.filter(({ task }) => task.nodeId === node.id && holdsResources(task) && isWanted(task) && lostDeviceOf(task, node) === undefined);
  const reasons = new Map<string, string>();
  const amounts = amountsOf(node, staying, overcommit).map((amount) => ({ ...amount, excess: staying.reduce((sum, holder) => sum + amount.of(holder), 0) - amount.total }));
  const short = amounts.filter(({ excess }) => excess > 0);
  if (short.length === 0) return reasons;
  const name = nodeName(node, node.id);
  const order = [...staying].sort((a, b) => a.priority - b.priority || createdAtMs(b.task, nowMs) - createdAtMs(a.task, nowMs) || (a.task.id < b.task.id ? 1 : -1));
  const leaving: Holder[] = [];
  for (const holder of order) {
    const cause = short.find((amount) => amount.excess > 0 && amount.of(holder) > 0);
    if (!cause) continue;
    leaving.push(holder);
    reasons.set(holder.task.id, `node ${name} has less ${cause.name} than its tasks have reserved`);
    for (const amount of short) amount.excess -= amount.of(holder);
  }
  // A large one that went late may have made those before it unnecessary: the first to stay are the last that were to go.
  for (const holder of leaving.reverse()) {
    if (short.some((amount) => amount.excess + amount.of(holder) > 0)) continue;
    reasons.delete(holder.task.id);
    for (const amount of short) amount.excess += amount.of(holder);
  }
  return reasons;
}

/** Whether a node has less of anything than it had. */
export function hasShrunk(now: Resources | null | undefined, before: Resources | null | undefined): boolean {
  if (!before) return false;
  const count = (resources: Resources | null | undefined, kind: string) => (resources?.generic ?? []).reduce((sum, each) => sum + (each.kind === kind ? each.ids.length || each.count : 0), 0);
  return (["cpuMillis", "memoryBytes", "diskBytes", "pids"] as const).some((key) => (now?.[key] ?? 0) < before[key])
    || before.generic.some(({ kind }) => count(now, kind) < count(before, kind));
}

function amountsOf(node: Node, holders: readonly Holder[], overcommit: ClusterSpec["overcommit"]): Amount[] {
  const resources = node.description?.resources;
  if (!resources) return [];
  const rule = overcommit.find(({ constraint }) => constraint === "" || isMet(constraint, node));
  const promised = (amount: number, percent: number | undefined) => Math.floor((amount * (percent || 100)) / 100);
  // A node that does not say how much disk or how many processes it has is not held to any.
  const orAny = (amount: number) => amount || Infinity;
  const kinds = new Set(holders.flatMap(({ task }) => task.assigned.map(({ kind }) => kind)));
  return [
    { name: "CPU", total: promised(resources.cpuMillis, rule?.cpuPercent), of: ({ reservations }) => reservations?.cpuMillis ?? 0 },
    { name: "memory", total: promised(resources.memoryBytes, rule?.memoryPercent), of: ({ reservations }) => reservations?.memoryBytes ?? 0 },
    { name: "disk", total: orAny(resources.diskBytes), of: ({ reservations }) => reservations?.diskBytes ?? 0 },
    { name: "room for processes", total: orAny(resources.pids), of: ({ reservations }) => reservations?.pids ?? 0 },
    ...[...kinds].map((kind): Amount => ({
      name: kind,
      total: resources.generic.reduce((sum, each) => sum + (each.kind === kind ? each.ids.length || each.count : 0), 0),
      of: ({ task }) => task.assigned.reduce((sum, each) => sum + (each.kind === kind ? each.ids.length || each.count : 0), 0),
    })),
  ];
}

/** Validated before it was stored; one that cannot be read is for no node. */
function isMet(constraint: string, node: Node): boolean {
  try {
    return matchesConstraint(parseConstraint(constraint), node);
  } catch { return false; }
}
