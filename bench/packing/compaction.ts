/**
 * The fewest machines of the inventory's mix that take a workload online (Borg's cell compaction): tasks arrive in random order, none is moved, and at most 0.2 % of
 * the demand, of GPUs as of CPU, may stay pending. Against a lower bound (bounds.ts).
 */
import { seededRandom } from "../../src/scheduler/testing.js";
import { note, report } from "../report.js";
import { leastMachines } from "./bounds.js";
import { Cluster, demandOf, repeated, shuffled, type Demand } from "./cluster.js";
import { gpuMillisOf, type Machine, type Workload } from "./inputs.js";

/** Part of the demand that may stay pending. */
export const maxPending = 0.002;
/** An inventory so many times over that does not suffice is no question of packing any more. */
const hopeless = 3;

export interface Compaction { readonly workload: string; readonly bound: number; readonly machines: readonly (number | undefined)[] }

export function benchCompaction(machines: readonly Machine[], { name, jobs }: Workload, runs: number): Compaction {
  const demand = demandOf(jobs), bound = leastMachines(machines, jobs, maxPending);
  const found: (number | undefined)[] = [];
  for (let run = 0; run < runs; run++) {
    const order = shuffled(jobs.length, seededRandom(run * 104_729 + 7)).map((job) => demand.kindOf[job]!);
    found.push(fewest(bound, (count) => takes(repeated(machines, count), demand, order)));
    note(`  compaction ${name}, order ${run + 1}: ${found[run] ?? `more than ${hopeless} times the bound`}`);
  }
  const numbers = found.filter((count) => count !== undefined);
  report({ bench: "packing", case: `compaction ${name}`, metric: "machines_lower_bound", value: bound, unit: "machines" });
  report({ bench: "packing", case: `compaction ${name}`, metric: "orders_that_fit", value: numbers.length, unit: `of ${runs}` });
  if (numbers.length === runs) {
    const mean = numbers.reduce((sum, count) => sum + count, 0) / runs;
    report({ bench: "packing", case: `compaction ${name}`, metric: "machines_needed", value: mean, unit: "machines", peer: "lower bound", peerValue: bound });
    report({ bench: "packing", case: `compaction ${name}`, metric: "machines_over_bound_pct", value: 100 * (mean / bound - 1), unit: "%" });
  }
  return { workload: name, bound, machines: found };
}

export function takes(machines: readonly Machine[], { kinds }: Demand, order: Int32Array): boolean {
  const cluster = new Cluster(machines, { kinds, kindOf: order });
  let gpuLeft = 0, cpuLeft = 0;
  for (const kind of order) { gpuLeft += maxPending * gpuMillisOf(kinds[kind]!); cpuLeft += maxPending * kinds[kind]!.cpuMillis; }
  for (const kind of order) {
    if (cluster.arrive(kind)) continue;
    gpuLeft -= gpuMillisOf(kinds[kind]!);
    cpuLeft -= kinds[kind]!.cpuMillis;
    if (gpuLeft < 0 || cpuLeft < 0) return false;
  }
  return true;
}

/** By halving: takes that what suffices is enough with one machine more too, which holds nearly always. */
export function fewest(bound: number, suffices: (count: number) => boolean): number | undefined {
  let tooFew = Math.ceil(bound) - 1, enough = Math.ceil(bound * 1.02);
  while (!suffices(enough)) {
    tooFew = enough;
    enough = Math.ceil(enough * 1.05);
    if (enough > hopeless * bound) return undefined;
  }
  while (enough - tooFew > 1) {
    const middle = (tooFew + enough) >> 1;
    if (suffices(middle)) enough = middle;
    else tooFew = middle;
  }
  return enough;
}
