import type { LabelFilter } from "./images.js";

/** Networks of this host alone, for containers that belong to no service. Overlay networks are the cluster's. */
export interface Networks {
  /** The predefined ones (bridge, host, none) are always there. */
  list(): Promise<EngineNetwork[]>;
  /** By name, id or an id's beginning. */
  get(nameOrId: string): Promise<EngineNetwork | undefined>;
  create(config: NetworkConfig): Promise<{ id: string; warnings: readonly string[] }>;
  remove(nameOrId: string): Promise<void>;
  /** Also while the container runs. */
  connect(nameOrId: string, containerId: string, endpoint?: EndpointConfig): Promise<void>;
  disconnect(nameOrId: string, containerId: string, options?: { force?: boolean }): Promise<void>;
  prune(options: { untilMs?: number; labels?: readonly LabelFilter[] }): Promise<string[]>;
}

export interface NetworkConfig {
  readonly name: string;
  readonly driver: "bridge" | "macvlan" | "host" | "null" | (string & {});
  readonly isInternal: boolean;
  readonly isAttachable?: boolean;
  readonly hasIpv6?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Docker's: com.docker.network.bridge.name, .enable_icc, .enable_ip_masquerade, .host_binding_ipv4, com.docker.network.driver.mtu, parent … */
  readonly options: Readonly<Record<string, string>>;
  /** Empty: chosen from the host's pools. */
  readonly ipam: readonly { readonly subnet: string; readonly ipRange?: string; readonly gateway?: string; readonly auxiliary?: Readonly<Record<string, string>> }[];
  readonly ipamDriver?: string;
  readonly ipamOptions?: Readonly<Record<string, string>>;
}

export interface EngineNetwork extends NetworkConfig {
  readonly id: string;                     // 64 hex digits
  readonly createdAtMs: number;
  readonly containers: readonly (ContainerEndpoint & { readonly containerId: string; readonly containerName: string })[];
}

export interface EndpointConfig {
  readonly aliases?: readonly string[];
  readonly ipv4Address?: string;
  readonly ipv6Address?: string;
  readonly linkLocalIps?: readonly string[];
  readonly links?: readonly string[];
  readonly macAddress?: string;
  readonly driverOptions?: Readonly<Record<string, string>>;
}

export interface ContainerEndpoint {
  readonly networkName: string;
  readonly networkId: string;
  readonly endpointId: string;             // "" unless running
  readonly config: EndpointConfig;
  readonly gateway: string;
  readonly ipAddress: string;
  readonly ipPrefixLength: number;
  readonly ipv6Gateway: string;
  readonly ipv6Address: string;
  readonly ipv6PrefixLength: number;
  readonly macAddress: string;
  readonly dnsNames: readonly string[];
}

/** hostPort: "" = chosen, "8080", or a range "8080-8090" of which one is taken. */
export interface PortBinding { readonly containerPort: number; readonly protocol: "tcp" | "udp" | "sctp"; readonly hostIp: string; readonly hostPort: string }
