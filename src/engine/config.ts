import type { Clock, Logger } from "../lib/index.js";
import type { AddressPoolOption } from "./networks/core/plan-network.js";
import type { StorageDriverName } from "./snapshots/open-driver.js";

export interface EngineConfig {
  /** Images, snapshots, volumes, logs and metadata: survives reboots. */
  readonly stateDir: string;
  /** Mounts, bundles and the runtime's state: may be emptied by a reboot. */
  readonly runDir: string;
  /** The cgroup that every container's cgroup lies in, "/skein". */
  readonly cgroupParent: string;
  /** "auto" (default): the fastest that works here, crun or runc; a name, or a path. */
  readonly runtime?: string;
  /** Undefined: what the state directory was used with before, else the first of these that works. */
  readonly storageDriver?: StorageDriverName;
  /** By host, as it is written in references: "registry.example:5000", "docker.io". */
  readonly registries?: Readonly<Record<string, RegistryConfig>>;
  /** The engine's own networks; everything has a default that works. */
  readonly networking?: NetworkOptions;
  readonly log: Logger;
  readonly clock: Clock;
  /** The compiled skein-monitor. */
  readonly monitorPath: string;
}

/** The engine's own networks. */
export interface NetworkOptions {
  /** Link of the predefined bridge; "skein-" and four characters of the state directory, so that engines on one host do not meet. */
  readonly bridgeName?: string;
  /** "172.17.0.0/16"; the first of the pools that this host has no route to. */
  readonly bridgeSubnet?: string;
  /** Where subnets come from that nobody names: 172.17.0.0/16 to 172.29.0.0/16, then 192.168.0.0/16 by /24. */
  readonly addressPools?: readonly AddressPoolOption[];
  /** 30_000: how often the kernel is compared with what it should hold. */
  readonly auditMs?: number;
  /** Namespaces that are made ahead; 8. */
  readonly readyNamespaces?: number;
  /** On the bridges' addresses; 10_054, another one when it is taken. */
  readonly dnsPort?: number;
}

export interface RegistryConfig {
  readonly plainHttp?: boolean;
  /** Asked first, in order: "mirror.example:5000", "http://10.0.0.1:5000". */
  readonly mirrors?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** PEM file with the certificate authority that signed its certificate; trusted for this registry, beside the public ones. */
  readonly ca?: string;
}
