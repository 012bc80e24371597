import { nowhere, type Move, type RebalanceProblem, type Reason } from "./problem.js";
import { scarcityPerUnit, weightsOfRequests } from "./scarcity.js";

const wholeGpu = 1000;

/**
 * The problem with moves made. Every change goes through `move`, which is written down and can be taken back, and which only does what fits: the log is at any
 * time a plan that can be carried out as it stands.
 */
export class Packing {
  readonly free: Float64Array;
  readonly deviceFree: Int32Array;
  readonly nodeOf: Int32Array;
  readonly maskOf: Int32Array;
  readonly tasksOn: Int32Array;
  readonly firstOn: Int32Array;
  readonly nextOn: Int32Array;
  readonly previousOn: Int32Array;
  /** Kept with each change of a device, because most candidates fall by them. */
  readonly gpuWhole: Int32Array;
  readonly gpuLargest: Int32Array;
  readonly gpuFree: Int32Array;
  /** By node: what is free, added up by scarcity. A task fits only where this is at least its weight; best fit is where it is least. */
  readonly left: Float64Array;
  readonly #perUnit: Float64Array;
  readonly #weights: Float64Array;
  readonly log: Move[] = [];
  /** Moves of running tasks in the log. */
  moves = 0;
  work = 0;
  /** By task, moves in the log. */
  readonly #movesOf: Int32Array;
  /** Grows when a node gets room: what fitted nowhere may fit now. */
  releases = 0;
  /** Grows when a node has room and is not taken because it has its tasks of the service: a task of another service may be. */
  refusals = 0;

