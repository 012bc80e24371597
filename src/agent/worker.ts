import type { ContainerState, TaskEngine } from "../engine/index.js";
import { SwarmError, assert, backoffMs, codeOf, sleep, type Clock, type Logger, type Timer } from "../lib/index.js";
import { compareTaskStates, isTerminal, newTaskStatus, stateOf, taskName, type PortConfig, type TaskAssignment, type TaskStatus } from "../model/index.js";
import type { Overlay, OverlayState } from "../overlay/index.js";
import { taskLabel, containerIdOf } from "./container-config.js";
import { differenceOf, type ReceivedAssignments } from "./core/apply-assignments.js";
import type { AgentDatabase, Contents, Meta, TaskRecord } from "./database.js";
import { OverlaySync } from "./overlay-sync.js";
import { execute, type World } from "./reconcile/execute.js";
import { planTask, type Report, type Step } from "./reconcile/plan.js";

/** How often the engine is asked for all its containers, in case an event was missed. */
const auditMs = 10_000;
/** Containers started side by side: each start is a burst of system programs. */
const parallelStarts = 12;

/** What this process knows of a task beside its record. */
interface Runtime {
  container: ContainerState | undefined;
  looks: number;
  hasSandbox: boolean;
  isAttached: boolean;
  busy: { readonly kind: Step["kind"]; readonly abort: AbortController } | undefined;
  attempt: { readonly kind: Step["kind"]; count: number } | undefined;
  retry: Timer | undefined;
}

export interface WorkerOptions {
  readonly nodeId: string;
  readonly engine: TaskEngine;
  readonly overlay: Overlay;
  readonly database: AgentDatabase;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly gpuDeviceNodes?: (ids: readonly string[]) => Promise<readonly string[]>;
  /** There are statuses to send. */
  readonly onReport: () => void;
}

