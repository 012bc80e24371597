import { parseConstraint } from "../../src/model/index.js";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { cpu, isReady, memory, noRules, nowhere, satisfies, type ClusterState, type Predicate } from "../../src/scheduler/core/state/index.js";
import { reportCase, timed, type Case } from "./case.js";
import { clusterOf, unplaceAll } from "./clusters.js";
import { median, report } from "../report.js";
import { seededRandom } from "../../src/lib/index.js";

const gib = 2 ** 30;
const classes = 6;

interface Workload { readonly state: ClusterState; readonly groups: Int32Array; readonly tasks: Int32Array }

/**
 * Nodes of three sizes in six label classes, every fifth with 8 GPUs; tasks of so many `services`, each with a shape of its own: CPU and memory by an exponential law,
 * half bound to a class, a twentieth with a share of a GPU or whole ones. Together they ask for `load` of CPU and memory.
 */
function workload(nodes: number, tasks: number, services: number, load: number): Workload {
  const random = seededRandom(nodes + tasks);
  const state = clusterOf(nodes, (i) => {
    const size = [32, 64, 96][Math.floor(i / classes) % 3]!;
    return { cpuMillis: size * 1_000, memoryBytes: size * 4 * gib, labels: { class: `c${i % classes}` }, gpus: i % 5 === 0 ? 8 : 0 };
  });
  const predicates: Predicate[][] = [[isReady], ...Array.from({ length: classes }, (_, c) => [isReady, satisfies(parseConstraint(`node.labels.class==c${c}`))])];
  const meanCpu = (load * 64_000 * nodes) / tasks, meanMemory = (load * 64 * 4 * gib * nodes) / tasks;
  // Cut off at a fifth of the smallest node or four times the mean: a task for which a node must be empty is another benchmark.
  const draw = (mean: number, most: number) => Math.max(1, Math.floor(Math.min(most, -mean * Math.log(1 - random()) * 1.02)));
  const groups = new Int32Array(tasks), rows = new Int32Array(tasks);
  for (let i = 0; i < services; i++) {
    const wantsGpu = random() < 0.05 * Math.min(1, (8 * nodes) / (5 * 0.05 * tasks * 0.8));
    const gpu = wantsGpu ? (random() < 0.7 ? { count: 1, millis: 100 + Math.floor(random() * 800), models: [] } : { count: random() < 0.8 ? 1 : 2, millis: 1_000, models: [] }) : undefined;
    const g = state.addGroup(`s${i}.1`, `s${i}`, {
      amounts: [["cpu", draw(meanCpu, Math.max(4 * meanCpu, 6_000))], ["memory", draw(meanMemory, Math.max(4 * meanMemory, 24 * gib))]], gpu,
      predicates: predicates[random() < 0.5 ? 0 : 1 + Math.floor(random() * classes)]!, priority: 0, rules: noRules,
    });
    for (let at = i; at < tasks; at += services) {
      groups[at] = g;
      rows[at] = state.addTask(`s${i}.${at}`.padEnd(25, "x"), g, 0);
    }
  }
  return { state, groups, tasks: rows };
}

function heterogeneous(name: string, nodes: number, tasks: number): Case {
  return {
    name,
    run() {
      const { state, groups, tasks: rows } = workload(nodes, tasks, tasks, 0.93);
      const one = new Int32Array(1), each = new Float64Array(tasks);
      let placer: Placer | undefined, placed = 0;
      const prepare = () => {
        unplaceAll(state);
        placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
        placed = 0;
      };
      const ms = timed(prepare, () => { for (let i = 0; i < tasks; i++) { one[0] = rows[i]!; placed += placer!.place(groups[i]!, one); } });
      prepare();
      for (let i = 0; i < tasks; i++) {
        one[0] = rows[i]!;
        const before = performance.now();
        placed += placer!.place(groups[i]!, one);
        each[i] = performance.now() - before;
      }
      reportCase(name, `distinct shapes placed, ${tasks} on ${nodes} nodes`, (tasks * 1_000) / ms, "per s");
      each.sort();
      report({ bench: "scheduler", case: name, metric: "one placement, 99 of 100", value: each[Math.floor(tasks * 0.99)]! * 1_000, unit: "µs" });
      report({ bench: "scheduler", case: name, metric: "CPU in use, of all", value: used(state, cpu), unit: "%" });
      report({ bench: "scheduler", case: name, metric: "tasks refused, of all", value: (100 * (tasks - placed)) / tasks, unit: "%" });
    },
  };
}

/** One task of those that run ends, one of those that wait is placed. */
function churn(name: string, nodes: number, tasks: number, services: number): Case {
  return {
    name,
    run() {
      const { state, groups, tasks: rows } = workload(nodes, tasks, services, 0.96);
      const random = seededRandom(7);
      const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
      const one = new Int32Array(1);
      const running: number[] = [], waiting: number[] = [];
      for (let i = 0; i < tasks; i++) { one[0] = rows[i]!; (i < tasks * 0.97 && placer.place(groups[i]!, one) === 1 ? running : waiting).push(i); }
      const pairs = Math.min(1_000_000, tasks * 2);
      const times: number[] = [];
      let found = 0;
      for (let run = 0; run < 4; run++) {
        const start = performance.now();
        found = 0;
        for (let i = 0; i < pairs; i++) {
          const ending = Math.floor(random() * running.length), coming = Math.floor(random() * waiting.length);
          const ended = running[ending]!, come = waiting[coming]!;
          state.unplace(rows[ended]!);
          one[0] = rows[come]!;
          waiting[coming] = ended;
          if (placer.place(groups[come]!, one) === 1) { running[ending] = come; found++; }
          else {
            // It goes on waiting, and one that ran goes back: the load stays.
            one[0] = rows[ended]!;
            placer.place(groups[ended]!, one);
            waiting[coming] = come;
          }
          if (state.tasks.nodeOf(rows[running[ending]!]!) === nowhere) throw new Error("a task that had just left found no room");
        }
        if (run > 0) times.push(performance.now() - start);
      }
      reportCase(name, `one ends, one is placed, ${tasks} tasks of ${services} shapes on ${nodes} nodes`, (pairs * 1_000) / median(times), "pairs per s");
      report({ bench: "scheduler", case: name, metric: "CPU in use, of all", value: used(state, cpu), unit: "%" });
      report({ bench: "scheduler", case: name, metric: "memory in use, of all", value: used(state, memory), unit: "%" });
      report({ bench: "scheduler", case: name, metric: "found room at once, of all", value: (100 * found) / pairs, unit: "%" });
    },
  };
}

function used({ nodes }: ClusterState, d: number): number {
  let total = 0, free = 0;
  for (let n = 0; n < nodes.size; n++) { total += nodes.total[d]![n]!; free += nodes.free[d]![n]!; }
  return 100 * (1 - free / total);
}

export const heterogeneousCases: readonly Case[] = [
  heterogeneous("H-1k/100k", 1_000, 100_000), heterogeneous("H-10k/100k", 10_000, 100_000), heterogeneous("H-10k/1M", 10_000, 1_000_000), heterogeneous("H-100k/1M", 100_000, 1_000_000),
  churn("C-1k", 1_000, 100_000, 100_000), churn("C-10k", 10_000, 100_000, 100_000), churn("C-100k", 100_000, 1_000_000, 1_000_000),
  // Few enough shapes that what each costs on every node with GPUs is kept: better placed, dearer.
  churn("C-1k/1000 shapes", 1_000, 100_000, 1_000), churn("C-10k/1000 shapes", 10_000, 100_000, 1_000),
];
