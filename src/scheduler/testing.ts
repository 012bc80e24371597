/** Clusters for tests: built from a few words, or drawn from a seed; and a naive scheduler that sees only the model's objects. */
import { seededRandom } from "../lib/index.js";
import {
  matchesConstraint, newContainerSpec, newEndpointSpec, newNode, newPlacement, newPort, newResources, newServiceSpec, newTaskSpec, newVolume, newVolumeSpec, parseConstraint,
  type GenericResource, type GpuRequest, type Mount, type Node, type Placement, type ServiceSpec, type Taint, type Volume, type VolumeSpec,
} from "../model/index.js";
import { ClusterState, compileSpec } from "./core/state/index.js";

export interface NodeWords {
  readonly cpu?: number;                          // cores
  readonly memoryMiB?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly gpus?: Readonly<Record<string, number>>;        // model → devices
  readonly generic?: Readonly<Record<string, number | readonly string[]>>;
  readonly taints?: readonly Taint[];
  readonly isDown?: boolean;
  readonly isDrained?: boolean;
}

export function nodeOf(id: string, words: NodeWords = {}): Node {
  const generic = Object.entries(words.generic ?? {}).map(([kind, given]): GenericResource => (typeof given === "number" ? { kind, count: given, ids: [] } : { kind, count: given.length, ids: [...given] }));
  const gpus = Object.entries(words.gpus ?? {}).flatMap(([model, count]) => Array.from({ length: count }, (_, i) => ({ id: `${id}-${model}-${i}`, model, memoryBytes: 0 })));
  return newNode({
    id,
    spec: { labels: { ...words.labels }, availability: words.isDrained ? "DRAIN" : "ACTIVE", desiredRole: "WORKER", taints: [...(words.taints ?? [])] },
    status: { state: words.isDown ? "DOWN" : "READY", message: "", addr: "", sinceMs: 0 },
    description: {
      hostname: id, os: "linux", arch: "amd64", engineVersion: "", engineLabels: {}, plugins: [], attributes: {},
      resources: newResources({ cpuMillis: Math.round((words.cpu ?? 4) * 1000), memoryBytes: (words.memoryMiB ?? 8192) * 2 ** 20, generic, gpus }),
    },
  });
}

export interface SpecWords extends Partial<Omit<Placement, "constraints">> {
  readonly name?: string;
  readonly replicas?: number;
  readonly cpu?: number;
  readonly memoryMiB?: number;
  readonly gpu?: Partial<GpuRequest>;
  readonly generic?: Readonly<Record<string, number>>;
  readonly constraints?: readonly string[];
  readonly hostPorts?: readonly number[];
  readonly image?: string;
  readonly priority?: number;
  readonly gang?: boolean;
  readonly noMove?: boolean;
  readonly project?: string;
  /** Volumes of the cluster by id or "group:NAME"; "!" behind it: for reading only. */
  readonly volumes?: readonly string[];
}

export function specOf(words: SpecWords = {}): ServiceSpec {
  const { name = "", replicas = 1, cpu = 0, memoryMiB = 0, gpu, generic = {}, constraints = [], hostPorts = [], image = "app", priority = 0, gang = false, noMove = false, project = "", volumes = [], ...placement } = words;
  return newServiceSpec({
    name, replicas, priority, gang, noMove, project,
    task: newTaskSpec({
      container: newContainerSpec({ image, mounts: volumes.map(clusterMount) }),
      reservations: newResources({
        cpuMillis: Math.round(cpu * 1000), memoryBytes: memoryMiB * 2 ** 20, gpu: gpu ? { count: 1, millis: 0, models: [], ...gpu } : null,
        generic: Object.entries(generic).map(([kind, count]) => ({ kind, count, ids: [] })),
      }),
      placement: newPlacement({ ...placement, constraints: [...constraints] }),
    }),
    endpoint: newEndpointSpec({ ports: hostPorts.map((port) => newPort({ targetPort: port, publishedPort: port, mode: "HOST" })) }),
  });
}

const clusterMount = (words: string, i: number): Mount => ({
  type: "CLUSTER", source: words.replace(/!$/, ""), target: `/mnt/${i}`, readOnly: words.endsWith("!"), propagation: "", noCopy: false, tmpfsSizeBytes: 0, tmpfsMode: 0, volumeLabels: {},
});

