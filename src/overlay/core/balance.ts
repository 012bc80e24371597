import { formatIpv4, parseIpv4, type EndpointSet } from "../../model/index.js";

/** Virtual address → addresses of the ready endpoints, sorted. None: connections are refused rather than left to hang. */
export type Balance = ReadonlyMap<string, readonly string[]>;

/** What a sandbox on these networks balances. The ingress has no virtual addresses for containers: published ports are the host's. */
export function balanceOf(networkIds: ReadonlySet<string>, endpoints: readonly EndpointSet[]): Balance {
  const balance = new Map<string, string[]>();
  for (const set of endpoints) {
    const vip = parseIpv4(set.vip);
    if (vip === undefined || !networkIds.has(set.networkId)) continue;
    balance.set(formatIpv4(vip), readyAddresses(set));
  }
  return balance;
}

export const readyAddresses = (set: EndpointSet): string[] =>
  [...new Set(set.endpoints.filter((endpoint) => endpoint.isReady).map((endpoint) => parseIpv4(endpoint.addr)))]
    .filter((ip) => ip !== undefined).sort((a, b) => a - b).map(formatIpv4);

/** Backends that take no more connections on some virtual address. */
export function withdrawnBackends(before: Balance, after: Balance): string[] {
  const withdrawn = new Set<string>();
  for (const [vip, backends] of before) {
    const kept = new Set(after.get(vip) ?? []);
    for (const backend of backends) if (!kept.has(backend)) withdrawn.add(backend);
  }
  return [...withdrawn];
}
