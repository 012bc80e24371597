/**
 * Tasks of a workload arrive in random order and never leave; one that fits nowhere is refused. When the list ends before the demand has reached 130 % of the GPUs, further
 * ones are drawn from it. The measure: GPUs handed out in parts of those that are there, by GPUs asked for so far.
 */
import { seededRandom } from "../../src/scheduler/testing.js";
import { note, report } from "../report.js";
import { Cluster, demandOf, shuffled } from "./cluster.js";
import { gpuMillisOf, type Machine, type Published, type Workload } from "./inputs.js";

/** Arrivals, in % of the GPUs, at which the allocation is noted. */
export const arrivalsPct = [80, 90, 95, 100, 110, 120, 130] as const;

export interface Saturation {
  readonly workload: string;
  /** Mean allocation in % of the GPUs, by arrivalsPct. */
  readonly allocatedPct: readonly number[];
  /** Arrivals at which 1 % of the GPUs' number had been refused, mean; 130 if it never was. */
  readonly firstRefusedPct: number;
  readonly published: Published | undefined;
  readonly tasksPerSecond: number;
}

export function benchSaturation(machines: readonly Machine[], { name, jobs }: Workload, runs: number, published: Published | undefined, peer: string): Saturation {
  const demand = demandOf(jobs), capacity = machines.reduce((sum, { gpus }) => sum + gpus * 1000, 0);
  if (capacity === 0 || !jobs.some((job) => gpuMillisOf(job) > 0)) throw new Error(`Cannot saturate GPUs with "${name}": the machines have none, or no task asks for any`);
  const allocated = arrivalsPct.map(() => 0);
  let firstRefused = 0, tasks = 0, milliseconds = 0;
  for (let run = 0; run < runs; run++) {
    const random = seededRandom(run * 7919 + 13), order = shuffled(jobs.length, random);
    const cluster = new Cluster(machines, demand);
    let asked = 0, given = 0, noted = 0, refusedAt = 130;
    const start = performance.now();
    for (let i = 0; noted < arrivalsPct.length; i++) {
      const kind = demand.kindOf[i < order.length ? order[i]! : Math.floor(random() * jobs.length)]!, millis = gpuMillisOf(demand.kinds[kind]!);
      asked += millis;
      if (cluster.arrive(kind)) given += millis;
      else if (refusedAt === 130 && asked - given > capacity / 100) refusedAt = (100 * asked) / capacity;
      while (noted < arrivalsPct.length && asked >= (capacity * arrivalsPct[noted]!) / 100) allocated[noted++]! += (100 * given) / capacity / runs;
      tasks++;
    }
    milliseconds += performance.now() - start;
    firstRefused += refusedAt / runs;
  }
  const known = (metric: string) => { const peerValue = published?.get(metric); return peerValue === undefined ? {} : { peer, peerValue }; };
  for (const pct of [100, 130]) {
    const metric = `gpu_alloc_pct_at_arrival_${pct}`;
    report({ bench: "packing", case: `saturation ${name}`, metric, value: allocated[arrivalsPct.indexOf(pct as 100)]!, unit: "%", ...known(metric) });
  }
  report({ bench: "packing", case: `saturation ${name}`, metric: "arrival_pct_at_1_pct_refused", value: firstRefused, unit: "%" });
  return { workload: name, allocatedPct: allocated, firstRefusedPct: firstRefused, published, tasksPerSecond: (1000 * tasks) / milliseconds };
}

/** Over several workloads: the mean, and how far the least good one is from what was published of it. */
export function summarize(all: readonly Saturation[], peer: string): void {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  report({ bench: "packing", case: "saturation", metric: "tasks", value: mean(all.map(({ tasksPerSecond }) => tasksPerSecond)), unit: "1/s" });
  if (all.length < 2) return;
  for (const pct of [100, 130] as const) {
    const metric = `gpu_alloc_pct_at_arrival_${pct}`, at = arrivalsPct.indexOf(pct), ours = mean(all.map(({ allocatedPct }) => allocatedPct[at]!));
    const margins = all.flatMap(({ workload, allocatedPct, published }) => published?.has(metric) ? [{ workload, by: allocatedPct[at]! - published.get(metric)! }] : []);
    const isAllKnown = margins.length === all.length;
    report({ bench: "packing", case: `saturation, mean of ${all.length} workloads`, metric, value: ours, unit: "%", ...(isAllKnown ? { peer, peerValue: mean(all.map(({ published }) => published!.get(metric)!)) } : {}) });
    if (!isAllKnown) continue;
    const least = margins.reduce((a, b) => (b.by < a.by ? b : a));
    note(`  at ${pct} % on average ${mean(margins.map(({ by }) => by)).toFixed(2)} points above ${peer}; least on ${least.workload}: ${least.by.toFixed(2)}`);
  }
}
