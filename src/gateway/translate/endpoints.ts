import { SwarmError } from "../../lib/index.js";
import type { ContainerEndpoint, EndpointConfig } from "../../engine/index.js";
import type { Fields } from "./fields.js";

/** EndpointSettings of a request: what a container wants of one network. */
export function parseEndpoint(endpoint: Fields): EndpointConfig {
  const ipam = endpoint.object("IPAMConfig");
  endpoint.integer("GwPriority");
  const config = {
    aliases: endpoint.texts("Aliases"), ipv4Address: ipam.text("IPv4Address") || undefined, ipv6Address: ipam.text("IPv6Address") || undefined, linkLocalIps: ipam.texts("LinkLocalIPs"),
    links: endpoint.texts("Links"), macAddress: checkMacAddress(endpoint.text("MacAddress")), driverOptions: endpoint.textMap("DriverOpts"),
  };
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

export function checkMacAddress(text: string | undefined): string | undefined {
  if (text && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(text)) throw new SwarmError("INVALID_ARGUMENT", `${text.slice(0, 80)} is not a valid mac address`);
  return text || undefined;
}

export function endpointJson(endpoint: ContainerEndpoint): Record<string, unknown> {
  const { config } = endpoint;
  const hasIpam = config.ipv4Address !== undefined || config.ipv6Address !== undefined || config.linkLocalIps !== undefined;
  return {
    IPAMConfig: hasIpam ? { ...(config.ipv4Address ? { IPv4Address: config.ipv4Address } : {}), ...(config.ipv6Address ? { IPv6Address: config.ipv6Address } : {}), ...(config.linkLocalIps ? { LinkLocalIPs: config.linkLocalIps } : {}) } : null,
    Links: config.links ?? null, Aliases: config.aliases ?? null, MacAddress: endpoint.macAddress, DriverOpts: config.driverOptions ?? null, GwPriority: 0,
    NetworkID: endpoint.networkId, EndpointID: endpoint.endpointId, Gateway: endpoint.gateway, IPAddress: endpoint.ipAddress, IPPrefixLen: endpoint.ipPrefixLength,
    IPv6Gateway: endpoint.ipv6Gateway, GlobalIPv6Address: endpoint.ipv6Address, GlobalIPv6PrefixLen: endpoint.ipv6PrefixLength, DNSNames: endpoint.dnsNames.length > 0 ? endpoint.dnsNames : null,
  };
}
