/** Links, addresses and namespaces of this host, as whole changes. Two ways to the same: netlink, and the `ip` program where that cannot be had. */
export interface HostLinks {
  readonly kind: "netlink" | "ip";
  links(): Promise<readonly HostLink[]>;
  /** Where routes of the main table lead, "10.0.0.0/8"; IPv4 and IPv6. */
  routes(): Promise<readonly HostRoute[]>;
  /** Makes it, or gives what is there these addresses beside its own; up. */
  ensureBridge(bridge: { readonly name: string; readonly mac: string; readonly mtu: number; readonly addresses: readonly string[] }): Promise<void>;
  ensureVlan(vlan: { readonly name: string; readonly parent: string; readonly id: number }): Promise<void>;
  /** Not there: nothing. The kernel takes 20–40 ms for it; other work goes on. */
  removeLink(name: string): Promise<void>;
  /** A namespace that lives by a mount at `path`, with loopback up; what was there is replaced. With `pair`, eth0 inside is the other end of that link of the host. */
  makeNamespace(path: string, pair?: { readonly hostName: string }): Promise<void>;
  /** What is in it goes with the last process that is. Not there: nothing. */
  removeNamespace(path: string): Promise<void>;
  /** Mounts the namespace of a process at `path`, where that mount was lost. */
  keepNamespace(path: string, pid: number): Promise<void>;
  change(change: NamespaceChange): Promise<void>;
  /** The host's end of a veth joins the bridge and is up. */
  plug(link: BridgePort, mtu: number): Promise<void>;
  /** It leaves its bridge and is down: whoever still is in its namespace is alone. Not there: nothing. */
  unplug(hostName: string): Promise<void>;
  /** Elements of the maps of table `inet <table>`, in one transaction. */
  changePorts(table: string, removed: readonly PortElement[], added: readonly PortElement[]): Promise<void>;
  /** Tracked connections over UDP to these ports of the host: a client that keeps its own port would be sent to the old place for as long as it talks. */
  forgetUdp(ports: readonly number[]): Promise<void>;
  close(): void;
}

export interface HostLink { readonly name: string; readonly kind: string; readonly mac: string; readonly mtu: number; readonly isUp: boolean; readonly master: string }
export interface HostRoute { readonly destination: string; readonly device: string }

export interface NamespaceChange {
  readonly path: string;
  /** Nothing has been done in it so far. */
  readonly isNew: boolean;
  readonly removed: readonly string[];     // devices
  readonly added: readonly NamespacePort[];
  /** All default routes that there shall be. */
  readonly gateways: readonly { readonly address: string; readonly device: string }[];
  /** The bridge's address that answers DNS for 127.0.0.11. */
  readonly resolver: string | undefined;
}

export interface NamespacePort {
  readonly device: string;                 // inside: eth0, eth1 …
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly string[];   // "172.18.0.2/16", "fd00::2/64"
  readonly hasIpv6: boolean;
  readonly link:
    | ({ readonly kind: "veth"; readonly isThere: boolean } & BridgePort)
    | { readonly kind: "macvlan"; readonly parent: string; readonly mode: MacvlanMode };
}

export interface BridgePort {
  readonly hostName: string;
  readonly bridge: string;
  readonly isIsolated: boolean;
  /** Who is behind it is known, and told to the bridge: frames for addresses that nobody has here are not flooded to it (but into a tunnel, say). Undefined: learned. */
  readonly onlyMac?: string;
}

export type { MacvlanMode } from "./route-messages.js";
export type { PortElement } from "./nft-messages.js";
import type { MacvlanMode } from "./route-messages.js";
import type { PortElement } from "./nft-messages.js";

/** The table of rules inside a container's namespace. */
export const resolverTable = "skein";

/** Set in each namespace: as Docker does, a container is not root's host; and questions to 127.0.0.11 leave through eth0. */
export const namespaceSettings: Readonly<Record<string, string>> = {
  "net/ipv4/conf/all/route_localnet": "1", "net/ipv4/ip_unprivileged_port_start": "0", "net/ipv4/ping_group_range": "0 2147483647",
};
