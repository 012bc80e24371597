import type { PendingReason } from "../model/index.js";
import { explainRefusals, keptFilter, sentenceForNode, sentenceOf } from "./core/explain/index.js";
import type { WaitingGroup } from "./core/queue/index.js";
import type { Picture } from "./picture.js";

/** What stands on a task that waits. */
export interface Explanation {
  readonly err: string;
  readonly pending: PendingReason[];
  /** It says of nodes that they are kept, for it or for others. */
  readonly namesKept?: boolean;
}

/** Why the tasks of a blocked group wait; the same for all of them. `nameOf`: a service's name. O(nodes). */
export function explainGroup(picture: Picture, group: WaitingGroup, nameOf: (serviceId: string) => string): Explanation {
  const { state, queue } = picture;
  const cause = group.block?.cause;
  const size = group.tasks.size;
  switch (cause?.kind) {
    case "quota": {
      const refusals = queue.quotas.refusals(state, group.g);
      const detail = refusals.length > 0 ? refusals.join("; ") : `project ${cause.project} has room for ${group.fitted} of ${size} tasks, which are placed together or not at all`;
      return { err: detail, pending: [{ filter: "quota", nodes: state.nodes.alive.count(), detail }] };
    }
    case "gathering": {
      const detail = `gang of ${state.groups.rules[group.g]!.replicas}: ${size} of its tasks are there`;
      return { err: detail, pending: [{ filter: "gang", nodes: 0, detail }] };
    }
  }
  if (state.groups.rules[group.g]!.isGang && group.fitted > 0) return explainGang(picture, group, nameOf);
  // As it is looked at when it is tried: what is kept for it is open to it, and what is kept for others is told with their names.
  const refusals = queue.reservations.opened(state, group.key, group.priority, () => explainRefusals(state, group.g));
  const kept = keptForOthers(picture, group, nameOf);
  const pending = [...(kept.length === 0 ? refusals : refusals.filter(({ filter }) => filter !== keptFilter)), ...kept];
  const own = keptForIt(picture, group);
  return { err: sentenceOf(pending) + own, pending, namesKept: kept.length > 0 || own !== "" };
}

/** "gang of 8: 5 fit; needs 4 CPU, most free is 2 on n3 (6 nodes)": what the rest lacks is seen with those on their nodes that fit. */
function explainGang(picture: Picture, group: WaitingGroup, nameOf: (serviceId: string) => string): Explanation {
  const { state, placer, queue } = picture;
  const tasks = [...group.tasks];
  let fitting = 0;
  const refusals = queue.reservations.opened(state, group.key, group.priority, () => {
    fitting = placer.place(group.g, tasks);
    const found = explainRefusals(state, group.g);
    for (let i = 0; i < fitting; i++) state.unplace(tasks[i]!);
    return found;
  });
  const kept = keptForOthers(picture, group, nameOf), own = keptForIt(picture, group);
  const pending = [...(kept.length === 0 ? refusals : refusals.filter(({ filter }) => filter !== keptFilter)), ...kept];
  const first: PendingReason = { filter: "gang", nodes: 0, detail: `gang of ${tasks.length}: ${fitting} fit` };
  return { err: [first.detail, ...pending.map(({ detail, nodes }) => `${detail} (${nodes} node${nodes === 1 ? "" : "s"})`)].join("; ") + own, pending: [first, ...pending], namesKept: kept.length > 0 || own !== "" };
}

function keptForOthers({ state, queue }: Picture, group: WaitingGroup, nameOf: (serviceId: string) => string): PendingReason[] {
  const counts = new Map<string, number>();
  for (const { n, g, key, priority } of queue.reservations) {
    if (key === group.key || priority < group.priority || !state.predicates.passesAll(state.requests.eligibility[state.groups.request[group.g]!]!, n)) continue;
    const owner = nameOf(state.services.ids[state.groups.service[g]!]!);
    counts.set(owner, (counts.get(owner) ?? 0) + 1);
  }
  return [...counts].map(([owner, nodes]) => ({ filter: "kept", nodes, detail: `node is kept for service ${owner}, which waits for room` }));
}

function keptForIt({ state, queue }: Picture, group: WaitingGroup): string {
  const names = queue.reservations.of(group.key).map(({ n }) => state.nodes.names[n]!);
  // Of a large gang there may be hundreds.
  const named = names.length > 10 ? `${names.slice(0, 8).join(", ")} and ${names.length - 8} more` : names.join(", ");
  return names.length === 0 ? "" : `; node${names.length === 1 ? "" : "s"} ${named} ${names.length === 1 ? "is" : "are"} kept for it`;
}

/** Why a task waits that can only be on one node. */
export function explainBound({ state, queue }: Picture, t: number): Explanation {
  const g = state.tasks.groupOf(t);
  const nodeId = queue.bound.nodeOf(t);
  const n = state.nodes.rowOf(nodeId);
  const refusals = queue.quotas.room(state, g) === 0 ? queue.quotas.refusals(state, g) : [];
  const pending = n === undefined ? [] : [...explainRefusals(state, g, [n]), ...refusals.map((detail) => ({ filter: "quota", nodes: 1, detail }))];
  return { err: sentenceForNode(n === undefined ? nodeId : state.nodes.names[n]!, pending), pending };
}
