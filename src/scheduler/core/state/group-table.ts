import type { PlacementStrategy } from "../../../model/index.js";
import { RowIndex, capacityFor, grown, isAlike, rowsPerStep, sharedColumn, type TypedArray } from "./columns.js";
import { cpu, memory } from "./dimensions.js";
import type { RequestTable } from "./request-table.js";
import type { Rules } from "./rules.js";

// Of a group in GroupTable.#words; the first two are doubles, of its request. Traits: eligibility above them. Shape: dimensions, and GPUs above them. Then the first of its tasks that are
// placed (TaskTable.nextOfGroup), and their number.
const rowWords = 8;
const rowDoubles = rowWords / 2;
const cpuAt = 0;
const memoryAt = 1;
const traitsAt = 4;
const shapeAt = 5;
const firstAt = 6;
const placedAt = 7;
const eligibilityShift = 8;
const gpuShift = 16;

/** Bits of traitsOf: so that nobody looks at the rules of a group that has none to speak of. */
export const claimsThings = 1;      // host ports or volumes
export const hasPlaceRules = 2;     // whatever makes nodes differ beside what is free on them and how many tasks they have
export const hasReplicas = 4;       // more than one
const strategyShift = 3;
const strategies: readonly PlacementStrategy[] = ["DEFAULT", "PACK", "SPREAD", "BALANCED"];

/**
 * Tasks of one revision of one service: the same in all but name. Rows are used again once no task is left. What a task that comes or goes needs of its group, and of what that asks for, is side
 * by side, copied from where it does not change: one line of the cache instead of six. The rows of its request and its service are not read at all: what is placed is in lists of groups, and
 * those of a service are in a list (ClusterState.firstOfService).
 */
export class GroupTable {
  size = 0;
  capacity = 0;
  keys: string[] = [];             // revision id
  rules: Rules[] = [];
  service = new Int32Array(0);
  request = new Int32Array(0);
  priority = new Int16Array(0);
  /** Its tasks in the task table, and whoever else holds on to it. */
  users = new Int32Array(0);
  generation = new Int32Array(0);
  /** The next one of its service, which has few: -1 = none. */
  nextOfService = new Int32Array(0);
  #words = new Int32Array(0);
  #doubles = new Float64Array(this.#words.buffer);
  #free: number[] = [];
  #rows = new RowIndex(this.keys, (g) => this.keys[g] !== "");
  /** Of a copy: undefined until it is asked for. */
  #byImage: Map<string, Set<number>> | undefined = new Map();

