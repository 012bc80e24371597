import type { NodeInfo } from "../core/cluster-state.js";
import { formatBytes, formatCpus } from "../core/format.js";
import type { Explanation, Filter } from "../core/filter.js";

/** Reservations only: a limit is the kernel's business. */
export const resourcesFilter: Filter = {
  name: "resources",
  concerns: (shape) => shape.cpuMillis > 0 || shape.memoryBytes > 0,
  room(shape, node) {
    let room = Infinity;
    if (shape.cpuMillis > 0) room = Math.floor(node.freeCpuMillis / shape.cpuMillis);
    if (shape.memoryBytes > 0) room = Math.min(room, Math.floor(node.freeMemoryBytes / shape.memoryBytes));
    return Math.max(0, room);
  },
  explain(shape, nodes) {
    const explanations: Explanation[] = [];
    const lackMemory = nodes.filter((node) => node.freeMemoryBytes < shape.memoryBytes);
    const lackCpu = nodes.filter((node) => node.freeMemoryBytes >= shape.memoryBytes);
    if (lackMemory.length > 0) explanations.push(explain(lackMemory, shape.memoryBytes, (node) => node.freeMemoryBytes, formatBytes, "memory"));
    if (lackCpu.length > 0) explanations.push(explain(lackCpu, shape.cpuMillis, (node) => node.freeCpuMillis, formatCpus, "CPU"));
    return explanations;
  },
};

function explain(nodes: readonly NodeInfo[], needed: number, freeOf: (node: NodeInfo) => number, format: (amount: number) => string, word: string): Explanation {
  const best = nodes.reduce((a, b) => (freeOf(b) > freeOf(a) ? b : a));
  return { detail: `needs ${format(needed)} ${word}, most free is ${format(Math.max(0, freeOf(best)))} on ${best.name}`, nodes: nodes.length };
}

