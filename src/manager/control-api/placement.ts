import { SwarmError } from "../../lib/index.js";
import { affinityText, matchesConstraint, parseConstraint, problemOfPair, type Affinity, type ServiceSpec } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import { nameOf, resolveRef } from "./refs.js";
import { refuseProblem } from "./refusals.js";

/** The affinities with service ids for refs. `present` is the spec that an update replaces. */
export function resolveAffinities(tx: ReadTx, action: string, serviceId: string, spec: ServiceSpec, present: ServiceSpec | null): Affinity[] {
  const known = new Set(affinitiesOf(present).map(({ service }) => service));
  const resolve = (ref: string): string => {
    if (ref === serviceId || ref === spec.name) return serviceId;
    // A service that was removed since stays named until somebody takes it out: it must not keep this one from being scaled.
    return known.has(ref) ? ref : resolveRef(tx, "service", ref, `${action}: cannot place it by`).id;
  };
  const affinities = affinitiesOf(spec).map((affinity) => ({ ...affinity, service: resolve(affinity.service) }));
  const nameOfId = (id: string) => (id === serviceId ? spec.name : tx.get("service", id)?.spec?.name ?? id);
  const named = affinities.map((affinity) => ({ ...affinity, service: nameOfId(affinity.service) }));
  for (const [index, affinity] of named.entries()) {
    for (const other of named.slice(index + 1)) refuseProblem(action, problemOfPair(affinity, other));
  }
  refuseCycle(tx, action, serviceId, spec.name, affinities);
  refuseMutual(tx, action, serviceId, spec.name, affinities);
  return affinities;
}

const affinitiesOf = (spec: ServiceSpec | null | undefined): readonly Affinity[] => spec?.task?.placement?.affinities ?? [];
const needsNear = ({ required, anti }: Affinity): boolean => required && !anti;

/** Services that each wait for a task of the other would wait for ever, if not today, then after all of them have stopped once. Its own tasks are no cycle: the first may go anywhere. */
function refuseCycle(tx: ReadTx, action: string, serviceId: string, name: string, affinities: readonly Affinity[]): void {
  const cameFrom = new Map<string, string>();
  const pending: string[] = [];
  const visit = (from: string, of: readonly Affinity[]) => {
    for (const affinity of of) {
      if (!needsNear(affinity) || affinity.service === from || cameFrom.has(affinity.service)) continue;
      cameFrom.set(affinity.service, from);
      pending.push(affinity.service);
    }
  };
  visit(serviceId, affinities);
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (id !== serviceId) { visit(id, affinitiesOf(tx.get("service", id)?.spec)); continue; }
    const chain: string[] = [];
    for (let at = cameFrom.get(serviceId)!; at !== serviceId; at = cameFrom.get(at)!) chain.unshift(`"${tx.get("service", at)?.spec?.name ?? at}"`);
    throw new SwarmError("INVALID_ARGUMENT", `${action}: "${name}" requires to be near ${chain.join(", which requires to be near ")}, which requires to be near "${name}": none of them could be placed first; make one of these affinities a preference`);
  }
}

/** It wants to be near one that must not have it near. */
function refuseMutual(tx: ReadTx, action: string, serviceId: string, name: string, affinities: readonly Affinity[]): void {
  for (const affinity of affinities) {
    const other = affinity.required && affinity.service !== serviceId ? tx.get("service", affinity.service) : undefined;
    for (const theirs of affinitiesOf(other?.spec)) {
      if (!theirs.required || theirs.service !== serviceId || problemOfPair(affinity, { ...theirs, service: affinity.service }) === undefined || theirs.anti === affinity.anti) continue;
      throw new SwarmError("INVALID_ARGUMENT", `${action}: its ${affinityText(affinity, nameOf.service(other!))} contradicts that one's ${affinityText(theirs, name)}; drop one`);
    }
  }
}

/** A kind that no node has is a slip of the pen more often than a wish for hardware to come. Kinds that `present` asks for already may stay. */
export function refuseUnknownKinds(tx: ReadTx, action: string, spec: ServiceSpec, present: ServiceSpec | null): void {
  const asked = spec.task?.reservations?.generic ?? [];
  if (asked.length === 0) return;
  const before = new Set(present?.task?.reservations?.generic.map(({ kind }) => kind));
  const there = new Set(tx.list("node").flatMap((node) => node.description?.resources?.generic.map(({ kind }) => kind) ?? []));
  const unknown = asked.find(({ kind }) => !before.has(kind) && !there.has(kind));
  if (!unknown) return;
  const kinds = [...there].sort();
  const known = kinds.length === 0 ? "no node has any" : `there ${kinds.length === 1 ? "is" : "are"} ${kinds.slice(0, 20).map((kind) => `"${kind}"`).join(", ")}${kinds.length > 20 ? ", …" : ""}`;
  throw new SwarmError("INVALID_ARGUMENT", `${action}: no node has the generic resource "${unknown.kind}" (${known}); name one with "swarmd --generic-resource ${unknown.kind}=COUNT" on a node first`);
}

/** What makes its tasks wait though nothing is wrong with it. */
export function warningsOfPlacement(tx: ReadTx, spec: ServiceSpec): string[] {
  return [...warningsOfConstraints(tx, spec), ...warningsOfGpus(tx, spec), ...warningsOfQuota(tx, spec)];
}

function warningsOfConstraints(tx: ReadTx, spec: ServiceSpec): string[] {
  const texts = spec.task?.placement?.constraints ?? [];
  const constraints = texts.map(parseConstraint);
  if (constraints.length === 0 || tx.list("node").some((node) => constraints.every((c) => matchesConstraint(c, node)))) return [];
  return [`no node satisfies ${texts.map((text) => `"${text}"`).join(" and ")} now: tasks wait until one does`];
}

function warningsOfGpus(tx: ReadTx, spec: ServiceSpec): string[] {
  const request = spec.task?.reservations?.gpu;
  if (!request) return [];
  const models = new Map(tx.list("node").flatMap((node) => node.description?.resources?.gpus.map(({ model }) => [model.toLowerCase(), model] as const) ?? []));
  if (models.size === 0) return ["no node has a GPU now: tasks wait until one does"];
  if (request.models.length === 0 || request.models.some((model) => models.has(model.toLowerCase()))) return [];
  return [`no node has a GPU of model ${request.models.map((model) => `"${model}"`).join(" or ")} now (there is ${[...models.values()].sort().slice(0, 20).map((model) => `"${model}"`).join(", ")}): tasks wait until one does`];
}

function warningsOfQuota(tx: ReadTx, spec: ServiceSpec): string[] {
  if (spec.project === "" || tx.cluster().spec?.quotas.some(({ project }) => project === spec.project)) return [];
  return [`project "${spec.project}" has no quota: nothing limits it until "swarmctl cluster update --quota ${spec.project}=…" does`];
}
