import type { Node, Taint } from "../../../model/index.js";
import { amountText, wordOf } from "../filters/index.js";
import { volumeChangeWords, type VolumeChange } from "./volume-change.js";
import { anyModel, type ClusterState, type CompiledSpec, type Predicate, type Rules } from "../state/index.js";

/** One thing that somebody could change: of the service, of a node, of a quota, or of where other tasks run. */
export type Change =
  | { readonly kind: "amount"; readonly dimension: string; readonly from: number; readonly to: number }
  | { readonly kind: "gpu-count"; readonly from: number; readonly to: number }
  | { readonly kind: "gpu-share"; readonly from: number; readonly to: number }
  | { readonly kind: "gpu-model"; readonly models: readonly string[] }
  | { readonly kind: "predicate"; readonly predicate: Predicate }
  | { readonly kind: "tolerate"; readonly predicate: Predicate; readonly taint: Pick<Taint, "key" | "value"> }
  | { readonly kind: "port"; readonly port: string }
  | { readonly kind: "max-per-node"; readonly from: number; readonly to: number }
  | { readonly kind: "max-per"; readonly key: string; readonly from: number; readonly to: number }
  | { readonly kind: "affinity"; readonly index: number; readonly isAnti: boolean; readonly serviceId: string; readonly key: string }
  | { readonly kind: "replicas"; readonly from: number; readonly to: number }
  | { readonly kind: "activate"; readonly nodeId: string; readonly nodeName: string; readonly was: "PAUSE" | "DRAIN" }
  | { readonly kind: "move"; readonly taskId: string; readonly fromNodeId: string; readonly fromNode: string; readonly toNodeId: string; readonly toNode: string }
  | { readonly kind: "stop"; readonly taskId: string; readonly nodeName: string }
  | { readonly kind: "quota"; readonly project: string; readonly detail: string }
  | VolumeChange;

/** What names mean to people: a service's instead of its id, a task's instead of its id. */
export interface Names {
  service(id: string): string;
  task(id: string): string;
}

/** "memory <= 700.0 MiB": what stands after "fits on 2 nodes if". */
export function changeWords(change: Change, names: Names): string {
  switch (change.kind) {
    case "amount": return change.to === 0 ? `${wordOf(change.dimension)} is not reserved` : `${wordOf(change.dimension)} <= ${wholeText(change.dimension, change.to)}`;
    case "gpu-count": return change.to === 0 ? "no GPU is reserved" : `GPUs <= ${change.to}`;
    case "gpu-share": return `its share of a GPU is <= ${change.to / 1000}`;
    case "gpu-model": return `a GPU of any model will do (not only ${change.models.join(" or ")})`;
    case "predicate": return dropWords(change.predicate);
    case "tolerate": return `taint ${taintWord(change.taint)} is tolerated`;
    case "port": return `host port ${change.port} is not published`;
    case "max-per-node": return `max per node is ${change.to}`;
    case "max-per": return `max per ${change.key} is ${change.to}`;
    case "affinity": return `${change.isAnti ? "anti-affinity" : "affinity"} to service ${names.service(change.serviceId)}${change.key === "node.id" ? "" : ` by ${change.key}`} is dropped`;
    case "replicas": return `replicas <= ${change.to}`;
    case "activate": return `node ${change.nodeName} is ${change.was === "DRAIN" ? "drained" : "paused"} no longer`;
    case "move": return `${names.task(change.taskId)} moved (from ${change.fromNode} to ${change.toNode})`;
    case "stop": return `${names.task(change.taskId)}, which is being stopped on ${change.nodeName}, had ended`;
    case "quota": return `the quota of project ${change.project} allowed it (${change.detail})`;
    case "volume-activate": case "volume-topology": case "volume-read-only": case "volume-create": return volumeChangeWords(change);
  }
}

/** What suggestions name is to be typed in: "700 MiB", "2 GiB", not "0.6 GiB" of 700 MiB. */
function wholeText(dimension: string, amount: number): string {
  if (dimension !== "memory" && dimension !== "disk") return amountText(dimension, amount);
  const [unit, bytes] = [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["B", 1]].find(([, size]) => amount % Number(size) === 0)!;
  return `${amount / Number(bytes)} ${unit}`;
}