  /** Groups whose tasks run this image. */
  withImage(image: string): Iterable<number> { return this.#images().get(image) ?? []; }

  rowOf(key: string): number | undefined { return this.#rows.get(key); }

  add(key: string, service: number, request: number, requests: RequestTable, priority: number, rules: Rules): number {
    const g = this.#free.pop() ?? this.size++;
    this.#reserve(this.size);
    this.keys[g] = key;
    this.rules[g] = rules;
    this.service[g] = service;
    this.request[g] = request;
    this.priority[g] = priority;
    this.users[g] = 0;
    this.generation[g]!++;
    this.#words[g * rowWords + firstAt] = -1;
    this.#words[g * rowWords + placedAt] = 0;
    this.#words[g * rowWords + traitsAt] = traitsOfRules(rules) | (requests.eligibility[request]! << eligibilityShift);
    this.#words[g * rowWords + shapeAt] = requests.dimensionsOf(request) | (requests.gpuCount[request]! << gpuShift);
    this.#doubles[g * rowDoubles + cpuAt] = requests.amount[cpu]![request]!;
    this.#doubles[g * rowDoubles + memoryAt] = requests.amount[memory]![request]!;
    this.#rows.set(key, g);
    if (this.#byImage) note(this.#byImage, rules.image, g);
    return g;
  }

  traitsOf(g: number): number { return this.#words[g * rowWords + traitsAt]! & ((1 << eligibilityShift) - 1); }
  /** As in its rules. */
  strategyOf(g: number): PlacementStrategy { return strategies[this.traitsOf(g) >>> strategyShift]!; }
  // As of its request.
  cpuOf(g: number): number { return this.#doubles[g * rowDoubles + cpuAt]!; }
  memoryOf(g: number): number { return this.#doubles[g * rowDoubles + memoryAt]!; }
  eligibilityOf(g: number): number { return this.#words[g * rowWords + traitsAt]! >>> eligibilityShift; }
  dimensionsOf(g: number): number { return this.#words[g * rowWords + shapeAt]! & ((1 << gpuShift) - 1); }
  gpuCountOf(g: number): number { return this.#words[g * rowWords + shapeAt]! >>> gpuShift; }

  /** -1: none is placed. */
  firstOf(g: number): number { return this.#words[g * rowWords + firstAt]!; }
  placedOf(g: number): number { return this.#words[g * rowWords + placedAt]!; }

  /** Its list begins with `first`, and has `count` tasks more than before. */
  noteFirst(g: number, first: number, count: number): void {
    this.#words[g * rowWords + firstAt] = first;
    this.#words[g * rowWords + placedAt]! += count;
  }

  remove(g: number): void {
    this.#rows.delete(this.keys[g]!);
    this.keys[g] = "";
    this.#free.push(g);
    const { image } = this.rules[g]!;
    const groups = this.#byImage?.get(image);
    if (groups?.delete(g) && groups.size === 0) this.#byImage!.delete(image);
  }

  *rows(): Iterable<number> { for (let g = 0; g < this.size; g++) if (this.keys[g] !== "") yield g; }

  get columns(): readonly TypedArray[] { return [this.service, this.request, this.priority, this.users, this.generation, this.nextOfService, this.#words]; }
  get lists(): readonly unknown[][] { return [this.keys, this.rules]; }

  emptyCopy(spare: GroupTable | undefined): GroupTable {
    if (spare && isAlike(spare, this)) return spare;
    const copy = new GroupTable();
    copy.capacity = this.capacity;
    copy.keys = this.keys.slice();
    copy.rules = this.rules.slice();
    copy.service = sharedColumn(this.service);
    copy.request = sharedColumn(this.request);
    copy.priority = sharedColumn(this.priority);
    copy.users = sharedColumn(this.users);
    copy.generation = sharedColumn(this.generation);
    copy.nextOfService = sharedColumn(this.nextOfService);
    copy.#words = sharedColumn(this.#words);
    copy.#doubles = new Float64Array(copy.#words.buffer);
    return copy;
  }

  makeRoomFor(other: GroupTable): void { this.#reserve(other.capacity); }

  settle(from: GroupTable): void {
    this.size = this.keys.length = this.rules.length = from.size;
    this.#free = from.#free.slice();
    this.#rows = RowIndex.of(this.keys, (g) => this.keys[g] !== "");
    this.#byImage = undefined;
  }

  /** Makes the maps of a copy before they are asked for; the table must not change meanwhile. */
  *indexSteps(): Generator<void> {
    yield* this.#rows.makeSteps();
    yield* this.#imageSteps();
  }

  *#imageSteps(): Generator<void> {
    if (this.#byImage) return;
    const byImage = new Map<string, Set<number>>();
    for (let g = 0; g < this.size; g++) {
      if (this.keys[g] !== "") note(byImage, this.rules[g]!.image, g);
      if (g % rowsPerStep === rowsPerStep - 1) yield;
    }
    this.#byImage = byImage;
  }

  #images(): Map<string, Set<number>> {
    if (!this.#byImage) for (const _ of this.#imageSteps());
    return this.#byImage!;
  }

  #reserve(size: number): void {
    if (size <= this.capacity) return;
    const capacity = this.capacity = capacityFor(size, this.capacity);
    this.service = grown(this.service, capacity);
    this.request = grown(this.request, capacity);
    this.priority = grown(this.priority, capacity);
    this.users = grown(this.users, capacity);
    this.generation = grown(this.generation, capacity);
    this.nextOfService = grown(this.nextOfService, capacity);
    this.#words = grown(this.#words, capacity * rowWords);
    this.#doubles = new Float64Array(this.#words.buffer);
  }
}

function traitsOfRules({ strategy, hostPorts, volumes, maxPerNode, maxPer, spread, preferences, affinities, replicas }: Rules): number {
  const claims = hostPorts.length > 0 || volumes.length > 0;
  const isAnyPlaceAlike = !claims && maxPerNode === 0 && maxPer.length === 0 && spread.length === 0 && preferences.length === 0 && affinities.length === 0;
  return (claims ? claimsThings : 0) | (isAnyPlaceAlike ? 0 : hasPlaceRules) | (replicas > 1 ? hasReplicas : 0) | (strategies.indexOf(strategy) << strategyShift);
}

function note(byImage: Map<string, Set<number>>, image: string, g: number): void {
  if (image === "") return;
  const groups = byImage.get(image);
  if (groups) groups.add(g);
  else byImage.set(image, new Set([g]));
}
