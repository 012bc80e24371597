import { matchesConstraint, type AssignedGeneric, type Constraint, type GpuDevice, type Node, type TaskVolume, type Volume } from "../../../model/index.js";
import { AttributeTable, type AttributeColumn } from "./attributes.js";
import { Bitset } from "./bitset.js";
import { ChangeJournal } from "./change-journal.js";
import { stored, type CompiledSpec } from "./compile-spec.js";
import { Interner } from "./columns.js";
import { cpu, disk, genericDimension, memory, newDimensions, pids } from "./dimensions.js";
import { Failures } from "./failures.js";
import { GroupTable, claimsThings } from "./group-table.js";
import { NodeTable, anyModel, maxGpus, mixedModels, nameOf, wholeGpu } from "./node-table.js";
import { PortTable } from "./port-table.js";
import { PredicateTable, type Predicate } from "./predicates.js";
import { RequestTable } from "./request-table.js";
import type { AffinityRule } from "./rules.js";
import { ServiceTable } from "./service-table.js";
import { copyTables } from "./state-copy.js";
import { TaskTable, nowhere, ofGroup, onNode } from "./task-table.js";
import { Turnover } from "./turnover.js";
import { chooseVolumes } from "./volume-choice.js";
import { VolumeTable } from "./volume-table.js";

/** More may be reserved on nodes that match than they have. The first that matches a node counts. */
export interface OvercommitRule { readonly constraint: Constraint | undefined; readonly cpuPercent: number; readonly memoryPercent: number }

/**
 * The scheduler's own picture of the cluster: nodes, running and waiting tasks in typed arrays (a row each), kept up to date from commits. A
 * decision reads only this. Numbers are kept, not recomputed: a change costs the same in a small cluster and a large one. All
 * changes go through here, so that sums, lists and derived sets agree; audit.ts rebuilds and compares.
 */
export class ClusterState {
  dimensions = newDimensions();
  nodes = new NodeTable();
  tasks = new TaskTable();
  groups = new GroupTable();
  services = new ServiceTable();
  requests = new RequestTable();
  predicates = new PredicateTable();
  attributes = new AttributeTable();
  ports = new PortTable();
  volumes = new VolumeTable();
  failures = new Failures();
  gpuModels = new Interner();
  /** Nodes that had rather not have tasks (PREFER_NO_SCHEDULE). */
  softTainted = new Bitset();
  /** Scores look at what nodes really use instead of what is reserved (ClusterSpec.usage_aware). What fits is a matter of reservations all the same. */
  isUsageAware = false;
  softTaintedCount = 0;
  /** Of tasks.count: the others wait. */
  placedTasks = 0;
  turnover = new Turnover();
  /** The store's objects by row; undefined: removed. Frozen, shared. */
  nodeObjects: (Node | undefined)[] = [];
  /** Ids of named generic resources by task row; few tasks have any. */
  readonly assignedIds = new Map<number, readonly AssignedGeneric[]>();
  #overcommit: readonly OvercommitRule[] = [];

  // ---- nodes ----

  setOvercommit(rules: readonly OvercommitRule[]): void {
    this.#overcommit = rules;
    for (let n = 0; n < this.nodes.size; n++) if (this.nodeObjects[n]) this.#describe(n, this.nodeObjects[n]!);
  }

