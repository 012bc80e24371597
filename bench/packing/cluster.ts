/** The production state and placer with an inventory in them, to which jobs arrive one after the other. */
import { newNode, newResources, newServiceSpec, newTaskSpec, newContainerSpec, newPlacement, type Node } from "../../src/model/index.js";
import { Placer } from "../../src/scheduler/core/place/index.js";
import { ClusterState, compileSpec } from "../../src/scheduler/core/state/index.js";
import type { Job, Machine } from "./inputs.js";

const mib = 2 ** 20;

/** Jobs that ask for the same are replicas of one service. */
export interface Demand { readonly kinds: readonly Job[]; readonly kindOf: Int32Array }

export function demandOf(jobs: readonly Job[]): Demand {
  const rows = new Map<string, number>(), kinds: Job[] = [];
  const kindOf = Int32Array.from(jobs, (job) => {
    const key = `${job.cpuMillis},${job.memoryMib},${job.gpus}x${job.gpuMillis}:${job.models.join("|")}`;
    const known = rows.get(key);
    if (known !== undefined) return known;
    rows.set(key, kinds.length);
    return kinds.push(job) - 1;
  });
  return { kinds, kindOf };
}

/** The inventory's mix on `count` machines, in its order: each kind is there in the same part of the whole as in the inventory, to within one. */
export const repeated = (machines: readonly Machine[], count: number): Machine[] => Array.from({ length: count }, (_, i) => machines[Math.floor((i * machines.length) / count)]!);

/** The machine of which there are most. */
export function commonest(machines: readonly Machine[]): Machine {
  const counts = new Map<string, { machine: Machine; count: number }>();
  for (const machine of machines) {
    const key = `${machine.cpuMillis}/${machine.memoryMib}/${machine.gpus}/${machine.model}`;
    counts.set(key, { machine, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].reduce((most, each) => each.count > most.count ? each : most).machine;
}

const nodes = new WeakMap<Machine, Map<string, Node>>();

function nodeOf(machine: Machine, id: string): Node {
  const known = nodes.get(machine) ?? new Map<string, Node>();
  nodes.set(machine, known);
  const node = known.get(id) ?? newNode({
    id, spec: { labels: {}, availability: "ACTIVE", desiredRole: "WORKER", taints: [] }, status: { state: "READY", message: "", addr: "", sinceMs: 0 },
    description: {
      hostname: id, os: "linux", arch: "amd64", engineVersion: "", engineLabels: {}, plugins: [], attributes: {},
      resources: newResources({
        cpuMillis: machine.cpuMillis, memoryBytes: machine.memoryMib * mib,
        gpus: Array.from({ length: machine.gpus }, (_, i) => ({ id: String(i), model: machine.model, memoryBytes: 0 })),
      }),
    },
  });
  known.set(id, node);
  return node;
}

const specOf = (job: Job) => newServiceSpec({
  task: newTaskSpec({
    container: newContainerSpec({ image: "app" }), placement: newPlacement({}),
    reservations: newResources({ cpuMillis: job.cpuMillis, memoryBytes: job.memoryMib * mib, gpu: job.gpus > 0 ? { count: job.gpus, millis: job.gpus === 1 && job.gpuMillis < 1000 ? job.gpuMillis : 0, models: [...job.models] } : null }),
  }),
});

export class Cluster {
  readonly state = new ClusterState();
  readonly #placer = new Placer(this.state, { defaultStrategy: "PACK", nowMs: () => 0 });
  readonly #groups: number[];
  #arrived = 0;

  constructor(machines: readonly Machine[], demand: Demand) {
    machines.forEach((machine, i) => this.state.setNode(nodeOf(machine, `n${String(i).padStart(6, "0")}`)));
    this.#groups = demand.kinds.map((job, kind) => {
      const g = this.state.addGroup(`s${kind}.1`, `s${kind}`, compileSpec(`s${kind}`, specOf(job)));
      this.state.holdGroup(g);
      return g;
    });
  }

  /** One more job of `kind`. False: it fits nowhere, and waits from now on (nothing is tried again). */
  arrive(kind: number): boolean {
    const g = this.#groups[kind]!;
    return this.#placer.place(g, [this.state.addTask(`t${this.#arrived++}`, g, 0)]) === 1;
  }
}

/** 0 … length - 1 in an order that the seed decides. */
export function shuffled(length: number, random: () => number): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1)), kept = order[i]!;
    order[i] = order[j]!;
    order[j] = kept;
  }
  return order;
}
