import { isDeepStrictEqual } from "node:util";
import { SwarmError, codeOf, isRetryable, sleep, systemClock } from "../../lib/index.js";
import { newEndpointSpec, type Service, type ServiceSpec } from "../../model/index.js";
import type { GetServiceResponse } from "../../gen/swarm/v1/GetServiceResponse.js";
import type { ListRevisionsResponse } from "../../gen/swarm/v1/ListRevisionsResponse.js";
import type { ListTasksResponse } from "../../gen/swarm/v1/ListTasksResponse.js";
import type { TaskView } from "../../gen/swarm/v1/TaskView.js";
import type { WatchEvent } from "../../gen/swarm/v1/WatchEvent.js";
import type { Connection } from "../connect.js";
import type { Observation } from "./convergence.js";

/** At most so often is the service asked for again while it changes. */
const throttleMs = 100;
/** It is looked at this often even though nothing was said to have changed. */
const idleMs = 1_000;
/** A cluster without a leader for this long ends the wait. */
const patienceMs = 30_000;

/**
 * One service as it changes. The watch says when to look, the lists say what is: a lost event can delay an observation, never falsify one.
 * A manager that goes away is replaced by another.
 */
export class ServiceWatch {
  #revisions: { of: number; upToDate: ReadonlySet<number> } | undefined;
  constructor(private readonly connection: Connection, private readonly serviceId: string) {}

  /** Ends when the service is gone (its last value is undefined) or the signal fires. */
  async *observations(signal: AbortSignal): AsyncGenerator<Observation | undefined> {
    const ended = new AbortController();
    const end = () => ended.abort(signal.reason);
    signal.addEventListener("abort", end, { once: true });
    let changes = 0;
    let wake = () => {};
    const listening = this.#listen(ended.signal, () => { changes++; wake(); });
    try {
      let failingSince: number | undefined;
      while (!signal.aborted) {
        const seen = changes;
        try {
          const observation = await this.observe(signal);
          failingSince = undefined;
          yield observation;
          if (!observation) return;
        } catch (error) {
          if (signal.aborted) return;
          failingSince ??= systemClock.monotonic();
          if (!isRetryable(error) || systemClock.monotonic() - failingSince > patienceMs) throw error;
        }
        await sleep(systemClock, throttleMs, signal).catch(() => {});
        if (changes === seen && !signal.aborted) {
          await new Promise<void>((resolve) => {
            const done = () => { clearTimeout(timer); signal.removeEventListener("abort", done); resolve(); };
            const timer = setTimeout(done, idleMs - throttleMs);
            wake = done;
            signal.addEventListener("abort", done, { once: true });
          });
        }
      }
    } finally {
      signal.removeEventListener("abort", end);
      ended.abort(new SwarmError("CANCELLED", "the wait is over"));
      await listening;
    }
  }

  /** As it is now; undefined where it does not exist. */
  async observe(signal?: AbortSignal): Promise<Observation | undefined> {
    const tasks = await this.#tasks(signal);
    try {
      const { service, status } = await this.connection.control<GetServiceResponse>("getService", { ref: this.serviceId }, { signal, timeoutMs: 10_000 });
      if (!service) return undefined;
      const desired = service.spec?.mode === "GLOBAL" ? status?.desired ?? 0 : service.spec?.replicas ?? 0;
      return { service, tasks, desired, upToDateRevisions: await this.#upToDate(service, signal) };
    } catch (error) {
      // A removed service's tasks may still be stopping.
      if (codeOf(error) === "NOT_FOUND" && tasks.length === 0) return undefined;
      if (codeOf(error) === "NOT_FOUND") return { service: goneService(this.serviceId), tasks, desired: 0, upToDateRevisions: new Set() };
      throw error;
    }
  }

  async #tasks(signal?: AbortSignal): Promise<TaskView[]> {
    try {
      return (await this.connection.control<ListTasksResponse>("listTasks", { filters: [{ key: "service", value: this.serviceId }] }, { signal, timeoutMs: 10_000 })).tasks;
    } catch (error) {
      if (codeOf(error) === "NOT_FOUND") return [];
      throw error;
    }
  }

  /** Revisions with the same task: their running tasks are what the present spec asks for. */
  async #upToDate(service: Service, signal?: AbortSignal): Promise<ReadonlySet<number>> {
    if (this.#revisions?.of === service.revision) return this.#revisions.upToDate;
    const { revisions } = await this.connection.control<ListRevisionsResponse>("listRevisions", { ref: service.id }, { signal, timeoutMs: 10_000 });
    const upToDate = new Set([service.revision, ...revisions.filter((revision) => runsTheSame(revision.spec, service.spec)).map((revision) => revision.number)]);
    this.#revisions = { of: service.revision, upToDate };
    return upToDate;
  }

  async #listen(signal: AbortSignal, onChange: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        const events = this.connection.controlStream<WatchEvent>("watch", { kinds: ["task", "service"], filters: [{ key: "service", value: this.serviceId }] }, { signal });
        for await (const _event of events) onChange();
      } catch { /* the observations meet the same failure and decide about it */ }
      await sleep(systemClock, 500, signal).catch(() => {});
    }
  }
}

/** As the orchestrator sees it: a task whose node satisfies the new placement stays. */
function runsTheSame(old: ServiceSpec | null, present: ServiceSpec | null): boolean {
  const core = (spec: ServiceSpec | null) => ({ task: { ...spec?.task, placement: null }, endpoint: spec?.endpoint ?? newEndpointSpec() });
  return isDeepStrictEqual(core(old), core(present));
}

const goneService = (id: string): Service => ({ id, meta: null, spec: null, revision: 0, endpoint: null, updateStatus: null, isRemoving: true });
