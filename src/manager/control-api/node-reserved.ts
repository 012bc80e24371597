import { holdsResources, newResources, revisionId, type Node, type Resources } from "../../model/index.js";
import type { ReadTx } from "../../store/index.js";
import type { NodeReserved } from "../../gen/swarm/v1/NodeReserved.js";
import { specOf } from "./task-view.js";

/** 20,000 tasks take 10 ms of the loop that also commits and serves; who has more is answered for fewer nodes. */
const maxTasks = 20_000;

/** What tasks have set aside on each of `nodes`, in their order, for as many as can be added up at once. */
export function reservedOnNodes(tx: ReadTx, nodes: readonly Node[]): NodeReserved[] {
  const reserved: NodeReserved[] = [];
  const reservations = new Map<string, Resources>();
  let count = 0;
  for (const { id } of nodes) {
    const tasks = tx.tasksOfNode(id);
    count += tasks.length;
    if (count > maxTasks && reserved.length > 0) break;
    const amounts = newResources();
    const kinds = new Map<string, { kind: string; count: number; ids: string[] }>();
    const devices = new Map<string, number>();
    let holding = 0;
    for (const task of tasks) {
      if (!holdsResources(task)) continue;
      holding += 1;
      const key = revisionId(task.serviceId, task.revision);
      let asked = reservations.get(key);
      if (!asked) reservations.set(key, asked = specOf(tx, task)?.reservations ?? newResources());
      amounts.cpuMillis += asked.cpuMillis;
      amounts.memoryBytes += asked.memoryBytes;
      amounts.pids += asked.pids;
      amounts.diskBytes += asked.diskBytes;
      for (const { kind, count: units, ids } of task.assigned) {
        const held = ids.length || units;
        const sum = kinds.get(kind) ?? { kind, count: 0, ids: [] };
        kinds.set(kind, { kind, count: sum.count + held, ids: [...sum.ids, ...ids] });
      }
      for (const gpu of task.gpus) devices.set(gpu.id, (devices.get(gpu.id) ?? 0) + gpu.millis);
    }
    reserved.push({
      nodeId: id, tasks: holding, amounts: { ...amounts, generic: [...kinds.values()].sort((a, b) => (a.kind < b.kind ? -1 : 1)) },
      gpus: [...devices].map(([device, millis]) => ({ id: device, millis })),
    });
  }
  return reserved;
}
