/**
 * What rebalancing wins on top of online placement: the fewest machines of the inventory's mix that take a workload (compaction.ts) when running tasks may be moved to make room for
 * those that wait, by how many moves are allowed. Moves are those of the production planner: each fits when it is made, and one that only steps aside counts too.
 */
import { planRebalance, snapshotOf, type RebalanceProblem } from "../../src/scheduler/core/rebalance/index.js";
import { nowhere, type ClusterState } from "../../src/scheduler/core/state/index.js";
import { seededRandom } from "../../src/scheduler/testing.js";
import { note, report } from "../report.js";
import { leastMachines } from "./bounds.js";
import { Cluster, demandOf, repeated, shuffled } from "./cluster.js";
import { maxPending } from "./compaction.js";
import type { Machine, Workload } from "./inputs.js";

/** Moves in parts of the tasks, the most first: what suffices with few moves suffices with more. */
const limits = [Infinity, 0.1, 0.05, 0.02, 0];
/** Ten times what the planner takes by default: how far moves lead is the question here, not how fast. */
const maxWork = 2_000_000_000;

export interface RepackPoint { readonly moves: number; readonly machines: number; readonly overPct: number }

export function benchRepack(machines: readonly Machine[], { name, jobs }: Workload, runs: number): RepackPoint[] {
  const demand = demandOf(jobs), bound = leastMachines(machines, jobs, maxPending), sums = limits.map(() => 0), moved = limits.map(() => 0);
  for (let run = 0; run < runs; run++) {
    const order = shuffled(jobs.length, seededRandom(run * 104_729 + 7)).map((job) => demand.kindOf[job]!);
    const online = new Map<number, RebalanceProblem>();
    const problemOf = (count: number): RebalanceProblem => {
      let problem = online.get(count);
      if (problem === undefined) {
        const cluster = new Cluster(repeated(machines, count), { kinds: demand.kinds, kindOf: order });
        for (const kind of order) cluster.arrive(kind);
        online.set(count, problem = withWaiting(cluster.state));
      }
      return problem;
    };
    let count = Math.ceil(bound) - 1;
    for (const [i, limit] of limits.entries()) {
      // From where more moves sufficed upwards, one by one: a machine more is now and then one of another kind, and no help.
      for (;; count++) {
        const problem = problemOf(count), plan = planRebalance(problem, { kind: "admit" }, { maxWork, ...(limit === Infinity ? {} : { maxMoves: Math.floor(limit * jobs.length) }) });
        if (!suffices(problem, plan.left)) continue;
        sums[i]! += count;
        moved[i]! += plan.moves.filter(({ from }) => from !== nowhere).length / jobs.length;
        break;
      }
      note(`  rebalance ${name}, order ${run + 1}, ${nameOf(limit)}: ${count}`);
    }
  }
  const points = limits.map((limit, i): RepackPoint => ({ moves: moved[i]! / runs, machines: sums[i]! / runs, overPct: 100 * (sums[i]! / runs / bound - 1) }));
  for (const [i, { moves, machines: needed, overPct }] of points.entries()) {
    const subject = `rebalance ${name}, ${nameOf(limits[i]!)}`;
    report({ bench: "packing", case: subject, metric: "machines_needed", value: needed, unit: "machines", peer: "lower bound", peerValue: bound });
    report({ bench: "packing", case: subject, metric: "machines_over_bound_pct", value: overPct, unit: "%" });
    report({ bench: "packing", case: subject, metric: "moves_pct_of_tasks", value: 100 * moves, unit: "%" });
  }
  return points;
}

const nameOf = (limit: number): string => limit === Infinity ? "moves without a limit" : limit === 0 ? "no moves" : `moves of at most ${100 * limit} % of the tasks`;

/** The planner's problem, with the tasks that wait. */
function withWaiting(state: ClusterState): RebalanceProblem {
  const steps = snapshotOf(state, { isPacking: false, mayMove: () => true });
  let step = steps.next();
  while (!step.done) step = steps.next();
  const { problem } = step.value, waiting = [...state.tasks.rows()].filter((t) => state.tasks.nodeOf(t) === nowhere);
  const extended = (column: Int32Array, of: (t: number) => number) => Int32Array.from([...column, ...waiting.map(of)]);
  return {
    ...problem,
    tasks: {
      count: problem.tasks.count + waiting.length, node: extended(problem.tasks.node, () => nowhere), request: extended(problem.tasks.request, (t) => state.requestOf(t)),
      service: extended(problem.tasks.service, (t) => state.groups.service[state.tasks.groupOf(t)]!), gpuMask: extended(problem.tasks.gpuMask, () => 0), movable: Uint8Array.from([...problem.tasks.movable, ...waiting.map(() => 1)]),
    },
  };
}

/** Whether what is left waiting is little enough, of GPUs as of CPU. */
function suffices({ dimensions, requests, tasks }: RebalanceProblem, left: readonly number[]): boolean {
  const gpuOf = (t: number) => requests.gpuCount[tasks.request[t]!]! * requests.gpuMillis[tasks.request[t]!]!, cpuOf = (t: number) => requests.amounts[tasks.request[t]! * dimensions]!;
  return [gpuOf, cpuOf].every((of) => {
    let all = 0;
    for (let t = 0; t < tasks.count; t++) all += of(t);
    return left.reduce((sum, t) => sum + of(t), 0) <= maxPending * all;
  });
}
