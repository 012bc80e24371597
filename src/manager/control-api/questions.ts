import { SwarmError } from "../../lib/index.js";
import { isDeviceWord, maxReplicas, newNodeSpec, problemOfGenericKind, problemOfNodeSpec, type Problem } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { ExplainRequest } from "../../gen/swarm/v1/ExplainRequest.js";
import type { ExplainResponse } from "../../gen/swarm/v1/ExplainResponse.js";
import type { ServiceHintsRequest } from "../../gen/swarm/v1/ServiceHintsRequest.js";
import type { ServiceHintsResponse } from "../../gen/swarm/v1/ServiceHintsResponse.js";
import type { NewNodes } from "../../gen/swarm/v1/NewNodes.js";
import type { WhatIfRequest } from "../../gen/swarm/v1/WhatIfRequest.js";
import type { WhatIfResponse } from "../../gen/swarm/v1/WhatIfResponse.js";
import type { ControlDependencies, ExplainQuery } from "./ports.js";
import { nameOf, resolveRef } from "./refs.js";
import { specToExplain } from "./service.js";

const defaultNames = 10, mostNames = 1_000;
const defaultCandidates = 5, mostCandidates = 1_000;
const mostNewNodes = 10_000;
/** Services whose headroom is counted where none is named: each is placed a thousand times. */
const mostHeadrooms = 50;

export function explain({ store, scheduler, newId }: ControlDependencies, request: ExplainRequest, signal: AbortSignal): Promise<ExplainResponse> {
  const subject = store.view((tx): ExplainQuery["subject"] => {
    if (request.spec) return { kind: "spec", ...specToExplain(tx, newId, request.spec, request.service) };
    return namedSubject(tx, request.ref);
  });
  return scheduler.explain({
    subject, perNode: request.perNode, names: Math.min(request.names || defaultNames, mostNames), candidates: Math.min(request.candidates || defaultCandidates, mostCandidates),
  }, signal);
}

/** A service if the ref names one, else a task. */
function namedSubject(tx: ReadTx, ref: string): ExplainQuery["subject"] {
  try {
    return { kind: "service", serviceId: resolveRef(tx, "service", ref, "Cannot explain").id };
  } catch (error) {
    try {
      return { kind: "task", taskId: resolveRef(tx, "task", ref, "Cannot explain").id };
    } catch (other) {
      const isUnknown = [error, other].every((each) => each instanceof SwarmError && each.code === "NOT_FOUND");
      if (isUnknown) throw new SwarmError("NOT_FOUND", `Cannot explain "${ref.slice(0, 100)}": there is no such service or task; "swarmctl service ls" lists the services`);
      throw other instanceof SwarmError && other.code === "NOT_FOUND" ? error : other;
    }
  }
}

export function whatIf({ store, scheduler }: ControlDependencies, request: WhatIfRequest, signal: AbortSignal): Promise<WhatIfResponse> {
  const action = "Cannot tell what would happen";
  const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", `${action}: ${why}`);
  if (request.lose.length + request.drain.length + request.add.length + request.scale.length + request.headroom.length === 0) throw refuse("nothing is said to change; name nodes to lose, drain or add, or services to scale");
  const added = request.add.reduce((sum, { count }) => sum + count, 0);
  if (added > mostNewNodes) throw refuse(`${added} new nodes are more than the limit of ${mostNewNodes}`);
  for (const { count, resources, labels } of request.add) {
    if (count < 1) throw refuse("a new kind of node has the count 0; give 1 or more");
    const amounts = [resources?.cpuMillis ?? 0, resources?.memoryBytes ?? 0, resources?.diskBytes ?? 0, resources?.pids ?? 0, ...(resources?.generic ?? []).map((generic) => generic.count)];
    const problem = problemOfNewNode(resources, labels);
    if (problem) throw refuse(`no node can be added as it is described: ${problem}`);
    if (amounts.some((amount) => !Number.isSafeInteger(amount) || amount < 0 || amount >= 2 ** 52)) throw refuse("an amount of a new node is negative or too large");
  }
  const query = store.view((tx) => {
    const node = (ref: string) => resolveRef(tx, "node", ref, `${action} to`).id;
    const service = (ref: string) => resolveRef(tx, "service", ref, `${action} to`);
    const scale = request.scale.map(({ service: ref, replicas }) => {
      const found = service(ref);
      if (found.spec?.mode === "GLOBAL") throw refuse(`service "${nameOf.service(found)}" is global, and has a task on every node that is meant; only replicated services are scaled`);
      if (replicas > maxReplicas) throw refuse(`${replicas} replicas of service "${nameOf.service(found)}" are more than the limit of ${maxReplicas} for one service`);
      return { serviceId: found.id, replicas };
    });
    const twice = scale.find(({ serviceId }, i) => scale.findIndex((other) => other.serviceId === serviceId) < i);
    if (twice) throw refuse(`service "${nameOf.service(tx.get("service", twice.serviceId)!)}" is scaled twice; give one number of replicas`);
    const lose = [...new Set(request.lose.map(node))];
    const headroomFor = request.headroom.length > 0 ? request.headroom.map((ref) => service(ref).id)
      : tx.list("service").filter(({ spec, isRemoving }) => spec?.mode === "REPLICATED" && !isRemoving).sort((a, b) => (nameOf.service(a) < nameOf.service(b) ? -1 : 1)).slice(0, mostHeadrooms).map(({ id }) => id);
    return { lose, drain: [...new Set(request.drain.map(node))].filter((id) => !lose.includes(id)), add: request.add, scale, headroomFor };
  });
  return scheduler.whatIf(query, signal);
}

/** Only what a host could say of itself: nobody else looks at it before the scheduler's core. */
function problemOfNewNode(resources: NewNodes["resources"], labels: NewNodes["labels"]): Problem {
  const { generic = [], gpus = [] } = resources ?? {};
  const kinds = generic.map(({ kind }) => kind);
  const twice = kinds.find((kind, i) => kinds.indexOf(kind) < i);
  if (twice !== undefined) return `generic resource "${twice}" is named twice; name it once`;
  if (generic.some(({ ids }) => ids.length > 0)) return "a generic resource has names; give a number of each kind";
  if (gpus.length > mostNewGpus) return `${gpus.length} GPUs are more than the limit of ${mostNewGpus}`;
  const model = gpus.find((gpu) => gpu.model !== "" && !isDeviceWord(gpu.model))?.model;
  if (model !== undefined) return `"${model.slice(0, 80)}" is no model of a GPU`;
  return kinds.map(problemOfGenericKind).find((problem) => problem !== undefined) ?? problemOfNodeSpec(newNodeSpec({ labels }));
}

/** As many as the scheduler counts of one node. */
const mostNewGpus = 31;

export function serviceHints({ store, scheduler }: ControlDependencies, { service }: ServiceHintsRequest, signal: AbortSignal): Promise<ServiceHintsResponse> {
  const serviceIds = store.view((tx) => (service === "" ? tx.list("service").filter(({ isRemoving }) => !isRemoving) : [resolveRef(tx, "service", service, "Cannot give hints for")]).map(({ id }) => id));
  return scheduler.hints(serviceIds, signal);
}