  setNode(node: Node): number {
    let n = this.nodes.rowOf(node.id);
    if (n === undefined) {
      n = this.nodes.add(node.id, nameOf(node), this.dimensions.names.length);
      this.nodeObjects[n] = node;
      this.#describe(n, node);
      this.#adoptTasks(n, node.id);
    } else {
      const before = devicesOf(this.nodeObjects[n]);
      this.nodes.names[n] = nameOf(node);
      this.nodeObjects[n] = node;
      this.#describe(n, node, before);
    }
    this.predicates.setNode(n, node);
    this.attributes.setNode(n, node);
    this.#setSoftTainted(n, hasSoftTaint(node));
    if (this.#isNoted) this.#noteNode(n);
    return n;
  }

  /**
   * As setNode of each, of the first nodes that there are, in steps: what a leader begins with. 100,000 are 80 MiB of objects, and the time goes by waiting for memory: one short loop that reads
   * what is needed of each waits for several of them at once (15 ms instead of 120). The list becomes the state's own.
   */
  *addFirstNodes(nodes: (Node | undefined)[]): Generator<void> {
    this.nodeObjects = nodes;
    this.nodes.reserveFirst(nodes.length, this.dimensions.names.length);
    for (let from = 0; from < nodes.length; from += nodesPerStep) {
      this.#addFirst(from, Math.min(nodes.length, from + nodesPerStep));
      yield;
    }
  }

  #addFirst(from: number, end: number): void {
    const { nodeObjects, nodes: { ids, total, free } } = this;
    const cpus = total[cpu]!, memories = total[memory]!, disks = total[disk]!, processes = total[pids]!;
    const others: number[] = [];
    this.nodes.addFirst(nodeObjects, end);
    for (let n = from; n < end; n++) {
      const { id, spec, description } = nodeObjects[n]!, resources = description?.resources;
      ids[n] = id;
      cpus[n] = Math.floor(resources?.cpuMillis ?? 0);
      memories[n] = Math.floor(resources?.memoryBytes ?? 0);
      disks[n] = resources?.diskBytes || unlimited;
      processes[n] = resources?.pids || unlimited;
      if ((resources && resources.gpus.length + resources.generic.length > 0) || (spec && spec.taints.length > 0)) others.push(n);
    }
    for (const d of [cpu, memory, disk, pids]) free[d]!.set(total[d]!.subarray(from, end), from);
    for (const n of others) this.#setSoftTainted(n, hasSoftTaint(nodeObjects[n]!));
    if (this.#overcommit.length > 0) for (let n = from; n < end; n++) this.#describe(n, nodeObjects[n]!);
    else for (const n of others) this.#describe(n, nodeObjects[n]!);
    this.predicates.addNodes(from, end, nodeObjects);
    if (!this.attributes.isEmpty) for (let n = from; n < end; n++) this.attributes.setNode(n, nodeObjects[n]);
    if (this.#orphans.size > 0) for (let n = from; n < end; n++) this.#adoptTasks(n, nodeObjects[n]!.id);
    this.nodes.releases++;
  }

  /** Its tasks stay known, nowhere, in case that it comes back. */
  removeNode(id: string): void {
    const n = this.nodes.rowOf(id);
    if (n === undefined) return;
    for (let t = this.nodes.firstTask[n]!; t !== nowhere; ) {
      const next = this.tasks.nextOnNode(t);
      const mask = this.tasks.gpuMask[t]!;
      this.#orphans.set(this.tasks.ids[t]!, { nodeId: id, gpuIds: devicesOf(this.nodeObjects[n]).filter((_, i) => i < maxGpus && (mask & (1 << i)) !== 0).map((device) => device.id), volumes: this.volumes.heldBy(t) });
      const wasCounted = this.tasks.countOf(t);
      this.#take(t);
      this.tasks.setCounts(t, wasCounted === 1);
      t = next;
    }
    this.nodes.remove(n);
    this.nodeObjects[n] = undefined;
    this.predicates.setNode(n, undefined);
    this.attributes.setNode(n, undefined);
    this.#setSoftTainted(n, false);
    this.failures.forgetNode(n);
    if (this.#isNoted) this.#noteNode(n);
  }

  /** Keeps node `n` from everybody (or no more), whatever it has free: it is kept for somebody, who lifts the bar to get there. */
  bar(n: number, isBarred: boolean): void {
    if (this.predicates.barred.has(n) === isBarred) return;
    this.predicates.bar(n, isBarred, this.nodes.alive.has(n));
    this.nodes.touch(n);
    if (this.#isNoted) this.#noteNode(n);
  }

  #setSoftTainted(n: number, isTainted: boolean): void {
    this.softTaintedCount += Number(isTainted) - Number(this.softTainted.has(n));
    this.softTainted.set(n, isTainted);
  }

  /** What a node reported that it uses; -1: it is not known (any more). What scores read is told to have changed only where it did by a hundredth of the node. */
  setUsage(nodeId: string, cpuMillis: number, memoryBytes: number): void {
    const { nodes } = this;
    const n = nodes.rowOf(nodeId);
    if (n === undefined) return;
    nodes.keepUsage();
    if (this.#isNoted) for (const journal of this.#journals) journal.nodes.add(n);
    nodes.cpuBeyondReserved[n] = cpuMillis < 0 ? 0 : cpuMillis - (nodes.total[cpu]![n]! - nodes.free[cpu]![n]!);
    nodes.memoryBeyondReserved[n] = memoryBytes < 0 ? 0 : memoryBytes - (nodes.total[memory]![n]! - nodes.free[memory]![n]!);
    const isOther = (before: number, after: number, total: number) => (before < 0) !== (after < 0) || Math.abs(after - before) * 100 > total;
    if (!isOther(nodes.usedCpu[n]!, cpuMillis, nodes.total[cpu]![n]!) && !isOther(nodes.usedMemory[n]!, memoryBytes, nodes.total[memory]![n]!)) return;
    nodes.usedCpu[n] = cpuMillis;
    nodes.usedMemory[n] = memoryBytes;
    nodes.touch(n);
  }

  /** `before`: the devices that it had. */
  #describe(n: number, node: Node, before: readonly GpuDevice[] = devicesOf(node)): void {
    const resources = node.description?.resources;
    const rule = this.#overcommit.length === 0 ? undefined : this.#overcommit.find(({ constraint }) => constraint === undefined || matchesConstraint(constraint, node));
    this.#setTotal(n, cpu, Math.floor(((resources?.cpuMillis ?? 0) * (rule?.cpuPercent || 100)) / 100));
    this.#setTotal(n, memory, Math.floor(((resources?.memoryBytes ?? 0) * (rule?.memoryPercent || 100)) / 100));
    // A node that does not say how much disk or how many processes it has is not held to any.
    this.#setTotal(n, disk, resources?.diskBytes || unlimited);
    this.#setTotal(n, pids, resources?.pids || unlimited);
    for (const { kind } of resources?.generic ?? []) this.#ensureDimension(genericDimension(kind));
    for (let d = pids + 1; d < this.dimensions.names.length; d++) {
      const kind = this.dimensions.names[d]!.slice("generic/".length);
      let count = 0;
      for (const resource of resources?.generic ?? []) if (resource.kind === kind) count += resource.ids.length || resource.count;
      this.#setTotal(n, d, count);
    }
    this.#setDevices(n, devicesOf(node), before);
    this.nodes.releases++;
    this.nodes.touch(n);
  }

  #setTotal(n: number, d: number, total: number): void {
    if (total === this.nodes.total[d]![n]) return;
    this.nodes.totalsVersion++;
    this.nodes.free[d]![n]! += total - this.nodes.total[d]![n]!;
    this.nodes.total[d]![n] = total;
  }

  /** Tasks keep the devices that they have, by name, wherever the node counts them now; of devices that are gone, nothing. */
  #setDevices(n: number, devices: readonly GpuDevice[], before: readonly GpuDevice[]): void {
    const { nodes, tasks } = this;
    const start = nodes.gpuStart[n]!;
    if (devices.length === 0 && before.length === 0 && nodes.gpuCount[n] === 0) return;
    const models = devices.map(({ model }) => this.gpuModels.rowOf(model));
    const isSame = devices.length === before.length && devices.every(({ id }, i) => id === before[i]!.id);
    if (isSame && models.length === nodes.gpuCount[n] && models.every((model, i) => nodes.deviceModel[start + i] === model)) return;
    nodes.setDevices(n, models);
    for (let t = nodes.firstTask[n]!; t !== nowhere; t = tasks.nextOnNode(t)) {
      if (tasks.gpuMask[t] === 0) continue;
      if (!isSame) tasks.gpuMask[t] = renamed(tasks.gpuMask[t]!, before, devices);
      if (this.#isNoted) this.#noteTask(t, tasks.groupOf(t));
      this.#useDevices(n, tasks.gpuMask[t]!, this.requests.gpuMillis[this.requestOf(t)]!);
    }
    nodes.gpusChanged(n);
  }

  #ensureDimension(name: string): number {
    const known = this.dimensions.find(name);
    if (known !== undefined) return known;
    const d = this.dimensions.rowOf(name);
    this.nodes.ensureDimensions(d + 1);
    this.requests.ensureDimensions(d + 1);
    return d;
  }

  // ---- volumes ----

  /** One of the cluster's is new, or other than it was. */
  setVolume(volume: Volume): void {
    this.volumes.set(volume, this.predicates.classOf((volume.spec?.topology ?? []).map(stored), this.nodeObjects));
    for (const journal of this.#journals) journal.volumes.add(volume.id);
  }

  removeVolume(id: string): void {
    this.volumes.remove(id);
    for (const journal of this.#journals) journal.volumes.add(id);
  }

  // ---- groups ----

  /** The group of a revision; made by `compile` when it is new. It lives as long as it has tasks, or until releaseGroup. */
  groupOf(key: string, serviceId: string, compile: () => CompiledSpec): number {
    return this.groups.rowOf(key) ?? this.addGroup(key, serviceId, compile());
  }

  addGroup(key: string, serviceId: string, spec: CompiledSpec): number {
    const r = this.requestFor(spec);
    const s = this.services.acquire(serviceId), g = this.groups.add(key, s, r, this.requests, spec.priority, spec.rules);
    this.groups.nextOfService[g] = this.services.firstGroup[s]!;
    this.services.firstGroup[s] = g;
    if (this.#isNoted) for (const journal of this.#journals) this.#noteGroup(journal, g);
    for (const rule of spec.rules.affinities) {
      if (!rule.isAnti || !rule.isRequired || rule.serviceId === serviceId) continue;
      this.#repellers.set(rule.serviceId, [...(this.#repellers.get(rule.serviceId) ?? []), { group: g, rule }]);
    }
    return g;
  }

  // Required anti-affinity holds in both directions: who is kept away from must know.
  readonly #repellers = new Map<string, readonly Repeller[]>();      // by service id

  /** Revisions of other services that keep away from the service of `g`. */
  repellersOf(g: number): readonly Repeller[] { return this.#repellers.size === 0 ? noRepellers : this.#repellers.get(this.services.ids[this.groups.service[g]!]!) ?? noRepellers; }

  #forgetRepeller(g: number): void {
    for (const { serviceId } of this.groups.rules[g]!.affinities) {
      const left = this.#repellers.get(serviceId)?.filter(({ group }) => group !== g) ?? [];
      if (left.length > 0) this.#repellers.set(serviceId, left);
      else this.#repellers.delete(serviceId);
    }
  }

  /** A request's row, with one user more (requests.release ends that). */
  requestFor(spec: Pick<CompiledSpec, "amounts" | "gpu" | "predicates">): number {
    const amounts: number[] = [];
    for (const [name, amount] of spec.amounts) amounts[this.#ensureDimension(name)] = amount;
    for (let d = 0; d < amounts.length; d++) amounts[d] ??= 0;
    const models = (spec.gpu?.models ?? []).map((model) => this.gpuModels.rowOf(model)).sort((a, b) => a - b);
    const eligibility = this.predicates.classOf(spec.predicates, this.nodeObjects);
    const r = this.requests.acquire({ amounts, gpuCount: spec.gpu?.count ?? 0, gpuMillis: spec.gpu?.millis || wholeGpu, gpuModels: models, eligibility }, this.dimensions.names.length);
    if (this.#isNoted) for (const journal of this.#journals) journal.requests.add(r);
    return r;
  }

  /** A group that nobody uses goes, unless somebody holds it. */
  holdGroup(g: number): void {
    this.groups.users[g]!++;
    if (this.#isNoted) for (const journal of this.#journals) journal.groups.add(g);
  }

  releaseGroup(g: number): void {
    if (this.#isNoted) for (const journal of this.#journals) this.#noteGroup(journal, g);
    if (--this.groups.users[g]! > 0) return;
    if (this.groups.rules[g]!.affinities.length > 0) this.#forgetRepeller(g);
    this.#leaveService(g);
    this.requests.release(this.groups.request[g]!);
    this.groups.remove(g);
  }

  #leaveService(g: number): void {
    const { groups: { service, nextOfService }, services } = this, s = service[g]!;
    if (services.firstGroup[s] === g) services.firstGroup[s] = nextOfService[g]!;
    else {
      let before = services.firstGroup[s]!;
      while (nextOfService[before] !== g) before = nextOfService[before]!;
      nextOfService[before] = nextOfService[g]!;
      if (this.#isNoted) for (const journal of this.#journals) journal.groups.add(before);
    }
    services.release(s);
  }

  /** The first placed task of service `s`, of whatever group; then nextOfService. */
  firstOfService(s: number): number { return this.#firstOfGroups(this.services.firstGroup[s]!); }

  nextOfService(t: number): number {
    const next = this.tasks.nextOfGroup(t);
    return next !== nowhere ? next : this.#firstOfGroups(this.groups.nextOfService[this.tasks.groupOf(t)]!);
  }

  /** Of group `g`, or of those after it. */
  #firstOfGroups(g: number): number {
    while (g >= 0 && this.groups.firstOf(g) === nowhere) g = this.groups.nextOfService[g]!;
    return g < 0 ? nowhere : this.groups.firstOf(g);
  }

  /** How many are placed. */
  tasksOfService(s: number): number {
    let count = 0;
    for (let g = this.services.firstGroup[s]!; g >= 0; g = this.groups.nextOfService[g]!) count += this.groups.placedOf(g);
    return count;
  }

  // ---- tasks ----

  /** A task that waits. Known already: nothing changes. */
  addTask(id: string, g: number, sinceMs: number): number {
    return this.tasks.rowOf(id) ?? this.addNewTask(id, g, sinceMs);
  }

  /** One that nobody else has the name of: nothing is looked up. */
  addNewTask(id: string, g: number, sinceMs: number): number {
    const t = this.tasks.add(id, g, sinceMs);
    this.holdGroup(g);
    this.requests.noteTasks(this.groups.request[g]!, 1);
    if (this.#isNoted) this.#noteTask(t, g);
    return t;
  }

  removeTask(t: number): void {
    if (this.tasks.nodeOf(t) !== nowhere) {
      this.unplace(t);
      this.turnover.noteGone();
    }
    const g = this.tasks.groupOf(t);
    if (this.#isNoted) this.#noteTask(t, g);
    this.requests.noteTasks(this.groups.request[g]!, -1);
    this.assignedIds.delete(t);
    this.#orphans.delete(this.tasks.ids[t]!);
    this.tasks.remove(t);
    this.releaseGroup(g);
  }

  /**
   * Puts waiting task `t` on node `n`, whether it fits or not: what the store says is so. `gpuMask`: its devices; undefined = chosen here
   * (chooseDevices). `counts`: it is wanted, not being stopped. `volumes`: those that it has; undefined = chosen here (chooseVolumes).
   */
  place(t: number, n: number, counts = true, gpuMask?: number, volumes?: readonly TaskVolume[]): void {
    const { nodes, tasks, groups, requests } = this;
    const g = tasks.groupOf(t);
    this.#give(n, g, -1);
    if (groups.gpuCountOf(g) > 0) {
      const r = groups.request[g]!;
      const mask = gpuMask ?? this.chooseDevices(n, r);
      tasks.gpuMask[t] = mask;
      this.#useDevices(n, mask, requests.gpuMillis[r]!);
      nodes.gpusChanged(n);
    }
    tasks.setNode(t, n);
    tasks.setCounts(t, counts);
    if (counts) nodes.tasks[n]!++;
    tasks.link(t, onNode, nodes.firstTask[n]!);
    nodes.firstTask[n] = t;
    tasks.link(t, ofGroup, groups.firstOf(g));
    groups.noteFirst(g, t, 1);
    this.placedTasks++;
    if ((groups.traitsOf(g) & claimsThings) !== 0) {
      const { hostPorts: ports, volumes: mounts } = groups.rules[g]!;
      for (let i = 0; i < ports.length; i++) this.ports.change(ports[i]!, n, 1);
      if (mounts.length > 0) this.volumes.hold(t, n, volumes ?? chooseVolumes(this, g, n) ?? []);
    }
    nodes.touch(n);
    if (this.#isNoted) this.#noteTask(t, g);
  }

  /**
   * Puts the waiting tasks[from] … tasks[to - 1], all of group `g`, which asks for no GPU, no host port and no volume, on node `n`: sums and the change log once
   * for all of them. A million in 25 ms instead of 90 (S3).
   */
  placeRun(g: number, tasks: ArrayLike<number>, from: number, to: number, n: number): void {
    const { nodes, groups } = this, count = to - from;
    this.#give(n, g, -count);
    const last = this.tasks.linkRun(tasks, from, to, n, nodes.firstTask[n]!, groups.firstOf(g));
    nodes.firstTask[n] = last;
    nodes.tasks[n]! += count;
    groups.noteFirst(g, last, count);
    this.placedTasks += count;
    nodes.touch(n);
    if (this.#isNoted) for (let i = from; i < to; i++) this.#noteTask(tasks[i]!, g);
  }

  /** Takes `t` from its node: it waits again. */
  unplace(t: number): void {
    this.#take(t);
    if (this.assignedIds.size > 0) this.assignedIds.delete(t);
  }

  setCounts(t: number, counts: boolean): void {
    if (this.tasks.countOf(t) === (counts ? 1 : 0)) return;
    this.tasks.setCounts(t, counts);
    if (this.#isNoted) for (const journal of this.#journals) journal.tasks.add(t);
    const n = this.tasks.nodeOf(t);
    if (n === nowhere) return;
    this.nodes.tasks[n]! += counts ? 1 : -1;
    this.nodes.touch(n);
  }

  #take(t: number): void {
    const { nodes, tasks, groups, requests } = this;
    if (this.#isNoted) this.#noteTask(t, tasks.groupOf(t));
    const n = tasks.nodeOf(t), g = tasks.groupOf(t);
    this.#give(n, g, 1);
    if (groups.gpuCountOf(g) !== 0 && tasks.gpuMask[t] !== 0) {
      this.#useDevices(n, tasks.gpuMask[t]!, -requests.gpuMillis[groups.request[g]!]!);
      tasks.gpuMask[t] = 0;
      nodes.gpusChanged(n);
    }
    if (tasks.countOf(t) === 1) nodes.tasks[n]!--;
    tasks.setCounts(t, false);
    nodes.firstTask[n] = tasks.unlink(t, onNode, nodes.firstTask[n]!);
    groups.noteFirst(g, tasks.unlink(t, ofGroup, groups.firstOf(g)), -1);
    this.placedTasks--;
    tasks.setNode(t, nowhere);
    if ((groups.traitsOf(g) & claimsThings) !== 0) {
      const { hostPorts: ports, volumes: mounts } = groups.rules[g]!;
      for (let i = 0; i < ports.length; i++) this.ports.change(ports[i]!, n, -1);
      if (mounts.length > 0) this.volumes.release(t, n);
    }
    nodes.releases++;
    nodes.touch(n);
  }

  /** Node `n` has what `times` tasks of `g` hold more than it had (less: below zero). */
  #give(n: number, g: number, times: number): void {
    const { nodes: { free }, groups, requests } = this, dimensions = groups.dimensionsOf(g);
    free[cpu]![n]! += groups.cpuOf(g) * times;
    free[memory]![n]! += groups.memoryOf(g) * times;
    for (let d = memory + 1; d < dimensions; d++) free[d]![n]! += requests.amount[d]![groups.request[g]!]! * times;
  }

  #useDevices(n: number, mask: number, millis: number): void {
    const start = this.nodes.gpuStart[n]!, count = this.nodes.gpuCount[n]!;
    for (let i = 0; i < count; i++) if ((mask & (1 << i)) !== 0) this.nodes.deviceFree[start + i]! -= millis;
  }

  // Tasks may be known before their node is: after a snapshot, or when it joins again.
  readonly #orphans = new Map<string, Orphan>();      // by task id

  /** What the store says: `t` is on the node with this id (which may not be known yet). */
  placeById(t: number, nodeId: string, counts: boolean, gpus: readonly string[] = [], assigned: readonly AssignedGeneric[] = [], volumes: readonly TaskVolume[] = []): void {
    const n = this.nodes.rowOf(nodeId);
    const gpuIds = gpus.length > 0 ? gpus : undefined;
    if (n === undefined) {
      this.#orphans.set(this.tasks.ids[t]!, { nodeId, gpuIds, volumes });
      this.tasks.setCounts(t, counts);
      if (this.#isNoted) this.#noteTask(t, this.tasks.groupOf(t));
      return;
    }
    if (this.tasks.nodeOf(t) === n) this.setCounts(t, counts);
    else {
      if (this.tasks.nodeOf(t) !== nowhere) this.unplace(t);
      this.place(t, n, counts, this.#maskOf(n, gpuIds), volumes);
    }
    if (!assigned.some(({ ids }) => ids.length > 0)) return;
    this.assignedIds.set(t, assigned);
    if (this.#isNoted) this.#noteTask(t, this.tasks.groupOf(t));
  }

  /** undefined: nobody says which. Devices that the node does not have any more are none, and no other stands in for them. */
  #maskOf(n: number, gpuIds: readonly string[] | undefined): number | undefined {
    if (!gpuIds) return undefined;
    const devices = devicesOf(this.nodeObjects[n]);
    let mask = 0;
    for (let i = 0; i < devices.length && i < maxGpus; i++) if (gpuIds.includes(devices[i]!.id)) mask |= 1 << i;
    return mask;
  }

  #adoptTasks(n: number, nodeId: string): void {
    if (this.#orphans.size === 0) return;
    for (const [taskId, { nodeId: wantedId, gpuIds, volumes }] of [...this.#orphans]) {
      if (wantedId !== nodeId) continue;
      this.#orphans.delete(taskId);
      const t = this.tasks.rowOf(taskId);
      if (t !== undefined) this.place(t, n, this.tasks.countOf(t) === 1, this.#maskOf(n, gpuIds), volumes);
    }
  }

  // ---- questions ----

  requestOf(t: number): number { return this.groups.request[this.tasks.groupOf(t)]!; }
  isEligible(n: number, r: number): boolean { return this.predicates.eligible[this.requests.eligibility[r]!]!.has(n); }
  attribute(key: string): AttributeColumn { return this.attributes.column(key, this.nodeObjects); }
  /** Nodes that pass `predicate`; kept up to date like those of constraints. */
  passing(predicate: Predicate): Bitset { return this.predicates.eligible[this.predicates.classOf([predicate], this.nodeObjects)]!; }

  /** Whether resources and GPUs of node `n` suffice for one more of `r`. Hot: no allocation. */
  fits(n: number, r: number): boolean {
    const { nodes, requests } = this;
    const cpuAmount = requests.cpuOf(r), memoryAmount = requests.memoryOf(r), dimensions = requests.dimensionsOf(r);
    if ((cpuAmount > 0 && nodes.free[cpu]![n]! < cpuAmount) || (memoryAmount > 0 && nodes.free[memory]![n]! < memoryAmount)) return false;
    for (let d = memory + 1; d < dimensions; d++) {
      const amount = requests.amount[d]![r]!;
      if (amount > 0 && nodes.free[d]![n]! < amount) return false;
    }
    const count = requests.gpuCountOf(r);
    return count === 0 || this.fitsGpus(n, r, count);
  }

  fitsGpus(n: number, r: number, count: number): boolean {
    const { nodes, requests } = this;
    const millis = requests.gpuMillis[r]!;
    if (requests.gpuModels[r] === anyModel || nodes.gpuModel[n] !== mixedModels) {
      if (requests.gpuModels[r] !== anyModel && !requests.allowsModel(r, nodes.gpuModel[n]!)) return false;
      return millis >= wholeGpu ? nodes.gpuWhole[n]! >= count : nodes.gpuLargest[n]! >= millis;
    }
    return this.chooseDevices(n, r) !== 0;
  }

  /** How many more of `r` fit by resources and GPUs alone. */
  room(n: number, r: number): number {
    const { nodes, requests } = this;
    let room = unlimited;
    for (let d = 0; d < requests.dimensionsOf(r); d++) {
      const amount = requests.amount[d]![r]!;
      if (amount > 0) room = Math.min(room, Math.floor(nodes.free[d]![n]! / amount));
    }
    const count = requests.gpuCount[r]!;
    if (count > 0 && room > 0) {
      const start = nodes.gpuStart[n]!, millis = requests.gpuMillis[r]!;
      let fitting = 0;
      for (let i = start; i < start + nodes.gpuCount[n]!; i++) {
        if (requests.allowsModel(r, nodes.deviceModel[i]!)) fitting += Math.max(0, Math.floor(nodes.deviceFree[i]! / millis));
      }
      room = Math.min(room, Math.floor(fitting / count));
    }
    return Math.max(0, room);
  }

  /**
   * Devices of node `n` for one of `r`, as bits; 0: it does not fit. A share goes to the device with the least left that has enough (the first of
   * those), whole devices are the first that are free.
   */
  chooseDevices(n: number, r: number): number {
    const { nodes, requests } = this;
    const start = nodes.gpuStart[n]!, devices = nodes.gpuCount[n]!, millis = requests.gpuMillis[r]!;
    let wanted = requests.gpuCount[r]!;
    if (millis < wholeGpu) {
      let best = -1, least = wholeGpu + 1;
      for (let i = 0; i < devices; i++) {
        const free = nodes.deviceFree[start + i]!;
        if (free >= millis && free < least && requests.allowsModel(r, nodes.deviceModel[start + i]!)) { best = i; least = free; }
      }
      return best < 0 ? 0 : 1 << best;
    }
    let mask = 0;
    for (let i = 0; i < devices && wanted > 0; i++) {
      if (nodes.deviceFree[start + i]! >= wholeGpu && requests.allowsModel(r, nodes.deviceModel[start + i]!)) { mask |= 1 << i; wanted--; }
    }
    return wanted > 0 ? 0 : mask;
  }

  // ---- copies ----

  /** Independent of this one: for what-if, rebalancing and explanations. */
  copy(): ClusterState {
    const steps = this.copyInSlices();
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /**
   * The same in steps of a few hundred microseconds, between which this state may change: the copy is as this one is when the last step ends. A million tasks on 100,000
   * nodes are 60 MiB, which to copy at once would hold the thread for 25 to 45 ms. Whoever does not run it to its end ends it (return); whoever needs the copy no more gives
   * it back (takeBack).
   */
  *copyInSlices(): Generator<void, ClusterState> {
    const copy = new ClusterState(), journal = new ChangeJournal();
    const spare = this.#spare?.deref();
    this.#spare = undefined;
    this.#journals.push(journal);
    this.#isNoted = true;
    try {
      yield* copyTables(this, copy, journal, spare);
      this.#copyRest(copy);
      return copy;
    } finally {
      this.#journals.splice(this.#journals.indexOf(journal), 1);
      this.#isNoted = this.#journals.length > 0;
    }
  }

  /** `copy` is not used by anybody any more: its memory is for the next copy, if that comes before memory is needed otherwise. */
  takeBack(copy: ClusterState): void { this.#spare = new WeakRef(copy); }

  #spare: WeakRef<ClusterState> | undefined;

  /** Maps of a copy (names to rows) are made when they are first asked for, at once, or here, in steps. Those of tasks are not: nobody asks a copy for them. */
  *indexSteps(): Generator<void> {
    yield* this.nodes.indexSteps();
    yield* this.groups.indexSteps();
    yield* this.services.indexSteps();
    yield* this.requests.indexSteps();
  }

  readonly #journals: ChangeJournal[] = [];
  /** Copies are being made. Asked with every change: nobody makes one nearly all of the time. */
  #isNoted = false;

  /** Task `t` of group `g` comes, goes, or changes its place: with the neighbours that it has in its lists. */
  #noteTask(t: number, g: number): void {
    const { tasks, groups } = this;
    const n = tasks.nodeOf(t);
    for (const journal of this.#journals) {
      journal.tasks.add(t);
      this.#noteGroup(journal, g);
      if (n === nowhere) continue;
      tasks.eachNeighbour(t, (neighbour) => { journal.tasks.add(neighbour); });
      for (const port of groups.rules[g]!.hostPorts) journal.notePort(port, n);
      if (groups.rules[g]!.volumes.length > 0) for (const { volumeId } of this.volumes.heldBy(t)) journal.volumes.add(volumeId);
    }
  }

  #noteGroup(journal: ChangeJournal, g: number): void {
    journal.groups.add(g);
    journal.services.add(this.groups.service[g]!);
    journal.requests.add(this.groups.request[g]!);
  }

  #noteNode(n: number): void {
    for (const journal of this.#journals) { journal.nodes.add(n); journal.described.add(n); }
  }

  /** All but the tables, which are copied. */
  #copyRest(copy: ClusterState): void {
    copy.dimensions = this.dimensions.copy();
    copy.nodes.settle(this.nodes);
    copy.tasks.settle(this.tasks);
    copy.groups.settle(this.groups);
    copy.services.settle(this.services);
    copy.requests.settle(this.requests);
    copy.failures = this.failures.copy();
    copy.gpuModels = this.gpuModels.copy();
    copy.softTainted = this.softTainted.copy();
    copy.isUsageAware = this.isUsageAware;
    copy.softTaintedCount = this.softTaintedCount;
    copy.placedTasks = this.placedTasks;
    copy.turnover = this.turnover.copy();
    for (const [taskId, orphan] of this.#orphans) copy.#orphans.set(taskId, orphan);
    for (const [serviceId, repellers] of this.#repellers) copy.#repellers.set(serviceId, repellers);
    copy.#overcommit = this.#overcommit;
  }
}

/** A task whose node is not known. */
interface Orphan { readonly nodeId: string; readonly gpuIds: readonly string[] | undefined; readonly volumes: readonly TaskVolume[] }

/** A revision with a rule to be where a service is not. */
export interface Repeller { readonly group: number; readonly rule: AffinityRule }
const noRepellers: readonly Repeller[] = [];

/** A millisecond, of memory that is read for the first time. */
const nodesPerStep = 1_024;

/** Of what a node does not limit. Far above any request, and exact in sums. */
export const unlimited = 2 ** 52;

const hasSoftTaint = ({ spec }: Node): boolean => spec !== null && spec.taints.length > 0 && spec.taints.some(({ effect }) => effect === "PREFER_NO_SCHEDULE");
const devicesOf = (node: Node | undefined): readonly GpuDevice[] => node?.description?.resources?.gpus ?? [];

/** Bits of devices, as they are counted after. */
function renamed(mask: number, before: readonly GpuDevice[], after: readonly GpuDevice[]): number {
  let moved = 0;
  for (let i = 0; i < before.length && i < maxGpus; i++) {
    if ((mask & (1 << i)) === 0) continue;
    const at = after.findIndex(({ id }) => id === before[i]!.id);
    if (at >= 0 && at < maxGpus) moved |= 1 << at;
  }
  return moved;
}
