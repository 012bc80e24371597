import type { Clock, Logger } from "../lib/index.js";
import type { NetworkOptions } from "./networks/networks.js";
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

export interface RegistryConfig {
  readonly plainHttp?: boolean;
  /** Asked first, in order: "mirror.example:5000", "http://10.0.0.1:5000". */
  readonly mirrors?: readonly string[];
  readonly username?: string;
  readonly password?: string;
  /** PEM file with the certificate authority that signed its certificate; trusted for this registry, beside the public ones. */
  readonly ca?: string;
}
