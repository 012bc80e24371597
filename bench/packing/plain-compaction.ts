/**
 * Compaction (compaction.ts) of what a workload asks without its tasks with GPUs, on machines without GPUs: as many equal ones (the commonest of the inventory, without its GPUs) as it takes, and the
 * mix of those machines of the inventory that have none. Beside it an exact best fit, which looks at every machine, in the same orders: the indexes are approximate, and must not cost machines.
 */
import { seededRandom } from "../../src/scheduler/testing.js";
import { note, report } from "../report.js";
import { leastMachines } from "./bounds.js";
import { commonest, demandOf, repeated, shuffled, type Demand } from "./cluster.js";
import { fewest, maxPending, takes } from "./compaction.js";
import type { Machine, Workload } from "./inputs.js";

export function benchPlainCompaction(machines: readonly Machine[], { name, jobs }: Workload, runs: number): void {
  const without = machines.filter(({ gpus }) => gpus === 0), equal: Machine = { ...commonest(machines), gpus: 0 };
  for (const [words, mix] of [["equal machines", [equal]], ["machines without GPUs", without]] as const) {
    if (mix.length === 0) continue;
    const largest = (of: (machine: Machine) => number) => Math.max(...mix.map(of));
    const fitting = jobs.map((job) => ({ ...job, gpus: 0, gpuMillis: 0, models: [] })).filter((job) => job.cpuMillis <= largest(({ cpuMillis }) => cpuMillis) && job.memoryMib <= largest(({ memoryMib }) => memoryMib));
    const demand = demandOf(fitting), bound = leastMachines(mix, fitting, maxPending);
    let ours = 0, exact = 0;
    for (let run = 0; run < runs; run++) {
      const order = shuffled(fitting.length, seededRandom(run * 104_729 + 7)).map((job) => demand.kindOf[job]!);
      ours += (fewest(bound, (count) => takes(repeated(mix, count), demand, order)) ?? Infinity) / runs;
      exact += (fewest(bound, (count) => bestFitTakes(repeated(mix, count), demand, order)) ?? Infinity) / runs;
    }
    const subject = `compaction ${name}, CPU and memory, ${words}`;
    note(`  ${subject}: ${ours.toFixed(1)}, best fit ${exact.toFixed(1)}, bound ${bound.toFixed(1)}`);
    report({ bench: "packing", case: subject, metric: "machines_needed", value: ours, unit: "machines", peer: "exact best fit", peerValue: exact });
    report({ bench: "packing", case: subject, metric: "machines_over_bound_pct", value: 100 * (ours / bound - 1), unit: "%", peer: "exact best fit", peerValue: 100 * (exact / bound - 1) });
  }
}

/** The machine that is left with least, in parts of the largest, over CPU and memory. */
function bestFitTakes(machines: readonly Machine[], { kinds }: Demand, order: Int32Array): boolean {
  const cpu = Float64Array.from(machines, ({ cpuMillis }) => cpuMillis), memory = Float64Array.from(machines, ({ memoryMib }) => memoryMib);
  const perCpu = 1 / Math.max(...cpu), perMemory = 1 / Math.max(...memory);
  let allowance = 0;
  for (const kind of order) allowance += maxPending * kinds[kind]!.cpuMillis;
  for (const kind of order) {
    const { cpuMillis, memoryMib } = kinds[kind]!;
    let best = -1, least = Infinity;
    for (let n = 0; n < cpu.length; n++) {
      if (cpu[n]! < cpuMillis || memory[n]! < memoryMib) continue;
      const left = cpu[n]! * perCpu + memory[n]! * perMemory;
      if (left < least) { least = left; best = n; }
    }
    if (best >= 0) { cpu[best]! -= cpuMillis; memory[best]! -= memoryMib; }
    else if ((allowance -= cpuMillis) < 0) return false;
  }
  return true;
}
