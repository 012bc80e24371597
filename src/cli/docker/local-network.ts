import type { FlagSpec } from "../command.js";
import type { Flags } from "../flags.js";
import type { Connection } from "../connect.js";
import type { DockerClient } from "./client.js";
import { nodeFlag } from "./container-flags.js";

/** `network` means the cluster's networks, unless one of these chooses a host's own. */
export const hostNetworkFlags: readonly FlagSpec[] = [{ name: "local", kind: "switch", help: "Of this host alone, for single containers", group: "Host" }, nodeFlag];

/** The host's engine, where a host's own networks are meant. */
export const hostNetworks = (flags: Flags, connection: Connection): DockerClient | undefined => (flags.on("local") || flags.has("node") ? connection.docker(flags.text("node")) : undefined);

/** One of the host's networks as GET /networks gives it. */
export interface HostNetwork {
  readonly Id: string; readonly Name: string; readonly Driver: string; readonly Internal: boolean; readonly Attachable: boolean;
  readonly IPAM: { readonly Config: readonly { readonly Subnet?: string; readonly Gateway?: string }[] | null };
}
