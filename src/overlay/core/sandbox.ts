import { SwarmError } from "../../lib/index.js";
import { addressOf, formatIpv4, macOf, parseIpv4, type Network, type NetworkAttachment, type PortConfig } from "../../model/index.js";
import type { HostNetwork } from "./host-network.js";
import { macFor } from "./mac.js";
import { localBridge, vethName } from "./names.js";

/** What a sandbox looks like in the kernel, decided once when it is attached and kept on disk for the next daemon. */
export interface SandboxRecord {
  readonly id: string;
  readonly hostname: string;
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly hostPorts: readonly PortConfig[];
  readonly interfaces: readonly SandboxInterface[];
  /** As known when it was attached: its links stay for as long as it does, whatever later states name. */
  readonly networks: readonly Network[];
  readonly routeVia: string;               // default gateway; "" = no way outside
  readonly dnsVia: string;                 // the bridge address that answers DNS
}
export interface SandboxInterface {
  readonly device: string;                 // inside: eth0, eth1 …
  readonly veth: string;                   // the host's end
  readonly bridge: string;
  readonly networkId: string;              // "" = the node's own bridge
  readonly addr: string;
  readonly prefix: number;
  readonly mac: string;
  readonly mtu: number;
  readonly isIngress: boolean;
  readonly aliases: readonly string[];
}

export interface SandboxPlanInput {
  readonly id: string;
  readonly attachments: readonly NetworkAttachment[];
  readonly hostname: string;
  readonly extraHosts: readonly string[];
  readonly dns: readonly string[];
  readonly hostPorts: readonly PortConfig[];
  readonly hostNetworks: readonly HostNetwork[];
  readonly networks: readonly Network[];
  /** For a sandbox without attachments. */
  readonly local: { readonly addr: string; readonly prefix: number; readonly gateway: string; readonly mtu: number };
}

export function planSandbox(input: SandboxPlanInput): SandboxRecord {
  const base = { id: input.id, hostname: input.hostname, extraHosts: input.extraHosts, dns: input.dns, hostPorts: input.hostPorts };
  if (input.attachments.length === 0) {
    return {
      ...base, networks: [], routeVia: input.local.gateway, dnsVia: input.local.gateway,
      interfaces: [{
        device: "eth0", veth: vethName(input.id, 0), bridge: localBridge, networkId: "", addr: input.local.addr, prefix: input.local.prefix,
        mac: macOf(input.local.addr), mtu: input.local.mtu, isIngress: false, aliases: [],
      }],
    };
  }
  const attached = input.attachments.map((attachment, index) => {
    const network = input.hostNetworks.find((candidate) => candidate.id === attachment.networkId);
    if (!network) {
      throw new SwarmError("UNAVAILABLE",
        `Cannot attach task "${input.id}" to network "${attachment.networkId}": this node does not know the network yet; try again once it does.`);
    }
    return { network, port: interfaceOf(input.id, index, attachment, network) };
  });
  const ordinary = attached.filter(({ network }) => !network.isIngress);
  // The ingress leads outside only for a task that is on nothing else: beside an internal network it would be a way around it.
  const outside = ordinary.find(({ network }) => !network.isInternal) ?? (ordinary.length === 0 ? attached[0] : undefined);
  const resolver = ordinary[0] ?? attached[0]!;
  for (const { network } of [outside, resolver].filter((entry) => entry !== undefined)) {
    if (network.bridgeAddr === "") {
      throw new SwarmError("UNAVAILABLE",
        `Cannot attach task "${input.id}" to network "${network.name}": this node has no address on it yet; try again once it has.`);
    }
  }
  return {
    ...base, interfaces: attached.map(({ port }) => port), routeVia: outside?.network.bridgeAddr ?? "", dnsVia: resolver.network.bridgeAddr,
    networks: input.networks.filter((network) => attached.some((entry) => entry.network.id === network.id)),
  };
}

function interfaceOf(id: string, index: number, attachment: NetworkAttachment, network: HostNetwork): SandboxInterface {
  const ip = parseIpv4(addressOf(attachment.addr));
  const prefix = Number(attachment.addr.split("/")[1] ?? network.prefix);
  if (ip === undefined || !Number.isInteger(prefix) || prefix < 1 || prefix > 32) {
    throw new SwarmError("INVALID_ARGUMENT",
      `Cannot attach task "${id}" to network "${network.name}": "${attachment.addr}" is not an address with prefix such as 10.0.1.5/24.`);
  }
  return {
    device: `eth${index}`, veth: vethName(id, index), bridge: network.bridge, networkId: network.id, addr: formatIpv4(ip), prefix,
    mac: macFor(attachment.mac, formatIpv4(ip)), mtu: network.mtu, isIngress: network.isIngress,
    aliases: attachment.aliases,
  };
}

/** The address that other programs on this host reach the sandbox at, for ports published in host mode. */
export function primaryInterface(record: SandboxRecord): SandboxInterface {
  const { interfaces, networks } = record;
  const isInternal = (id: string) => networks.find((network) => network.id === id)?.spec?.isInternal ?? false;
  return interfaces.find((port) => !port.isIngress && !isInternal(port.networkId)) ?? interfaces.find((port) => !port.isIngress) ?? interfaces[0]!;
}

/** The networks on which a sandbox sees services. The ingress is for published ports only: on it, everyone would see everyone. */
export const visibleNetworks = (record: SandboxRecord): string[] =>
  record.interfaces.filter((port) => port.networkId !== "" && !port.isIngress).map((port) => port.networkId);

export function resolvConfOf(_record: SandboxRecord): string {
  return "# Skein answers here: names of services and tasks; everything else is asked of the servers of this host or of the task.\n" +
    "nameserver 127.0.0.11\noptions ndots:0\n";
}

export function hostsOf(record: SandboxRecord): string {
  const names = record.hostname ? record.interfaces.filter((port) => !port.isIngress || record.interfaces.length === 1).slice(0, 1)
    .map((port) => `${port.addr}\t${record.hostname}`) : [];
  const extra = record.extraHosts.map((entry) => {
    const at = entry.indexOf(":");
    const addr = entry.slice(at + 1);
    return `${addr === "host-gateway" ? record.routeVia || record.dnsVia : addr}\t${entry.slice(0, at)}`;
  });
  return ["127.0.0.1\tlocalhost", "::1\tlocalhost ip6-localhost ip6-loopback", ...names, ...extra].join("\n") + "\n";
}
