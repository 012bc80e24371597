import { SwarmError } from "../../lib/index.js";
import type { EngineNetwork, NetworkConfig } from "../../engine/index.js";
import type { Fields } from "./fields.js";
import type { Filters } from "./filters.js";
import { matchesPattern } from "./pattern.js";

export const networkFilters = ["dangling", "driver", "id", "label", "label!", "name", "scope", "type"] as const;
const builtIn = ["bridge", "host", "none"];
const refuse = (why: string) => new SwarmError("INVALID_ARGUMENT", why);

export function selectNetworks(all: readonly EngineNetwork[], filters: Filters): EngineNetwork[] {
  for (const type of filters.all("type")) if (!["custom", "builtin"].includes(type)) throw refuse(`invalid filter: 'type'='${type.slice(0, 40)}'; use custom or builtin`);
  for (const scope of filters.all("scope")) if (!["local", "swarm", "global"].includes(scope)) throw refuse(`invalid filter: 'scope'='${scope.slice(0, 40)}'; use local, swarm or global`);
  const isDangling = filters.flag("dangling");
  const names = new Set(matchesPattern(filters.all("name"), all.map(({ name }) => name)));
  const ids = new Set(matchesPattern(filters.all("id"), all.map(({ id }) => id)));
  return all.filter((network) => (!filters.has("name") || names.has(network.name)) && (!filters.has("id") || ids.has(network.id)) && filters.some("driver", (driver) => network.driver === driver)
    && filters.some("scope", (scope) => scope === "local") && filters.some("type", (type) => (type === "builtin") === builtIn.includes(network.name)) && filters.matchesLabels(network.labels)
    && (isDangling === undefined || isDangling === (network.containers.length === 0 && !builtIn.includes(network.name))));
}

export function parseNetwork(body: Fields): NetworkConfig {
  const name = body.text("Name") ?? "";
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) throw refuse(`invalid network name: "${name.slice(0, 120)}": it is letters, digits, "_", "." and "-"`);
  if (body.boolean("Ingress") || body.text("Scope") === "swarm") throw new SwarmError("UNAVAILABLE", "This node is not a swarm manager: cluster networks are made with swarmctl network create");
  const driver = body.text("Driver") || "bridge";
  if (driver === "overlay") throw new SwarmError("UNAVAILABLE", "This node is not a swarm manager: overlay networks are made with swarmctl network create");
  if (body.boolean("ConfigOnly") || body.object("ConfigFrom").text("Network")) throw new SwarmError("UNIMPLEMENTED", "Cannot create the network: networks that only carry configuration are not offered; give the options themselves");
  const ipam = body.object("IPAM");
  return {
    name, driver, isInternal: body.boolean("Internal") ?? false, isAttachable: body.boolean("Attachable") ?? false, hasIpv6: body.boolean("EnableIPv6") ?? false, labels: body.textMap("Labels") ?? {}, options: body.textMap("Options") ?? {},
    ipam: ipam.objects("Config").map((pool) => {
      const [subnet, ipRange, gateway, auxiliary] = [pool.text("Subnet") ?? "", pool.text("IPRange") || undefined, pool.text("Gateway") || undefined, pool.textMap("AuxiliaryAddresses")];
      if (subnet === "" && (ipRange || gateway)) throw refuse("invalid IPAM configuration: an IP range or a gateway needs its subnet");
      return { subnet, ...(ipRange ? { ipRange } : {}), ...(gateway ? { gateway } : {}), ...(auxiliary && Object.keys(auxiliary).length > 0 ? { auxiliary } : {}) };
    }).filter(({ subnet }) => subnet !== ""),
    ...(ipam.text("Driver") ? { ipamDriver: ipam.text("Driver") } : {}), ...(ipam.has("Options") ? { ipamOptions: ipam.textMap("Options") } : {}),
  };
}

export function networkJson(network: EngineNetwork, isWhole: boolean): Record<string, unknown> {
  return {
    Name: network.name, Id: network.id, Created: new Date(network.createdAtMs).toISOString(), Scope: "local", Driver: network.driver, EnableIPv4: true, EnableIPv6: network.hasIpv6 ?? false,
    IPAM: {
      Driver: network.ipamDriver ?? "default", Options: network.ipamOptions ?? null,
      Config: network.ipam.map(({ subnet, ipRange, gateway, auxiliary }) => ({ Subnet: subnet, ...(ipRange ? { IPRange: ipRange } : {}), ...(gateway ? { Gateway: gateway } : {}), ...(auxiliary ? { AuxiliaryAddresses: auxiliary } : {}) })),
    },
    Internal: network.isInternal, Attachable: network.isAttachable ?? false, Ingress: false, ConfigFrom: { Network: "" }, ConfigOnly: false,
    Containers: isWhole ? Object.fromEntries(network.containers.map((endpoint) => [endpoint.containerId, {
      Name: endpoint.containerName, EndpointID: endpoint.endpointId, MacAddress: endpoint.macAddress, IPv4Address: endpoint.ipAddress ? `${endpoint.ipAddress}/${endpoint.ipPrefixLength}` : "",
      IPv6Address: endpoint.ipv6Address ? `${endpoint.ipv6Address}/${endpoint.ipv6PrefixLength}` : "",
    }])) : {},
    Options: network.options, Labels: network.labels,
  };
}
