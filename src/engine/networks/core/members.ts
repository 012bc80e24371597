import type { MemberRecord } from "./records.js";

export interface NetworkWishes { readonly mode: string; readonly endpoints: Readonly<Record<string, MemberRecord["config"]>> }

export type NetworkMode = { readonly kind: "host" } | { readonly kind: "none" } | { readonly kind: "joined"; readonly container: string } | { readonly kind: "attached"; readonly network: string };

export function modeOf(mode: string): NetworkMode {
  if (mode === "host" || mode === "none") return { kind: mode };
  if (mode.startsWith("container:")) return { kind: "joined", container: mode.slice("container:".length) };
  return { kind: "attached", network: mode === "" || mode === "default" ? "bridge" : mode };
}

/** The networks that a container was created for: its mode's own first, which becomes eth0; then the others by name. `isSame` knows names and ids. */
export function initialMembers({ mode, endpoints }: NetworkWishes, isSame: (a: string, b: string) => boolean): MemberRecord[] {
  const wanted = modeOf(mode);
  if (wanted.kind !== "attached") return [];
  const own = Object.entries(endpoints).find(([network]) => isSame(network === "default" ? "bridge" : network, wanted.network));
  const others = Object.entries(endpoints).filter(([network]) => network !== own?.[0]).sort(([a], [b]) => (a < b ? -1 : 1));
  return [{ network: wanted.network, config: own?.[1] ?? {} }, ...others.map(([network, config]) => ({ network, config }))];
}

/** eth0, eth1 …: the lowest number that is free. */
export function nextDevice(used: readonly string[]): string {
  for (let index = 0; ; index++) if (!used.includes(`eth${index}`)) return `eth${index}`;
}

/** Host names of containers in Docker's way, unless they share the host's. */
export const hostnameOf = (config: { readonly id: string; readonly hostname: string }): string => config.hostname || config.id.slice(0, 12);
