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
