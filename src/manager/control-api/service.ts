import { isDeepStrictEqual } from "node:util";
import { SwarmError } from "../../lib/index.js";
import {
  bytesText, isWanted, newRevision, newService, problemOfServiceSpec, stateOf, withServiceDefaults, type Service, type ServiceSpec,
} from "../../model/index.js";
import { codec } from "../../rpc/index.js";
import type { ReadTx, WriteTx } from "../../store/index.js";
import type { CreateServiceRequest } from "../../gen/swarm/v1/CreateServiceRequest.js";
import type { CreateServiceResponse } from "../../gen/swarm/v1/CreateServiceResponse.js";
import type { GetRequest } from "../../gen/swarm/v1/GetRequest.js";
import type { ListRequest } from "../../gen/swarm/v1/ListRequest.js";
import type { RemoveRequest } from "../../gen/swarm/v1/RemoveRequest.js";
import type { RemoveResponse } from "../../gen/swarm/v1/RemoveResponse.js";
import type { ServiceStatus } from "../../gen/swarm/v1/ServiceStatus.js";
import type { UpdateServiceRequest } from "../../gen/swarm/v1/UpdateServiceRequest.js";
import type { UpdateServiceResponse } from "../../gen/swarm/v1/UpdateServiceResponse.js";
import { containsFilter, idFilter, labelFilter, matcher, wordFilter } from "./filters.js";
import type { ControlDependencies } from "./ports.js";
import { refuseUnknownKinds, resolveAffinities, warningsOfPlacement } from "./placement.js";
import { nameOf, resolveRef } from "./refs.js";
import { refuseOldVersion, refuseProblem } from "./refusals.js";
import { refuseTakenPorts } from "./service-ports.js";
import { resolveMounts, warningsOfVolumes } from "./service-volumes.js";

export const maxSpecBytes = 2 ** 20;
export const maxTotalReplicas = 1_000_000;
const keptRevisions = 10;

export async function createService({ store, newId }: ControlDependencies, request: CreateServiceRequest): Promise<CreateServiceResponse> {
  const action = `Cannot create service "${request.spec?.name.slice(0, 80) ?? ""}"`;
  const wished = validSpec(action, request.spec);
  const id = newId();
  await store.update((tx) => {
    refuseTakenName(tx, action, wished.name);
    const spec = fitIntoCluster(tx, action, id, wished, null);
    tx.create("service", newService({ id, spec, revision: 1 }));
    tx.create("revision", newRevision(id, 1, spec));
  });
  return { service: store.view((tx) => tx.get("service", id)!), warnings: store.view((tx) => [...warningsOfPlacement(tx, wished), ...warningsOfVolumes(tx, wished)]) };
}

export async function updateService({ store }: ControlDependencies, request: UpdateServiceRequest): Promise<UpdateServiceResponse> {
  const id = await store.update((tx) => {
    const service = resolveRef(tx, "service", request.ref, "Cannot update");
    const action = `Cannot update service "${nameOf.service(service)}"`;
    const wished = validSpec(action, request.spec, tx);
    if (service.isRemoving) throw new SwarmError("FAILED_PRECONDITION", `${action}: it is being removed`);
    refuseOldVersion(action, request.version, service.meta?.version);
    refuseOtherKind(action, wished, service);
    const spec = fitIntoCluster(tx, action, service.id, wished, service.spec);
    if (isDeepStrictEqual(spec, service.spec)) return service.id;
    const revision = service.revision + 1;
    tx.create("revision", newRevision(service.id, revision, spec));
    tx.update("service", { ...service, spec, revision });
    dropOldRevisions(tx, service, revision);
    return service.id;
  });
  const service = store.view((tx) => tx.get("service", id));
  if (!service) throw new SwarmError("NOT_FOUND", `Cannot update service "${request.ref}": it was removed meanwhile`);
  return { service, warnings: store.view((tx) => [...warningsOfPlacement(tx, service.spec!), ...warningsOfVolumes(tx, service.spec!)]) };
}

/** Accepted at once; the orchestrator stops the tasks, and the service goes with the last of them. */
export async function removeService({ store }: ControlDependencies, { ref }: RemoveRequest): Promise<RemoveResponse> {
  const id = await store.update((tx) => {
    const service = resolveRef(tx, "service", ref, "Cannot remove");
    if (!service.isRemoving) tx.update("service", { ...service, isRemoving: true });
    return service.id;
  });
  return { id };
}

export function listServices(_: ControlDependencies, tx: ReadTx, { filters }: ListRequest) {
  const keep = matcher<Service>("service", filters, {
    name: containsFilter(nameOf.service), id: idFilter, label: labelFilter((s) => s.spec?.labels),
    mode: wordFilter("service", "mode", ["replicated", "global"], (s) => s.spec?.mode.toLowerCase() ?? ""),
  });
  const services = tx.list("service").filter(keep).sort((a, b) => (nameOf.service(a) < nameOf.service(b) ? -1 : 1));
  return { services, statuses: services.map((service) => statusOf(tx, service)) };
}

export function getService(_: ControlDependencies, tx: ReadTx, { ref }: GetRequest) {
  const service = resolveRef(tx, "service", ref, "Cannot show");
  return { service, status: statusOf(tx, service) };
}

export function listRevisions(_: ControlDependencies, tx: ReadTx, { ref }: GetRequest) {
  const service = resolveRef(tx, "service", ref, "Cannot list the revisions of");
  return { revisions: tx.revisionsOfService(service.id).sort((a, b) => a.number - b.number) };
}

