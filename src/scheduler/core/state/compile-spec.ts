import {
  canonicalArch, formatConstraint, matchesConstraint, parseConstraint, type Constraint, type GpuRequest, type Node, type Protocol, type ServiceSpec, type Toleration,
} from "../../../model/index.js";
import { genericDimension } from "./dimensions.js";
import type { Predicate } from "./predicates.js";
import { noRules, type AffinityRule, type Rules } from "./rules.js";

/** A service's spec as the scheduler reads it. Made once for each revision. */
export interface CompiledSpec {
  /** Dimension name → whole number above 0. */
  readonly amounts: readonly (readonly [name: string, amount: number])[];
  readonly gpu: GpuRequest | undefined;
  /** In the order in which a node is refused: what a user cannot change by waiting comes before what time may cure. */
  readonly predicates: readonly Predicate[];
  readonly priority: number;
  readonly rules: Rules;
}

/** `undefined`: the revision is not known (any more); its tasks ask for nothing. */
export function compileSpec(serviceId: string, spec: ServiceSpec | undefined): CompiledSpec {
  const reservations = spec?.task?.reservations;
  const placement = spec?.task?.placement;
  const gpu = reservations?.gpu && reservations.gpu.count > 0 ? reservations.gpu : undefined;
  const amounts: [name: string, amount: number][] = [];
  if (reservations) {
    if (reservations.cpuMillis > 0) amounts.push(["cpu", reservations.cpuMillis]);
    if (reservations.memoryBytes > 0) amounts.push(["memory", reservations.memoryBytes]);
    if (reservations.diskBytes > 0) amounts.push(["disk", reservations.diskBytes]);
    if (reservations.pids > 0) amounts.push(["pids", reservations.pids]);
    for (const { kind, count } of reservations.generic) if (count > 0) amounts.push([genericDimension(kind), count]);
  }
  return { amounts, gpu, predicates: predicatesOf(spec, gpu), priority: spec?.priority ?? 0, rules: rulesOf(serviceId, spec) };
}

function predicatesOf(spec: ServiceSpec | undefined, gpu: GpuRequest | undefined): readonly Predicate[] {
  const placement = spec?.task?.placement;
  const plugins = pluginsOf(spec);
  const models = gpu?.models ?? [];
  if (plugins.length + models.length + (placement ? placement.constraints.length + placement.platforms.length + placement.tolerations.length : 0) === 0) return anyReadyNode;
  return [
    isReady,
    ...(placement?.constraints ?? []).map(stored),
    ...(placement && placement.platforms.length > 0 ? [runsOneOf(placement.platforms)] : []),
    ...plugins.map(hasPlugin),
    tolerates(placement?.tolerations ?? []),
    ...(models.length > 0 ? [hasGpuModel(models)] : []),
  ];
}

function rulesOf(serviceId: string, spec: ServiceSpec | undefined): Rules {
  const placement = spec?.task?.placement;
  if (!spec) return noRules;
  const hostPorts = (spec.endpoint?.ports ?? []).filter((port) => port.mode === "HOST" && port.publishedPort !== 0).map((port) => portKey(port.publishedPort, port.protocol));
  return {
    strategy: placement?.strategy ?? "DEFAULT", replicas: spec.mode === "REPLICATED" ? spec.replicas : 0, hostPorts,
    volumes: (spec.task?.container?.mounts ?? []).filter(({ type }) => type === "CLUSTER").map(({ source, target, readOnly }) => ({ source, target, readOnly })),
    maxPerNode: placement?.maxPerNode ?? 0, maxPer: placement?.maxPer ?? [], spread: placement?.spread ?? [],
    preferences: (placement?.preferences ?? []).map(({ constraint, weight }) => ({ predicate: stored(constraint), weight })),
    affinities: (placement?.affinities ?? []).map((affinity): AffinityRule => ({
      serviceId: affinity.service || serviceId, isAnti: affinity.anti, isRequired: affinity.required, weight: affinity.weight, key: affinity.key || "node.id",
    })),
    tolerations: placement?.tolerations ?? [], image: spec.task?.container?.image ?? "", isGang: spec.gang, mayMove: !spec.noMove, project: spec.project,
  };
}

export const portKey = (port: number, protocol: Protocol): string => `${port}/${protocol.toLowerCase()}`;

/** Specs are validated before they are stored; one that is not fits nowhere, and does not stop the others. */
export function stored(text: string): Predicate {
  try {
    return satisfies(parseConstraint(text));
  } catch { return { filter: "constraint", key: text, test: () => false, refusal: () => `constraint ${text} is not understood` }; }
}

