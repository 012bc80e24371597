import type { EndpointSet, PortConfig } from "../../model/index.js";
import { readyAddresses } from "./balance.js";
import type { HostNetwork } from "./host-network.js";
import { localBridge } from "./names.js";
import { fillSlots, slotSizeFor, slotSizes } from "./slots.js";

export interface HostRulesInput {
  readonly networks: readonly HostNetwork[];
  readonly local: { readonly gateway: string; readonly subnet: string };
  /** On the ingress network. */
  readonly published: readonly PublishedPort[];
  readonly hostPorts: readonly HostPort[];
  readonly dnsPort: number;                // where the DNS server listens on the bridges' addresses; 0 = it does not
  readonly seed: number;
}
export interface PublishedPort { readonly protocol: "tcp" | "udp"; readonly port: number; readonly targetPort: number; readonly backends: readonly string[] }
export interface HostPort { readonly protocol: "tcp" | "udp"; readonly port: number; readonly addr: string; readonly targetPort: number }

/** Ports that the ingress publishes. One without a ready endpoint is left out: the host itself then refuses the connection. */
export function publishedPorts(endpoints: readonly EndpointSet[], networks: readonly HostNetwork[]): PublishedPort[] {
  const ingress = new Set(networks.filter((network) => network.isIngress).map((network) => network.id));
  return endpoints.filter((set) => ingress.has(set.networkId)).flatMap((set) => {
    const backends = readyAddresses(set);
    return set.ports.filter((port) => port.mode === "INGRESS" && isForwardable(port) && backends.length > 0)
      .map((port) => ({ protocol: protocolOf(port), port: port.publishedPort, targetPort: port.targetPort, backends }));
  });
}

export const protocolOf = (port: Pick<PortConfig, "protocol">): "tcp" | "udp" => (port.protocol === "UDP" ? "udp" : "tcp");
export const isForwardable = (port: PortConfig): boolean =>
  (port.protocol === "TCP" || port.protocol === "UDP") && isPort(port.publishedPort) && isPort(port.targetPort);
const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65536;

/** The host's rules as one transaction that replaces what is there. Connections that exist keep their translation: it is conntrack's. */
export function renderHostRules({ networks, local, published, hostPorts, dnsPort, seed }: HostRulesInput): string {
  const bridges = [...networks.map((network) => network.bridge), localBridge];
  const internal = networks.filter((network) => network.isInternal).map((network) => network.bridge);
  const outgoing = [...networks.filter((network) => !network.isInternal).map((network) => network.subnet), local.subnet];
  const resolvers = [...networks.map((network) => network.bridgeAddr).filter(Boolean), local.gateway];
  const names = (list: readonly string[]) => list.map((name) => `"${name}"`);
  const slots = (protocol: "tcp" | "udp", size: number) => uniqueBy(published, (port) => `${port.protocol}/${port.port}`)
    .filter((port) => port.protocol === protocol && slotSizeFor(port.backends.length) === size)
    .flatMap((port) => fillSlots(port.backends, slotSizeFor(port.backends.length), seed)
      .map((backend, slot) => `${port.port} . ${slot} : ${backend} . ${port.targetPort}`));
  const single = (protocol: "tcp" | "udp") => uniqueBy(hostPorts, (port) => `${port.protocol}/${port.port}`)
    .filter((port) => port.protocol === protocol).map((port) => `${port.port} : ${port.addr} . ${port.targetPort}`);

  return [
    "add table ip skein",
    "delete table ip skein",
    "table ip skein {",
    ...set("bridges", ["type ifname"], names(bridges)),
    ...set("same_bridge", ["type ifname . ifname"], bridges.map((name) => `"${name}" . "${name}"`)),
    ...set("internal", ["type ifname"], names(internal)),
    ...set("outgoing", ["type ipv4_addr", "flags interval", "auto-merge"], outgoing),
    ...set("resolvers", ["type ipv4_addr"], resolvers),
    ...(["tcp", "udp"] as const).flatMap((protocol) => [
      ...map(`host_${protocol}`, "type inet_service : ipv4_addr . inet_service", single(protocol)),
      ...slotSizes.flatMap((size) => map(`published_${protocol}${size}`,
        `typeof ${protocol} dport . numgen random mod ${size} : ip daddr . ${protocol} dport`, slots(protocol, size))),
    ]),
    // Bridges accept 127.0.0.0/8 (see route_localnet) for replies to this host alone: nobody may send there from a container. Before
    // conntrack, where replies still carry the bridge's address.
    ...chain("guard", "filter hook prerouting priority -300", ["iifname @bridges ip daddr 127.0.0.0/8 drop"]),
    ...chain("dispatch", undefined, [
      ...(dnsPort ? ["udp", "tcp"].map((protocol) => `iifname @bridges ip daddr @resolvers ${protocol} dport 53 redirect to :${dnsPort}`) : []),
      ...(["tcp", "udp"] as const).flatMap((protocol) => [
        `dnat ip to ${protocol} dport map @host_${protocol}`,
        ...slotSizes.map((size) => `dnat ip to ${protocol} dport . numgen random mod ${size} map @published_${protocol}${size}`),
      ]),
    ]),
    ...chain("prerouting", "nat hook prerouting priority -100", ["fib daddr type local jump dispatch"]),
    ...chain("output", "nat hook output priority -100", ["fib daddr type local jump dispatch"]),
    ...chain("postrouting", "nat hook postrouting priority 100", [
      // Replies to published ports must come back through this host, whose own ingress address is on the bridge.
      ...networks.filter((network) => network.isIngress).map((network) => `oifname "${network.bridge}" ct status dnat masquerade`),
      // A neighbour of the target would be answered directly, past the translation.
      ...networks.filter((network) => !network.isIngress)
        .map((network) => `oifname "${network.bridge}" ip saddr ${network.subnet} ct status dnat masquerade`),
      `oifname "${localBridge}" ip saddr ${local.subnet} ct status dnat masquerade`,
      "oifname @internal ct status dnat masquerade",
      "oifname @bridges ip saddr 127.0.0.0/8 masquerade",
      "ip saddr @outgoing oifname != @bridges masquerade",
    ]),
    ...chain("forward", "filter hook forward priority 0", [
      // Where the kernel shows bridged frames to these rules too (bridge-nf-call-iptables), a network's own traffic passes here.
      "iifname . oifname @same_bridge accept",
      "ct state established,related accept",
      "ct status dnat accept",
      // Into a network: only what was published, whether it comes from outside or from another network.
      "oifname @bridges drop",
      "iifname @internal drop",
    ]),
    "}",
    "",
  ].join("\n");
}

const set = (name: string, head: readonly string[], elements: readonly string[]): string[] => block(`set ${name}`, head, elements);
const map = (name: string, head: string, elements: readonly string[]): string[] => block(`map ${name}`, [head], elements);
const block = (title: string, head: readonly string[], elements: readonly string[]): string[] => [
  `  ${title} {`, ...head.map((line) => `    ${line}`),
  ...(elements.length === 0 ? [] : [`    elements = { ${elements.join(", ")} }`]), "  }",
];
const chain = (name: string, hook: string | undefined, rules: readonly string[]): string[] => [
  `  chain ${name} {`, ...(hook ? [`    type ${hook}`] : []), ...rules.map((rule) => `    ${rule}`), "  }",
];

// nftables refuses a transaction in which one key has two values: the first claimant keeps the port.
function uniqueBy<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => !seen.has(key(item)) && seen.add(key(item)));
}
