/**
 * How many machines stay open while tasks come and go: equal machines (the commonest of the inventory), 3,000 living tasks drawn from the workload; a task drawn at random ends and a new one
 * arrives, 300 times a day (a tenth of the living). Nothing is known of how long a task will live. Against a lower bound: what the living ask of the scarcest dimension. Once with
 * the CPU and memory of the workload alone, once with its GPUs too; each without moves and with the moves of a nightly rebalancing (pack), at most 2 % of the living.
 */
import { planRebalance, snapshotOf } from "../../src/scheduler/core/rebalance/index.js";
import { seededRandom } from "../../src/scheduler/testing.js";
import { note, report } from "../report.js";
import { Cluster, commonest, demandOf } from "./cluster.js";
import { gpuMillisOf, type Job, type Machine, type Workload } from "./inputs.js";

const living = 3_000, perDay = living / 10, daysBefore = 34, daysMeasured = 100, samplesPerDay = 15;
const movesPerDay = living / 50;

/** A scheduler under churn. */
interface Churned {
  arrive(task: number, kind: number): void;
  depart(task: number): void;
  open(): number;
  /** Moves made. */
  rebalance(maxMoves: number): number;
}

interface Outcome { readonly overPct: number; readonly movesPerDay: number }

/** Open machines in % over the bound. */
export interface ChurnResult { readonly isWithGpus: boolean; readonly bestFitPct: number; readonly stillPct: number; readonly movedPct: number }

export function benchChurn(machines: readonly Machine[], { name, jobs }: Workload, runs: number): ChurnResult[] {
  const results: ChurnResult[] = [];
  const machine = commonest(machines);
  for (const withGpus of [false, true]) {
    if (withGpus && machine.gpus === 0) continue;
    const equal: Machine = withGpus ? machine : { ...machine, gpus: 0 };
    const fitting = jobs.filter((job) => job.cpuMillis <= equal.cpuMillis && job.memoryMib <= equal.memoryMib && (!withGpus || job.gpus <= equal.gpus))
      .map((job): Job => withGpus ? { ...job, models: [] } : { cpuMillis: job.cpuMillis, memoryMib: job.memoryMib, gpus: 0, gpuMillis: 0, models: [] });
    const demand = demandOf(fitting), subject = `churn ${name}, ${withGpus ? "with GPUs" : "CPU and memory"}`;
    const run = (open: (machines: number) => Churned, maxMoves: number): Outcome => {
      const outcomes = Array.from({ length: runs }, (_, seed) => churn(equal, demand.kinds, demand.kindOf, open, maxMoves, seededRandom(seed + 1)));
      const mean = (of: (outcome: Outcome) => number) => outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / runs;
      return { overPct: mean(({ overPct }) => overPct), movesPerDay: mean(({ movesPerDay: moves }) => moves) };
    };
    const production = (count: number) => new ProductionCluster(Array.from({ length: count }, () => equal), demand.kinds, demand.kindOf);
    const bestFit = run((count) => new BestFit(equal, count, demand.kinds), 0), still = run(production, 0), moved = run(production, movesPerDay);
    note(`  ${subject}: best fit +${bestFit.overPct.toFixed(2)} %, without moves +${still.overPct.toFixed(2)} %, with ${moved.movesPerDay.toFixed(1)} moves a day +${moved.overPct.toFixed(2)} %`);
    report({ bench: "packing", case: subject, metric: "open_over_bound_pct_without_moves", value: still.overPct, unit: "%", peer: "best fit", peerValue: bestFit.overPct });
    report({ bench: "packing", case: subject, metric: "open_over_bound_pct_with_moves", value: moved.overPct, unit: "%", peer: "best fit", peerValue: bestFit.overPct });
    report({ bench: "packing", case: subject, metric: "moves_a_day_pct_of_tasks", value: (100 * moved.movesPerDay) / living, unit: "%" });
    results.push({ isWithGpus: withGpus, bestFitPct: bestFit.overPct, stillPct: still.overPct, movedPct: moved.overPct });
  }
  return results;
}

function churn(machine: Machine, kinds: readonly Job[], mix: Int32Array, open: (machines: number) => Churned, maxMoves: number, random: () => number): Outcome {
  const kindOf = new Int32Array(living), draw = () => mix[Math.floor(random() * mix.length)]!;
  const asked = { cpuMillis: 0, memoryMib: 0, gpuMillis: 0 };
  const count = (kind: number, sign: 1 | -1) => { const job = kinds[kind]!; asked.cpuMillis += sign * job.cpuMillis; asked.memoryMib += sign * job.memoryMib; asked.gpuMillis += sign * gpuMillisOf(job); };
  const bound = () => Math.max(asked.cpuMillis / machine.cpuMillis, asked.memoryMib / machine.memoryMib, machine.gpus > 0 ? asked.gpuMillis / 1000 / machine.gpus : 0);
  for (let task = 0; task < living; task++) count(kindOf[task] = draw(), 1);
  const cluster = open(Math.ceil(bound() * 1.5));
  for (let task = 0; task < living; task++) cluster.arrive(task, kindOf[task]!);

  let openSum = 0, boundSum = 0, moves = 0;
  for (let day = 0; day < daysBefore + daysMeasured; day++) {
    const isMeasured = day >= daysBefore;
    for (let k = 0; k < perDay; k++) {
      const task = Math.floor(random() * living);
      cluster.depart(task);
      count(kindOf[task]!, -1);
      count(kindOf[task] = draw(), 1);
      cluster.arrive(task, kindOf[task]!);
      if (isMeasured && k % (perDay / samplesPerDay) === 0) { openSum += cluster.open(); boundSum += bound(); }
    }
    if (maxMoves === 0) continue;
    const made = cluster.rebalance(maxMoves);
    if (isMeasured) moves += made;
  }
  return { overPct: 100 * (openSum / boundSum - 1), movesPerDay: moves / daysMeasured };
}

