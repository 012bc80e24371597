import { planPreemption } from "../../src/scheduler/core/preempt/index.js";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { reportCase, timed, type Case } from "./case.js";
import { addWaiting, clusterOf, serviceOf } from "./clusters.js";
import { seededRandom } from "../../src/lib/index.js";

const gib = 2 ** 30;

/** P: one decision whom to stop, in a full cluster of services of mixed sizes and priorities, ten tasks a node. `cpuMillis` of the one that needs room: more needs more victims. */
function preemption(name: string, nodes: number, cpuMillis: number): Case {
  return {
    name,
    run() {
      const random = seededRandom(1);
      const state = clusterOf(nodes, () => ({ cpuMillis: 16_000, memoryBytes: 64 * gib }));
      const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
      for (let i = 0; i < 200; i++) {
        const spec = serviceOf({ cpuMillis: 500 + 250 * Math.floor(random() * 9), memoryBytes: (1 + Math.floor(random() * 8)) * gib }, [], "PACK");
        const { g, tasks } = addWaiting(state, `low${i}`, { ...spec, priority: Math.floor(random() * 50) }, Math.ceil((nodes * 12) / 200));
        placer.place(g, tasks);
      }
      const { g } = addWaiting(state, "high", { ...serviceOf({ cpuMillis, memoryBytes: 4 * gib }, [], "PACK"), priority: 100 }, 1);
      let victims = 0;
      const ms = timed(() => {}, () => { victims = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 })?.victims.length ?? 0; });
      if (victims === 0) throw new Error("nobody was found");
      reportCase(name, `one preemption on ${nodes} nodes with ${state.tasks.count} tasks, ${victims} victim${victims === 1 ? "" : "s"}`, ms, "ms");
    },
  };
}

export const preemptionCases: readonly Case[] = [
  preemption("P-10k", 10_000, 2_000), preemption("P-10k/3", 10_000, 6_000), preemption("P-10k/6", 10_000, 14_000), preemption("P-100k", 100_000, 2_000),
];
