import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { ClusterState } from "../../src/scheduler/core/state/index.js";
import { reportCase, type Case } from "./case.js";
import { addWaiting, readyNode, serviceOf } from "./clusters.js";

const gib = 2 ** 30;

/** What the state takes that the store does not have anyway, with the indexes of the strategies: services of as many shapes and of ten constraints, packed and spread, their tasks placed. */
function memory(name: string, nodes: number, services: number, each: number): Case {
  return {
    name,
    run() {
      setFlagsFromString("--expose-gc");
      const collect = runInNewContext("gc") as () => void;
      const held = () => {
        collect();
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        return (heapUsed + arrayBuffers) / 2 ** 20;
      };
      const objects = Array.from({ length: nodes }, (_, i) => readyNode(i, { cpuMillis: 64_000, memoryBytes: 256 * gib, labels: { rack: `r${i % 10}` } }));
      const before = held();
      const state = new ClusterState();
      for (const node of objects) state.setNode(node);
      const placer = new Placer(state, { defaultStrategy: "PACK", nowMs: () => 0 });
      for (let i = 0; i < services; i++) {
        const spec = serviceOf({ cpuMillis: 1_000 + i, memoryBytes: 4 * gib }, [`node.labels.rack!=r${i % 10}`], i % 2 === 0 ? "PACK" : "SPREAD", each);
        const { g, tasks } = addWaiting(state, `s${i}`, spec, each);
        if (placer.place(g, tasks) !== each) throw new Error("a task found no node");
      }
      const after = held();
      reportCase(name, `state and indexes, ${nodes} nodes and ${services * each} tasks`, after - before, "MiB");
      if (state.tasks.count !== services * each || objects.length !== nodes) throw new Error("something was given up too early");
      placer.roomOn(0, 0);
    },
  };
}

export const memoryCases: readonly Case[] = [memory("M-10k/100k", 10_000, 1_000, 100), memory("M-100k/1M", 100_000, 1_000, 1_000)];