/** "v1" is its id and its name. */
export const volumeOf = (id: string, fields: Partial<VolumeSpec> & { readonly nodeId?: string } = {}): Volume => {
  const { nodeId = "", ...spec } = fields;
  return newVolume({ id, nodeId, spec: newVolumeSpec({ name: id, ...spec }) });
};

/** A service's first revision in `state`, and `count` waiting tasks of it ("web.1", …). */
export function addService(state: ClusterState, id: string, spec: ServiceSpec, count = spec.replicas): { readonly g: number; readonly tasks: number[] } {
  const g = state.groupOf(`${id}.1`, id, () => compileSpec(id, spec));
  state.holdGroup(g);
  return { g, tasks: Array.from({ length: count }, (_, i) => state.addTask(`${id}.${i + 1}`, g, i)) };
}

export function stateOfNodes(nodes: Iterable<Node>): ClusterState {
  const state = new ClusterState();
  for (const node of nodes) state.setNode(node);
  return state;
}

/** "web.1@n1 web.2@n2 web.3@-": where the tasks are, for comparing. */
export function whereabouts(state: ClusterState, tasks: Iterable<number>): string {
  return [...tasks].map((t) => `${state.tasks.ids[t]}@${state.tasks.nodeOf(t) < 0 ? "-" : state.nodes.names[state.tasks.nodeOf(t)]}`).join(" ");
}

export { seededRandom };

export interface RandomCluster {
  readonly nodes: readonly Node[];
  readonly services: readonly { readonly id: string; readonly spec: ServiceSpec }[];
}

/** A few racks of unequal nodes, some with GPUs, taints, generic resources, down or drained; services that ask for a bit of everything. */
export function randomCluster(random: () => number, size: { readonly nodes: number; readonly services: number; readonly maxReplicas?: number }): RandomCluster {
  const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const chance = (probability: number) => random() < probability;
  const nodes = Array.from({ length: size.nodes }, (_, i) => nodeOf(`n${String(i).padStart(4, "0")}`, {
    cpu: pick([2, 4, 4, 8, 16]), memoryMiB: pick([2048, 4096, 8192, 16384]),
    labels: { rack: `r${whole(0, 3)}`, zone: `z${whole(0, 1)}`, ...(chance(0.4) ? { disk: pick(["ssd", "hdd"]) } : {}) },
    gpus: chance(0.3) ? { [pick(["A100", "T4"])]: whole(1, 4) } : {},
    generic: chance(0.2) ? { licence: whole(1, 3) } : {},
    taints: chance(0.1) ? [{ key: "dedicated", value: "batch", effect: pick(["NO_SCHEDULE", "PREFER_NO_SCHEDULE"] as const) }] : [],
    isDown: chance(0.05), isDrained: chance(0.05),
  }));
  const services = Array.from({ length: size.services }, (_, i) => ({
    id: `s${String(i).padStart(4, "0")}`,
    spec: specOf({
      name: `s${i}`, replicas: whole(1, size.maxReplicas ?? 6), cpu: pick([0, 0, 0.25, 0.5, 1, 2]), memoryMiB: pick([0, 64, 256, 512, 1024, 3000]),
      ...(chance(0.25) ? { gpu: chance(0.5) ? { count: whole(1, 3) } : { count: 1, millis: pick([100, 250, 500, 810]) } } : {}),
      ...(chance(0.1) ? { generic: { licence: 1 } } : {}),
      constraints: [...(chance(0.2) ? ["node.labels.disk==ssd"] : []), ...(chance(0.2) ? [`node.labels.rack!=r${whole(0, 3)}`] : [])],
      hostPorts: chance(0.1) ? [8000 + whole(0, 3)] : [], maxPerNode: chance(0.15) ? whole(1, 2) : 0,
      maxPer: chance(0.1) ? [{ key: "node.labels.zone", count: whole(1, 3) }] : [],
      spread: chance(0.2) ? [pick(["node.labels.rack", "node.labels.zone"])] : [], strategy: pick(["DEFAULT", "PACK", "SPREAD"] as const),
      tolerations: chance(0.1) ? [{ key: "dedicated", value: "" }] : [], priority: chance(0.2) ? whole(-5, 5) : 0,
    }),
  }));
  return { nodes, services };
}