function dropWords({ filter, key }: Predicate): string {
  switch (filter) {
    case "constraint": return `constraint ${key} is dropped`;
    case "platform": return `the image were for other platforms than ${key}`;
    case "plugin": return `it did not need plugin ${key}`;
    default: return `${filter} ${key} is dropped`;
  }
}

/** The command that makes the change; "" where no single one does. A service that was not submitted (no name) has nothing to update. */
export function changeCommand(change: Change, names: Names, serviceName: string | undefined): string {
  const update = (options: string) => (serviceName === undefined ? "" : `swarmctl service update ${options} ${serviceName}`);
  const target = ({ serviceId, key }: { serviceId: string; key: string }) => quoted(`${names.service(serviceId)}${key === "node.id" ? "" : `:${key}`}`);
  switch (change.kind) {
    case "amount": {
      if (change.dimension.startsWith("generic/") && change.to === 0) return update(`--generic-resource-rm ${quoted(wordOf(change.dimension))}`);
      if (change.dimension.startsWith("generic/")) return update(`--generic-resource-add ${quoted(`${wordOf(change.dimension)}=${change.to}`)}`);
      return update(`--reserve-${change.dimension} ${change.dimension === "cpu" ? change.to / 1000 : exactBytes(change.dimension, change.to)}`);
    }
    case "tolerate": return update(`--tolerate-add ${quoted(taintWord(change.taint))}`);
    case "predicate": return change.predicate.filter === "constraint" ? update(`--constraint-rm ${quoted(change.predicate.key)}`) : "";
    case "max-per-node": return update(`--replicas-max-per-node ${change.to}`);
    case "max-per": return update(`--max-per-add ${quoted(`${change.key}=${change.to}`)}`);
    case "affinity": return update(`--${change.isAnti ? "anti-affinity" : "affinity"}-rm ${target(change)}`);
    case "replicas": return serviceName === undefined ? "" : `swarmctl service scale ${serviceName}=${change.to}`;
    case "activate": return `swarmctl node update --availability active ${change.nodeName}`;
    case "volume-activate": return `swarmctl volume update --cluster --availability active ${change.name}`;
    case "volume-topology": return `swarmctl volume update --cluster ${change.dropped.map((text) => `--topology-rm ${quoted(text)}`).join(" ")} ${change.name}`;
    case "volume-create": return `swarmctl volume create --cluster --group ${change.group} NAME`;
    case "gpu-count": return change.to === 0 ? update("--gpu none") : "";
    case "gpu-share": case "gpu-model": case "port": case "move": case "stop": case "quota": case "volume-read-only": return "";
  }
}

