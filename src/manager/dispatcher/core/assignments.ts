import { isTerminal, isWanted, stateOf, taskStateOrder } from "../../../model/index.js";
import type { EndpointSet, MountedVolume, Network, Node, NodeAttachmentSet, Revision, Service, Task, TaskAssignment, Volume } from "../../../model/index.js";
import { isSame } from "./same.js";

/** One entry of an Assignments message; exactly one of the objects is set. */
export interface AssignmentChange {
  readonly isRemoval: boolean;
  readonly task?: TaskAssignment | { readonly task: { readonly id: string } };
  readonly network?: Network | { readonly id: string };
  readonly endpoints?: EndpointSet | { readonly networkId: string; readonly serviceId: string };
  readonly nodeAttachments?: NodeAttachmentSet | { readonly networkId: string };
}

/**
 * A node is told of a task from its assignment until nothing of it can be left there. A task that ended by itself stays for as long
 * as the store keeps it as history: its container, and with it its log, is kept until then.
 */
export function isHeld(task: Task): boolean {
  const state = stateOf(task);
  if (task.nodeId === "" || taskStateOrder[state] < taskStateOrder.ASSIGNED || state === "ORPHANED") return false;
  if (!isTerminal(state) || isWanted(task)) return true;
  return task.desiredState !== "REMOVE" && (state === "COMPLETE" || state === "FAILED");
}

/** All that the agent needs; undefined when the spec that the task runs is not in the store. */
export function taskAssignment(task: Task, service: Service | undefined, revision: Revision | undefined, node: Node | undefined, volumeOf: (id: string) => Volume | undefined): TaskAssignment | undefined {
  if (!revision?.spec?.task) return undefined;
  return {
    task,
    spec: revision.spec.task,
    serviceName: service?.spec?.name || revision.spec.name,
    serviceLabels: service?.spec?.labels ?? revision.spec.labels,
    // Ports of mode HOST are the revision's, since they are bound when its task starts; ingress ports are the service's of today.
    ports: [
      ...(revision.spec.endpoint?.ports ?? []).filter((port) => port.mode === "HOST"),
      ...(service?.endpoint?.ports ?? []).filter((port) => port.mode === "INGRESS"),
    ],
    nodeName: node?.description?.hostname || task.nodeId,
    volumes: task.volumes.length === 0 ? [] : mountedVolumes(task, volumeOf),
  };
}

/** One that was removed since is left out: a task that has begun has it still, and one that has not is refused by its agent. */
function mountedVolumes({ volumes }: Task, volumeOf: (id: string) => Volume | undefined): MountedVolume[] {
  return volumes.flatMap(({ target, volumeId }): MountedVolume[] => {
    const spec = volumeOf(volumeId)?.spec;
    return spec ? [{ target, name: spec.name, driver: spec.driver, options: spec.options, labels: spec.labels }] : [];
  });
}

/**
 * Whether the agent would act no differently. The status is the agent's own report coming back, so it counts only where somebody
 * else ended the task.
 */
export function isSameAssignment(a: TaskAssignment, b: TaskAssignment): boolean {
  const left = a.task!;
  const right = b.task!;
  return left.desiredState === right.desiredState && left.revision === right.revision && left.slot === right.slot
    && isTerminal(stateOf(left)) === isTerminal(stateOf(right))
    && a.serviceName === b.serviceName && a.nodeName === b.nodeName
    && isSame(left.networks, right.networks) && isSame(a.serviceLabels, b.serviceLabels) && isSame(a.ports, b.ports);
}

/** The changes that turn the tasks a node holds into those it should hold. */
export function diffTasks(held: ReadonlyMap<string, TaskAssignment>, wanted: ReadonlyMap<string, TaskAssignment>): AssignmentChange[] {
  const changes: AssignmentChange[] = [];
  for (const id of held.keys()) if (!wanted.has(id)) changes.push({ isRemoval: true, task: { task: { id } } });
  for (const [id, task] of wanted) {
    const before = held.get(id);
    if (!before || !isSameAssignment(before, task)) changes.push({ isRemoval: false, task });
  }
  return changes;
}

/** Networks to begin and to end with. */
export function diffNetworks(held: ReadonlySet<string>, wanted: ReadonlySet<string>): { added: string[]; removed: string[]; kept: string[] } {
  return {
    added: [...wanted].filter((id) => !held.has(id)),
    removed: [...held].filter((id) => !wanted.has(id)),
    kept: [...wanted].filter((id) => held.has(id)),
  };
}
