import { addressOf, isTerminal, isWanted, macOf, stateOf, taskName, taskStateOrder } from "../../../model/index.js";
import type { Endpoint, EndpointSet, Network, Node, NodeAttachmentSet, Service, Task } from "../../../model/index.js";

/**
 * One service's presence on one network, or undefined when it has none: a function of the store and nothing else.
 * Endpoints are sorted by task id, so that equal states give equal sets.
 */
export function endpointSet(network: Network, serviceId: string, service: Service | undefined, tasks: readonly Task[], nodeOf: (id: string) => Node | undefined): EndpointSet | undefined {
  const vip = service?.endpoint?.vips.find((v) => v.networkId === network.id)?.addr ?? "";
  const serviceName = service?.spec?.name ?? serviceId;
  const aliases = new Set(service?.spec?.task?.networks.find((n) => n.target === network.id)?.aliases ?? []);
  const endpoints: Endpoint[] = [];
  for (const task of tasks) {
    const attachment = task.networks.find((n) => n.networkId === network.id);
    const state = stateOf(task);
    if (!attachment?.addr || !task.nodeId || taskStateOrder[state] < taskStateOrder.ASSIGNED || isTerminal(state)) continue;
    const node = nodeOf(task.nodeId);
    for (const alias of attachment.aliases) aliases.add(alias);
    endpoints.push({
      taskId: task.id,
      taskName: taskName(serviceName, task),
      addr: addressOf(attachment.addr),
      mac: attachment.mac || macOf(attachment.addr),
      nodeId: task.nodeId,
      vtep: node?.status?.addr ?? "",
      isReady: state === "RUNNING" && isWanted(task) && node?.status?.state !== "DOWN",
    });
  }
  if (vip === "" && endpoints.length === 0) return undefined;
  endpoints.sort((a, b) => (a.taskId < b.taskId ? -1 : 1));
  return {
    networkId: network.id,
    serviceId,
    serviceName,
    vip,
    aliases: [...aliases].sort(),
    ports: network.spec?.isIngress ? (service?.endpoint?.ports ?? []).filter((port) => port.mode === "INGRESS") : [],
    endpoints,
  };
}

/** The nodes' own addresses on a network, sorted by node id. A node whose underlay address is not known yet has none to offer. */
export function nodeAttachmentSet(networkId: string, nodes: readonly Node[]): NodeAttachmentSet {
  const entries = nodes.flatMap((node) => {
    const attachment = node.attachments.find((a) => a.networkId === networkId);
    if (!attachment?.addr || !node.status?.addr) return [];
    return [{ nodeId: node.id, addr: addressOf(attachment.addr), mac: attachment.mac || macOf(attachment.addr), vtep: node.status.addr }];
  });
  return { networkId, nodes: entries.sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1)) };
}
