import { contains, formatIpv4, parseIpv4, sizeOf, type Cidr } from "../../model/index.js";

/** The first address is the bridge's. */
export const localGateway = (subnet: Cidr): string => formatIpv4(subnet.base + 1);

/**
 * The next free address after `last`, wrapping: an address that was just given up is the last to be given out again, so that old
 * connections and caches do not find a stranger. Undefined when the pool is used up.
 */
export function nextLocalAddress(subnet: Cidr, used: ReadonlySet<string>, last: string): string | undefined {
  const first = subnet.base + 2;
  const count = sizeOf(subnet) - 3; // network, bridge, broadcast
  const lastIp = parseIpv4(last);
  const start = lastIp !== undefined && contains(subnet, lastIp) && lastIp >= first ? lastIp - first + 1 : 0;
  for (let i = 0; i < count; i++) {
    const candidate = formatIpv4((first + ((start + i) % count)) >>> 0);
    if (!used.has(candidate)) return candidate;
  }
  return undefined;
}