/** Where a task is, in the model's own words. */
export interface PlacedTask { readonly id: string; readonly serviceId: string; readonly spec: ServiceSpec; readonly nodeId: string; readonly gpus?: readonly { readonly id: string; readonly millis: number }[] }

/**
 * Whether `node` can take one more task of `spec`, found the slow way: from the objects, adding everything up each time. Shares no code with the
 * state but the meaning of a constraint. Affinities are left to their own tests.
 */
export function fitsNaively(spec: ServiceSpec, serviceId: string, node: Node, nodes: readonly Node[], placed: readonly PlacedTask[]): boolean {
  if (node.status?.state !== "READY" || node.spec?.availability !== "ACTIVE" || !node.description) return false;
  const placement = spec.task!.placement!;
  if (!placement.constraints.every((text) => matchesConstraint(parseConstraint(text), node))) return false;
  if (node.spec.taints.some((taint) => taint.effect !== "PREFER_NO_SCHEDULE" && !placement.tolerations.some(({ key, value }) => key === taint.key && (value === "" || value === taint.value)))) return false;
  const here = placed.filter(({ nodeId }) => nodeId === node.id);
  const has = node.description.resources!;
  const asks = spec.task!.reservations!;
  const sum = (amountOf: (of: ServiceSpec) => number) => here.reduce((total, task) => total + amountOf(task.spec), 0);
  if (asks.cpuMillis > 0 && sum((of) => of.task!.reservations!.cpuMillis) + asks.cpuMillis > has.cpuMillis) return false;
  if (asks.memoryBytes > 0 && sum((of) => of.task!.reservations!.memoryBytes) + asks.memoryBytes > has.memoryBytes) return false;
  for (const { kind, count } of asks.generic) {
    const total = has.generic.find((resource) => resource.kind === kind)?.count ?? 0;
    if (count > 0 && sum((of) => of.task!.reservations!.generic.find((resource) => resource.kind === kind)?.count ?? 0) + count > total) return false;
  }
  if (asks.gpu && asks.gpu.count > 0) {
    const { count, millis, models } = asks.gpu;
    const fitting = has.gpus.filter(({ id, model }) => {
      const used = here.reduce((total, task) => total + (task.gpus ?? []).reduce((of, gpu) => of + (gpu.id === id ? gpu.millis : 0), 0), 0);
      return (models.length === 0 || models.includes(model)) && used + (millis || 1000) <= 1000;
    });
    if (fitting.length < count) return false;
  }
  const portsOf = (of: ServiceSpec) => of.endpoint!.ports.filter(({ mode, publishedPort }) => mode === "HOST" && publishedPort !== 0).map(({ publishedPort, protocol }) => `${publishedPort}/${protocol}`);
  const taken = new Set(here.flatMap((task) => portsOf(task.spec)));
  if (portsOf(spec).some((port) => taken.has(port))) return false;
  const ofService = placed.filter((task) => task.serviceId === serviceId);
  if (placement.maxPerNode > 0 && ofService.filter(({ nodeId }) => nodeId === node.id).length >= placement.maxPerNode) return false;
  return placement.maxPer.every(({ key, count }) => {
    const label = key.slice("node.labels.".length);
    const valueOf = (of: Node) => of.spec?.labels[label] ?? "";
    const same = new Set(nodes.filter((other) => valueOf(other) === valueOf(node)).map(({ id }) => id));
    return ofService.filter(({ nodeId }) => same.has(nodeId)).length < count;
  });
}

/** The placed tasks of `state` in the model's words. `specs`: by service id. */
export function placedTasks(state: ClusterState, specs: ReadonlyMap<string, ServiceSpec>): PlacedTask[] {
  const placed: PlacedTask[] = [];
  for (const t of state.tasks.rows()) {
    const n = state.tasks.nodeOf(t);
    if (n < 0) continue;
    const serviceId = state.services.ids[state.groups.service[state.tasks.groupOf(t)]!]!;
    const devices = state.nodeObjects[n]?.description?.resources?.gpus ?? [];
    const millis = state.requests.gpuMillis[state.requestOf(t)]!;
    const gpus = devices.filter((_, i) => (state.tasks.gpuMask[t]! & (1 << i)) !== 0).map(({ id }) => ({ id, millis }));
    placed.push({ id: state.tasks.ids[t]!, serviceId, spec: specs.get(serviceId)!, nodeId: state.nodes.ids[n]!, gpus });
  }
  return placed;
}
