import { addressOf, formatCidr, formatIpv4, macOf, parseCidr, parseIpv4, type Network, type NodeAttachmentSet } from "../../model/index.js";
import { bridgeName, tunnelName } from "./names.js";

/** A network as this host holds it. */
export interface HostNetwork {
  readonly id: string;
  readonly name: string;
  readonly vni: number;
  readonly bridge: string;
  readonly tunnel: string;
  readonly subnet: string;                 // CIDR
  readonly prefix: number;
  /**
   * The bridge's address: the network's gateway, the same on every host; on the ingress this node's own address, because replies to
   * published ports must come back to the host that took the connection. "" while not known.
   */
  readonly bridgeAddr: string;
  readonly bridgeMac: string;
  readonly mtu: number;
  readonly isInternal: boolean;
  readonly isIngress: boolean;
}

export interface HostNetworkOptions { readonly nodeId: string; readonly underlayMtu: number }

// IPv4 20 + UDP 8 + VXLAN 8 + inner Ethernet 14.
export const vxlanOverheadBytes = 50;

/** Networks that can be built: with a subnet and a VNI that the allocator decided. Others are left for a later state. */
export function hostNetworks(
  networks: readonly Network[], nodeAttachments: readonly NodeAttachmentSet[], options: HostNetworkOptions,
): HostNetwork[] {
  const result = new Map<string, HostNetwork>();
  for (const network of networks) {
    const subnet = parseCidr(network.subnet);
    if (!subnet || !Number.isInteger(network.vni) || network.vni < 1 || network.vni > 0xffffff) continue;
    const isIngress = network.spec?.isIngress ?? false;
    const own = nodeAttachments.find((set) => set.networkId === network.id)?.nodes.find((node) => node.nodeId === options.nodeId);
    const addr = parseIpv4(addressOf(isIngress ? own?.addr ?? "" : network.gateway));
    const bridgeAddr = addr === undefined ? "" : formatIpv4(addr);
    result.set(network.id, {
      id: network.id, name: network.spec?.name ?? "", vni: network.vni, bridge: bridgeName(network.vni), tunnel: tunnelName(network.vni),
      subnet: formatCidr(subnet), prefix: subnet.prefix, bridgeAddr, bridgeMac: bridgeAddr === "" ? "" : macOf(bridgeAddr),
      mtu: network.spec?.mtu || options.underlayMtu - vxlanOverheadBytes, isInternal: network.spec?.isInternal ?? false, isIngress,
    });
  }
  return [...result.values()].sort((a, b) => a.vni - b.vni);
}
