import { groupPrefix } from "../../../model/index.js";
import {
  anywhere, gone, isReady, mayHaveVolumes, placeOfData, refusalOfVolume, unlimited, writesTo, type ClusterState, type VolumeEntry, type VolumeRefusal,
} from "../state/index.js";
import type { Filter, Refusal } from "./filter.js";

/** Volumes of the cluster: where their data are, who else has them, and where they may be mounted at all. Every mount must get its volume. */
export const volumeFilter: Filter = {
  name: "volume",
  concerns: ({ groups }, g) => groups.rules[g]!.volumes.length > 0,
  room(state, g, n) {
    const mounts = state.groups.rules[g]!.volumes;
    if (mounts.length === 0) return unlimited;
    if (!mayHaveVolumes(state, g, n)) return 0;
    // Of those that one task keeps from the next there may be more in a group, but who has asked once asks again.
    return mounts.every(({ source }) => isForMany(state, source, writesTo(mounts, source))) ? unlimited : 1;
  },
  refusals(state, g, n) {
    if (mayHaveVolumes(state, g, n)) return [];
    const mounts = state.groups.rules[g]!.volumes;
    const found: Refusal[] = [];
    for (const [i, { source, readOnly }] of mounts.entries()) {
      if (source.startsWith(groupPrefix)) found.push(...refusalOfGroup(state, source.slice(groupPrefix.length), !readOnly, n));
      else if (mounts.findIndex((other) => other.source === source) === i) found.push(...refusalOfNamed(state, source, writesTo(mounts, source), n));
    }
    if (found.length > 0) return found;
    return [{ filter: "volume", cause: "groups of volumes", detail: "its mounts need more volumes of their groups than are free here" }];
  },
};

function isForMany(state: ClusterState, source: string, writes: boolean): boolean {
  const sharing = state.volumes.get(source)?.volume?.spec?.sharing;
  return sharing === "SHARE_ALL" || (!writes && sharing !== undefined && sharing !== "SHARE_NONE");
}

function refusalOfNamed(state: ClusterState, id: string, writes: boolean, n: number): Refusal[] {
  const refusal = refusalOfVolume(state, id, writes, n);
  if (refusal === undefined) return [];
  const entry = state.volumes.get(id);
  const name = entry?.volume?.spec?.name ?? id;
  return [{ filter: "volume", cause: `volume ${name} ${refusal}`, detail: entry ? wordsOf(state, refusal, name, entry) : `volume ${name} is not in the cluster any more` }];
}

function wordsOf(state: ClusterState, refusal: VolumeRefusal, name: string, entry: VolumeEntry): string {
  const spec = entry.volume?.spec;
  switch (refusal) {
    case "removed": return `volume ${name} is not in the cluster any more`;
    case "read-only": return `volume ${name} is shared for reading only, and the service would write to it`;
    case "inactive": return `volume ${name} is ${spec?.availability === "VOLUME_DRAIN" ? "drained" : "paused"}`;
    case "topology": return `volume ${name} is for nodes with ${(spec?.topology ?? []).join(" and ")}`;
    case "elsewhere": return `volume ${name} has its data on ${nodeWords(state, entry)}`;
    case "in-use": return `volume ${name} is not shared, and a task on ${usersNode(state, entry)} has it`;
    case "has-writer": return `volume ${name} has its one writer, a task on ${usersNode(state, { readers: new Map(), writers: entry.writers })}`;
  }
}

/** "node n2, which is down" */
function nodeWords(state: ClusterState, entry: VolumeEntry): string {
  const n = placeOfData(state, entry);
  if (n === gone || n === anywhere) {
    const id = entry.volume?.nodeId ?? "";
    const row = state.nodes.ids.lastIndexOf(id);      // rows are not used again: it has a name still
    return `node ${row < 0 ? id : state.nodes.names[row]!}, which left the cluster`;
  }
  const node = state.nodeObjects[n];
  const why = node ? isReady.refusal(node) : "";
  return `node ${state.nodes.names[n]}${why.replace(/^node/, ", which")}`;
}

function usersNode({ nodes }: ClusterState, { readers, writers }: Pick<VolumeEntry, "readers" | "writers">): string {
  const names = [...new Set([...writers.keys(), ...readers.keys()])].map((n) => nodes.names[n]!).sort();
  return names.length > 1 ? `nodes ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}` : `node ${names[0] ?? ""}`;
}

const shortly: Readonly<Record<VolumeRefusal, string>> = {
  removed: "removed", "read-only": "for reading only", inactive: "paused or drained", topology: "for other nodes", elsewhere: "with data on other nodes", "in-use": "in use", "has-writer": "with a writer",
};

/** In words without numbers: nodes that differ only in them are told together. */
function refusalOfGroup(state: ClusterState, group: string, writes: boolean, n: number): Refusal[] {
  const ids = state.volumes.inGroup(group);
  const kinds = new Set<VolumeRefusal>();
  for (const id of ids) {
    const refusal = refusalOfVolume(state, id, writes, n);
    if (refusal === undefined) return [];
    kinds.add(refusal);
  }
  const detail = ids.length === 0 ? `no volume is of group ${group}` : `no volume of group ${group} is free here: they are ${[...kinds].map((kind) => shortly[kind]).sort().join(", or ")}`;
  return [{ filter: "volume", cause: `group ${group}`, detail }];
}