/** Keeps the host as the assignments say, with or without a manager: records on disk, one reconciled life for each task. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #overlaySync: OverlaySync;
  readonly #runtimes = new Map<string, Runtime>();
  readonly #stopping = new AbortController();
  readonly #active = new Set<Promise<void>>();
  readonly #waitingForStart = new Set<string>();
  #starting = 0;
  #known: Contents;
  #meta: Meta;
  #audit: Timer | undefined;
  /** The assignments of some manager are known, so that what they do not name is nobody's. */
  #isAuthoritative = false;
  #sandboxes = new Set<string>();

  private constructor(options: WorkerOptions, known: Contents) {
    this.#options = options;
    this.#known = known;
    this.#meta = known.meta ?? { nodeId: options.nodeId, index: 0, dataPort: 4789, managers: [] };
    this.#overlaySync = new OverlaySync({ ...options, state: () => this.#overlayState() });
  }

  /** Reads the database, takes over what runs and reports what ended meanwhile. */
  static async start(options: WorkerOptions): Promise<Worker> {
    let known = await options.database.read();
    if (known.meta && known.meta.nodeId !== options.nodeId) {
      options.log.warn("The agent's database is of another node; starting with an empty one", { was: known.meta.nodeId });
      await options.database.clear();
      known = await options.database.read();
    }
    const worker = new Worker(options, known);
    worker.#isAuthoritative = worker.#meta.index > 0;
    // Names and VIPs work again before any manager is reached.
    if (known.networks.size > 0) worker.#overlaySync.changed();
    options.engine.watch((event) => void worker.#look(event.id), worker.#stopping.signal);
    worker.#sandboxes = new Set(await options.overlay.list());
    for (const id of known.tasks.keys()) worker.#runtime(id).hasSandbox = worker.#sandboxes.has(id);
    await worker.#auditContainers();
    await worker.#removeStrays();
    worker.#scheduleAudit();
    return worker;
  }

  get index() { return this.#meta.index; }
  get managers() { return this.#meta.managers; }
  get taskCount() { return this.#known.tasks.size; }
  record(taskId: string): TaskRecord | undefined { return this.#known.tasks.get(taskId); }
  container(taskId: string): ContainerState | undefined { return this.#runtimes.get(taskId)?.container; }

  /** Ends this process's part; containers, sandboxes and records stay as they are. */
  async stop(): Promise<void> {
    this.#stopping.abort(new SwarmError("CANCELLED", "the agent is stopping"));
    this.#audit?.cancel();
    this.#overlaySync.stop();
    for (const runtime of this.#runtimes.values()) { runtime.retry?.cancel(); runtime.busy?.abort.abort(this.#stopping.signal.reason); }
    await Promise.allSettled(this.#active);
  }

  /** Stops and removes every task; resolves when none is left, or the signal fires. */
  async drain(signal?: AbortSignal): Promise<void> {
    for (const [id, record] of this.#known.tasks) { this.#put(id, { ...record, isAssigned: false, isAcked: true }); this.#reconcile(id); }
    while (this.#known.tasks.size > 0 && !signal?.aborted) {
      await Promise.race([...this.#active, new Promise<void>((resolve) => this.#options.clock.after(100, resolve))]);
    }
    await this.#options.database.clear();
  }

  // ---- from the managers ---------------------------------------------------------------------------------------------

  /** Throws ABORTED when the change does not apply to what this agent has. Durable before anything is done about it. */
  async assign(message: ReceivedAssignments): Promise<void> {
    if (!message.isComplete && message.appliesTo !== this.#meta.index) {
      throw new SwarmError("ABORTED", `A change of assignments applies to state ${message.appliesTo}, but this node has ${this.#meta.index}; asking for all of them`);
    }
    const { database } = this.#options;
    const assigned = new Set([...this.#known.tasks].filter(([, record]) => record.isAssigned).map(([id]) => id));
    const difference = differenceOf(message, { ...this.#known, tasks: assigned });
    for (const [id, assignment] of difference.tasks) {
      const present = this.#known.tasks.get(id);
      if (assignment) this.#put(id, merged(present, assignment, message.isComplete));
      else if (present) this.#put(id, { ...present, isAssigned: false, isAcked: true });
    }
    const takeOver = <T>(table: "network" | "endpoints" | "attachments", known: Map<string, T>, changes: Map<string, T | undefined>) => {
      for (const [key, value] of changes) {
        if (value === undefined) known.delete(key); else known.set(key, value);
        database.put(table, key, value);
      }
      return changes.size > 0;
    };
    const isOverlayChanged = [
      takeOver("network", this.#known.networks, difference.networks),
      takeOver("endpoints", this.#known.endpoints, difference.endpoints),
      takeOver("attachments", this.#known.nodeAttachments, difference.nodeAttachments),
    ].some(Boolean);
    this.#putMeta({ index: message.resultsIn });
    await database.flushed();
    if (isOverlayChanged) this.#overlaySync.changed();
    // After the database was lost, what runs is taken over rather than taken for gone.
    if (message.isComplete) await Promise.all([...difference.tasks.keys()].map((id) => this.#look(id)));
    else for (const id of difference.tasks.keys()) this.#reconcile(id);
    if (message.isComplete) {
      this.#isAuthoritative = true;
      await this.#removeStrays();
      this.#options.onReport();
    }
  }

  configure(settings: { dataPort: number; managers: readonly string[] }): void {
    const isMoved = settings.dataPort !== this.#meta.dataPort;
    this.#putMeta(settings);
    if (isMoved) this.#overlaySync.changed();
  }

  // ---- to the managers -----------------------------------------------------------------------------------------------

  /** Statuses that the leader has not confirmed, oldest task first. */
  unconfirmed(limit: number): { taskId: string; status: TaskStatus }[] {
    const statuses: { taskId: string; status: TaskStatus }[] = [];
    for (const [taskId, { status, isAcked }] of this.#known.tasks) {
      if (!isAcked && statuses.push({ taskId, status }) >= limit) break;
    }
    return statuses;
  }

  /** A status that changed since it was sent stays unconfirmed. */
  confirmed(sent: readonly { taskId: string; status: TaskStatus }[]): void {
    for (const { taskId, status } of sent) {
      const record = this.#known.tasks.get(taskId);
      if (record && record.status === status) this.#put(taskId, { ...record, isAcked: true });
    }
  }

  // ---- one task's life ------------------------------------------------------------------------------------------------

  #reconcile(taskId: string): void {
    const record = this.#known.tasks.get(taskId);
    if (!record || this.#stopping.signal.aborted) return;
    const runtime = this.#runtime(taskId);
    const step = planTask({
      assignment: record.assignment, isAssigned: record.isAssigned, status: record.status, container: runtime.container,
      hasSandbox: runtime.hasSandbox, isAttached: runtime.isAttached, busy: runtime.busy?.kind,
    });
    if (!step) { this.#waitingForStart.delete(taskId); return; }
    if (step.kind === "interrupt") { runtime.busy?.abort.abort(new SwarmError("CANCELLED", "the task shall stop")); return; }
    // A step that failed waits for its time, but another kind of step is not held back by it.
    if (runtime.retry && runtime.attempt?.kind === step.kind) return;
    runtime.retry?.cancel();
    runtime.retry = undefined;
    if (step.kind === "start") {
      if (this.#starting >= parallelStarts) { this.#waitingForStart.add(taskId); return; }
      this.#starting += 1;
    }
    this.#waitingForStart.delete(taskId);
    this.#run(taskId, runtime, step);
  }

  #run(taskId: string, runtime: Runtime, step: Step): void {
    const abort = new AbortController();
    runtime.busy = { kind: step.kind, abort };
    const attempt = runtime.attempt?.kind === step.kind ? runtime.attempt.count : 0;
    const run = execute(step, this.#world(), attempt, abort.signal).then(
      () => { runtime.attempt = undefined; },
      (error: unknown) => {
        if (this.#stopping.signal.aborted) return;
        this.#options.log.warn("A step of a task failed; trying again", { task: taskId, step: step.kind, error });
        runtime.attempt = { kind: step.kind, count: attempt + 1 };
        runtime.retry = this.#options.clock.after(backoffMs(attempt, { baseMs: 500, maxMs: 30_000 }, this.#options.random), () => {
          runtime.retry = undefined;
          this.#reconcile(taskId);
        });
      },
    ).finally(() => {
      this.#active.delete(run);
      runtime.busy = undefined;
      if (step.kind === "start") {
        this.#starting -= 1;
        for (const id of [...this.#waitingForStart].slice(0, parallelStarts - this.#starting)) this.#reconcile(id);
      }
      this.#reconcile(taskId);
    });
    this.#active.add(run);
  }

  #world(): World {
    const { engine, overlay, gpuDeviceNodes } = this.#options;
    return {
      engine,
      overlay,
      ...(gpuDeviceNodes && { gpuDeviceNodes }),
      overlayApplied: () => this.#overlaySync.applied(),
      isServedByOthers: (taskId) => [...this.#known.endpoints.values()].some(({ endpoints }) =>
        endpoints.some((endpoint) => endpoint.taskId === taskId) && endpoints.some((endpoint) => endpoint.isReady && endpoint.taskId !== taskId)),
      pause: (durationMs, signal) => sleep(this.#options.clock, durationMs, signal),
      assignment: (taskId) => this.#existing(taskId).assignment,
      status: (taskId) => this.#existing(taskId).status,
      report: (taskId, report) => this.#report(taskId, report),
      refresh: (taskId) => this.#look(containerIdOf(taskId)),
      sandboxChanged: (taskId, { exists, isAttached }) => { const runtime = this.#runtime(taskId); runtime.hasSandbox = exists; runtime.isAttached = isAttached; },
      interrupt: () => {},
      forget: (taskId) => {
        this.#known.tasks.delete(taskId);
        this.#runtimes.delete(taskId);
        this.#options.database.put("task", taskId, undefined);
      },
    };
  }

  #report(taskId: string, { hostPorts, ...report }: Report & { readonly hostPorts?: readonly PortConfig[] }): void {
    const record = this.#existing(taskId);
    const before = record.status;
    if (compareTaskStates(report.state, before.state) < 0 || (isTerminal(before.state) && report.state !== before.state)) return;
    const status: TaskStatus = {
      ...before, state: report.state, message: report.message ?? "", err: report.err ?? "", timestampMs: this.#options.clock.now(),
      container: report.container ?? before.container, hostPorts: [...(hostPorts ?? before.hostPorts)], pending: [],
    };
    this.#put(taskId, { ...record, status, isAcked: !record.isAssigned });
    if (status.state !== before.state) {
      const { assignment } = record;
      this.#options.log.info("A task changed its state", { task: taskId, name: taskName(assignment.serviceName, assignment.task!), state: status.state, ...(status.err && { reason: status.err }) });
    }
    this.#options.onReport();
  }

  // ---- looking at the host ----------------------------------------------------------------------------------------------

  /** Only the latest of several looks at one container counts, in whatever order they come back. */
  async #look(containerId: string): Promise<void> {
    if (!this.#known.tasks.has(containerId)) return;
    const runtime = this.#runtime(containerId);
    const look = ++runtime.looks;
    try {
      const container = await this.#options.engine.inspect(containerId);
      if (runtime.looks === look) runtime.container = container;
    } catch (error) {
      this.#options.log.warn("Could not look at a container; trying again", { container: containerId, error });
    }
    this.#reconcile(containerId);
  }

  async #auditContainers(): Promise<void> {
    const looks = new Map([...this.#known.tasks.keys()].map((id) => [id, ++this.#runtime(id).looks]));
    const containers = new Map((await this.#options.engine.list()).map((container) => [container.id, container]));
    for (const [id, look] of looks) {
      const runtime = this.#runtimes.get(id);
      if (!runtime || runtime.looks !== look) continue;
      runtime.container = containers.get(containerIdOf(id));
      this.#reconcile(id);
    }
  }

  #scheduleAudit(): void {
    this.#audit = this.#options.clock.after(auditMs, () => {
      void this.#auditContainers()
        .catch((error) => this.#options.log.warn("Could not list the containers; trying again", { error }))
        .finally(() => { if (!this.#stopping.signal.aborted) this.#scheduleAudit(); });
    });
  }

  /** Removes what carries a task's mark and belongs to no task that this node knows. */
  async #removeStrays(): Promise<void> {
    if (!this.#isAuthoritative) return;
    const { engine, overlay, log } = this.#options;
    const attempt = async (what: string, id: string, action: () => Promise<void>) => {
      try {
        log.info(`Removing a ${what} that no task owns`, { id });
        await action();
      } catch (error) { log.warn(`Could not remove a ${what} that no task owns`, { id, error }); }
    };
    try {
      for (const container of await engine.list()) {
        if (taskLabel in container.labels && !this.#known.tasks.has(container.id)) await attempt("container", container.id, () => engine.remove(container.id, { force: true }));
      }
      for (const id of await overlay.list()) if (!this.#known.tasks.has(id)) await attempt("sandbox", id, () => overlay.detach(id));
    } catch (error) {
      if (codeOf(error) !== "CANCELLED") log.warn("Could not look for what no task owns", { error });
    }
  }

  // ---- records ------------------------------------------------------------------------------------------------------

  #runtime(taskId: string): Runtime {
    let runtime = this.#runtimes.get(taskId);
    if (!runtime) {
      runtime = { container: undefined, looks: 0, hasSandbox: this.#sandboxes.has(taskId), isAttached: false, busy: undefined, attempt: undefined, retry: undefined };
      this.#runtimes.set(taskId, runtime);
    }
    return runtime;
  }

  #existing(taskId: string): TaskRecord {
    const record = this.#known.tasks.get(taskId);
    assert(record, `task ${taskId} has a record while a step runs for it`);
    return record;
  }

  #put(taskId: string, record: TaskRecord): void {
    this.#known.tasks.set(taskId, record);
    this.#options.database.put("task", taskId, record);
  }

  #putMeta(changes: Partial<Meta>): void {
    this.#meta = { ...this.#meta, ...changes };
    this.#options.database.put("meta", "", this.#meta);
  }

  #overlayState(): OverlayState {
    return {
      nodeId: this.#options.nodeId, dataPort: this.#meta.dataPort, networks: [...this.#known.networks.values()],
      endpoints: [...this.#known.endpoints.values()], nodeAttachments: [...this.#known.nodeAttachments.values()],
    };
  }
}

/** What a task's record becomes when a manager names it. The agent's own status counts, except where somebody else ended the task. */
function merged(present: TaskRecord | undefined, assignment: TaskAssignment, isComplete: boolean): TaskRecord {
  const stored = assignment.task!.status ?? newTaskStatus({ state: "ASSIGNED" });
  if (!present) return { assignment, isAssigned: true, status: stored, isAcked: true };
  if (isTerminal(stored.state) && !isTerminal(present.status.state)) return { assignment, isAssigned: true, status: stored, isAcked: true };
  const isBehind = compareTaskStates(stored.state, present.status.state) < 0 && stateOf(assignment.task!) !== "ORPHANED";
  return { assignment, isAssigned: true, status: present.status, isAcked: isComplete ? present.isAcked && !isBehind : present.isAcked };
}
