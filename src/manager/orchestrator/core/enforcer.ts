import { formatConstraint, matchesConstraint, parseConstraint, untoleratedTaint, type Constraint, type Node, type ServiceSpec, type Task, type Volume } from "../../../model/index.js";
import { nodeName } from "./view.js";

/** Why a task can not stay where it is. A task on a lost node may still run there, but nobody can wait for its end. */
export interface Eviction { readonly reason: string; readonly isNodeLost: boolean }

/**
 * Whether `node` may keep a task of `spec` that it runs or is about to run. A paused node keeps what it has; a node whose state is not
 * known (after a change of leader) keeps everything until it is heard of or missed.
 */
export function evictionOf(task: Task, spec: ServiceSpec | undefined, node: Node | undefined): Eviction | undefined {
  if (task.nodeId === "") return undefined;
  if (!node) return { reason: `node ${task.nodeId} left the cluster`, isNodeLost: true };
  const name = nodeName(node, node.id);
  if (node.status?.state === "DOWN") return { reason: `node ${name} is down`, isNodeLost: true };
  if (node.spec?.availability === "DRAIN") return { reason: `node ${name} is drained`, isNodeLost: false };
  if (spec && node.status?.state === "READY") {
    const unmet = unmetConstraint(spec, node);
    const taint = untoleratedTaint(node, spec.task?.placement?.tolerations ?? [], ["NO_EXECUTE"]);
    if (taint) return { reason: `node ${name} has taint ${taint.key}${taint.value === "" ? "" : `=${taint.value}`} with effect no-execute, which the service does not tolerate`, isNodeLost: false };
    if (unmet) return { reason: `constraint ${formatConstraint(unmet)} does not hold on node ${name} any more`, isNodeLost: false };
    const device = lostDeviceOf(task, node);
    if (device !== undefined) return { reason: `node ${name} has no ${device} any more`, isNodeLost: false };
  }
  return undefined;
}

/** Whether a task may keep the volumes that it has. A paused one is kept. */
export function volumeEvictionOf({ volumes }: Task, volumeOf: (id: string) => Volume | undefined): Eviction | undefined {
  for (const { volumeId, target } of volumes) {
    const volume = volumeOf(volumeId);
    if (!volume) return { reason: `the volume that it has at ${target} was removed from the cluster`, isNodeLost: false };
    if (volume.spec?.availability === "VOLUME_DRAIN") return { reason: `volume ${volume.spec.name} is drained`, isNodeLost: false };
  }
  return undefined;
}

/** A GPU or a named generic resource that the task was given and that its node does not have any more: "GPU GPU-5fd4", "fpga f1". Others of its kind do not help it. */
export function lostDeviceOf({ gpus, assigned }: Task, node: Node): string | undefined {
  const resources = node.description?.resources;
  if (!resources || (gpus.length === 0 && assigned.length === 0)) return undefined;
  const gpu = gpus.find(({ id }) => !resources.gpus.some((device) => device.id === id));
  if (gpu) return `GPU ${gpu.id}`;
  for (const { kind, ids } of assigned) {
    // A node that counts what it named before has as many as it says; whose names they were nobody knows.
    const present = resources.generic.find((each) => each.kind === kind);
    const lost = present && present.ids.length === 0 && present.count > 0 ? undefined : ids.find((id) => !present?.ids.includes(id));
    if (lost !== undefined) return `${kind} ${lost}`;
  }
  return undefined;
}

export function unmetConstraint(spec: ServiceSpec, node: Node): Constraint | undefined {
  return constraintsOf(spec).find((constraint) => !matchesConstraint(constraint, node));
}

// Specs in the store are immutable and shared, so each is parsed once.
const parsed = new WeakMap<readonly string[], readonly Constraint[]>();

function constraintsOf(spec: ServiceSpec): readonly Constraint[] {
  const texts = spec.task?.placement?.constraints;
  if (!texts || texts.length === 0) return [];
  let constraints = parsed.get(texts);
  if (!constraints) {
    constraints = texts.flatMap(parseStored);
    parsed.set(texts, constraints);
  }
  return constraints;
}

/** Specs are validated before they are stored; a constraint that can not be read evicts nobody. */
function parseStored(text: string): Constraint[] {
  try {
    return [parseConstraint(text)];
  } catch { return []; }
}
