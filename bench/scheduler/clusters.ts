import { newNode, newPlacement, newResources, newServiceSpec, newTaskSpec, type Node, type PlacementStrategy, type Resources, type ServiceSpec } from "../../src/model/index.js";
import { ClusterState, compileSpec, nowhere } from "../../src/scheduler/core/state/index.js";

export interface NodeShape { readonly cpuMillis: number; readonly memoryBytes: number; readonly labels?: Readonly<Record<string, string>>; readonly gpus?: number }

export function readyNode(i: number, { cpuMillis, memoryBytes, labels = {}, gpus = 0 }: NodeShape): Node {
  const id = `node${String(i).padStart(21, "0")}`;
  return newNode({
    id, spec: { labels: { ...labels }, availability: "ACTIVE", desiredRole: "WORKER", taints: [] }, status: { state: "READY", message: "", addr: "", sinceMs: 0 },
    description: {
      hostname: `host-${i}`, os: "linux", arch: "amd64", engineVersion: "", engineLabels: {}, plugins: [], attributes: {},
      resources: newResources({ cpuMillis, memoryBytes, gpus: Array.from({ length: gpus }, (_, at) => ({ id: `${at}`, model: "A100", memoryBytes: 0 })) }),
    },
  });
}

export function clusterOf(count: number, shapeOf: (i: number) => NodeShape): ClusterState {
  const state = new ClusterState();
  for (let i = 0; i < count; i++) state.setNode(readyNode(i, shapeOf(i)));
  return state;
}

export const serviceOf = (reservations: Partial<Resources>, constraints: readonly string[], strategy: PlacementStrategy, replicas = 1): ServiceSpec =>
  newServiceSpec({ replicas, task: newTaskSpec({ reservations: newResources(reservations), placement: newPlacement({ constraints: [...constraints], strategy }) }) });

/** A group of a service of its own, and `count` waiting tasks. */
export function addWaiting(state: ClusterState, name: string, spec: ServiceSpec, count: number): { readonly g: number; readonly tasks: Int32Array } {
  const g = state.addGroup(`${name}.1`, name, compileSpec(name, spec));
  state.holdGroup(g);
  return { g, tasks: Int32Array.from({ length: count }, (_, i) => state.addTask(taskId(name, i), g, 0)) };
}

/** As long as a real one (25 characters). */
const taskId = (name: string, i: number): string => `${name}.${i}`.padEnd(25, "x");

export function unplaceAll(state: ClusterState): void {
  for (let t = 0; t < state.tasks.size; t++) if (state.tasks.nodeOf(t) !== nowhere) state.unplace(t);
}
