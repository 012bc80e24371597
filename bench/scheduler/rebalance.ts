import { planRebalance, snapshotOf, type RebalanceProblem, type Strategy } from "../../src/scheduler/core/rebalance/index.js";
import type { ClusterState } from "../../src/scheduler/core/state/index.js";
import { report } from "../report.js";
import { reportCase, type Case } from "./case.js";
import { addWaiting, clusterOf, serviceOf } from "./clusters.js";
import { seededRandom } from "../../src/scheduler/testing.js";

const gib = 2 ** 30, services = 2_000;

/** Tasks of a hundred sizes wherever a random draw finds room, as years of coming and going leave them: four fifths full, every tenth node with GPUs, a tenth of the services on them. */
function scattered(nodes: number, tasks: number): ClusterState {
  const state = clusterOf(nodes, (i) => ({ cpuMillis: i % 2 === 0 ? 32_000 : 64_000, memoryBytes: (i % 2 === 0 ? 128 : 256) * gib, gpus: i % 10 === 0 ? 8 : 0 })), random = seededRandom(7);
  const meanMillis = (0.8 * 48_000 * nodes) / tasks;
  for (let s = 0; s < services; s++) {
    const cpuMillis = Math.round(meanMillis * (0.2 + 1.6 * random())), memoryBytes = Math.round(meanMillis * (0.2 + 1.6 * random()) * 4 * 2 ** 20);
    const own = addWaiting(state, `s${s}`, serviceOf({ cpuMillis, memoryBytes, ...(s % 10 === 0 ? { gpu: { count: 1, millis: 300, models: [] } } : {}) }, [], "DEFAULT", tasks / services), tasks / services).tasks;
    for (const t of own) {
      for (let tries = 0; tries < 200; tries++) {
        const n = Math.floor(random() * nodes);
        if (!state.fits(n, state.requestOf(t))) continue;
        state.place(t, n);
        break;
      }
    }
  }
  return state;
}

function problemOf(state: ClusterState, isPacking: boolean): { readonly problem: RebalanceProblem; readonly totalMs: number; readonly longestMs: number } {
  const steps = snapshotOf(state, { isPacking, mayMove: () => true });
  let totalMs = 0, longestMs = 0;
  for (;;) {
    const start = performance.now(), step = steps.next(), ms = performance.now() - start;
    totalMs += ms;
    longestMs = Math.max(longestMs, ms);
    if (step.done) return { problem: step.value.problem, totalMs, longestMs };
  }
}

function planning(name: string, what: string, strategy: Strategy, maxMoves: number | undefined): Case {
  return {
    name,
    run() {
      const state = scattered(10_000, 200_000), snapshot = problemOf(state, strategy.kind === "pack"), start = performance.now();
      const plan = planRebalance(snapshot.problem, strategy, maxMoves === undefined ? {} : { maxMoves });
      reportCase(name, `${what}: plan for 200000 tasks on 10000 nodes`, performance.now() - start, "ms");
      report({ bench: "scheduler", case: name, metric: "the snapshot, in slices", value: snapshot.totalMs, unit: "ms" });
      report({ bench: "scheduler", case: name, metric: "longest slice of the snapshot", value: snapshot.longestMs, unit: "ms" });
      report({ bench: "scheduler", case: name, metric: "moves", value: plan.moves.length, unit: "moves" });
      report({ bench: "scheduler", case: name, metric: "nodes emptied", value: plan.nodesInUseBefore - plan.nodesInUseAfter, unit: "nodes" });
    },
  };
}

export const rebalanceCases: readonly Case[] = [
  planning("R", "pack, any number of moves", { kind: "pack" }, undefined),
  planning("R-1000", "pack, at most 1,000 moves", { kind: "pack" }, 1_000),
  planning("R-spread", "spread, any number of moves", { kind: "spread" }, undefined),
  planning("R-free", "one node freed", { kind: "free", node: 17 }, undefined),
];
