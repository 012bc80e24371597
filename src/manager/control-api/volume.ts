import { isDeepStrictEqual } from "node:util";
import { SwarmError } from "../../lib/index.js";
import {
  holdsResources, matchesConstraint, newVolume, parseConstraint, problemOfVolumeSpec, taskName, withVolumeDefaults, type Task, type Volume, type VolumeSpec,
} from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { CreateVolumeRequest } from "../../gen/swarm/v1/CreateVolumeRequest.js";
import type { CreateVolumeResponse } from "../../gen/swarm/v1/CreateVolumeResponse.js";
import type { GetRequest } from "../../gen/swarm/v1/GetRequest.js";
import type { ListRequest } from "../../gen/swarm/v1/ListRequest.js";
import type { RemoveResponse } from "../../gen/swarm/v1/RemoveResponse.js";
import type { RemoveVolumeRequest } from "../../gen/swarm/v1/RemoveVolumeRequest.js";
import type { UpdateVolumeRequest } from "../../gen/swarm/v1/UpdateVolumeRequest.js";
import type { UpdateVolumeResponse } from "../../gen/swarm/v1/UpdateVolumeResponse.js";
import type { VolumeUse } from "../../gen/swarm/v1/VolumeUse.js";
import { containsFilter, idFilter, labelFilter, matcher, wordFilter } from "./filters.js";
import type { ControlDependencies } from "./ports.js";
import { nameOf, resolveRef } from "./refs.js";
import { refuseOldVersion, refuseProblem } from "./refusals.js";
import { clusterMounts } from "./service-volumes.js";

export async function createVolume({ store, newId }: ControlDependencies, request: CreateVolumeRequest): Promise<CreateVolumeResponse> {
  const action = `Cannot create volume "${request.spec?.name.slice(0, 80) ?? ""}"`;
  const spec = validSpec(action, request.spec);
  const id = newId();
  await store.update((tx) => {
    const [holder] = tx.byName("volume", spec.name);
    if (holder) throw new SwarmError("ALREADY_EXISTS", `${action}: the name is taken by volume ${holder.id}; choose another`);
    tx.create("volume", newVolume({ id, spec }));
  });
  return store.view((tx) => ({ volume: tx.get("volume", id)!, warnings: warningsOf(tx, spec) }));
}

export function listVolumes(_: ControlDependencies, tx: ReadTx, { filters }: ListRequest) {
  const keep = matcher<Volume>("volume", filters, {
    name: containsFilter(nameOf.volume), id: idFilter, label: labelFilter((volume) => volume.spec?.labels), driver: (value) => (volume) => volume.spec?.driver === value,
    group: (value) => (volume) => volume.spec?.group === value,
    node: (value) => (volume) => volume.nodeId !== "" && (volume.nodeId === value || nodeName(tx, volume.nodeId) === value),
    availability: wordFilter("volume", "availability", ["active", "pause", "drain"], (volume) => volume.spec?.availability.slice("VOLUME_".length).toLowerCase() ?? ""),
    scope: wordFilter("volume", "scope", ["single", "multi"], (volume) => volume.spec?.scope.slice(0, -"_NODE".length).toLowerCase() ?? ""),
  });
  const volumes = tx.list("volume").filter(keep).sort((a, b) => (nameOf.volume(a) < nameOf.volume(b) ? -1 : 1));
  const useOf = usesIn(tx);
  return { volumes, uses: volumes.map(useOf) };
}

export function getVolume(_: ControlDependencies, tx: ReadTx, { ref }: GetRequest) {
  const volume = resolveRef(tx, "volume", ref, "Cannot show");
  return { volume, use: usesIn(tx)(volume) };
}

export async function updateVolume({ store }: ControlDependencies, request: UpdateVolumeRequest): Promise<UpdateVolumeResponse> {
  const id = await store.update((tx) => {
    const volume = resolveRef(tx, "volume", request.ref, "Cannot update");
    const action = `Cannot update volume "${nameOf.volume(volume)}"`;
    refuseOldVersion(action, request.version, volume.meta?.version);
    const spec = validSpec(action, request.spec);
    refuseOther(action, volume.spec!, spec);
    const nodeId = request.forgetNode ? forgottenNode(tx, action, volume) : volume.nodeId;
    if (nodeId !== volume.nodeId || !isDeepStrictEqual(spec, volume.spec)) tx.update("volume", { ...volume, spec, nodeId });
    return volume.id;
  });
  const volume = store.view((tx) => tx.get("volume", id));
  if (!volume) throw new SwarmError("NOT_FOUND", `Cannot update volume "${request.ref}": it was removed meanwhile`);
  return { volume };
}

