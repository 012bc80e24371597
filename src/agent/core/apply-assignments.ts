import type { EndpointSet, Network, NodeAttachmentSet, TaskAssignment } from "../../model/index.js";

/** One entry of an Assignments message, as received. */
export interface ReceivedChange {
  readonly isRemoval: boolean;
  readonly task: TaskAssignment | null;
  readonly network: Network | null;
  readonly endpoints: EndpointSet | null;
  readonly nodeAttachments: NodeAttachmentSet | null;
}
export interface ReceivedAssignments { readonly isComplete: boolean; readonly appliesTo: number; readonly resultsIn: number; readonly changes: readonly ReceivedChange[] }

export interface Known {
  readonly tasks: ReadonlySet<string>;
  readonly networks: ReadonlyMap<string, Network>;
  readonly endpoints: ReadonlyMap<string, EndpointSet>;
  readonly nodeAttachments: ReadonlyMap<string, NodeAttachmentSet>;
}

export interface Difference {
  readonly tasks: Map<string, TaskAssignment | undefined>;
  readonly networks: Map<string, Network | undefined>;
  readonly endpoints: Map<string, EndpointSet | undefined>;
  readonly nodeAttachments: Map<string, NodeAttachmentSet | undefined>;
}

export const endpointsKey = (set: { readonly networkId: string; readonly serviceId: string }): string => `${set.networkId}/${set.serviceId}`;

/** What a message means for what is known: new values by key, undefined for what goes. A complete message drops all that it does not name. */
export function differenceOf(message: ReceivedAssignments, known: Known): Difference {
  const difference: Difference = { tasks: new Map(), networks: new Map(), endpoints: new Map(), nodeAttachments: new Map() };
  const dropNetwork = (id: string) => {
    difference.networks.set(id, undefined);
    difference.nodeAttachments.set(id, undefined);
    for (const key of [...known.endpoints.keys(), ...difference.endpoints.keys()]) if (key.startsWith(`${id}/`)) difference.endpoints.set(key, undefined);
  };
  if (message.isComplete) {
    for (const id of known.tasks) difference.tasks.set(id, undefined);
    for (const id of known.networks.keys()) difference.networks.set(id, undefined);
    for (const key of known.endpoints.keys()) difference.endpoints.set(key, undefined);
    for (const id of known.nodeAttachments.keys()) difference.nodeAttachments.set(id, undefined);
  }
  for (const { isRemoval, task, network, endpoints, nodeAttachments } of message.changes) {
    if (task?.task) difference.tasks.set(task.task.id, isRemoval ? undefined : task);
    if (network) { if (isRemoval) dropNetwork(network.id); else difference.networks.set(network.id, network); }
    if (endpoints) difference.endpoints.set(endpointsKey(endpoints), isRemoval ? undefined : endpoints);
    if (nodeAttachments) difference.nodeAttachments.set(nodeAttachments.networkId, isRemoval ? undefined : nodeAttachments);
  }
  return difference;
}
