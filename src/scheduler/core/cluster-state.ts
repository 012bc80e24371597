import {
  holdsResources, isWanted, parseConstraint, stateOf, taskStateOrder,
  type Constraint, type Node, type PlacementStrategy, type Protocol, type ServiceSpec, type Task,
} from "../../model/index.js";

/**
 * The scheduler's own picture of the cluster, kept up to date from commits: what each node has left and whose tasks it holds. A decision
 * reads only this. Numbers are kept, not recomputed: a change costs the same in a small cluster and a large one.
 */
export class ClusterState {
  readonly nodes = new Map<string, NodeInfo>();
  readonly #placed = new Map<string, Placed>();
  /** Failures by node id, then group key. */
  readonly #failures = new Map<string, Map<string, number[]>>();

  setNode(node: Node): void {
    const known = this.nodes.get(node.id);
    if (known) return known.describe(node);
    const info = new NodeInfo(node);
    this.nodes.set(node.id, info);
    // Tasks may be known before their node is: after a snapshot, or when it joins again.
    for (const placed of this.#placed.values()) if (placed.nodeId === node.id) info.add(placed);
  }

  removeNode(id: string): void {
    this.nodes.delete(id);
    this.#failures.delete(id);
  }

  /** Notes where `task` is and what it holds. True if it gave something back. */
  setTask(task: Task, shape: TaskShape): boolean {
    if (!holdsResources(task)) return this.removeTask(task.id);
    const present = this.#placed.get(task.id);
    const counts = isWanted(task);
    if (present?.nodeId === task.nodeId && present.counts === counts) return false;
    if (present) this.removeTask(task.id);
    this.place(task.id, task.nodeId, shape, counts);
    return present !== undefined;
  }

  removeTask(taskId: string): boolean {
    const placed = this.#placed.get(taskId);
    if (!placed) return false;
    this.#placed.delete(taskId);
    this.nodes.get(placed.nodeId)?.remove(placed);
    return true;
  }

  place(taskId: string, nodeId: string, shape: TaskShape, counts = true): void {
    const placed: Placed = { nodeId, shape, counts };
    this.#placed.set(taskId, placed);
    this.nodes.get(nodeId)?.add(placed);
  }

  noteFailure(nodeId: string, groupKey: string, atMs: number): void {
    let ofNode = this.#failures.get(nodeId);
    if (!ofNode) this.#failures.set(nodeId, ofNode = new Map());
    const times = ofNode.get(groupKey);
    if (times) { times.push(atMs); if (times.length > maxFailures) times.shift(); }
    else ofNode.set(groupKey, [atMs]);
  }

  /** The group failed here again and again of late: other nodes come first. */
  isFailing(nodeId: string, groupKey: string, nowMs: number): boolean {
    const times = this.#failures.get(nodeId)?.get(groupKey);
    return times !== undefined && times.length >= maxFailures && times[0]! > nowMs - failureWindowMs;
  }
}

export const maxFailures = 5;
export const failureWindowMs = 5 * 60_000;

/** A task that is being stopped holds its resources and ports to the end, but does not count when tasks are spread. */
interface Placed { readonly nodeId: string; readonly shape: TaskShape; readonly counts: boolean }

/** One node as the scheduler sees it. Free amounts go below zero when a node shrinks under its tasks. */
export class NodeInfo {
  freeCpuMillis = 0;
  freeMemoryBytes = 0;
  totalCpuMillis = 0;
  totalMemoryBytes = 0;
  /** The larger of its reserved CPU and memory, in parts of the node. Kept, because every decision reads it for every node. */
  reservedShare = 0;
  name = "";
  tasks = 0;
  readonly tasksOfService = new Map<string, number>();
  /** "8080/TCP" → how many tasks hold it (more than one only through a fault). */
  readonly hostPorts = new Map<string, number>();

  constructor(public node: Node) { this.describe(node); }

  get id(): string { return this.node.id; }

