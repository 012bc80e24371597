import { RowIndex, capacityFor, grown, isAlike, sharedColumn, type TypedArray } from "./columns.js";
import { cpu, memory } from "./dimensions.js";
import { anyModel, wholeGpu } from "./node-table.js";

/** What a task takes from a node, and which nodes it may go to. Tasks that ask for the same have the same row, whatever service they are of. */
export interface Request {
  /** By dimension; missing = 0. Whole numbers. */
  readonly amounts: readonly number[];
  readonly gpuCount: number;
  /** Of each device, thousandths: below 1000 only with one device. */
  readonly gpuMillis: number;
  /** Rows of models, ascending; empty = any. */
  readonly gpuModels: readonly number[];
  /** Row of PredicateTable.classes. */
  readonly eligibility: number;
}

// Of a request in RequestTable.#words; the first two are doubles.
const rowWords = 8;
const rowDoubles = rowWords / 2;
const cpuAt = 0;
const memoryAt = 1;
const tasksAt = 4;
const eligibilityAt = 6;
const shapeAt = 7;      // dimensions, and GPUs above them
const gpuShift = 16;

/**
 * Requests, a row each. What a task that comes or goes needs of its request is side by side, copied from the columns where it does not change: one line of the cache instead
 * of seven (with the same in GroupTable an eighth less time for C-10k's pairs, which come and go at random).
 */
export class RequestTable {
  size = 0;
  capacity = 0;
  readonly amount: Float64Array[] = [];      // by dimension, then request
  gpuCount = new Uint8Array(0);
  gpuMillis = new Int32Array(0);
  /** Row of modelSets, or anyModel. */
  gpuModels = new Int32Array(0);
  eligibility = new Int32Array(0);
  /** Rows are used again; whoever remembers something about one compares this. */
  generation = new Int32Array(0);
  /** Counts rows that were given up: what is remembered of a row may be of another request since. */
  released = 0;
  readonly modelSets: (readonly number[])[] = [];
  #words = new Int32Array(0);
  #doubles = new Float64Array(this.#words.buffer);
  #users = new Int32Array(0);
  #free: number[] = [];
  #keys: string[] = [];
  #rows = new RowIndex(this.#keys, (r) => this.#users[r]! > 0);
  readonly #modelSetRows = new Map<string, number>();

  /** The row of `request`, with one user more. */
  acquire(request: Request, dimensions: number): number {
    const key = `${request.eligibility};${request.gpuCount}x${request.gpuCount > 0 ? request.gpuMillis : 0}:${request.gpuModels.join("|")};${request.amounts.join(",")}`;
    let r = this.#rows.get(key);
    if (r === undefined) {
      r = this.#free.pop() ?? this.size++;
      this.#reserve(this.size, Math.max(dimensions, request.amounts.length));
      let asked = 0;
      for (let d = 0; d < this.amount.length; d++) if ((this.amount[d]![r] = request.amounts[d] ?? 0) > 0) asked = d + 1;
      this.gpuCount[r] = request.gpuCount;
      this.gpuMillis[r] = request.gpuCount > 0 ? request.gpuMillis : 0;
      this.gpuModels[r] = request.gpuModels.length === 0 ? anyModel : this.#modelSet(request.gpuModels);
      this.eligibility[r] = request.eligibility;
      this.#users[r] = 0;
      this.#doubles[r * rowDoubles + cpuAt] = this.amount[cpu]![r]!;
      this.#doubles[r * rowDoubles + memoryAt] = this.amount[memory]![r]!;
      this.setTasks(r, 0);
      this.#words[r * rowWords + eligibilityAt] = request.eligibility;
      this.#words[r * rowWords + shapeAt] = asked | (this.gpuCount[r]! << gpuShift);
      this.generation[r]!++;
      this.#keys[r] = key;
      this.#rows.set(key, r);
    }
    this.#users[r]!++;
    return r;
  }