/** For a shell, where it needs that. */
const quoted = (text: string): string => (/^[\w.:=/@+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const exactBytes = (dimension: string, amount: number): string => (dimension === "pids" ? String(amount) : amount % 2 ** 20 === 0 ? `${amount / 2 ** 20}m` : String(amount));

/**
 * How much it changes, 0 to 1: what suggestions are ordered by. A smaller reservation costs the share that is given up; the others have a fixed price each, cheaper
 * where nobody gives anything up (a task that ends anyway, a move) than where the service gets less than it asked for.
 */
export function changeCost(change: Change): number {
  switch (change.kind) {
    case "amount": case "gpu-count": case "gpu-share": case "replicas": return (change.from - change.to) / change.from;
    case "stop": return 0.05;
    case "move": return 0.2;
    case "max-per-node": case "max-per": return 0.25;
    case "activate": return change.was === "PAUSE" ? 0.25 : 0.3;
    case "tolerate": return 0.35;
    case "gpu-model": return 0.4;
    case "affinity": return change.isAnti ? 0.45 : 0.5;
    case "predicate": return change.predicate.filter === "constraint" ? 0.5 : 0.9;
    case "port": return 0.6;
    case "quota": return 0.7;
    case "volume-activate": return change.was === "PAUSE" ? 0.25 : 0.3;
    case "volume-create": return 0.3;
    case "volume-topology": case "volume-read-only": return 0.5;
  }
}

/** What a group asks for, as it was compiled. */
export function specOfGroup(state: ClusterState, g: number): CompiledSpec {
  const { requests, predicates, dimensions, gpuModels } = state;
  const r = state.groups.request[g]!;
  const amounts = dimensions.names.map((name, d) => [name, requests.amount[d]![r]!] as const).filter(([, amount]) => amount > 0);
  const set = requests.gpuModels[r]!;
  const gpu = requests.gpuCount[r]! === 0 ? undefined : {
    count: requests.gpuCount[r]!, millis: requests.isWholeGpus(r) ? 0 : requests.gpuMillis[r]!,
    models: set === anyModel ? [] : requests.modelSets[set]!.map((model) => gpuModels.names[model]!),
  };
  const asked = [...predicates.classes[requests.eligibility[r]!]!].map((p) => predicates.predicates[p]!);
  return { amounts, gpu, predicates: asked, priority: state.groups.priority[g]!, rules: state.groups.rules[g]! };
}

/** `spec` after `change`; the same one where the change is not the service's. */
export function applyToSpec(change: Change, spec: CompiledSpec): CompiledSpec {
  const withRules = (rules: Partial<Rules>): CompiledSpec => ({ ...spec, rules: { ...spec.rules, ...rules } });
  switch (change.kind) {
    case "amount": return { ...spec, amounts: spec.amounts.map(([name, amount]) => [name, name === change.dimension ? change.to : amount] as const).filter(([, amount]) => amount > 0) };
    case "gpu-count":
      return change.to > 0 ? { ...spec, gpu: { ...spec.gpu!, count: change.to } } : { ...spec, gpu: undefined, predicates: spec.predicates.filter(({ filter }) => filter !== "gpu-model") };
    case "gpu-share": return { ...spec, gpu: { ...spec.gpu!, millis: change.to } };
    case "gpu-model": return { ...spec, gpu: { ...spec.gpu!, models: [] }, predicates: spec.predicates.filter(({ filter }) => filter !== "gpu-model") };
    case "predicate": return { ...spec, predicates: spec.predicates.filter((predicate) => predicate.filter !== change.predicate.filter || predicate.key !== change.predicate.key) };
    case "tolerate": return { ...spec, predicates: spec.predicates.map((predicate) => (predicate.filter === "taint" ? tolerating(predicate, change.taint) : predicate)) };
    case "port": return withRules({ hostPorts: spec.rules.hostPorts.filter((port) => port !== change.port) });
    case "max-per-node": return withRules({ maxPerNode: change.to });
    case "max-per": return withRules({ maxPer: spec.rules.maxPer.map((limit) => (limit.key === change.key ? { ...limit, count: change.to } : limit)) });
    case "affinity": return withRules({ affinities: spec.rules.affinities.filter((_, i) => i !== change.index) });
    case "replicas": return withRules({ replicas: change.to });
    case "volume-read-only": return withRules({ volumes: spec.rules.volumes.map((mount) => (mount.source === change.source ? { ...mount, readOnly: true } : mount)) });
    case "activate": case "move": case "stop": case "quota": case "volume-activate": case "volume-topology": case "volume-create": return spec;
  }
}

/** The same tolerations and one more: asked of the node as if it had not that taint. */
function tolerating(predicate: Predicate, { key, value }: Pick<Taint, "key" | "value">): Predicate {
  const without = (node: Node): Node => (node.spec ? { ...node, spec: { ...node.spec, taints: node.spec.taints.filter((taint) => taint.key !== key || taint.value !== value) } } : node);
  return {
    filter: predicate.filter, key: [...(predicate.key === "" ? [] : predicate.key.split(",")), `${key}=${value}`].sort().join(","),
    test: (node) => predicate.test(without(node)), refusal: (node) => predicate.refusal(without(node)),
  };
}

export const taintWord = ({ key, value }: Pick<Taint, "key" | "value">): string => (value === "" ? key : `${key}=${value}`);

/** Amounts are suggested in round numbers: whole MiB and hundredths of a core; smaller ones as they are. */
export function roundUnit(dimension: string, amount: number): number {
  const unit = dimension === "memory" || dimension === "disk" ? 2 ** 20 : dimension === "cpu" ? 10 : 1;
  return amount >= unit ? unit : 1;
}

export function roundedDown(dimension: string, amount: number): number {
  const unit = roundUnit(dimension, amount);
  return Math.floor(amount / unit) * unit;
}

