import type { ServiceSpec } from "../../src/model/index.js";
import { explain } from "../../src/scheduler/core/explain/index.js";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { compileSpec, type ClusterState } from "../../src/scheduler/core/state/index.js";
import { whatIf } from "../../src/scheduler/core/what-if/index.js";
import { median, report } from "../report.js";
import { reportCase, type Case } from "./case.js";
import { addWaiting, clusterOf, serviceOf } from "./clusters.js";

const gib = 2 ** 30;
const services = 1_000;

/** Nodes of two sizes in ten racks, every tenth with GPUs, filled to nine tenths by a thousand services. */
function filledCluster(nodes: number, tasks: number): ClusterState {
  const state = clusterOf(nodes, (i) => ({ cpuMillis: i % 2 === 0 ? 32_000 : 64_000, memoryBytes: (i % 2 === 0 ? 128 : 256) * gib, labels: { rack: `r${i % 10}`, ...(i % 3 === 0 ? { disk: "ssd" } : {}) }, gpus: i % 10 === 0 ? 8 : 0 }));
  const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
  const meanMillis = (0.9 * 48_000 * nodes) / tasks;
  for (let s = 0; s < services; s++) {
    const size = 0.5 + (s % 11) / 10;
    const { g, tasks: own } = addWaiting(state, `s${s}`, serviceOf({ cpuMillis: Math.round(meanMillis * size), memoryBytes: Math.round((meanMillis * size * 4 * gib) / 1_000) }, [], "DEFAULT", tasks / services), tasks / services);
    placer.place(g, own);
  }
  return state;
}

interface Run { readonly totalMs: number; readonly cpuMs: number; readonly longestMs: number; readonly copyMs: number }

/** One question as it is asked of a leader: a copy, then the answer, in slices as the leader's (4 ms) with the event loop free in between. */
function ask(state: ClusterState, steps: (copy: ClusterState) => Generator<void, unknown>): Run {
  const start = performance.now(), cpu = process.cpuUsage();
  let copyMs = 0, longestMs = 0;
  const running = answer();
  for (let isDone = false; !isDone; ) {
    const from = performance.now();
    do isDone = running.next().done ?? false; while (!isDone && performance.now() - from < sliceMs);
    longestMs = Math.max(longestMs, performance.now() - from);
  }
  const { user, system } = process.cpuUsage(cpu);
  return { totalMs: performance.now() - start, cpuMs: (user + system) / 1_000, longestMs, copyMs };

  function* answer(): Generator<void, unknown> {
    const copy = yield* state.copyInSlices();
    copyMs = performance.now() - start;
    yield* copy.indexSteps();
    try {
      return yield* steps(copy);
    } finally { state.takeBack(copy); }
  }
}

const sliceMs = 4;

function question(name: string, what: string, nodes: number, tasks: number, steps: (copy: ClusterState) => Generator<void, unknown>): Case {
  return {
    name,
    run() {
      const state = filledCluster(nodes, tasks);
      const runs: Run[] = [];
      for (let i = 0; i < 40; i++) { const run = ask(state, steps); if (i >= 8) runs.push(run); }
      const of = (field: keyof Run) => median(runs.map((run) => run[field]));
      reportCase(name, `${what}, ${tasks} tasks on ${nodes} nodes`, of("totalMs"), "ms");
      report({ bench: "scheduler", case: name, metric: "the same, processor time (of a machine that others use too)", value: of("cpuMs"), unit: "ms" });
      report({ bench: "scheduler", case: name, metric: "longest slice", value: of("longestMs"), unit: "ms" });
      report({ bench: "scheduler", case: name, metric: "the copy, in slices", value: of("copyMs"), unit: "ms" });
    },
  };
}

function groupOf(state: ClusterState, name: string, spec: ServiceSpec): number {
  const g = state.addGroup(`${name}.1`, name, compileSpec(name, spec));
  state.holdGroup(g);
  return g;
}

/** A task that fits nowhere, for several reasons: all nodes, all causes, the smallest change. */
function* explainBlocked(copy: ClusterState): Generator<void, unknown> {
  const placer = new Placer(copy, { defaultStrategy: "PACK", nowMs: () => 0 });
  const g = groupOf(copy, "blocked", serviceOf({ cpuMillis: 20_000, memoryBytes: 100 * gib }, ["node.labels.disk==ssd", "node.labels.rack!=r3"], "DEFAULT"));
  return yield* explain(copy, g, { candidates: 5, suggests: true, rank: (group, limit, including) => placer.rankSteps(group, limit, including) });
}

/** A task that fits on many: the score table. */
function* explainFitting(copy: ClusterState): Generator<void, unknown> {
  const placer = new Placer(copy, { defaultStrategy: "PACK", nowMs: () => 0 });
  const g = groupOf(copy, "small", serviceOf({ cpuMillis: 10, memoryBytes: 2 ** 20 }, ["node.labels.rack!=r3"], "DEFAULT"));
  return yield* explain(copy, g, { candidates: 5, suggests: true, rank: (group, limit, including) => placer.rankSteps(group, limit, including) });
}

function* loseRack(copy: ClusterState): Generator<void, unknown> {
  const placer = new Placer(copy, { defaultStrategy: "PACK", nowMs: () => 0 });
  const lose = copy.nodes.ids.filter((_, n) => n % 100 === 7);
  return yield* whatIf(copy, { lose, drain: [], add: [], scale: [{ serviceId: "s1", replicas: 1_000 }] }, { placer, groupOf: (id) => copy.groups.rowOf(`${id}.1`)!, globalServiceIds: new Set(), headroomFor: ["s1", "s2", "s3"], mayPreempt: false });
}

export const explainCases: readonly Case[] = [
  question("E", "why a task fits nowhere, and what would help", 10_000, 200_000, explainBlocked),
  question("E-scores", "where a task would go and why", 10_000, 200_000, explainFitting),
  question("E-whatif", "a hundredth of the nodes lost", 10_000, 200_000, loseRack),
  question("E-100k", "why a task fits nowhere, and what would help", 100_000, 1_000_000, explainBlocked),
];
