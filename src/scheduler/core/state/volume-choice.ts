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
  if (!entry) return "removed";
  const refusal = refusalAnywhere(entry, writes);
  // Who has it now may give it back; where it is, it stays.
  if (refusal !== undefined && refusal !== "in-use" && refusal !== "has-writer") return refusal;
  const place = placeOfData(state, entry);
  if (place !== anywhere && place !== n) return "elsewhere";
  return state.predicates.passesAll(entry.topology, n) ? refusal : "topology";
}

/** The same, of what does not depend on the node. */
function refusalAnywhere({ volume, readers, writers }: VolumeEntry, writes: boolean): Exclude<VolumeRefusal, "topology" | "elsewhere"> | undefined {
  const spec = volume?.spec;
  if (!spec) return "removed";
  if (writes && spec.sharing === "SHARE_READ_ONLY") return "read-only";
  if (spec.availability !== "VOLUME_ACTIVE") return "inactive";
  if (spec.sharing === "SHARE_NONE" && readers.size + writers.size > 0) return "in-use";
  return spec.sharing === "SHARE_ONE_WRITER" && writes && writers.size > 0 ? "has-writer" : undefined;
}

/** Whether a task with these mounts writes to what `source` means. */
export const writesTo = (mounts: readonly VolumeMount[], source: string): boolean => mounts.some((mount) => mount.source === source && !mount.readOnly);

/** Whether a task of group `g` may have a volume for each of its mounts on node `n`. Asked of every node. */
export function mayHaveVolumes(state: ClusterState, g: number, n: number): boolean {
  const mounts = state.groups.rules[g]!.volumes;
  if (mounts.length === 0) return true;
  if (mounts.length > 1) return chooseVolumes(state, g, n) !== undefined;
  const { source, readOnly } = mounts[0]!;
  if (!source.startsWith(groupPrefix)) return refusalOfVolume(state, source, !readOnly, n) === undefined;
  const { here, loose } = membersFree(state, source, !readOnly);
  for (const entry of here.get(n) ?? none) if (state.predicates.passesAll(entry.topology, n)) return true;
  for (const entry of loose) if (state.predicates.passesAll(entry.topology, n)) return true;
  return false;
}

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
    const { here, loose } = membersFree(state, mount.source, !mount.readOnly);
    return giveOf(here.get(n) ?? none, mount, seen) || giveOf(loose, mount, seen);
  };
  const giveOf = (entries: readonly VolumeEntry[], mount: VolumeMount, seen: Set<string>): boolean => {
    for (const { id, topology } of entries) {
      if (seen.has(id) || named.has(id) || !state.predicates.passesAll(topology, n)) continue;
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

/** Volumes of a group that may be had wherever they are: by the node of their data, by name; and those without a place, the least used first. */
interface FreeMembers { readonly here: ReadonlyMap<number, readonly VolumeEntry[]>; readonly loose: readonly VolumeEntry[] }

/** What does not depend on the node is found once for all of them, until a volume or the set of nodes changes: a thousand nodes by a thousand volumes in 2 ms instead of 190. */
function membersFree(state: ClusterState, source: string, writes: boolean): FreeMembers {
  const { volumes, nodes } = state;
  let known = remembered.get(state);
  if (!known || known.version !== volumes.version || known.nodes !== nodes.size) remembered.set(state, known = { version: volumes.version, nodes: nodes.size, members: new Map() });
  const key = writes ? `w ${source}` : source;
  let members = known.members.get(key);
  if (!members) known.members.set(key, members = findFree(state, source, writes));
  return members;
}

function findFree(state: ClusterState, source: string, writes: boolean): FreeMembers {
  const here = new Map<number, VolumeEntry[]>();
  const loose: VolumeEntry[] = [];
  for (const id of state.volumes.candidates(source)) {
    const entry = state.volumes.get(id)!;
    if (refusalAnywhere(entry, writes) !== undefined) continue;
    const place = placeOfData(state, entry);
    if (place === anywhere) loose.push(entry);
    else if (here.has(place)) here.get(place)!.push(entry);
    else here.set(place, [entry]);
  }
  return { here, loose: loose.sort((a, b) => usersOf(a) - usersOf(b)) };
}

const usersOf = ({ readers, writers }: VolumeEntry): number => readers.size + writers.size;

const none: readonly VolumeEntry[] = [];
const remembered = new WeakMap<ClusterState, { readonly version: number; readonly nodes: number; readonly members: Map<string, FreeMembers> }>();

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