/** Only a node that is up, described and active takes new tasks. */
export const isReady: Predicate = { filter: "ready", key: "", test: (node) => whyNotReady(node) === undefined, refusal: (node) => whyNotReady(node) ?? "" };

function whyNotReady(node: Node): string | undefined {
  if (node.status?.state === "DOWN") return "node is down";
  if (node.spec?.availability === "DRAIN") return "node is drained";
  if (node.spec?.availability === "PAUSE") return "node is paused";
  if (node.status?.state !== "READY" || !node.description) return "node has not reported yet";
  return undefined;
}

export function satisfies(constraint: Constraint): Predicate {
  const text = formatConstraint(constraint);
  return { filter: "constraint", key: text, test: (node) => matchesConstraint(constraint, node), refusal: () => `constraint ${text} not met` };
}

/** Where the platforms of the image are known ("linux/amd64"), the node must be one of them. */
function runsOneOf(platforms: readonly string[]): Predicate {
  const wanted = platforms.map((platform) => platform.split("/"));
  return {
    filter: "platform", key: platforms.join(","),
    test: ({ description }) => wanted.some(([os = "", arch = ""]) => (os === "" || os.toLowerCase() === description?.os.toLowerCase()) && (arch === "" || canonicalArch(arch) === canonicalArch(description?.arch ?? ""))),
    refusal: ({ description }) => `image is for ${platforms.join(", ")}, node is ${description?.os}/${canonicalArch(description?.arch ?? "")}`,
  };
}

/** The node must have the drivers that the task uses. A node that lists none does not say, and is taken at its silence. */
const hasPlugin = (plugin: string): Predicate => ({
  filter: "plugin", key: plugin,
  test: ({ description }) => !description || description.plugins.length === 0 || description.plugins.includes(plugin),
  refusal: () => `node has no plugin ${plugin}`,
});

function pluginsOf(spec: ServiceSpec | undefined): string[] {
  if (!spec?.task || (spec.task.networks.length === 0 && !spec.task.logDriver && (spec.endpoint?.ports.length ?? 0) === 0 && (spec.task.container?.mounts.length ?? 0) === 0)) return [];
  const plugins = new Set<string>();
  if ((spec?.task?.networks.length ?? 0) > 0 || spec?.endpoint?.ports.some((port) => port.mode === "INGRESS")) plugins.add("network/overlay");
  if (spec?.task?.container?.mounts.some((mount) => mount.type === "VOLUME" || mount.type === "CLUSTER")) plugins.add("volume/local");
  if (spec?.task?.logDriver?.name) plugins.add(`log/${spec.task.logDriver.name}`);
  return [...plugins].sort();
}

const isTolerated = (tolerations: readonly Toleration[], key: string, value: string): boolean =>
  tolerations.some((toleration) => toleration.key === key && (toleration.value === "" || toleration.value === value));
const tolerationsKey = (tolerations: readonly Toleration[]): string => tolerations.map(({ key, value }) => `${key}=${value}`).sort().join(",");

/** Whether the node had rather not have tasks with these tolerations (PREFER_NO_SCHEDULE): a soft rule, so true is the bad case. */
export const prefersOthers = (tolerations: readonly Toleration[]): Predicate => ({
  filter: "soft-taint", key: tolerationsKey(tolerations),
  test: (node) => node.spec?.taints.some(({ key, value, effect }) => effect === "PREFER_NO_SCHEDULE" && !isTolerated(tolerations, key, value)) ?? false,
  refusal: () => "node has no taint that asks to go elsewhere",
});

function tolerates(tolerations: readonly Toleration[]): Predicate {
  const refused = (node: Node) => node.spec?.taints.find(({ key, value, effect }) => effect !== "PREFER_NO_SCHEDULE" && !isTolerated(tolerations, key, value));
  return {
    filter: "taint", key: tolerationsKey(tolerations),
    test: (node) => !node.spec || node.spec.taints.length === 0 || refused(node) === undefined,
    refusal: (node) => {
      const taint = refused(node);
      return `node has taint ${taint ? `${taint.key}${taint.value === "" ? "" : `=${taint.value}`}` : ""}, which the service does not tolerate`;
    },
  };
}

const hasGpuModel = (models: readonly string[]): Predicate => ({
  filter: "gpu-model", key: [...models].sort().join(","),
  test: ({ description }) => description?.resources?.gpus.some(({ model }) => models.includes(model)) ?? false,
  refusal: () => `node has no GPU of model ${models.join(" or ")}`,
});

/** Of most services: one list for all, so that their class is found without looking at it. */
export const anyReadyNode: readonly Predicate[] = [isReady, tolerates([])];