class ProductionCluster implements Churned {
  readonly #cluster: Cluster;
  readonly #rows = new Int32Array(living);
  #arrived = 0;

  constructor(machines: readonly Machine[], kinds: readonly Job[], kindOf: Int32Array) { this.#cluster = new Cluster(machines, { kinds, kindOf }); }

  arrive(task: number, kind: number): void {
    if (!this.#cluster.arrive(kind)) throw new Error(`Task ${task} fits on no machine, of which there are more than enough`);
    this.#rows[task] = this.#cluster.state.tasks.rowOf(`t${this.#arrived++}`)!;
  }

  depart(task: number): void { this.#cluster.state.removeTask(this.#rows[task]!); }

  open(): number {
    const { nodes } = this.#cluster.state;
    let open = 0;
    for (let n = 0; n < nodes.size; n++) if (nodes.tasks[n]! > 0) open++;
    return open;
  }

  rebalance(maxMoves: number): number {
    const { state } = this.#cluster, steps = snapshotOf(state, { isPacking: true, mayMove: () => true });
    let step = steps.next();
    while (!step.done) step = steps.next();
    const { problem, taskIds } = step.value, { moves } = planRebalance(problem, { kind: "pack" }, { maxMoves });
    for (const { task, to, gpuMask } of moves) {
      const t = state.tasks.rowOf(taskIds[task]!)!;
      // Make before break, as far as one book can show it: there is room while the old place is still held.
      if (!state.fits(to, state.requestOf(t))) throw new Error(`The move of task ${task} to machine ${to} does not fit`);
      state.unplace(t);
      state.place(t, to, true, gpuMask);
    }
    return moves.length;
  }
}

/** What it is compared with: the machine in use that is left with least, in parts of a machine over all dimensions; an empty one when none has room. */
class BestFit implements Churned {
  readonly #cpu: Float64Array;
  readonly #memory: Float64Array;
  readonly #devices: Int32Array;
  readonly #tasks: Int32Array;
  readonly #placed = Array.from({ length: living }, () => ({ n: 0, kind: 0, mask: 0 }));

  constructor(readonly machine: Machine, readonly count: number, readonly kinds: readonly Job[]) {
    this.#cpu = new Float64Array(count).fill(machine.cpuMillis);
    this.#memory = new Float64Array(count).fill(machine.memoryMib);
    this.#devices = new Int32Array(count * machine.gpus).fill(1000);
    this.#tasks = new Int32Array(count);
  }

  arrive(task: number, kind: number): void {
    const job = this.kinds[kind]!;
    let best = -1, least = Infinity;
    for (let n = 0; n < this.count; n++) {
      if (this.#cpu[n]! < job.cpuMillis || this.#memory[n]! < job.memoryMib || (job.gpus > 0 && this.#maskFor(n, job) === 0)) continue;
      const left = this.#tasks[n] === 0 ? 1e9 + n : this.#leftOn(n);
      if (left < least) { least = left; best = n; }
    }
    const placed = this.#placed[task]!;
    placed.n = best;
    placed.kind = kind;
    placed.mask = this.#maskFor(best, job);
    this.#use(placed, -1);
  }

  depart(task: number): void { this.#use(this.#placed[task]!, 1); }
  open(): number { return this.#tasks.reduce((open, tasks) => open + (tasks > 0 ? 1 : 0), 0); }
  rebalance(): number { return 0; }

  #leftOn(n: number): number {
    const { cpuMillis, memoryMib, gpus } = this.machine;
    let free = 0;
    for (let i = 0; i < gpus; i++) free += this.#devices[n * gpus + i]!;
    return this.#cpu[n]! / cpuMillis + this.#memory[n]! / memoryMib + (gpus > 0 ? free / 1000 / gpus : 0);
  }

  /** Whole devices in order, a share of the device that it fits tightest. */
  #maskFor(n: number, job: Job): number {
    const { gpus } = this.machine;
    let mask = 0, taken = 0, tightest = Infinity;
    for (let i = 0; i < gpus; i++) {
      const free = this.#devices[n * gpus + i]!;
      if (free < job.gpuMillis) continue;
      if (job.gpus === 1 && job.gpuMillis < 1000) { if (free < tightest) { tightest = free; mask = 1 << i; taken = 1; } }
      else if (taken < job.gpus) { mask |= 1 << i; taken++; }
    }
    return taken === job.gpus ? mask : 0;
  }

  #use({ n, kind, mask }: { readonly n: number; readonly kind: number; readonly mask: number }, sign: 1 | -1): void {
    const job = this.kinds[kind]!;
    this.#cpu[n]! += sign * job.cpuMillis;
    this.#memory[n]! += sign * job.memoryMib;
    for (let i = 0; i < this.machine.gpus; i++) if (mask & (1 << i)) this.#devices[n * this.machine.gpus + i]! += sign * job.gpuMillis;
    this.#tasks[n]! -= sign;
  }
}