/** The files on the nodes stay: only that the cluster knows of them ends. */
export async function removeVolume({ store }: ControlDependencies, { ref, force }: RemoveVolumeRequest): Promise<RemoveResponse> {
  const id = await store.update((tx) => {
    const volume = resolveRef(tx, "volume", ref, "Cannot remove");
    if (!force) {
      const { services, tasks } = usesIn(tx)(volume);
      const users = [...services.map((name) => `service "${name}"`), ...tasks.map((name) => `task ${name}`)];
      if (users.length > 0) throw new SwarmError("FAILED_PRECONDITION", `Cannot remove volume "${nameOf.volume(volume)}": it is in use by ${listOf(users)}; update or remove them first, or give --force, which stops the tasks that have it`);
    }
    tx.remove("volume", volume.id);
    return volume.id;
  });
  return { id };
}

function validSpec(action: string, given: VolumeSpec | null): VolumeSpec {
  if (!given) throw new SwarmError("INVALID_ARGUMENT", `${action}: no spec is given`);
  const spec = withVolumeDefaults(given);
  refuseProblem(action, problemOfVolumeSpec(spec));
  return spec;
}

/** What tasks count on while they have it cannot change under them. */
function refuseOther(action: string, present: VolumeSpec, wished: VolumeSpec): void {
  for (const field of ["name", "driver", "options", "scope", "sharing", "group"] as const) {
    if (!isDeepStrictEqual(present[field], wished[field])) throw new SwarmError("INVALID_ARGUMENT", `${action}: its ${field} cannot be changed; create another volume`);
  }
}

function forgottenNode(tx: ReadTx, action: string, volume: Volume): string {
  const { tasks } = usesIn(tx)(volume);
  if (tasks.length > 0) throw new SwarmError("FAILED_PRECONDITION", `${action}: its data on node ${nodeName(tx, volume.nodeId)} are in use by task ${listOf(tasks)}; drain the volume first`);
  return "";
}

/** Who has each volume, and whose spec names it. Looks at services that mount any once, whatever the number of volumes. */
function usesIn(tx: ReadTx): (volume: Volume) => VolumeUse {
  const named = new Map<string, Set<string>>();
  const held = new Map<string, { readonly task: Task; readonly serviceName: string; readonly writes: boolean }[]>();
  for (const service of tx.list("service")) {
    for (const { source } of clusterMounts(service.spec)) named.set(source, (named.get(source) ?? new Set()).add(nameOf.service(service)));
    const mayHave = tx.revisionsOfService(service.id).some(({ spec }) => clusterMounts(spec).length > 0);
    for (const task of mayHave ? tx.tasksOfService(service.id) : []) {
      if (!holdsResources(task)) continue;
      for (const id of new Set(task.volumes.map(({ volumeId }) => volumeId))) {
        const writes = task.volumes.some(({ volumeId, readOnly }) => volumeId === id && !readOnly);
        held.set(id, [...held.get(id) ?? [], { task, serviceName: nameOf.service(service), writes }]);
      }
    }
  }
  return ({ id, nodeId }) => {
    const users = held.get(id) ?? [];
    const writers = users.filter(({ writes }) => writes).length;
    return {
      volumeId: id, nodeName: nodeName(tx, nodeId), readers: users.length - writers, writers, services: [...named.get(id) ?? []].sort(),
      tasks: users.map(({ task, serviceName }) => `${taskName(serviceName, task)} on ${nodeName(tx, task.nodeId)}`).sort().slice(0, 100),
    };
  };
}

const nodeName = (tx: ReadTx, id: string): string => tx.get("node", id)?.description?.hostname || id;

function warningsOf(tx: ReadTx, { topology }: VolumeSpec): string[] {
  const constraints = topology.map(parseConstraint);
  if (constraints.length === 0 || tx.list("node").some((node) => constraints.every((each) => matchesConstraint(each, node)))) return [];
  return [`no node satisfies ${topology.map((text) => `"${text}"`).join(" and ")} now: tasks that mount it wait until one does`];
}

const listOf = (users: readonly string[]): string => (users.length > 5 ? `${users.slice(0, 5).join(", ")} and ${users.length - 5} more` : users.join(", "));