  /** `mayMoveAgain`: a task may move more than once. Whoever carries out a plan must then wait for the first move to be done before the second. */
  constructor(readonly problem: RebalanceProblem, readonly mayMoveAgain: boolean) {
    const { nodes, tasks } = problem;
    this.free = nodes.free.slice();
    this.deviceFree = nodes.deviceFree.slice();
    this.nodeOf = tasks.node.slice();
    this.maskOf = tasks.gpuMask.slice();
    this.#movesOf = new Int32Array(tasks.count);
    this.tasksOn = new Int32Array(nodes.count);
    this.firstOn = new Int32Array(nodes.count).fill(nowhere);
    this.nextOn = new Int32Array(tasks.count).fill(nowhere);
    this.previousOn = new Int32Array(tasks.count).fill(nowhere);
    for (let t = tasks.count - 1; t >= 0; t--) if (this.nodeOf[t] !== nowhere) this.#link(t, this.nodeOf[t]!);
    this.gpuWhole = new Int32Array(nodes.count);
    this.gpuLargest = new Int32Array(nodes.count);
    this.gpuFree = new Int32Array(nodes.count);
    this.left = new Float64Array(nodes.count);
    this.#perUnit = scarcityPerUnit(problem);
    this.#weights = weightsOfRequests(problem, this.#perUnit);
    for (let n = 0; n < nodes.count; n++) { this.#countDevices(n); this.#countLeft(n); }
  }

  weight(t: number): number { return this.#weights[this.problem.tasks.request[t]!]!; }

  /** The node among `targets` (but those `blocked`) that task `t` fits tightest; nowhere when it fits on none. Hot: 10,000 nodes in 20 µs. */
  tightest(t: number, targets: Int32Array, blocked: Uint8Array): number {
    const { requests, tasks, dimensions } = this.problem, r = tasks.request[t]!, atLeast = this.#weights[r]! * (1 - 1e-9);
    const isShare = requests.gpuCount[r] === 1 && requests.gpuMillis[r]! < wholeGpu;
    this.work += targets.length;
    let best = nowhere, least = Infinity;
    for (let k = 0; k < targets.length; k++) {
      const n = targets[k]!;
      let left = this.left[n]!;
      if (left < atLeast || left >= least || blocked[n] !== 0 || !this.fits(t, n)) continue;
      // A share of a GPU belongs on the device that it fills, not on a whole one.
      if (isShare) left += this.#perUnit[dimensions]! * this.#leftOnDevice(r, n);
      if (left < least) { least = left; best = n; }
    }
    return best;
  }

  #leftOnDevice(r: number, n: number): number {
    return this.deviceFree[this.problem.nodes.gpuStart[n]! + 31 - Math.clz32(this.devicesFor(r, n))]! - this.problem.requests.gpuMillis[r]!;
  }

  /** Whether task `t` fits on node `n` beside what is there, or, with `without`, beside all but that task of the node. Hot: 10 ns with four dimensions. */
  fits(t: number, n: number, without = nowhere): boolean {
    const { dimensions, nodes, requests, tasks } = this.problem, r = tasks.request[t]!;
    if (nodes.receives[n] === 0) return false;
    const eligible = requests.eligible[r];
    if (eligible !== undefined && (eligible[n >>> 5]! & (1 << (n & 31))) === 0) return false;
    const of = r * dimensions, at = n * dimensions;
    if (without === nowhere) {
      for (let d = 0; d < dimensions; d++) { const amount = requests.amounts[of + d]!; if (amount > 0 && amount > this.free[at + d]!) return false; }
      if (requests.gpuCount[r]! > 0 && this.devicesFor(r, n) === 0) return false;
    } else {
      const given = tasks.request[without]! * dimensions;
      for (let d = 0; d < dimensions; d++) { const amount = requests.amounts[of + d]!; if (amount > 0 && amount > this.free[at + d]! + requests.amounts[given + d]!) return false; }
      if (requests.gpuCount[r]! > 0 && !this.#devicesSuffice(r, n, without)) return false;
    }
    return this.#serviceFits(t, n, without);
  }

  /** The devices of `n` that a task with request `r` would get: whole ones in order, a share of the one that it fits tightest. 0: none, or none asked for. */
  devicesFor(r: number, n: number): number {
    const { nodes, requests } = this.problem, count = requests.gpuCount[r]!, millis = requests.gpuMillis[r]!;
    if (count === 0 || (millis < wholeGpu ? this.gpuLargest[n]! < millis : this.gpuWhole[n]! < count)) return 0;
    const start = nodes.gpuStart[n]!, end = start + nodes.gpuCount[n]!, models = requests.gpuModels[r];
    let mask = 0;
    if (millis >= wholeGpu) {
      let taken = 0;
      for (let device = start; device < end && taken < count; device++) {
        if (this.deviceFree[device]! < wholeGpu || (models && !models.includes(nodes.deviceModel[device]!))) continue;
        mask |= 1 << (device - start);
        taken++;
      }
      return taken === count ? mask : 0;
    }
    let tightest = Infinity;
    for (let device = start; device < end; device++) {
      const free = this.deviceFree[device]!;
      if (free < millis || free >= tightest || (models && !models.includes(nodes.deviceModel[device]!))) continue;
      tightest = free;
      mask = 1 << (device - start);
    }
    return mask;
  }

  /** Task `t` to node `n`, where it must fit. */
  move(t: number, n: number, why: Reason): void {
    const from = this.nodeOf[t]!, gpuMask = this.devicesFor(this.problem.tasks.request[t]!, n);
    this.log.push({ task: t, from, to: n, gpuMask, why });
    this.#undo.push(this.maskOf[t]!);
    if (from !== nowhere) { this.#give(t, from, 1); this.#unlink(t, from); this.moves++; this.#movesOf[t]!++; this.releases++; }
    this.maskOf[t] = gpuMask;
    this.nodeOf[t] = n;
    this.#give(t, n, -1);
    this.#link(t, n);
  }

  /** For a trial: off its node, without a word in the log. `put` must follow. */
  lift(t: number): void {
    this.#give(t, this.nodeOf[t]!, 1);
    this.#unlink(t, this.nodeOf[t]!);
    this.nodeOf[t] = nowhere;
  }

  /** Ends a trial. */
  put(t: number, n: number, gpuMask: number): void {
    this.maskOf[t] = gpuMask;
    this.nodeOf[t] = n;
    this.#give(t, n, -1);
    this.#link(t, n);
  }

  readonly #undo: number[] = [];      // devices before, by entry of the log

  /** Takes back what was done since the log had `length` entries. */
  rollBack(length: number): void {
    while (this.log.length > length) {
      const { task, from, to } = this.log.pop()!;
      this.#give(task, to, 1);
      this.#unlink(task, to);
      this.maskOf[task] = this.#undo.pop()!;
      this.nodeOf[task] = from;
      if (from === nowhere) continue;
      this.#give(task, from, -1);
      this.#link(task, from);
      this.moves--;
      this.#movesOf[task]!--;
    }
  }

  canMove(t: number): boolean { return this.problem.tasks.movable[t] === 1 && (this.mayMoveAgain || this.#movesOf[t] === 0); }

  nodesInUse(): number { return this.tasksOn.reduce((sum, count) => sum + (count > 0 ? 1 : 0), 0); }

  countOfService(n: number, service: number): number {
    const { service: serviceOf } = this.problem.tasks;
    let count = 0;
    for (let t = this.firstOn[n]!; t !== nowhere; t = this.nextOn[t]!) if (serviceOf[t] === service) count++;
    return count;
  }

  #serviceFits(t: number, n: number, without: number): boolean {
    const service = this.problem.tasks.service[t]!, limit = this.problem.serviceLimit[service]!;
    if (limit === 0) return true;
    const given = without !== nowhere && this.problem.tasks.service[without] === service ? 1 : 0;
    if (this.countOfService(n, service) - given < limit) return true;
    this.refusals++;
    return false;
  }

  #devicesSuffice(r: number, n: number, without: number): boolean {
    const { nodes, requests, tasks } = this.problem, count = requests.gpuCount[r]!, millis = requests.gpuMillis[r]!, models = requests.gpuModels[r];
    const start = nodes.gpuStart[n]!, given = this.maskOf[without]!, givenMillis = requests.gpuMillis[tasks.request[without]!]!;
    let found = 0;
    for (let i = 0; i < nodes.gpuCount[n]!; i++) {
      const free = this.deviceFree[start + i]! + ((given & (1 << i)) !== 0 ? givenMillis : 0);
      if (free >= millis && (!models || models.includes(nodes.deviceModel[start + i]!)) && ++found >= count) return true;
    }
    return false;
  }

  #give(t: number, n: number, sign: 1 | -1): void {
    const { dimensions, nodes, requests, tasks } = this.problem, r = tasks.request[t]!;
    for (let d = 0; d < dimensions; d++) this.free[n * dimensions + d]! += sign * requests.amounts[r * dimensions + d]!;
    const mask = this.maskOf[t]!, start = nodes.gpuStart[n]!;
    if (mask !== 0) {
      for (let i = 0; i < nodes.gpuCount[n]!; i++) if ((mask & (1 << i)) !== 0) this.deviceFree[start + i]! += sign * requests.gpuMillis[r]!;
      this.#countDevices(n);
    }
    this.#countLeft(n);
  }

  #countLeft(n: number): void {
    const { dimensions } = this.problem;
    let left = this.#perUnit[dimensions]! * this.gpuFree[n]!;
    for (let d = 0; d < dimensions; d++) left += this.#perUnit[d]! * Math.max(0, this.free[n * dimensions + d]!);
    this.left[n] = left;
  }

  #countDevices(n: number): void {
    const { gpuStart, gpuCount } = this.problem.nodes;
    let whole = 0, largest = 0, sum = 0;
    for (let device = gpuStart[n]!, end = device + gpuCount[n]!; device < end; device++) {
      const free = this.deviceFree[device]!;
      if (free >= wholeGpu) whole++;
      if (free > largest) largest = free;
      if (free > 0) sum += free;
    }
    this.gpuWhole[n] = whole;
    this.gpuLargest[n] = largest;
    this.gpuFree[n] = sum;
  }

  #link(t: number, n: number): void {
    const next = this.firstOn[n]!;
    this.nextOn[t] = next;
    this.previousOn[t] = nowhere;
    if (next !== nowhere) this.previousOn[next] = t;
    this.firstOn[n] = t;
    this.tasksOn[n]!++;
  }

  #unlink(t: number, n: number): void {
    const next = this.nextOn[t]!, previous = this.previousOn[t]!;
    if (previous === nowhere) this.firstOn[n] = next;
    else this.nextOn[previous] = next;
    if (next !== nowhere) this.previousOn[next] = previous;
    this.tasksOn[n]!--;
  }
}
