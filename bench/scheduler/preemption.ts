import { planGang, planPreemption } from "../../src/scheduler/core/preempt/index.js";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { reportCase, timed, type Case } from "./case.js";
import { addWaiting, clusterOf, serviceOf } from "./clusters.js";
import type { ClusterState } from "../../src/scheduler/core/state/index.js";
import { seededRandom } from "../../src/lib/index.js";

const gib = 2 ** 30;

/** A full cluster of services of mixed sizes and priorities, ten tasks a node. */
function fullCluster(nodes: number): { readonly state: ClusterState; readonly placer: Placer } {
  const random = seededRandom(1);
  const state = clusterOf(nodes, () => ({ cpuMillis: 16_000, memoryBytes: 64 * gib }));
  const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
  for (let i = 0; i < 200; i++) {
    const spec = serviceOf({ cpuMillis: 500 + 250 * Math.floor(random() * 9), memoryBytes: (1 + Math.floor(random() * 8)) * gib }, [], "PACK");
    const { g, tasks } = addWaiting(state, `low${i}`, { ...spec, priority: Math.floor(random() * 50) }, Math.ceil((nodes * 12) / 200));
    placer.place(g, tasks);
  }
  return { state, placer };
}

/** P: one decision whom to stop. `cpuMillis` of the one that needs room: more needs more victims. */
function preemption(name: string, nodes: number, cpuMillis: number): Case {
  return {
    name,
    run() {
      const { state, placer } = fullCluster(nodes);
      const { g } = addWaiting(state, "high", { ...serviceOf({ cpuMillis, memoryBytes: 4 * gib }, [], "PACK"), priority: 100 }, 1);
      let victims = 0;
      const ms = timed(() => {}, () => { victims = planPreemption(state, g, { canFit: (group, n) => placer.canFit(group, n), claimed: () => 0 })?.victims.length ?? 0; });
      if (victims === 0) throw new Error("nobody was found");
      reportCase(name, `one preemption on ${nodes} nodes with ${state.tasks.count} tasks, ${victims} victim${victims === 1 ? "" : "s"}`, ms, "ms");
    },
  };
}

/** PG: the same for a gang of so many members. */
function gang(name: string, nodes: number, cpuMillis: number, members: number): Case {
  return {
    name,
    run() {
      const { state, placer } = fullCluster(nodes);
      const { g, tasks } = addWaiting(state, "gang", { ...serviceOf({ cpuMillis, memoryBytes: 4 * gib }, [], "PACK"), priority: 100, gang: true }, members);
      const waiting = Array.from(tasks);
      let victims = 0;
      const ms = timed(() => {}, () => { victims = planGang(state, g, waiting, { canFit: (group, n) => placer.canFit(group, n), place: (group, rows) => placer.place(group, rows) })?.victims.length ?? 0; });
      if (victims === 0) throw new Error("nobody was found");
      reportCase(name, `room for a gang of ${members} on ${nodes} nodes with ${state.tasks.count} tasks, ${victims} victims`, ms, "ms");
    },
  };
}

export const preemptionCases: readonly Case[] = [
  preemption("P-10k", 10_000, 2_000), preemption("P-10k/3", 10_000, 6_000), preemption("P-10k/6", 10_000, 14_000), preemption("P-100k", 100_000, 2_000),
  gang("PG-10k/8", 10_000, 4_000, 8), gang("PG-10k/64", 10_000, 4_000, 64), gang("PG-10k/8x14", 10_000, 14_000, 8), gang("PG-100k/8", 100_000, 4_000, 8),
];
