import { SwarmError } from "../../lib/index.js";
import type { FlagSpec } from "../command.js";
import type { Flags } from "../flags.js";

/** `volume` means those of one host, unless this chooses the cluster's. */
export const clusterFlag: FlagSpec = { name: "cluster", kind: "switch", help: "Of the cluster: services mount it by --mount type=cluster", group: "Cluster" };

const named: readonly FlagSpec[] = [
  { name: "scope", kind: "text", value: "WHICH", help: "single (the default: its data are on the node of its first task, and its tasks go there) or multi (the same files on every node: a shared file system)" },
  { name: "sharing", kind: "text", value: "WHO", help: "none (the default: one task at a time), readonly (any number that only read), onewriter (these and one that writes) or all" },
  { name: "topology", kind: "list", value: "CONSTRAINT", help: "Only nodes that satisfy it mount it, such as node.labels.rack==r1; all must hold" },
  { name: "group", kind: "text", value: "GROUP", help: "Mounts with source=group:GROUP take any volume of it that is free" },
];

/** Of volume create. */
export const clusterVolumeFlags: readonly FlagSpec[] = [clusterFlag, ...named.map((flag) => ({ ...flag, group: "Cluster" }))];

export const scopes = { single: "SINGLE_NODE", multi: "MULTI_NODE" } as const;
export const sharings = { none: "SHARE_NONE", readonly: "SHARE_READ_ONLY", onewriter: "SHARE_ONE_WRITER", all: "SHARE_ALL" } as const;
export const volumeAvailabilities = { active: "VOLUME_ACTIVE", pause: "VOLUME_PAUSE", drain: "VOLUME_DRAIN" } as const;

/** The word that people write for an enum value. */
export const wordOf = (choices: Readonly<Record<string, string>>, value: string | undefined): string => Object.entries(choices).find(([, each]) => each === value)?.[0] ?? "";

/** Whether the cluster's volumes are meant. Flags that the other kind has are refused rather than passed over. */
export function isOfCluster(flags: Flags): boolean {
  const isCluster = flags.on("cluster");
  if (isCluster && flags.has("node")) throw new SwarmError("INVALID_ARGUMENT", "--node is for the volumes of one host: leave it out, or leave out --cluster.");
  for (const { name } of named) {
    if (!isCluster && flags.declares(name) && flags.has(name)) throw new SwarmError("INVALID_ARGUMENT", `--${name} is for a volume of the cluster: add --cluster, or leave it out.`);
  }
  return isCluster;
}
