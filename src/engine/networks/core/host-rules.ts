import { parseSubnet } from "./ip-address.js";
import type { EndpointRecord, NetworkRecord, PortRecord, SandboxRecord } from "./records.js";

export const protocols = ["tcp", "udp", "sctp"] as const;

/** One element of a map of the host's table: connections to this port of the host go to that container. */
export interface Forwarding { readonly map: string; readonly hostAddress: string | undefined; readonly hostPort: number; readonly address: string; readonly port: number }

export interface HostRulesInput {
  readonly table: string;
  /** Bridges only, those that are made. */
  readonly networks: readonly NetworkRecord[];
  readonly forwardings: readonly Forwarding[];
  readonly dnsPort: number;                // where names are answered on the bridges' addresses; 0 = nowhere
}

/** The host's rules as one transaction that replaces what is there. Connections that exist keep their translation: it is conntrack's. */
export function renderHostRules({ table, networks, forwardings, dnsPort }: HostRulesInput): string {
  const links = (some: readonly NetworkRecord[]) => some.map((network) => `"${network.settings.link}"`);
  const pools = networks.flatMap((network) => network.pools.map((pool) => ({ network, pool, family: parseSubnet(pool.subnet)!.family })));
  const word = (family: 4 | 6) => (family === 4 ? "ip" : "ip6");
  const resolvers = pools.filter(({ pool, family }) => family === 4 && pool.gateway !== "").map(({ pool }) => pool.gateway);
  const families = [4, 6] as const;
  const maps = protocols.flatMap((protocol) => families.map((family) => ({ protocol, family })));
  const elementsOf = (name: string) => forwardings.filter((each) => each.map === name)
    .map((each) => `${each.hostAddress === undefined ? "" : `${each.hostAddress} . `}${each.hostPort} : ${each.address} . ${each.port}`);
  return [
    `add table inet ${table}`,
    `delete table inet ${table}`,
    `table inet ${table} {`,
    ...block("set bridges", ["type ifname"], links(networks)),
    ...block("set same_bridge", ["type ifname . ifname"], networks.map((network) => `"${network.settings.link}" . "${network.settings.link}"`)),
    ...block("set without_icc", ["type ifname"], links(networks.filter((network) => !network.settings.hasIcc))),
    ...block("set internal", ["type ifname"], links(networks.filter((network) => network.isInternal))),
    ...block("set resolvers", ["type ipv4_addr"], resolvers),
    ...maps.flatMap(({ protocol, family }) => [
      ...block(`map ${mapName(protocol, family, true)}`, [`type inet_service : ipv${family}_addr . inet_service`], elementsOf(mapName(protocol, family, true))),
      ...block(`map ${mapName(protocol, family, false)}`, [`type ipv${family}_addr . inet_service : ipv${family}_addr . inet_service`], elementsOf(mapName(protocol, family, false))),
    ]),
    // Bridges accept 127.0.0.0/8 (route_localnet) for replies to this host alone: nobody may send there from a container. Before conntrack,
    // where replies still carry the bridge's address.
    ...chain("guard", "filter hook prerouting priority -300", ["iifname @bridges ip daddr 127.0.0.0/8 drop"]),
    ...chain("dispatch", undefined, [
      ...(dnsPort ? ["udp", "tcp"].map((protocol) => `iifname @bridges ip daddr @resolvers ${protocol} dport 53 redirect to :${dnsPort}`) : []),
      ...maps.flatMap(({ protocol, family }) => [
        `dnat ${word(family)} to ${word(family)} daddr . ${protocol} dport map @${mapName(protocol, family, false)}`,
        `dnat ${word(family)} to ${protocol} dport map @${mapName(protocol, family, true)}`,
      ]),
    ]),
    ...chain("prerouting", "nat hook prerouting priority -100", ["fib daddr type local jump dispatch"]),
    // There is no route_localnet for IPv6: ::1 is refused at once, after which clients of "localhost" try 127.0.0.1.
    ...chain("output", "nat hook output priority -100", ["ip6 daddr ::1 return", "fib daddr type local jump dispatch"]),
    ...chain("postrouting", "nat hook postrouting priority 100", [
      // A neighbour of the target, or the target itself, would be answered directly, past the translation.
      ...pools.map(({ network, pool, family }) => `oifname "${network.settings.link}" ${word(family)} saddr ${pool.subnet} ct status dnat masquerade`),
      "oifname @bridges ip saddr 127.0.0.0/8 masquerade",
      ...pools.filter(({ network }) => network.settings.isMasqueraded && !network.isInternal).map(({ network, pool, family }) => `${word(family)} saddr ${pool.subnet} oifname != "${network.settings.link}" masquerade`),
    ]),
    ...chain("forward", "filter hook forward priority 0", [
      // Where the kernel shows bridged frames to these rules (bridge-nf-call-iptables), a network's own traffic passes here.
      "iifname . oifname @same_bridge iifname != @without_icc accept",
      "iifname . oifname @same_bridge ct state established,related accept",
      "iifname . oifname @same_bridge ct status dnat accept",
      "iifname . oifname @same_bridge drop",
      "iifname @internal drop",
      "oifname @internal drop",
      "ct state established,related accept",
      "ct status dnat accept",
      // Into a network: only what was published, whether it comes from outside or from another network.
      "oifname @bridges drop",
    ]),
    "}", "",
  ].join("\n");
}

