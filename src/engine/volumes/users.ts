import type { ContainerRecord } from "../containers/record.js";

/** Names of all volumes that a container has, its anonymous ones too. */
export const volumeNamesOf = ({ config, anonymousVolumes }: Pick<ContainerRecord, "config" | "anonymousVolumes">): readonly string[] =>
  [...config.mounts.flatMap((mount) => (mount.type === "volume" && mount.name !== "" ? [mount.name] : [])), ...anonymousVolumes];
