import { SwarmError } from "../../lib/index.js";
import { isTerminal, newNetwork, overlaps, parseCidr, problemOfNetworkSpec, stateOf, withNetworkDefaults, type Network } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { CreateNetworkRequest } from "../../gen/swarm/v1/CreateNetworkRequest.js";
import type { CreateNetworkResponse } from "../../gen/swarm/v1/CreateNetworkResponse.js";
import type { GetRequest } from "../../gen/swarm/v1/GetRequest.js";
import type { ListRequest } from "../../gen/swarm/v1/ListRequest.js";
import type { RemoveRequest } from "../../gen/swarm/v1/RemoveRequest.js";
import type { RemoveResponse } from "../../gen/swarm/v1/RemoveResponse.js";
import { containsFilter, idFilter, labelFilter, matcher } from "./filters.js";
import type { ControlDependencies } from "./ports.js";
import { nameOf, resolveRef } from "./refs.js";
import { refuseProblem } from "./refusals.js";

export async function createNetwork({ store, newId }: ControlDependencies, request: CreateNetworkRequest): Promise<CreateNetworkResponse> {
  const action = `Cannot create network "${request.spec?.name.slice(0, 80) ?? ""}"`;
  if (!request.spec) throw new SwarmError("INVALID_ARGUMENT", `${action}: no spec is given`);
  const spec = withNetworkDefaults(request.spec);
  refuseProblem(action, problemOfNetworkSpec(spec));
  const id = newId();
  await store.update((tx) => {
    const [holder] = tx.byName("network", spec.name);
    if (holder) throw new SwarmError("ALREADY_EXISTS", `${action}: the name is taken by network ${holder.id}; choose another`);
    const ingress = spec.isIngress ? tx.list("network").find((network) => network.spec?.isIngress) : undefined;
    if (ingress) throw new SwarmError("ALREADY_EXISTS", `${action}: the cluster has an ingress network, "${nameOf.network(ingress)}"; there is only one`);
    refuseOverlap(tx, action, spec.subnet);
    tx.create("network", newNetwork({ id, spec }));
  });
  return { network: store.view((tx) => tx.get("network", id)!) };
}

export function listNetworks(_: ControlDependencies, tx: ReadTx, { filters }: ListRequest) {
  const keep = matcher<Network>("network", filters, {
    name: containsFilter(nameOf.network), id: idFilter, driver: (value) => (network) => network.spec?.driver === value, label: labelFilter((network) => network.spec?.labels),
  });
  return { networks: tx.list("network").filter(keep).sort((a, b) => (nameOf.network(a) < nameOf.network(b) ? -1 : 1)) };
}

export const getNetwork = (_: ControlDependencies, tx: ReadTx, { ref }: GetRequest) => ({ network: resolveRef(tx, "network", ref, "Cannot show") });

export async function removeNetwork({ store }: ControlDependencies, { ref }: RemoveRequest): Promise<RemoveResponse> {
  const id = await store.update((tx) => {
    const network = resolveRef(tx, "network", ref, "Cannot remove");
    const action = `Cannot remove network "${nameOf.network(network)}"`;
    if (network.spec?.isIngress) throw new SwarmError("FAILED_PRECONDITION", `${action}: it carries every port that is published on the ingress`);
    const users = usersOf(tx, network.id);
    if (users.length > 0) throw new SwarmError("FAILED_PRECONDITION", `${action}: it is in use by ${listOf(users)}; remove or update them first`);
    tx.remove("network", network.id);
    return network.id;
  });
  return { id };
}

function refuseOverlap(tx: ReadTx, action: string, subnet: string): void {
  const wished = parseCidr(subnet);
  if (!wished) return;
  for (const { status } of tx.list("node")) {
    const host = parseCidr(`${status?.addr ?? ""}/32`);
    if (host && overlaps(host, wished)) throw new SwarmError("INVALID_ARGUMENT", `${action}: the subnet ${subnet} holds ${status!.addr}, the address of a node, which would be cut off; choose another`);
  }
  for (const other of tx.list("network")) {
    const taken = parseCidr(other.subnet || other.spec?.subnet || "");
    if (taken && overlaps(taken, wished)) throw new SwarmError("ALREADY_EXISTS", `${action}: the subnet ${subnet} overlaps with network "${nameOf.network(other)}" (${other.subnet || other.spec?.subnet}); choose another`);
  }
}

/** Services whose spec names the network, and those whose tasks of an older revision are still on it. */
function usersOf(tx: ReadTx, networkId: string): string[] {
  const users = new Set<string>();
  for (const service of tx.list("service")) {
    const isNamed = service.spec?.task?.networks.some(({ target }) => target === networkId);
    if (isNamed || tx.tasksOfService(service.id).some((task) => !isTerminal(stateOf(task)) && task.networks.some((n) => n.networkId === networkId))) {
      users.add(`service "${nameOf.service(service)}"${service.isRemoving ? " (being removed)" : ""}`);
    }
  }
  return [...users].sort();
}

const listOf = (users: readonly string[]): string => (users.length > 5 ? `${users.slice(0, 5).join(", ")} and ${users.length - 5} more` : users.join(", "));
