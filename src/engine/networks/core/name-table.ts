import type { NetworkRecord, SandboxRecord } from "./records.js";

/** Who asks, found by the address that the question comes from. */
export interface NameClient { readonly sandboxId: string; readonly networkIds: readonly string[]; readonly servers: readonly string[]; readonly hasWayOut: boolean }
export interface NameTable {
  clientAt(address: string): NameClient | undefined;
  /** Of both families; undefined when the name is nobody's here. */
  addressesOf(client: NameClient, name: string): readonly string[] | undefined;
  nameOf(client: NameClient, address: string): string | undefined;
}

interface NetworkNames { readonly label: string; readonly names: Map<string, string[]>; readonly reverse: Map<string, string> }

/**
 * What containers are called on each user-defined network: name, aliases, the id's first 12 characters, host name. Several may share an alias, and all
 * their addresses answer. On the predefined bridge nobody has a name: there, as Docker has it, only links count, which are lines of /etc/hosts.
 */
export function buildNameTable(networks: ReadonlyMap<string, NetworkRecord>, sandboxes: readonly SandboxRecord[], currentName: (containerId: string) => string | undefined): NameTable {
  const byNetwork = new Map<string, NetworkNames>();
  const links = new Map<string, Map<string, string[]>>();
  const clients = new Map<string, NameClient>();
  const bySandbox = new Map(sandboxes.map((sandbox) => [sandbox.containerId, sandbox]));
  for (const network of networks.values()) if (!network.isPredefined) byNetwork.set(network.id, { label: network.name.toLowerCase(), names: new Map(), reverse: new Map() });
  for (const sandbox of sandboxes) {
    const name = currentName(sandbox.containerId) ?? sandbox.name;
    const hasWayOut = sandbox.endpoints.some((endpoint) => endpoint.gateway4 !== "" && !networks.get(endpoint.networkId)?.isInternal);
    const client: NameClient = { sandboxId: sandbox.containerId, networkIds: sandbox.endpoints.map((endpoint) => endpoint.networkId), servers: sandbox.dns, hasWayOut };
    for (const endpoint of sandbox.endpoints) {
      if (endpoint.ipv4) clients.set(endpoint.ipv4, client);
      const known = byNetwork.get(endpoint.networkId);
      if (!known) continue;
      const addresses = [endpoint.ipv4, endpoint.ipv6].filter(Boolean);
      for (const each of new Set([name, ...endpoint.names, sandbox.containerId.slice(0, 12), sandbox.hostname].map((text) => text.toLowerCase()).filter(Boolean))) known.names.set(each, [...known.names.get(each) ?? [], ...addresses]);
      for (const address of addresses) known.reverse.set(address, `${name}.${known.label}`);
      for (const link of endpoint.links) {
        const target = bySandbox.get(link.containerId)?.endpoints.find((other) => other.networkId === endpoint.networkId);
        if (!target) continue;
        const mine = links.get(sandbox.containerId) ?? new Map<string, string[]>();
        links.set(sandbox.containerId, mine);
        mine.set(link.alias.toLowerCase(), [target.ipv4, target.ipv6].filter(Boolean));
      }
    }
  }
  return {
    clientAt: (address) => clients.get(address),
    addressesOf(client, question) {
      const name = question.toLowerCase().replace(/\.$/, "");
      const linked = links.get(client.sandboxId)?.get(name);
      if (linked) return linked;
      for (const id of client.networkIds) {
        const network = byNetwork.get(id);
        const found = network?.names.get(name) ?? (network && name.endsWith(`.${network.label}`) ? network.names.get(name.slice(0, -network.label.length - 1)) : undefined);
        if (found) return found;
      }
      return undefined;
    },
    nameOf: (client, address) => client.networkIds.map((id) => byNetwork.get(id)?.reverse.get(address)).find((name) => name !== undefined),
  };
}