  release(r: number): void {
    if (--this.#users[r]! > 0) return;
    this.#rows.delete(this.#keys[r]!);
    this.released++;
    this.#free.push(r);
  }

  /** As in `amount`. */
  cpuOf(r: number): number { return this.#doubles[r * rowDoubles + cpuAt]!; }
  memoryOf(r: number): number { return this.#doubles[r * rowDoubles + memoryAt]!; }
  /** Tasks that hold it or wait with it: the mix that scores learn from. Whoever is placed or ends writes nothing here. */
  tasksOf(r: number): number { return this.#words[r * rowWords + tasksAt]!; }
  eligibilityOf(r: number): number { return this.#words[r * rowWords + eligibilityAt]!; }
  /** The last dimension of which it asks for anything, and one: loops over what it asks for end there. 0: it asks for nothing. */
  dimensionsOf(r: number): number { return this.#words[r * rowWords + shapeAt]! & ((1 << gpuShift) - 1); }
  gpuCountOf(r: number): number { return this.#words[r * rowWords + shapeAt]! >>> gpuShift; }

  setTasks(r: number, tasks: number): void { this.#words[r * rowWords + tasksAt] = tasks; }
  /** So many more. */
  noteTasks(r: number, count: number): void { this.#words[r * rowWords + tasksAt]! += count; }

  ensureDimensions(dimensions: number): void { this.#reserve(this.size, dimensions); }

  allowsModel(r: number, model: number): boolean {
    const set = this.gpuModels[r]!;
    return set === anyModel || this.modelSets[set]!.includes(model);
  }

  isWholeGpus(r: number): boolean { return this.gpuMillis[r]! >= wholeGpu; }

  /** Rows in use: how many different things are asked for. */
  get kinds(): number { return this.size - this.#free.length; }

  /** Rows in use. */
  *rows(): Iterable<number> { for (let r = 0; r < this.size; r++) if (this.#users[r]! > 0) yield r; }

  get columns(): readonly TypedArray[] {
    return [this.gpuCount, this.gpuMillis, this.gpuModels, this.eligibility, this.#words, this.generation, this.#users, ...this.amount];
  }
  get lists(): readonly unknown[][] { return [this.#keys]; }

  emptyCopy(spare: RequestTable | undefined): RequestTable {
    if (spare && isAlike(spare, this)) return spare;
    const copy = new RequestTable();
    copy.capacity = this.capacity;
    copy.#keys = this.#keys.slice();
    copy.gpuCount = sharedColumn(this.gpuCount);
    copy.gpuMillis = sharedColumn(this.gpuMillis);
    copy.gpuModels = sharedColumn(this.gpuModels);
    copy.eligibility = sharedColumn(this.eligibility);
    copy.#words = sharedColumn(this.#words);
    copy.#doubles = new Float64Array(copy.#words.buffer);
    copy.generation = sharedColumn(this.generation);
    copy.#users = sharedColumn(this.#users);
    for (const column of this.amount) copy.amount.push(sharedColumn(column));
    return copy;
  }

  makeRoomFor(other: RequestTable): void { this.#reserve(other.capacity, other.amount.length); }

  settle(from: RequestTable): void {
    this.size = this.#keys.length = from.size;
    this.released = from.released;
    this.modelSets.splice(0, Infinity, ...from.modelSets);
    this.#modelSetRows.clear();
    for (const [key, row] of from.#modelSetRows) this.#modelSetRows.set(key, row);
    this.#free = from.#free.slice();
    this.#rows = RowIndex.of(this.#keys, (r) => this.#users[r]! > 0);
  }

  indexSteps(): Generator<void> { return this.#rows.makeSteps(); }

  #modelSet(models: readonly number[]): number {
    const key = models.join(",");
    const known = this.#modelSetRows.get(key);
    if (known !== undefined) return known;
    this.#modelSetRows.set(key, this.modelSets.length);
    return this.modelSets.push([...models]) - 1;
  }

  #reserve(size: number, dimensions: number): void {
    while (this.amount.length < dimensions) this.amount.push(new Float64Array(this.capacity));
    if (size <= this.capacity) return;
    const capacity = this.capacity = capacityFor(size, this.capacity);
    for (let d = 0; d < this.amount.length; d++) this.amount[d] = grown(this.amount[d]!, capacity);
    this.gpuCount = grown(this.gpuCount, capacity);
    this.gpuMillis = grown(this.gpuMillis, capacity);
    this.gpuModels = grown(this.gpuModels, capacity);
    this.eligibility = grown(this.eligibility, capacity);
    this.#words = grown(this.#words, capacity * rowWords);
    this.#doubles = new Float64Array(this.#words.buffer);
    this.generation = grown(this.generation, capacity);
    this.#users = grown(this.#users, capacity);
  }
}