  describe(node: Node): void {
    this.node = node;
    this.name = node.description?.hostname || node.id;
    const { cpuMillis = 0, memoryBytes = 0 } = node.description?.resources ?? {};
    this.freeCpuMillis += cpuMillis - this.totalCpuMillis;
    this.freeMemoryBytes += memoryBytes - this.totalMemoryBytes;
    this.totalCpuMillis = cpuMillis;
    this.totalMemoryBytes = memoryBytes;
    this.#rank();
  }

  add(placed: Placed): void { this.#count(placed, 1); }
  remove(placed: Placed): void { this.#count(placed, -1); }

  #count({ shape, counts }: Placed, by: 1 | -1): void {
    this.freeCpuMillis -= by * shape.cpuMillis;
    this.freeMemoryBytes -= by * shape.memoryBytes;
    if (counts) {
      this.tasks += by;
      change(this.tasksOfService, shape.serviceId, by);
    }
    for (const port of shape.hostPorts) change(this.hostPorts, port, by);
    this.#rank();
  }

  #rank(): void {
    const cpu = this.totalCpuMillis > 0 ? 1 - this.freeCpuMillis / this.totalCpuMillis : 0;
    const memory = this.totalMemoryBytes > 0 ? 1 - this.freeMemoryBytes / this.totalMemoryBytes : 0;
    this.reservedShare = Math.max(cpu, memory);
  }

  countOf(serviceId: string): number { return this.tasksOfService.get(serviceId) ?? 0; }
}

function change(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

/** What every task of one revision of a service asks of a node. Made once for each revision. */
export interface TaskShape {
  readonly key: string;                       // revision id
  readonly serviceId: string;
  readonly replicas: number;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly hostPorts: readonly string[];
  readonly constraints: readonly Constraint[];
  readonly platforms: readonly string[];
  readonly plugins: readonly string[];
  readonly maxPerNode: number;                // 0 = no limit
  readonly spread: readonly string[];         // attribute keys, outermost first
  readonly strategy: PlacementStrategy;
}

export function shapeOf(serviceId: string, key: string, spec: ServiceSpec | undefined): TaskShape {
  const task = spec?.task;
  const placement = task?.placement;
  return {
    key, serviceId, replicas: spec?.replicas ?? 0,
    cpuMillis: task?.reservations?.cpuMillis ?? 0, memoryBytes: task?.reservations?.memoryBytes ?? 0,
    hostPorts: (spec?.endpoint?.ports ?? []).filter((port) => port.mode === "HOST" && port.publishedPort !== 0).map((port) => portKey(port.publishedPort, port.protocol)),
    constraints: (placement?.constraints ?? []).map(parseStored),
    platforms: placement?.platforms ?? [], plugins: pluginsOf(spec), maxPerNode: placement?.maxPerNode ?? 0,
    spread: placement?.spread ?? [], strategy: placement?.strategy ?? "DEFAULT",
  };
}

/** Specs are validated before they are stored; one that is not fits nowhere, and does not stop the others. */
function parseStored(text: string): Constraint {
  try {
    return parseConstraint(text);
  } catch { return { ...parseConstraint("node.id==none"), accepts: () => false }; }
}

export const portKey = (port: number, protocol: Protocol): string => `${port}/${protocol.toLowerCase()}`;

function pluginsOf(spec: ServiceSpec | undefined): string[] {
  const plugins = new Set<string>();
  if ((spec?.task?.networks.length ?? 0) > 0 || spec?.endpoint?.ports.some((port) => port.mode === "INGRESS")) plugins.add("network/overlay");
  if (spec?.task?.container?.mounts.some((mount) => mount.type === "VOLUME")) plugins.add("volume/local");
  if (spec?.task?.logDriver?.name) plugins.add(`log/${spec.task.logDriver.name}`);
  return [...plugins];
}

/** It waits for a node: numbered by the allocator, meant to run. Bound to one node from the start if it names it (global services). */
export const isPlaceable = (task: Task): boolean =>
  stateOf(task) === "PENDING" && taskStateOrder[task.desiredState] <= taskStateOrder.RUNNING;
