import { newNode, newNodeDescription, newNodeSpec, newResources, taskName } from "../../model/index.js";
import { SwarmError, type Clock } from "../../lib/index.js";
import type { NewNodes } from "../../gen/swarm/v1/NewNodes.js";
import type { NodeUse as NodeUseMessage } from "../../gen/swarm/v1/NodeUse.js";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";
import { sentenceOf } from "../core/explain/index.js";
import { whatIf, type NodeUse } from "../core/what-if/index.js";
import { nowhere } from "../core/state/index.js";
import type { Store } from "../../store/index.js";
import { namesFrom, presentGroup, withCopy, withNames, type Copy, type Inspect } from "./live.js";

export interface WhatIfQuery {
  /** Ids. */
  readonly lose: readonly string[];
  readonly drain: readonly string[];
  readonly add: readonly NewNodes[];
  readonly scale: readonly { readonly serviceId: string; readonly replicas: number }[];
  readonly headroomFor: readonly string[];
}

const maxShown = 1_000;

export function whatIfQuery({ inspect, store, clock }: { readonly inspect: Inspect; readonly store: Store; readonly clock: Clock }, query: WhatIfQuery): Generator<void, WhatIfResponse> {
  return withCopy(inspect, store, () => clock.now(), [], (copy) => answer(copy, query));
}

function* answer({ state, placer, store }: Copy, query: WhatIfQuery): Generator<void, WhatIfResponse> {
  const services = store.view((tx) => new Map(tx.list("service").map((service) => [service.id, service])));
  const groups = new Map<string, number>();
  const groupOf = (serviceId: string): number => {
    const known = groups.get(serviceId);
    if (known !== undefined) return known;
    const service = services.get(serviceId);
    if (!service) throw new SwarmError("NOT_FOUND", `Cannot tell what would happen to service "${serviceId}": it was removed meanwhile`);
    const g = presentGroup(state, service);
    groups.set(serviceId, g);
    return g;
  };
  yield;
  const globalServiceIds = new Set([...services.values()].filter(({ spec, isRemoving }) => spec?.mode === "GLOBAL" && !isRemoving).map(({ id }) => id));
  const result = yield* whatIf(state, { ...query, add: newNodes(query.add) }, { placer, groupOf, globalServiceIds, headroomFor: query.headroomFor, mayPreempt: !store.view((tx) => tx.list("cluster")[0]?.spec?.preemptionOff ?? false) });

  const names = namesFrom(store);
  const taskNames = (ids: readonly string[]) => store.view((tx) => ids.map((id) => { const task = tx.get("task", id); return task ? taskName(names.service(task.serviceId), task) : id; }));
  const nodeName = (n: number) => state.nodes.names[n]!;
  const changeOf = ({ before, after }: { before: NodeUse; after: NodeUse }) => Math.abs(before.tasks - after.tasks) * 10 + Math.abs(before.cpuPermille - after.cpuPermille) + Math.abs(before.memoryPermille - after.memoryPermille);
  const shown = [...result.nodes].sort((a, b) => changeOf(b) - changeOf(a) || a.n - b.n).slice(0, maxShown);
  const message = (n: number, use: NodeUse): NodeUseMessage => ({ nodeId: state.nodes.ids[n]!, nodeName: nodeName(n), ...use });
  const moves = result.moves.slice(0, maxShown);
  const moved = taskNames(moves.map(({ taskId }) => taskId));
  const stopped = result.preempted.slice(0, maxShown);
  const stoppedNames = taskNames(stopped.map(({ taskId }) => taskId));
  return {
    moves: moves.map(({ serviceId, from, to }, i) => ({ taskName: moved[i]!, serviceName: names.service(serviceId), fromNode: nodeName(from), toNode: nodeName(to) }))
      .sort(byName),
    moveCount: result.moves.length,
    preempted: stopped.map(({ serviceId, from, to, byServiceId }, i) => ({ taskName: stoppedNames[i]!, serviceName: names.service(serviceId), node: nodeName(from), toNode: to === nowhere ? "" : nodeName(to), byServiceName: names.service(byServiceId) }))
      .sort(byName),
    preemptedCount: result.preempted.length,
    started: result.started.map(({ serviceId, count, waited }) => ({ serviceName: names.service(serviceId), count, waited })),
    ended: result.ended.map(({ serviceId, count }) => ({ serviceName: names.service(serviceId), count, waited: 0 })),
    pending: result.pending.map(({ serviceId, count, waited, taskIds, reasons }) => ({
      serviceName: names.service(serviceId), count, waited, taskNames: taskNames(taskIds).sort((a, b) => a.localeCompare(b, "en", { numeric: true })), reason: withNames(sentenceOf(reasons), names),
    })),
    before: shown.map(({ n, before }) => message(n, before)), after: shown.map(({ n, after }) => message(n, after)), changedNodes: result.nodes.length,
    lostNodeIds: [...query.lose],
    totalBefore: { nodeId: "", nodeName: "", ...result.total.before }, totalAfter: { nodeId: "", nodeName: "", ...result.total.after },
    headroom: result.headroom.map(({ serviceId, before, after }) => ({ serviceName: names.service(serviceId), before, after })),
  };
}

const byName = (a: { readonly serviceName: string; readonly taskName: string }, b: typeof a): number =>
  (a.serviceName < b.serviceName ? -1 : a.serviceName > b.serviceName ? 1 : a.taskName.localeCompare(b.taskName, "en", { numeric: true }));

/** Workers that are up, "new-1", "new-2" …, with what was asked for and the labels given. */
function newNodes(wanted: readonly NewNodes[]) {
  const nodes = wanted.flatMap(({ count, resources, labels }) => Array.from({ length: count }, () => ({ resources, labels })));
  return nodes.map(({ resources, labels }, i) => {
    const hostname = `new-${i + 1}`;
    const gpus = (resources?.gpus ?? []).map((gpu, at) => ({ ...gpu, id: gpu.id || `${hostname}-gpu-${at}` }));
    return newNode({
      id: hostname, spec: newNodeSpec({ labels }), status: { state: "READY", message: "", addr: "", sinceMs: 0 },
      description: newNodeDescription({ hostname, resources: newResources({ ...resources, gpus }) }),
    });
  });
}
