/**
 * packing: how well the production scheduler packs, on an inventory and workloads from files, and on vector bin packing instances.
 *
 *   npm run bench -- packing --nodes FILE --tasks FILE|DIR [--runs 10] [--protocol saturation|compaction|cpu|rebalance|churn] [--expected FILE [--policy 06-FGD]] [--charts DIR]
 *   npm run bench -- packing --vbp FILE|DIR
 *
 * saturation: GPUs handed out when as much has been asked for as there is (and 130 %). compaction: the fewest machines of the mix that take the whole workload. Both online.
 * cpu: compaction of CPU and memory alone on machines without GPUs, beside an exact best fit.
 * rebalance: the same fewest when running tasks may be moved, by how many. churn: machines open while tasks come and go, without and with moves.
 */
import { parseArgs } from "node:util";
import { drawChurn, drawCompaction, drawRebalance, drawSaturation } from "./packing/charts.js";
import { benchChurn } from "./packing/churn.js";
import { benchCompaction } from "./packing/compaction.js";
import { readMachines, readPublished, readWorkloads } from "./packing/inputs.js";
import { benchPlainCompaction } from "./packing/plain-compaction.js";
import { benchRepack } from "./packing/repack.js";
import { benchSaturation, summarize } from "./packing/saturation.js";
import { benchVectorPacking } from "./packing/vbp.js";

const { values: options } = parseArgs({
  options: {
    nodes: { type: "string" }, tasks: { type: "string" }, runs: { type: "string" }, protocol: { type: "string", default: "saturation" },
    expected: { type: "string" }, policy: { type: "string", default: "06-FGD" }, charts: { type: "string" }, vbp: { type: "string" }, rounds: { type: "string" },
  },
});
const whole = (text: string | undefined, byDefault: number | undefined): number | undefined => {
  if (text === undefined) return byDefault;
  if (!/^[1-9]\d*$/.test(text)) throw new Error(`Cannot run "${text}" times: give a whole number above 0`);
  return Number(text);
};

if (options.vbp !== undefined) benchVectorPacking(options.vbp, { rounds: whole(options.rounds, undefined) });
else {
  if (options.nodes === undefined || options.tasks === undefined) throw new Error("Cannot pack: --nodes FILE and --tasks FILE (or --vbp FILE) are needed");
  const machines = readMachines(options.nodes), workloads = readWorkloads(options.tasks);
  switch (options.protocol) {
    case "saturation": {
      const published = options.expected === undefined ? undefined : readPublished(options.expected, options.policy);
      const peer = `${options.policy.replace(/^\d+-/, "")} (published)`;
      const results = workloads.map((workload) => benchSaturation(machines, workload, whole(options.runs, 10)!, published?.get(workload.name), peer));
      summarize(results, peer);
      if (options.charts !== undefined) drawSaturation(options.charts, results, peer);
      break;
    }
    case "compaction": {
      const results = workloads.map((workload) => benchCompaction(machines, workload, whole(options.runs, 11)!));
      if (options.charts !== undefined) drawCompaction(options.charts, results);
      break;
    }
    case "cpu": {
      for (const workload of workloads) benchPlainCompaction(machines, workload, whole(options.runs, 11)!);
      break;
    }
    case "rebalance": {
      const results = workloads.map((workload) => ({ workload: workload.name, points: benchRepack(machines, workload, whole(options.runs, 3)!) }));
      if (options.charts !== undefined) drawRebalance(options.charts, results);
      break;
    }
    case "churn": {
      const results = workloads.map((workload) => benchChurn(machines, workload, whole(options.runs, 3)!));
      if (options.charts !== undefined) drawChurn(options.charts, results[0]!);
      break;
    }
    default: throw new Error(`Cannot pack by protocol "${options.protocol}": it is one of saturation, compaction, cpu, rebalance, churn`);
  }
}