const mapName = (protocol: PortRecord["protocol"], family: 4 | 6, isAny: boolean): string => `${protocol}${family}_${isAny ? "any" : "one"}`;

/** To where a sandbox's ports lead: the endpoint with its way out. None where there is none. */
export function forwardingsOf(sandbox: SandboxRecord, networks: ReadonlyMap<string, NetworkRecord>): Forwarding[] {
  const target = publishedEndpoint(sandbox.endpoints, networks);
  if (!target) return [];
  return sandbox.ports.flatMap(({ protocol, hostIp, hostPort, containerPort }) => {
    const family = hostIp.includes(":") ? 6 : 4;
    const address = family === 6 ? target.ipv6 : target.ipv4;
    if (address === "") return [];
    const isAny = hostIp === "0.0.0.0" || hostIp === "::";
    return [{ map: mapName(protocol, family, isAny), hostAddress: isAny ? undefined : hostIp, hostPort, address, port: containerPort }];
  });
}

export function publishedEndpoint(endpoints: readonly EndpointRecord[], networks: ReadonlyMap<string, NetworkRecord>): EndpointRecord | undefined {
  const candidates = endpoints.filter((endpoint) => { const network = networks.get(endpoint.networkId); return network?.driver === "bridge" && !network.isInternal; });
  const gateway = gatewayEndpoint(endpoints, networks, 4);
  return candidates.find((endpoint) => endpoint === gateway) ?? candidates[0];
}

/** Docker's rule: of the networks that lead outside, the one whose name comes first. */
export function gatewayEndpoint(endpoints: readonly EndpointRecord[], networks: ReadonlyMap<string, NetworkRecord>, family: 4 | 6): EndpointRecord | undefined {
  const nameOf = (endpoint: EndpointRecord) => networks.get(endpoint.networkId)?.name ?? "";
  return endpoints.filter((endpoint) => (family === 4 ? endpoint.gateway4 : endpoint.gateway6) !== "" && !networks.get(endpoint.networkId)?.isInternal)
    .sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))[0];
}

export const isSameForwarding = (a: Forwarding, b: Forwarding): boolean =>
  a.map === b.map && a.hostAddress === b.hostAddress && a.hostPort === b.hostPort && a.address === b.address && a.port === b.port;

const block = (title: string, head: readonly string[], elements: readonly string[]): string[] => [
  `  ${title} {`, ...head.map((line) => `    ${line}`), ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(", ")} }`]), "  }",
];
const chain = (name: string, hook: string | undefined, rules: readonly string[]): string[] => [
  `  chain ${name} {`, ...(hook ? [`    type ${hook}`] : []), ...rules.map((rule) => `    ${rule}`), "  }",
];
