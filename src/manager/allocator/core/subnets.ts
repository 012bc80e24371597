import { contains, formatCidr, formatIpv4, overlaps, parseCidr, parseIpv4, sizeOf, type Cidr, type Network } from "../../../model/index.js";

export const firstVni = 4096;
export const lastVni = 16_777_215;

/** What a network gets, or why it gets nothing. */
export type NetworkNumbers =
  | { readonly kind: "numbers"; readonly subnet: string; readonly gateway: string; readonly vni: number }
  | { readonly kind: "refused"; readonly reason: string };

export interface SubnetRules {
  readonly pools: readonly string[];       // CIDRs to carve from
  readonly prefix: number;
  /** Addresses of the hosts themselves: a carved subnet that held one would cut its containers off from that host. */
  readonly underlay: readonly string[];
}

/** `others` are the networks that have their numbers. */
export function numberNetwork(network: Network, others: readonly Network[], rules: SubnetRules): NetworkNumbers {
  const name = network.spec?.name || network.id;
  const taken = others.map((other) => ({ cidr: parseCidr(other.subnet), name: other.spec?.name || other.id })).filter((t): t is { cidr: Cidr; name: string } => t.cidr !== undefined);
  const wished = network.spec?.subnet ?? "";
  let subnet: Cidr | undefined;
  if (wished !== "") {
    subnet = parseCidr(wished);
    if (!subnet || subnet.prefix > 30) return refuse(name, `"${wished}" is not a subnet with room for containers (at most /30)`);
    const clash = taken.find(({ cidr }) => overlaps(cidr, subnet!));
    if (clash) return refuse(name, `subnet ${wished} overlaps network "${clash.name}" (${formatCidr(clash.cidr)}); choose another`);
  } else {
    subnet = carve(taken.map(({ cidr }) => cidr), rules);
    if (!subnet) return refuse(name, `the address pools ${rules.pools.join(", ")} have no free /${rules.prefix} left; remove a network or widen the pools`);
  }
  const gateway = network.spec?.gateway || formatIpv4(subnet.base + 1);
  const gatewayIp = parseIpv4(gateway);
  if (gatewayIp === undefined || !contains(subnet, gatewayIp) || gatewayIp === subnet.base || gatewayIp === subnet.base + sizeOf(subnet) - 1) {
    return refuse(name, `gateway ${gateway} is not a host address of ${formatCidr(subnet)}`);
  }
  const vni = network.vni || nextVni(others);
  if (vni === undefined) return refuse(name, "every VXLAN network identifier is in use");
  return { kind: "numbers", subnet: formatCidr(subnet), gateway, vni };
}

const refuse = (name: string, reason: string): NetworkNumbers => ({ kind: "refused", reason: `Cannot number network "${name}": ${reason}.` });

/** The lowest subnet of the pools that overlaps no other. Jumps over what is in the way, so a full pool costs one step per obstacle. */
export function carve(taken: readonly Cidr[], rules: SubnetRules): Cidr | undefined {
  const hosts = rules.underlay.map((addr) => parseCidr(`${addr}/32`)).filter((cidr): cidr is Cidr => cidr !== undefined);
  const obstacles = [...taken, ...hosts].sort((a, b) => a.base - b.base);
  for (const text of rules.pools) {
    const pool = parseCidr(text);
    if (!pool || pool.prefix > rules.prefix) continue;
    const size = 2 ** (32 - rules.prefix);
    const end = pool.base + sizeOf(pool);
    let base = pool.base;
    for (const obstacle of obstacles) {
      if (obstacle.base + sizeOf(obstacle) <= base) continue;
      if (obstacle.base >= base + size) break;
      base = Math.ceil((obstacle.base + sizeOf(obstacle)) / size) * size;
    }
    if (base + size <= end) return { base, prefix: rules.prefix };
  }
  return undefined;
}

function nextVni(others: readonly Network[]): number | undefined {
  const taken = new Set(others.map((other) => other.vni));
  for (let vni = firstVni; vni <= lastVni; vni++) if (!taken.has(vni)) return vni;
  return undefined;
}
