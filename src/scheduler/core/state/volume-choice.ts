import { groupPrefix, type TaskVolume } from "../../../model/index.js";
import type { ClusterState } from "./cluster-state.js";
import type { VolumeEntry, VolumeMount } from "./volume-table.js";

/** Why a task may not have a volume on a node. What waiting does not change comes first. */
export type VolumeRefusal = "removed" | "read-only" | "inactive" | "topology" | "elsewhere" | "in-use" | "has-writer";

/** Where the data of a single-node volume are: a node's row; `anywhere`: there are none as yet; `gone`: on a node that left the cluster. */
export const anywhere = -1;
export const gone = -2;

/** What the store says; before that, where the task is that was placed with it a moment ago. Volumes of many nodes have no place. */
export function placeOfData({ nodes }: ClusterState, { volume, readers, writers }: VolumeEntry): number {
  if (volume?.spec?.scope !== "SINGLE_NODE") return anywhere;
  if (volume.nodeId !== "") return nodes.rowOf(volume.nodeId) ?? gone;
  for (const n of writers.keys()) return n;
  for (const n of readers.keys()) return n;
  return anywhere;
}

/** undefined: a task on node `n` may have it. */
export function refusalOfVolume(state: ClusterState, id: string, writes: boolean, n: number): VolumeRefusal | undefined {
  const entry = state.volumes.get(id);
  const spec = entry?.volume?.spec;
  if (!entry || !spec) return "removed";
  if (writes && spec.sharing === "SHARE_READ_ONLY") return "read-only";
  if (spec.availability !== "VOLUME_ACTIVE") return "inactive";
  const place = placeOfData(state, entry);
  if (place !== anywhere && place !== n) return "elsewhere";
  if (!state.predicates.passesAll(entry.topology, n)) return "topology";
  if (spec.sharing === "SHARE_NONE" && entry.readers.size + entry.writers.size > 0) return "in-use";
  return spec.sharing === "SHARE_ONE_WRITER" && writes && entry.writers.size > 0 ? "has-writer" : undefined;
}

/** Whether a task with these mounts writes to what `source` means. */
export const writesTo = (mounts: readonly VolumeMount[], source: string): boolean => mounts.some((mount) => mount.source === source && !mount.readOnly);

/**
 * Which volumes a task of group `g` gets on node `n`, for each of its mounts; undefined: it cannot have them all. Of a group of volumes each mount gets one of
 * its own: first such whose data are on the node already, then the least used, then by name; where mounts compete for them, as a matching (Kuhn), so that
 * who could do with several does not take the only one of another.
 */
export function chooseVolumes(state: ClusterState, g: number, n: number): readonly TaskVolume[] | undefined {
  const mounts = state.groups.rules[g]!.volumes;
  const named = new Set<string>();
  for (const { source } of mounts) {
    if (source.startsWith(groupPrefix) || named.has(source)) continue;
    if (refusalOfVolume(state, source, writesTo(mounts, source), n) !== undefined) return undefined;
    named.add(source);
  }
  const ownerOf = new Map<string, VolumeMount>();
  const give = (mount: VolumeMount, seen: Set<string>): boolean => {
    for (const id of inOrder(state, mount, n)) {
      if (seen.has(id) || named.has(id)) continue;
      seen.add(id);
      const owner = ownerOf.get(id);
      if (owner && !give(owner, seen)) continue;
      ownerOf.set(id, mount);
      return true;
    }
    return false;
  };
  for (const mount of mounts) if (mount.source.startsWith(groupPrefix) && !give(mount, new Set())) return undefined;
  const chosen = new Map([...ownerOf].map(([id, mount]) => [mount, id]));
  return mounts.map((mount) => ({ target: mount.target, volumeId: chosen.get(mount) ?? mount.source, readOnly: mount.readOnly }));
}

/** Those of the mount's group that a task on `n` may have, the best first. */
function inOrder(state: ClusterState, { source, readOnly }: VolumeMount, n: number): readonly string[] {
  const rank = (id: string): number => {
    const entry = state.volumes.get(id)!;
    return placeOfData(state, entry) === n ? -1 : entry.readers.size + entry.writers.size;
  };
  const usable = state.volumes.candidates(source).filter((id) => refusalOfVolume(state, id, !readOnly, n) === undefined);
  return usable.length < 2 ? usable : [...usable].sort((a, b) => rank(a) - rank(b));
}

/** Whether a task of `g` that is placed changes nothing for the next one on other nodes: nothing is bound to a place by it, and nobody is kept out. */
export function leavesVolumesAsTheyAre(state: ClusterState, g: number): boolean {
  const mounts = state.groups.rules[g]!.volumes;
  return mounts.every(({ source }) => {
    const entry = state.volumes.get(source);
    const spec = entry?.volume?.spec;
    if (!entry || !spec) return !source.startsWith(groupPrefix);      // removed: no node takes it
    const isBound = spec.scope === "MULTI_NODE" || placeOfData(state, entry) !== anywhere;
    return isBound && (spec.sharing === "SHARE_ALL" || (spec.sharing !== "SHARE_NONE" && !writesTo(mounts, source)));
  });
}
