import type { EndpointSet } from "../../model/index.js";
import { readyAddresses } from "./balance.js";
import type { HostNetwork } from "./host-network.js";
import { visibleNetworks, type SandboxRecord } from "./sandbox.js";

/** Who asks, found by the address that the question comes from. */
export interface DnsClient {
  readonly sandboxId: string;
  readonly networkIds: readonly string[];  // in the order of its interfaces: the first network that knows a name answers
  readonly servers: readonly string[];     // of its own; empty: the host's
  readonly hasWayOut: boolean;             // else nothing is forwarded: a question is a message to the outside, too
}

export interface DnsTable {
  clientAt(addr: string): DnsClient | undefined;
  /** Addresses of a name, undefined when it names nothing here. A service with nothing ready is known, with no address. */
  addressesOf(client: DnsClient, name: string): readonly string[] | undefined;
  nameOf(client: DnsClient, addr: string): string | undefined;
}

interface NetworkNames { readonly label: string; readonly names: Map<string, readonly string[]>; readonly reverse: Map<string, string> }

/** Names as this host knows them, per network. A name means: service, then `tasks.` of a service, then task, then container. */
export function buildDnsTable(
  networks: readonly HostNetwork[], endpoints: readonly EndpointSet[], sandboxes: readonly SandboxRecord[],
): DnsTable {
  const byNetwork = new Map<string, NetworkNames>();
  for (const network of networks) {
    if (!network.isIngress) byNetwork.set(network.id, { label: network.name.toLowerCase(), names: new Map(), reverse: new Map() });
  }
  for (const set of endpoints) addService(byNetwork.get(set.networkId), set);
  for (const set of endpoints) addTasks(byNetwork.get(set.networkId), set);
  for (const sandbox of sandboxes) for (const port of sandbox.interfaces) {
    const network = byNetwork.get(port.networkId);
    if (!network) continue;
    for (const name of [...port.aliases, sandbox.hostname]) addName(network, name, [port.addr]);
    if (!network.reverse.has(port.addr) && sandbox.hostname) network.reverse.set(port.addr, sandbox.hostname);
  }

  const clients = new Map<string, DnsClient>();
  for (const sandbox of sandboxes) {
    const client = { sandboxId: sandbox.id, networkIds: visibleNetworks(sandbox), servers: sandbox.dns, hasWayOut: sandbox.routeVia !== "" };
    for (const port of sandbox.interfaces) clients.set(port.addr, client);
  }

  const seenBy = (client: DnsClient) => client.networkIds.map((id) => byNetwork.get(id)).filter((network) => network !== undefined);
  return {
    clientAt: (addr) => clients.get(addr),
    addressesOf(client, question) {
      const name = question.toLowerCase().replace(/\.$/, "");
      for (const network of seenBy(client)) {
        const found = network.names.get(name) ?? (network.label !== "" && name.endsWith(`.${network.label}`)
          ? network.names.get(name.slice(0, -network.label.length - 1)) : undefined);
        if (found) return found;
      }
      return undefined;
    },
    nameOf(client, addr) {
      for (const network of seenBy(client)) {
        const name = network.reverse.get(addr);
        if (name !== undefined) return network.label ? `${name}.${network.label}` : name;
      }
      return undefined;
    },
  };
}

function addService(network: NetworkNames | undefined, set: EndpointSet): void {
  if (!network) return;
  const ready = readyAddresses(set);
  for (const name of [set.serviceName, ...set.aliases]) addName(network, name, set.vip ? [set.vip] : ready);
  if (set.serviceName) addName(network, `tasks.${set.serviceName}`, ready);
  if (set.vip && set.serviceName) network.reverse.set(set.vip, set.serviceName);
}

function addTasks(network: NetworkNames | undefined, set: EndpointSet): void {
  if (!network) return;
  for (const endpoint of set.endpoints) {
    if (!endpoint.isReady) continue;
    for (const name of [endpoint.taskName, endpoint.taskId, endpoint.taskId.slice(0, 12)]) addName(network, name, [endpoint.addr]);
    if (endpoint.taskName) network.reverse.set(endpoint.addr, endpoint.taskName);
  }
}

function addName(network: NetworkNames, name: string, addresses: readonly string[]): void {
  const key = name.toLowerCase();
  if (key !== "" && !network.names.has(key)) network.names.set(key, addresses);
}
