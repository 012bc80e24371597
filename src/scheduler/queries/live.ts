import { revisionId, taskName, type Service, type ServiceSpec } from "../../model/index.js";
import type { ReadTx, Store } from "../../store/index.js";
import type { Names } from "../core/explain/index.js";
import { Placer, type Strategy } from "../core/place/index.js";
import { Quotas, type Reservation } from "../core/queue/index.js";
import { compileSpec, nowhere, type ClusterState } from "../core/state/index.js";

/** The scheduler's own state while it runs. Whoever is given it looks, copies, and changes nothing. */
export interface Live {
  readonly state: ClusterState;
  readonly defaultStrategy: Strategy;
  /** Nodes that are kept for groups (they are barred in the state). */
  readonly reservations: Iterable<Reservation>;
}

/** Calls `look` with the live state, at once. Throws UNAVAILABLE while there is none. */
export type Inspect = <T>(look: (live: Live) => T) => T;

/** A copy of the cluster to try things on, and what people call the things in it. */
export interface Copy {
  readonly state: ClusterState;
  readonly placer: Placer;
  readonly store: Store;
  readonly reservations: readonly Reservation[];
  /** Rows of the tasks that were asked for; of those that are there. */
  readonly rows: ReadonlyMap<string, number>;
}

/** Ids looked up in a step. */
const idsPerStep = 1_000;

/** What `answer` makes of a copy of the live state, which is made in slices. `taskIds` are looked up in the live state: a copy would have to make its index for it. */
export function* withCopy<T>(inspect: Inspect, store: Store, nowMs: () => number, taskIds: readonly string[], answer: (copy: Copy) => Generator<void, T>): Generator<void, T> {
  for (;;) {
    const live = inspect(({ state }) => state);
    const state = yield* live.copyInSlices();
    try {
      const rows = new Map<string, number>();
      const findRows = (from: number) => {
        for (const id of taskIds.slice(from, from + idsPerStep)) { const t = live.tasks.rowOf(id); if (t !== undefined && state.tasks.ids[t] === id) rows.set(id, t); }
      };
      const now = inspect((look) => (look.state === live ? { defaultStrategy: look.defaultStrategy, reservations: [...look.reservations] } : undefined));
      // Another state is the live one by now: this one is told of no change any more.
      if (!now) continue;
      findRows(0);
      for (let from = idsPerStep; from < taskIds.length; from += idsPerStep) { yield; findRows(from); }
      yield* state.indexSteps();
      return yield* answer({ state, store, rows, placer: new Placer(state, { defaultStrategy: now.defaultStrategy, nowMs }), reservations: now.reservations });
    } finally { live.takeBack(state); }
  }
}

/** The group of a service's present revision; it is there even where it has no task. */
export function presentGroup(state: ClusterState, service: Pick<Service, "id" | "revision" | "spec">): number {
  return heldGroup(state, revisionId(service.id, service.revision), service.id, service.spec ?? undefined);
}

export function heldGroup(state: ClusterState, key: string, serviceId: string, spec: ServiceSpec | undefined): number {
  const g = state.groupOf(key, serviceId, () => compileSpec(serviceId, spec));
  state.holdGroup(g);
  return g;
}

/** Nodes that are kept for others stay barred; those that this group may use are open to it. */
export function openFor({ state, reservations }: Copy, g: number): void {
  for (const { n, key, priority } of reservations) if (key === state.groups.keys[g] || priority < state.groups.priority[g]!) state.bar(n, false);
}

/** Quotas with what the tasks in `state` hold. */
export function* quotasIn({ state, store }: Pick<Copy, "state" | "store">): Generator<void, Quotas | undefined> {
  const limits = store.view((tx) => tx.list("cluster")[0]?.spec?.quotas ?? []);
  if (limits.length === 0) return undefined;
  const quotas = new Quotas();
  quotas.setLimits(limits);
  const { tasks, groups } = state, placed = new Int32Array(groups.size);
  for (let t = 0; t < tasks.size; t++) {
    if (tasks.ids[t] !== "" && tasks.nodeOf(t) !== nowhere) placed[tasks.groupOf(t)]!++;
    if (t % rowsPerStep === rowsPerStep - 1) yield;
  }
  for (let g = 0; g < groups.size; g++) {
    if (placed[g]! > 0) quotas.count(state, g, placed[g]!);
    if (g % idsPerStep === idsPerStep - 1) yield;
  }
  return quotas;
}

const rowsPerStep = 50_000;

export function namesFrom(store: Store): Names {
  return {
    service: (id) => store.view((tx) => serviceName(tx, id)),
    task: (id) => store.view((tx) => {
      const task = tx.get("task", id);
      return task ? taskName(serviceName(tx, task.serviceId), task) : id;
    }),
  };
}

const serviceName = (tx: ReadTx, id: string): string => tx.get("service", id)?.spec?.name || id;

/** Filters speak of services by their ids; people know them by their names. */
export const withNames = (text: string, names: Names): string => text.replace(/\b[0-9a-z]{25}\b/g, (id) => names.service(id));
