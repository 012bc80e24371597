import { cpu, memory, wholeGpu, type ClusterState } from "../state/index.js";

/** What is reserved of one node, or of many together, in thousandths of what there is. */
export interface NodeUse {
  readonly tasks: number;
  readonly cpuPermille: number;
  readonly memoryPermille: number;
  readonly gpuPermille: number;
  readonly hasGpus: boolean;
}

export function useOf(state: ClusterState, n: number): NodeUse { return useOfNodes(state, [n]); }

export function useOfNodes({ nodes }: ClusterState, rows: Iterable<number>): NodeUse {
  let tasks = 0, cpuTotal = 0, cpuFree = 0, memoryTotal = 0, memoryFree = 0, devices = 0, gpuFree = 0;
  for (const n of rows) {
    if (!nodes.alive.has(n)) continue;
    tasks += nodes.tasks[n]!;
    cpuTotal += nodes.total[cpu]![n]!;
    cpuFree += nodes.free[cpu]![n]!;
    memoryTotal += nodes.total[memory]![n]!;
    memoryFree += nodes.free[memory]![n]!;
    devices += nodes.gpuCount[n]!;
    gpuFree += nodes.gpuFreeMillis[n]!;
  }
  return {
    tasks, cpuPermille: permille(cpuTotal - cpuFree, cpuTotal), memoryPermille: permille(memoryTotal - memoryFree, memoryTotal),
    gpuPermille: permille(devices * wholeGpu - gpuFree, devices * wholeGpu), hasGpus: devices > 0,
  };
}

/** Of nothing, nothing is used. Above 1000: more is reserved than there is. */
export const permille = (used: number, total: number): number => (total > 0 ? Math.max(0, Math.round((used / total) * 1000)) : 0);
