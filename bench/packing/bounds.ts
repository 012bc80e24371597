/**
 * Machines of an inventory's mix that any scheduler needs for a workload, at least. The largest of
 *   - what all tasks ask of CPU and of memory, by what the mix has of it;
 *   - GPUs, by set of models: devices that the tasks need that are confined to the set. Shares do not add up (two of 810 thousandths need two devices), so that is the optimum
 *     of a linear programme over cutting patterns, ways to fill one device (Gilmore and Gomory 1961): the fewest devices that hold all shares, where patterns may be used in
 *     fractions. Columns are made as prices call for them, each by a knapsack.
 * What may stay pending is left out where it helps most.
 */
import { gpuMillisOf, type Job, type Machine } from "./inputs.js";

/** Sets of models that are tried beside those that tasks name: all, where there are not too many. */
const mostModels = 12;

export function leastMachines(machines: readonly Machine[], jobs: readonly Job[], maxPending: number): number {
  const sum = <T>(items: readonly T[], of: (item: T) => number) => items.reduce((total, item) => total + of(item), 0);
  let most = 0;
  for (const [asked, there] of [
    [sum(jobs, (job) => job.cpuMillis), sum(machines, (machine) => machine.cpuMillis)],
    [sum(jobs, (job) => job.memoryMib), sum(machines, (machine) => machine.memoryMib)],
  ] as const) if (there > 0) most = Math.max(most, (asked * (1 - maxPending) * machines.length) / there);

  const pendingMillis = maxPending * sum(jobs, gpuMillisOf);
  const models = [...new Set(machines.filter(({ gpus }) => gpus > 0).map(({ model }) => model))].sort();
  for (const set of setsOf(models, jobs)) {
    const devices = sum(machines, ({ gpus, model }) => (gpus > 0 && set.has(model) ? gpus : 0));
    const confined = jobs.filter(({ gpus, models: own }) => gpus > 0 && (set.size === models.length || (own.length > 0 && own.every((model) => set.has(model)))));
    if (devices > 0 && confined.length > 0) most = Math.max(most, (leastDevices(confined, pendingMillis) * machines.length) / devices);
  }
  return most;
}

function setsOf(models: readonly string[], jobs: readonly Job[]): Set<string>[] {
  if (models.length <= mostModels) return Array.from({ length: 2 ** models.length - 1 }, (_, i) => new Set(models.filter((_, at) => ((i + 1) >> at) & 1)));
  const named = new Map(jobs.map(({ models: own }) => [own.join("|"), own]));
  return [new Set(models), ...[...named.values()].filter((own) => own.length > 0).map((own) => new Set(own))];
}

/** Devices that `jobs` need, at least, when `pendingMillis` of them may be left out. */
export function leastDevices(jobs: readonly Job[], pendingMillis: number): number {
  const demand = new Map<number, number>();
  for (const job of jobs) demand.set(job.gpuMillis, (demand.get(job.gpuMillis) ?? 0) + job.gpus);
  const sizes = [...demand.keys()].sort((a, b) => b - a), needs = [...sizes.map((size) => demand.get(size)!), -pendingMillis];
  // A column: what it covers of each size, and (last) what it takes of the allowance. The first ones: a device full of one size; a share left out.
  const columns = [...sizes.map((size, i) => ({ cover: unit(sizes.length + 1, i, Math.floor(1000 / size)), cost: 1 })), ...sizes.map((size, i) => ({ cover: unit(sizes.length + 1, i, 1, -size), cost: 0 }))];
  for (;;) {
    const { value, prices } = solveCovering(columns, needs);
    const { worth, cover } = bestPattern(sizes, prices);
    if (worth <= 1 + 1e-7) return value;
    columns.push({ cover: [...cover, 0], cost: 1 });
  }
}

const unit = (length: number, at: number, value: number, last = 0): number[] => Array.from({ length }, (_, i) => (i === at ? value : i === length - 1 ? last : 0));

/** The most that fits a device, by price. */
function bestPattern(sizes: readonly number[], prices: ArrayLike<number>): { readonly worth: number; readonly cover: number[] } {
  const worth = new Float64Array(1001), last = new Int32Array(1001).fill(-1);
  for (let room = 1; room <= 1000; room++) {
    worth[room] = worth[room - 1]!;
    for (const [i, size] of sizes.entries()) if (size <= room && worth[room - size]! + prices[i]! > worth[room]! + 1e-12) { worth[room] = worth[room - size]! + prices[i]!; last[room] = i; }
  }
  const cover = sizes.map(() => 0);
  for (let room = 1000; room > 0;) {
    if (last[room]! < 0) { room--; continue; }
    cover[last[room]!]!++;
    room -= sizes[last[room]!]!;
  }
  return { worth: worth[1000]!, cover };
}

/**
 * Least cost of columns that together cover `needs` (a need below 0 is an allowance), in any amounts. By the simplex method on the dual, max needs · prices with
 * cover · prices ≤ cost for each column, which starts at prices of 0; small and dense. Bland's rule among equals, so that it ends.
 */
function solveCovering(columns: readonly { readonly cover: readonly number[]; readonly cost: number }[], needs: readonly number[]): { readonly value: number; readonly prices: Float64Array } {
  const rows = columns.length, width = needs.length + rows + 1;
  const table = columns.map(({ cover, cost }, row) => {
    const line = new Float64Array(width);
    line.set(cover);
    line[needs.length + row] = 1;
    line[width - 1] = cost;
    return line;
  });
  const goal = new Float64Array(width);
  needs.forEach((need, i) => { goal[i] = -need; });
  const basis = columns.map((_, row) => needs.length + row);
  for (;;) {
    const entering = goal.findIndex((gain, at) => at < width - 1 && gain < -1e-9);
    if (entering < 0) break;
    let leaving = -1, least = Infinity;
    for (let row = 0; row < rows; row++) {
      const step = table[row]![entering]!;
      if (step <= 1e-9) continue;
      const ratio = table[row]![width - 1]! / step;
      if (ratio < least - 1e-12 || (ratio <= least + 1e-12 && basis[row]! < basis[leaving]!)) { least = ratio; leaving = row; }
    }
    if (leaving < 0) throw new Error("The linear programme has no bound: a size is covered by no column");
    const pivot = table[leaving]!, by = pivot[entering]!;
    for (let at = 0; at < width; at++) pivot[at]! /= by;
    for (const line of [...table, goal]) {
      const times = line[entering]!;
      if (line === pivot || times === 0) continue;
      for (let at = 0; at < width; at++) line[at]! -= times * pivot[at]!;
    }
    basis[leaving] = entering;
  }
  const prices = new Float64Array(needs.length);
  basis.forEach((column, row) => { if (column < needs.length) prices[column] = table[row]![width - 1]!; });
  return { value: goal[width - 1]!, prices };
}
