import { Placer } from "../../src/scheduler/core/place/index.js";
import type { ClusterState } from "../../src/scheduler/core/state/index.js";
import { reportCase, timed, type Case, type Peer } from "./case.js";
import { addWaiting, clusterOf, serviceOf, unplaceAll } from "./clusters.js";

const gib = 2 ** 30;
const clock = { nowMs: () => 0 };

/** S2: one-off tasks, each of a service of its own, that ask for a ready node only. Decision only: no store, no events. */
function oneOff(name: string, nodes: number, tasks: number, peer?: Peer): Case {
  return {
    name,
    run() {
      const state = clusterOf(nodes, () => ({ cpuMillis: 32_000, memoryBytes: 64 * gib }));
      const spec = serviceOf({}, [], "DEFAULT");
      const waiting = Array.from({ length: tasks }, (_, i) => addWaiting(state, `s${i}`, spec, 1));
      const ms = timed(() => unplaceAll(state), () => {
        const placer = new Placer(state, { defaultStrategy: "PACK", ...clock });
        for (const { g, tasks: own } of waiting) placer.place(g, own);
      });
      mustBePlaced(state, tasks);
      reportCase(name, `one-off tasks decided, ${tasks} on ${nodes} nodes`, (tasks * 1_000) / ms, "per s", peer);
    },
  };
}

/** S3: replicas with reservations and a != constraint that takes a tenth of the nodes out. */
function replicas(name: string, nodes: number, services: number, each: number, strategy: "SPREAD" | "PACK", unit: "per s" | "ms", peer?: Peer): Case {
  return {
    name,
    run() {
      // A quarter of all capacity stays free, whatever the numbers are.
      const perNode = (services * each) / (nodes * 0.9);
      const state = clusterOf(nodes, (i) => ({ cpuMillis: Math.ceil(perNode * 134 + 200) , memoryBytes: Math.ceil(perNode * 1.34 + 2) * 2 ** 26, labels: { rack: `r${i % 10}` } }));
      const spec = serviceOf({ cpuMillis: 100, memoryBytes: 2 ** 26 }, ["node.labels.rack!=r3"], strategy, each);
      const waiting = Array.from({ length: services }, (_, i) => addWaiting(state, `s${i}`, spec, each));
      const ms = timed(() => unplaceAll(state), () => {
        const placer = new Placer(state, { defaultStrategy: strategy, ...clock });
        for (const { g, tasks } of waiting) placer.place(g, tasks);
      });
      mustBePlaced(state, services * each);
      reportCase(name, `${services} × ${each} replicas ${strategy === "PACK" ? "packed" : "spread"} on ${nodes} nodes`, unit === "ms" ? ms : (services * each * 1_000) / ms, unit, peer);
    },
  };
}

function mustBePlaced(state: ClusterState, tasks: number): void {
  const placed = state.nodes.tasks.reduce((sum, count) => sum + count, 0);
  if (placed !== tasks) throw new Error(`${tasks - placed} of ${tasks} tasks found no node`);
}

const decide = (peerValue: number): Peer => ({ peer: "SwarmKit d2b905035, decide", peerValue });

export const spreadCases: readonly Case[] = [
  oneOff("S2-1k", 1_000, 10_000, decide(24_400)), oneOff("S2-1k/100k", 1_000, 100_000), oneOff("S2-10k", 10_000, 100_000), oneOff("S2-100k", 100_000, 100_000), oneOff("S2-100k/1M", 100_000, 1_000_000),
  replicas("S3-1k/1", 1_000, 1, 10_000, "SPREAD", "per s", decide(342_600)), replicas("S3-1k/1000", 1_000, 1_000, 10, "SPREAD", "per s", decide(68_200)),
  replicas("S3-10k/1", 10_000, 1, 100_000, "SPREAD", "per s"), replicas("S3-10k/1000", 10_000, 1_000, 10, "SPREAD", "per s"),
  replicas("S3-100k/1", 100_000, 1, 100_000, "SPREAD", "per s", decide(110_000)), replicas("S3-100k/1M", 100_000, 1, 1_000_000, "SPREAD", "ms"),
  replicas("S3-100k/1000x1000", 100_000, 1_000, 1_000, "SPREAD", "ms"),
  replicas("S3-1k/1 pack", 1_000, 1, 10_000, "PACK", "per s"), replicas("S3-1k/1000 pack", 1_000, 1_000, 10, "PACK", "per s"), replicas("S3-100k/1M pack", 100_000, 1, 1_000_000, "PACK", "ms"),
  replicas("S3-100k/1000x1000 pack", 100_000, 1_000, 1_000, "PACK", "ms"),
];