export function statusOf(tx: ReadTx, service: Service): ServiceStatus {
  const tasks = tx.tasksOfService(service.id);
  const wanted = tasks.filter(isWanted);
  return {
    serviceId: service.id,
    running: wanted.filter((task) => stateOf(task) === "RUNNING").length,
    desired: service.isRemoving ? 0 : service.spec?.mode === "GLOBAL" ? new Set(wanted.map(({ nodeId }) => nodeId)).size : service.spec?.replicas ?? 0,
  };
}

function refuseTakenName(tx: ReadTx, action: string, name: string): void {
  const [holder] = tx.byName("service", name);
  if (holder) throw new SwarmError("ALREADY_EXISTS", `${action}: ${holder.isRemoving ? "a service of that name is still being removed; try again in a moment" : `the name is taken by service ${holder.id}; choose another, or change that one with "swarmctl service update ${name}"`}`);
}

/** A spec that is not submitted, checked as if it were: of a new service, or (`ref`) as an update of one. */
export function specToExplain(tx: ReadTx, newId: () => string, given: ServiceSpec | null, ref: string): { spec: ServiceSpec; serviceId: string; service: Service | undefined } {
  const action = "Cannot explain the spec";
  const wished = validSpec(action, given, tx);
  if (ref === "") {
    refuseTakenName(tx, action, wished.name);
    const serviceId = newId();
    return { spec: fitIntoCluster(tx, action, serviceId, wished, null), serviceId, service: undefined };
  }
  const service = resolveRef(tx, "service", ref, `${action} of`);
  refuseOtherKind(action, wished, service);
  return { spec: fitIntoCluster(tx, action, service.id, wished, service.spec), serviceId: service.id, service };
}

function refuseOtherKind(action: string, wished: ServiceSpec, { spec }: Service): void {
  if (wished.name !== spec?.name) throw new SwarmError("INVALID_ARGUMENT", `${action}: a service cannot be renamed (to "${wished.name}"); create another and remove this one`);
  if (wished.mode !== spec.mode) throw new SwarmError("INVALID_ARGUMENT", `${action}: its mode is ${spec.mode.toLowerCase()} and cannot be changed; create another service and remove this one`);
}

/** The spec with its defaults, sound by itself. `tx`: a spec that was stored names services by id, which tells nobody anything. */
function validSpec(action: string, given: ServiceSpec | null, tx?: ReadTx): ServiceSpec {
  if (!given) throw new SwarmError("INVALID_ARGUMENT", `${action}: no spec is given`);
  const size = codec<ServiceSpec>("ServiceSpec").encode(given).byteLength;
  if (size > maxSpecBytes) throw new SwarmError("INVALID_ARGUMENT", `${action}: its spec takes ${bytesText(size)}; the limit is ${bytesText(maxSpecBytes)}; put large values into a file or an image`);
  const spec = withServiceDefaults(given);
  refuseProblem(action, problemOfServiceSpec(spec)?.replace(/"([0-9a-z-]+)"/g, (quoted, id) => { const name = tx?.get("service", id)?.spec?.name; return name === undefined ? quoted : `"${name}"`; }));
  return spec;
}

/** The spec with network, volume and service ids for refs, sound beside everything else in the cluster. */
function fitIntoCluster(tx: ReadTx, action: string, serviceId: string, spec: ServiceSpec, present: ServiceSpec | null): ServiceSpec {
  const networks = spec.task!.networks.map((attachment) => ({ ...attachment, target: networkId(tx, action, attachment.target) }));
  const repeated = networks.find(({ target }, i) => networks.findIndex((other) => other.target === target) !== i);
  if (repeated) throw new SwarmError("INVALID_ARGUMENT", `${action}: network "${tx.get("network", repeated.target)?.spec?.name}" is named twice; name it once`);
  const ports = spec.endpoint!.ports;
  if (ports.some(({ mode }) => mode === "INGRESS") && !tx.list("network").some((network) => network.spec?.isIngress)) {
    throw new SwarmError("FAILED_PRECONDITION", `${action}: there is no ingress network to publish ports on; publish them with mode=host`);
  }
  refuseTakenPorts(tx, action, serviceId, ports);
  refuseTooManyReplicas(tx, action, serviceId, spec);
  refuseUnknownKinds(tx, action, spec, present);
  const placement = { ...spec.task!.placement!, affinities: resolveAffinities(tx, action, serviceId, spec, present) };
  const container = spec.task!.container && { ...spec.task!.container, mounts: resolveMounts(tx, action, spec, present) };
  return { ...spec, task: { ...spec.task!, container, networks, placement } };
}

function networkId(tx: ReadTx, action: string, ref: string): string {
  const network = resolveRef(tx, "network", ref, `${action}: cannot use`);
  if (network.spec?.isIngress) throw new SwarmError("INVALID_ARGUMENT", `${action}: network "${network.spec.name}" carries published ports only; publish a port, or use another network`);
  return network.id;
}

function refuseTooManyReplicas(tx: ReadTx, action: string, serviceId: string, spec: ServiceSpec): void {
  const others = tx.list("service").reduce((sum, { id, spec: other }) => sum + (id === serviceId || other?.mode !== "REPLICATED" ? 0 : other.replicas), 0);
  if (others + spec.replicas > maxTotalReplicas) {
    throw new SwarmError("RESOURCE_EXHAUSTED", `${action}: with its ${spec.replicas} replicas the cluster would have ${others + spec.replicas}; the limit is ${maxTotalReplicas}; scale something down`);
  }
}

/** The newest ten, and what a task still runs or an update still rolls out. */
function dropOldRevisions(tx: WriteTx, service: Service, newest: number): void {
  const used = new Set(tx.tasksOfService(service.id).map(({ revision }) => revision)).add(service.updateStatus?.revision ?? 0);
  for (const { id, number } of tx.revisionsOfService(service.id)) {
    if (number <= newest - keptRevisions && !used.has(number)) tx.remove("revision", id);
  }
}
