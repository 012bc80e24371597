import type { Node } from "../../../model/index.js";
import { Bitset } from "./bitset.js";
import { capacityFor, grown, isAlike, rowsPerStep, sharedColumn, type RowTable, type TypedArray } from "./columns.js";
import { IdIndex } from "./id-index.js";

/** Thousandths in one GPU. */
export const wholeGpu = 1000;
/** Devices of a node that the scheduler knows of: tasks note theirs in the bits of an Int32. */
export const maxGpus = 31;
export const anyModel = -1;
/** In `gpuModel`: the node's devices are of several models, or it has none. */
export const mixedModels = -2;

/**
 * Nodes, a row each, in the order in which they joined. Rows are not used again while the table lives, so that a row number stays good
 * through everything that happens meanwhile; "first node first" is what ties are broken by.
 *
 * Free amounts go below zero when a node shrinks under its tasks. Totals are what tasks may reserve, over-commit included.
 */
export class NodeTable {
  size = 0;
  capacity = 0;
  ids: string[] = [];
  /** Without those who joined together and of whom no name has been asked for yet. */
  #names: string[] = [];
  #joined: readonly (Node | undefined)[] = [];
  /** By dimension, then node. */
  readonly free: Float64Array[] = [];
  readonly total: Float64Array[] = [];
  /** In the cluster (not removed). */
  readonly alive = new Bitset();
  /** Wanted tasks: those that are being stopped hold resources, and do not count. */
  tasks = new Int32Array(0);
  /** First task in the node's list, -1 = none (TaskTable.nextOnNode). */
  firstTask = new Int32Array(0);

  gpuStart = new Int32Array(0);          // first device in the device columns
  gpuCount = new Uint8Array(0);
  gpuModel = new Int16Array(0);          // of all its devices, or mixedModels
  /** Kept with every change of a device, because every decision about GPUs reads them. */
  gpuWhole = new Uint8Array(0);          // devices that nobody uses
  gpuLargest = new Int32Array(0);        // the largest share free on one device
  gpuFreeMillis = new Int32Array(0);     // sum over the devices
  // The four columns of use are made when the first node tells (keepUsage), and empty until then: 32 bytes a node that few clusters need.
  /** What the host really uses, whatever is reserved (thousandths of a core, bytes); -1 = not known. */
  usedCpu = new Float64Array(0);
  usedMemory = new Float64Array(0);
  /** By how much it used more than was reserved when it was asked (less: below zero); 0 = not known. With what has been reserved since, this is what it must use by now. */
  cpuBeyondReserved = new Float64Array(0);
  memoryBeyondReserved = new Float64Array(0);
  devices = 0;
  deviceFree = new Int32Array(0);        // thousandths
  deviceModel = new Int16Array(0);

  /** Counts changes of what nodes have (not of what is free): joined, gone, another total. */
  totalsVersion = 0;

  /** Counts whatever may make room that was not there: a task that goes, a node that joins, grows or changes. Who fitted nowhere need not be looked at again before. */
  releases = 0;

  /** Rows in the order of their changes: what derived indexes catch up from. A ring; `changes` counts all that ever were. */
  changes = 0;
  changeLog = new Int32Array(1024);

  #rows = new IdIndex(this.ids, (n) => this.alive.has(n));

