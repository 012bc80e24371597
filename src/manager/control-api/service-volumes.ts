import { SwarmError } from "../../lib/index.js";
import { groupPrefix, type Mount, type ServiceSpec, type Volume } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import { nameOf, resolveRef } from "./refs.js";

export const clusterMounts = (spec: ServiceSpec | null | undefined): readonly Mount[] => spec?.task?.container?.mounts.filter(({ type }) => type === "CLUSTER") ?? [];

/** The mounts with volume ids for refs; groups stay as they are named. `present` is the spec that an update replaces. */
export function resolveMounts(tx: ReadTx, action: string, spec: ServiceSpec, present: ServiceSpec | null): Mount[] {
  const known = new Set(clusterMounts(present).map(({ source }) => source));
  return (spec.task?.container?.mounts ?? []).map((mount) => {
    // One that was removed since stays named until somebody takes it out: it must not keep the service from being scaled.
    if (mount.type !== "CLUSTER" || mount.source.startsWith(groupPrefix) || (known.has(mount.source) && !tx.get("volume", mount.source))) return mount;
    const volume = resolveRef(tx, "volume", mount.source, `${action}: cannot mount`);
    if (!mount.readOnly && volume.spec?.sharing === "SHARE_READ_ONLY") {
      throw new SwarmError("INVALID_ARGUMENT", `${action}: volume "${nameOf.volume(volume)}" is shared for reading only; add "readonly" to its mount at ${mount.target}`);
    }
    if (spec.update?.order === "START_FIRST" && limitOf(volume, mount) !== undefined) {
      throw new SwarmError("INVALID_ARGUMENT", `${action}: volume "${nameOf.volume(volume)}" ${limitOf(volume, mount)}: with update order start-first a new task would wait for the old one, which waits for it; use stop-first`);
    }
    return { ...mount, source: volume.id };
  });
}

/** What makes its tasks wait though nothing is wrong with it. */
export function warningsOfVolumes(tx: ReadTx, spec: ServiceSpec): string[] {
  return clusterMounts(spec).flatMap((mount) => {
    if (mount.source.startsWith(groupPrefix)) return warningsOfGroup(tx, mount.source.slice(groupPrefix.length));
    const volume = tx.get("volume", mount.source) ?? tx.byName("volume", mount.source)[0];
    return volume ? warningsOfVolume(volume, mount, spec) : [];
  });
}

function warningsOfGroup(tx: ReadTx, group: string): string[] {
  return tx.list("volume").some((volume) => volume.spec?.group === group) ? [] : [`no volume is of group "${group}" now: tasks wait until one is`];
}

function warningsOfVolume(volume: Volume, mount: Mount, { mode, replicas }: ServiceSpec): string[] {
  const limit = limitOf(volume, mount);
  return limit !== undefined && (mode === "GLOBAL" || replicas > 1) ? [`volume "${nameOf.volume(volume)}" ${limit}: one task at a time can have it, the others wait`] : [];
}

/** Why two tasks that mount it like this cannot have it at the same time; undefined: they can. */
function limitOf({ spec }: Volume, { readOnly }: Mount): string | undefined {
  if (spec?.sharing === "SHARE_NONE") return "is not shared";
  return spec?.sharing === "SHARE_ONE_WRITER" && !readOnly ? "allows one writer" : undefined;
}
