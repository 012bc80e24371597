/** What the database keeps of networks and of containers that are attached to them. */

export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly driver: "bridge" | "macvlan" | "host" | "null";
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  readonly hasIpv6: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly pools: readonly PoolRecord[];
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
  readonly isPredefined: boolean;
  readonly settings: NetworkSettingsRecord;
}

/** The options, understood. */
export interface NetworkSettingsRecord {
  readonly link: string;                   // the bridge, or macvlan's parent; "" for host and none
  readonly vlan: { readonly parent: string; readonly id: number } | undefined;   // `link` is made as this
  readonly macvlanMode: "bridge" | "private" | "vepa" | "passthru";
  readonly mtu: number;                    // 0: the host's
  readonly hasIcc: boolean;
  readonly isMasqueraded: boolean;
  readonly hostIp: string;                 // for ports that name none; "" = all
}

export interface PoolRecord {
  readonly subnet: string;
  readonly ipRange: string;                // "" = the whole subnet
  readonly gateway: string;                // "" = none
  readonly auxiliary: Readonly<Record<string, string>>;
}

/** A container that is attached now: what exactly, so that it can be taken down or taken over by another daemon. */
export interface SandboxRecord {
  readonly containerId: string;
  readonly name: string;
  readonly hostname: string;
  readonly mode: "attached" | "host" | "none" | "joined";
  readonly joinedId: string;               // with mode "joined"
  readonly netnsPath: string;              // "" unless attached
  readonly endpoints: readonly EndpointRecord[];
  readonly ports: readonly PortRecord[];
  readonly dns: readonly string[];
  readonly links: readonly LinkRecord[];
  /** Its /etc/resolv.conf names 127.0.0.11. */
  readonly hasResolver: boolean;
}

export interface EndpointRecord {
  readonly networkId: string;
  readonly endpointId: string;             // 64 hex digits
  readonly device: string;                 // inside: eth0 …
  readonly hostLink: string;               // the host's end of a veth; "" with macvlan
  readonly mac: string;
  readonly ipv4: string;                   // "" = none
  readonly prefix4: number;
  readonly gateway4: string;
  readonly ipv6: string;
  readonly prefix6: number;
  readonly gateway6: string;
  readonly names: readonly string[];       // beside the container's own name
  readonly links: readonly LinkRecord[];
}

export interface LinkRecord { readonly containerId: string; readonly alias: string }
export interface PortRecord { readonly containerPort: number; readonly protocol: "tcp" | "udp" | "sctp"; readonly hostIp: string; readonly hostPort: number }

/** Networks that a container shall be on, where connect and disconnect have changed what it was created with. */
export interface MembershipRecord { readonly containerId: string; readonly endpoints: readonly MemberRecord[] }
export interface MemberRecord {
  /** An id, or a name that is looked up when it starts. */
  readonly network: string;
  readonly config: {
    readonly aliases?: readonly string[]; readonly ipv4Address?: string; readonly ipv6Address?: string; readonly linkLocalIps?: readonly string[];
    readonly links?: readonly string[]; readonly macAddress?: string; readonly driverOptions?: Readonly<Record<string, string>>;
  };
}
