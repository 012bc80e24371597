import { groupPrefix, newVolume, newVolumeSpec, type Volume, type VolumeSpec } from "../../../model/index.js";
import { refusalOfVolume, stored, writesTo, type ClusterState } from "../state/index.js";
import type { Cause } from "./causes.js";
import type { Change } from "./change.js";

/** What somebody could change about a volume of the cluster, or about how a service mounts it. */
export type VolumeChange =
  | { readonly kind: "volume-activate"; readonly volumeId: string; readonly name: string; readonly was: "PAUSE" | "DRAIN" }
  | { readonly kind: "volume-topology"; readonly volumeId: string; readonly name: string; readonly dropped: readonly string[] }
  | { readonly kind: "volume-read-only"; readonly source: string; readonly name: string }
  | { readonly kind: "volume-create"; readonly group: string };

/** What removes `cause`, of the filter for volumes, from node `n`. Where data are, and who has them, nobody changes by a setting. */
export function volumeOptionsOn(state: ClusterState, g: number, cause: Cause, n: number): Change[] {
  const mounts = state.groups.rules[g]!.volumes;
  for (const { source } of mounts) {
    if (source.startsWith(groupPrefix)) {
      const group = source.slice(groupPrefix.length);
      if (cause.name === `group ${group}`) return [{ kind: "volume-create", group }];
      continue;
    }
    const spec = state.volumes.get(source)?.volume?.spec;
    const refusal = refusalOfVolume(state, source, writesTo(mounts, source), n);
    if (!spec || cause.name !== `volume ${spec.name} ${refusal}`) continue;
    switch (refusal) {
      case "inactive": return [{ kind: "volume-activate", volumeId: source, name: spec.name, was: spec.availability === "VOLUME_DRAIN" ? "DRAIN" : "PAUSE" }];
      case "topology": return [{ kind: "volume-topology", volumeId: source, name: spec.name, dropped: notMet(state, spec, n) }];
      case "read-only": case "has-writer": return [{ kind: "volume-read-only", source, name: spec.name }];
      default: return [];
    }
  }
  return [];
}

/** Those of its topology that node `n` does not satisfy. */
function notMet(state: ClusterState, { topology }: VolumeSpec, n: number): string[] {
  return topology.filter((text) => !state.passing(stored(text)).has(n));
}

/** Makes the change in `state`, and returns what takes it back; undefined: it is the service's. */
export function makeVolumeChange(state: ClusterState, change: Change): (() => void) | undefined {
  const withSpec = (id: string, fields: (spec: VolumeSpec) => Partial<VolumeSpec>) => {
    const before: Volume = state.volumes.get(id)!.volume!;
    state.setVolume({ ...before, spec: { ...before.spec!, ...fields(before.spec!) } });
    return () => state.setVolume(before);
  };
  switch (change.kind) {
    case "volume-activate": return withSpec(change.volumeId, () => ({ availability: "VOLUME_ACTIVE" }));
    case "volume-topology": return withSpec(change.volumeId, ({ topology }) => ({ topology: topology.filter((text) => !change.dropped.includes(text)) }));
    case "volume-create":
      state.setVolume(newVolume({ id: trialId, spec: newVolumeSpec({ name: trialId, group: change.group }) }));
      return () => state.removeVolume(trialId);
    default: return undefined;
  }
}

/** No volume's id has a space. */
const trialId = "tried out";

export function volumeChangeWords(change: VolumeChange): string {
  switch (change.kind) {
    case "volume-activate": return `volume ${change.name} is ${change.was === "DRAIN" ? "drained" : "paused"} no longer`;
    case "volume-topology": return `volume ${change.name} is not only for nodes with ${change.dropped.join(" and ")}`;
    case "volume-read-only": return `it mounts volume ${change.name} for reading only`;
    case "volume-create": return `group ${change.group} has another volume`;
  }
}