  rowOf(id: string): number | undefined { return this.#rows.get(id); }

  /** What people call them. Of those who joined together they are looked up when the first is asked for: 7 ms of 100,000, which no decision is to wait for. */
  get names(): string[] {
    if (this.#names.length < this.size) this.#nameAll();
    return this.#names;
  }

  add(id: string, name: string, dimensions: number): number {
    this.names.push(name);
    const n = this.size++;
    this.#reserve(this.size, dimensions);
    this.ids.push(id);
    this.alive.set(n, true);
    this.totalsVersion++;
    this.firstTask[n] = -1;
    this.gpuModel[n] = mixedModels;
    this.touch(n);
    return n;
  }

  /** Rows up to `end` for the nodes of `joined`, which are the first there are. Their ids and what they have are the caller's to fill in. */
  addFirst(joined: readonly (Node | undefined)[], end: number): void {
    this.#joined = joined;
    for (let n = this.size; n < end; n++) { this.alive.set(n, true); this.touch(n); }
    this.size = end;
    this.totalsVersion++;
  }

  /** The row stays, with its name, and stands for nothing any more. */
  remove(n: number): void {
    this.#nameAll();
    this.alive.set(n, false);
    this.totalsVersion++;
    this.touch(n);
  }

  /** Something that decisions depend on has changed on node `n`. */
  touch(n: number): void { this.changeLog[this.changes++ & (this.changeLog.length - 1)] = n; }

  /** Visits the nodes that changed after `since` (an earlier `changes`), some more than once. False: too long ago, look at all. */
  changedSince(since: number, visit: (n: number) => void): boolean {
    if (this.changes - since > this.changeLog.length) return false;
    for (let i = since; i < this.changes; i++) visit(this.changeLog[i & (this.changeLog.length - 1)]!);
    return true;
  }

  ensureDimensions(dimensions: number): void { this.#reserve(this.size, dimensions); }

  /** Room for the first nodes, made once: what doubles on the way is copied again and again. Nobody asks for an id until all are there. */
  reserveFirst(size: number, dimensions: number): void {
    this.#reserve(size, dimensions);
    this.ids.length = size;
  }

  /** Gives node `n` these devices, all free. */
  setDevices(n: number, models: readonly number[]): void {
    const count = Math.min(models.length, maxGpus);
    if (count > this.gpuCount[n]!) {
      this.gpuStart[n] = this.devices;
      this.devices += count;
      const capacity = capacityFor(this.devices, this.deviceFree.length);
      this.deviceFree = grown(this.deviceFree, capacity);
      this.deviceModel = grown(this.deviceModel, capacity);
    }
    this.gpuCount[n] = count;
    this.totalsVersion++;
    const start = this.gpuStart[n]!;
    for (let i = 0; i < count; i++) { this.deviceFree[start + i] = wholeGpu; this.deviceModel[start + i] = models[i]!; }
    this.gpuModel[n] = count > 0 && models.every((model) => model === models[0]) ? models[0]! : mixedModels;
    this.gpusChanged(n);
  }

  /** From now on it is noted what nodes really use. */
  keepUsage(): void {
    if (this.usedCpu.length > 0) return;
    this.usedCpu = new Float64Array(this.capacity).fill(-1);
    this.usedMemory = new Float64Array(this.capacity).fill(-1);
    this.cpuBeyondReserved = new Float64Array(this.capacity);
    this.memoryBeyondReserved = new Float64Array(this.capacity);
  }

  gpusChanged(n: number): void {
    const start = this.gpuStart[n]!, end = start + this.gpuCount[n]!;
    let whole = 0, largest = 0, sum = 0;
    for (let i = start; i < end; i++) {
      const free = this.deviceFree[i]!;
      if (free >= wholeGpu) whole++;
      if (free > largest) largest = free;
      if (free > 0) sum += free;
    }
    this.gpuWhole[n] = whole;
    this.gpuLargest[n] = largest;
    this.gpuFreeMillis[n] = sum;
  }

  get columns(): readonly TypedArray[] {
    const ofUse = [this.usedCpu, this.usedMemory, this.cpuBeyondReserved, this.memoryBeyondReserved];
    return [this.tasks, this.firstTask, this.gpuStart, this.gpuCount, this.gpuModel, this.gpuWhole, this.gpuLargest, this.gpuFreeMillis, ...ofUse, ...this.free.flatMap((column, d) => [column, this.total[d]!])];
  }
  get lists(): readonly unknown[][] { return [this.ids, this.names]; }
  /** Devices, a row each. */
  get deviceRows(): RowTable { return { size: this.devices, capacity: this.deviceFree.length, columns: [this.deviceFree, this.deviceModel], lists: [] }; }

  emptyCopy(spare: NodeTable | undefined): NodeTable {
    if (spare && isAlike(spare, this) && isAlike(spare.deviceRows, this.deviceRows)) return spare;
    const copy = new NodeTable();
    copy.capacity = this.capacity;
    copy.ids = this.ids.slice();
    copy.#names = this.names.slice();
    copy.tasks = sharedColumn(this.tasks);
    copy.firstTask = sharedColumn(this.firstTask);
    copy.gpuStart = sharedColumn(this.gpuStart);
    copy.gpuCount = sharedColumn(this.gpuCount);
    copy.gpuModel = sharedColumn(this.gpuModel);
    copy.gpuWhole = sharedColumn(this.gpuWhole);
    copy.gpuLargest = sharedColumn(this.gpuLargest);
    copy.gpuFreeMillis = sharedColumn(this.gpuFreeMillis);
    copy.usedCpu = sharedColumn(this.usedCpu);
    copy.usedMemory = sharedColumn(this.usedMemory);
    copy.cpuBeyondReserved = sharedColumn(this.cpuBeyondReserved);
    copy.memoryBeyondReserved = sharedColumn(this.memoryBeyondReserved);
    for (const column of this.free) { copy.free.push(sharedColumn(column)); copy.total.push(sharedColumn(column)); }
    copy.deviceFree = sharedColumn(this.deviceFree);
    copy.deviceModel = sharedColumn(this.deviceModel);
    copy.changeLog = new Int32Array(this.changeLog.length);
    return copy;
  }

  makeRoomFor(other: NodeTable): void {
    this.#reserve(other.capacity, other.free.length);
    if (other.usedCpu.length > 0) this.keepUsage();
    this.deviceFree = grown(this.deviceFree, other.deviceFree.length);
    this.deviceModel = grown(this.deviceModel, other.deviceModel.length);
  }

  /** Nobody has caught up with a copy yet: its log of changes begins anew. */
  settle(from: NodeTable): void {
    this.size = this.ids.length = this.names.length = from.size;
    this.changes = 0;
    this.alive.words = from.alive.words.slice();
    this.devices = from.devices;
    this.totalsVersion = from.totalsVersion;
    this.releases = from.releases;
    this.#rows = new IdIndex(this.ids, (n) => this.alive.has(n));
  }

  /** Whoever asks for the row of an id, or for a name, does not wait after these. */
  *indexSteps(): Generator<void> {
    yield* this.#rows.makeSteps();
    yield* this.#nameSteps();
  }

  #nameAll(): void { for (const _ of this.#nameSteps()); }

  *#nameSteps(): Generator<void> {
    const names = this.#names;
    while (names.length < this.size) {
      const node = this.#joined[names.length];
      names.push(node ? nameOf(node) : this.ids[names.length]!);
      if (names.length % rowsPerStep === 0) yield;
    }
  }

  #reserve(size: number, dimensions: number): void {
    while (this.free.length < dimensions) { this.free.push(new Float64Array(this.capacity)); this.total.push(new Float64Array(this.capacity)); }
    if (size <= this.capacity) return;
    const capacity = this.capacity = capacityFor(size, this.capacity);
    for (let d = 0; d < this.free.length; d++) { this.free[d] = grown(this.free[d]!, capacity); this.total[d] = grown(this.total[d]!, capacity); }
    this.tasks = grown(this.tasks, capacity);
    this.firstTask = grown(this.firstTask, capacity, -1);
    this.gpuStart = grown(this.gpuStart, capacity);
    this.gpuCount = grown(this.gpuCount, capacity);
    this.gpuModel = grown(this.gpuModel, capacity, mixedModels);
    this.gpuWhole = grown(this.gpuWhole, capacity);
    this.gpuLargest = grown(this.gpuLargest, capacity);
    this.gpuFreeMillis = grown(this.gpuFreeMillis, capacity);
    if (this.usedCpu.length > 0) {
      this.usedCpu = grown(this.usedCpu, capacity, -1);
      this.usedMemory = grown(this.usedMemory, capacity, -1);
      this.cpuBeyondReserved = grown(this.cpuBeyondReserved, capacity);
      this.memoryBeyondReserved = grown(this.memoryBeyondReserved, capacity);
    }
    this.alive.grow(capacity);
    // As many changes as there are nodes are cheaper to look at one by one than all nodes are.
    if (this.changeLog.length < capacity) this.#growLog(capacity);
  }

  #growLog(capacity: number): void {
    let length = this.changeLog.length;
    while (length < capacity) length *= 2;
    const log = new Int32Array(length);
    for (let i = Math.max(0, this.changes - this.changeLog.length); i < this.changes; i++) log[i & (length - 1)] = this.changeLog[i & (this.changeLog.length - 1)]!;
    this.changeLog = log;
  }
}

export const nameOf = (node: Node): string => node.description?.hostname || node.id;
