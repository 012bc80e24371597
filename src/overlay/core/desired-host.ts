import { addressOf, formatIpv4, macOf, parseIpv4, type EndpointSet, type NodeAttachmentSet } from "../../model/index.js";
import type { HostNetwork } from "./host-network.js";
import { macFor } from "./mac.js";
import { localBridge } from "./names.js";
import type { SandboxRecord } from "./sandbox.js";

/** Every link, address and table row that this host's kernel shall hold. */
export interface DesiredHost {
  readonly bridges: readonly DesiredBridge[];
  readonly tunnels: readonly DesiredTunnel[];
  readonly remotes: readonly DesiredRemote[];
  readonly ports: readonly DesiredPort[];
}
export interface DesiredBridge { readonly name: string; readonly addr: string; readonly prefix: number; readonly mac: string; readonly mtu: number }
export interface DesiredTunnel {
  readonly name: string; readonly bridge: string; readonly vni: number; readonly port: number; readonly local: string; readonly mtu: number;
}
/** An address behind another host: one forwarding row (mac → vtep) and one neighbour row (addr → mac) on the tunnel. */
export interface DesiredRemote { readonly tunnel: string; readonly addr: string; readonly mac: string; readonly vtep: string }
/** The host's end of a sandbox's interface. */
export interface DesiredPort { readonly name: string; readonly bridge: string; readonly mac: string }

export interface DesiredHostInput {
  readonly nodeId: string;
  readonly dataPort: number;
  readonly nodeAddr: string;               // "" while not known: no tunnels yet
  readonly networks: readonly HostNetwork[];
  readonly endpoints: readonly EndpointSet[];
  readonly nodeAttachments: readonly NodeAttachmentSet[];
  readonly sandboxes: readonly SandboxRecord[];
  readonly local: { readonly gateway: string; readonly prefix: number; readonly mtu: number };
}

export function desiredHost(input: DesiredHostInput): DesiredHost {
  const byId = new Map(input.networks.map((network) => [network.id, network]));
  const bridges: DesiredBridge[] = input.networks.map((network) => ({
    name: network.bridge, addr: network.bridgeAddr, prefix: network.prefix, mac: network.bridgeMac, mtu: network.mtu,
  }));
  if (input.sandboxes.some((sandbox) => sandbox.interfaces.some((port) => port.bridge === localBridge))) {
    bridges.push({ name: localBridge, addr: input.local.gateway, prefix: input.local.prefix, mac: macOf(input.local.gateway), mtu: input.local.mtu });
  }
  const hasTunnels = input.nodeAddr !== "" && input.dataPort > 0;
  const tunnels = hasTunnels ? input.networks.map((network) => ({
    name: network.tunnel, bridge: network.bridge, vni: network.vni, port: input.dataPort, local: input.nodeAddr, mtu: network.mtu,
  })) : [];

  // Keyed by tunnel and address: an address that is named twice (a task that moved, seen in both places) has one row, the later one's.
  const remotes = new Map<string, DesiredRemote>();
  const addRemote = (networkId: string, entry: { nodeId: string; addr: string; mac: string; vtep: string }) => {
    const network = byId.get(networkId);
    const addr = parseIpv4(addressOf(entry.addr));
    const vtep = parseIpv4(entry.vtep);
    if (!network || !hasTunnels || addr === undefined || vtep === undefined) return;
    if (entry.nodeId === input.nodeId || entry.vtep === input.nodeAddr) return;
    const text = formatIpv4(addr);
    remotes.set(`${network.tunnel} ${text}`, {
      tunnel: network.tunnel, addr: text, mac: macFor(entry.mac, text), vtep: formatIpv4(vtep),
    });
  };
  for (const set of input.endpoints) for (const endpoint of set.endpoints) addRemote(set.networkId, endpoint);
  for (const set of input.nodeAttachments) for (const node of set.nodes) addRemote(set.networkId, node);

  // What is plumbed here is here, whatever an older view of the cluster says.
  const ports = input.sandboxes.flatMap((sandbox) => sandbox.interfaces);
  const tunnelOfBridge = new Map(input.networks.map((network) => [network.bridge, network.tunnel]));
  for (const port of ports) remotes.delete(`${tunnelOfBridge.get(port.bridge)} ${port.addr}`);
  return {
    bridges, tunnels, remotes: [...remotes.values()],
    ports: ports.map((port) => ({ name: port.veth, bridge: port.bridge, mac: port.mac })),
  };
}
