import { Metrics, SwarmError, messageOf, startCoalescingLoop, type Clock, type Logger } from "../lib/index.js";
import type { Commit, Store } from "../store/index.js";
import { comparePictures } from "./compare-pictures.js";
import { decisionCostMs, packDecision } from "./core/pack/index.js";
import { assignedGpus, assignGeneric, type Batch, type HeavyDecision } from "./core/queue/index.js";
import { nowhere } from "./core/state/index.js";
import { Explainer } from "./explainer.js";
import { buildPicture, type Picture } from "./picture.js";
import { schedulerMetrics } from "./scheduler-metrics.js";
import { DecisionWorker } from "./worker/index.js";
import { writeDecisions, type Writes } from "./write.js";

export interface SchedulerPorts {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** Where it counts; by default nobody reads it. */
  readonly metrics?: Metrics;
  /** Decisions that would hold the thread for longer are made in another one, milliseconds; default 10. */
  readonly heavyMs?: number;
  /** Who makes them; default: a thread that is started with the first of them. */
  readonly worker?: Pick<DecisionWorker, "decide" | "size" | "isUsable" | "stop">;
}

export interface Scheduler {
  stop(): Promise<void>;
  /** A look at the live picture, which must be left as it was; at most 10 ms. UNAVAILABLE while it is made. */
  inspect<T>(look: (picture: Picture) => T): T;
  /** Makes the picture anew from the store, compares, and takes the new one where they differ. The differences; undefined: it was stopped or never came to rest. */
  audit(): Promise<readonly string[] | undefined>;
}

/** A slice, what it writes included, is to hold the thread for about this, and each has a turn of the event loop of its own: what is committed is noted there as well, and garbage collected. */
const sliceMs = 5;
/** Of it, for deciding or explaining; the rest is the store's. */
const decideMs = sliceMs / 2;
/** Transactions on their way; a decision made on what is in flight is as good as one on what is stored. */
const maxInFlight = 4;
const mostWrites = 2_000, leastWrites = 100;
/** How often it is seen to what time alone brings. */
const tickMs = 1_000;
/** A decision that met a change that is not committed yet is made again then at the latest. */
const retryConflictMs = 100;
const auditEveryMs = 5 * 60_000;
/** Decisions that the other thread has at a time; each is made of the state as it was when it was sent. */
const maxHeavy = 2;

/**
 * Leader only. Starts with a look at everything. A first event is decided about at once; while transactions are in flight, events gather. One slice decides
 * about as many tasks as one transaction takes; the next slice does not wait for the disk of the one before.
 */
export function startScheduler({ store, clock, log, random, metrics: registry = new Metrics(), heavyMs = 10, worker = new DecisionWorker(clock, log) }: SchedulerPorts): Scheduler {
  const metrics = schedulerMetrics(registry);
  let picture: Picture | undefined;
  let explainer: Explainer | undefined;
  /** Commits since the picture that is being made began. */
  let backlog: Commit[] | undefined;
  let shadow: { picture: Picture | undefined; backlog: Commit[] } | undefined;
  let mustRebuild = true;
  let isStopped = false;
  const inFlight = new Set<Promise<void>>();
  let failure: unknown;
  /** Tasks whose decision met a change that was not known yet. */
  const conflicts = new Set<string>();
  let retryAtMs = Infinity;
  let nextTickMs = 0;
  let writesPerTransaction = 250;
  let lastPauseMs = clock.monotonic();

  const loop = startCoalescingLoop({ name: "scheduler", clock, random, log, run });
  const unwatch = store.watch((commit) => {
    note(commit);
    if (hasWork()) loop.wake();
  });
  let auditTimer = clock.after(auditEveryMs, auditAgain);
  loop.wake();

  // ---- taking note ----

  function note(commit: Commit): void {
    if (commit.changes.length === 0) { mustRebuild = true; shadow = undefined; return; }
    if (shadow?.picture) apply(shadow.picture, commit);
    else shadow?.backlog.push(commit);
    if (backlog) backlog.push(commit);
    else if (picture && !mustRebuild) {
      apply(picture, commit);
      retryConflicts();
    }
  }

  function apply(to: Picture, { changes }: Commit): void { store.view((tx) => to.note(tx, changes)); }

  function hasWork(): boolean { return mustRebuild || (picture !== undefined && (picture.queue.hasWork || explainer!.hasWork)); }

  async function rebuild(): Promise<void> {
    mustRebuild = false;
    backlog = [];
    conflicts.clear();
    try {
      const made = await make(() => mustRebuild || isStopped);
      if (!made) return;
      for (const commit of backlog) apply(made, commit);
      take(made);
    } catch (error) {
      mustRebuild = true;
      throw error;
    } finally { backlog = undefined; }
  }

  /** A picture of the store, in slices. undefined: it was given up. */
  async function make(isOver: () => boolean): Promise<Picture | undefined> {
    const steps = buildPicture(store, clock);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      await breathe();
      if (isOver()) return undefined;
    }
  }

  function take(made: Picture): void {
    picture = made;
    explainer = new Explainer(made, clock, (serviceId) => store.view((tx) => tx.get("service", serviceId)?.spec?.name) ?? serviceId);
    nextTickMs = 0;
  }

  // ---- deciding ----

  async function run(): Promise<void> {
    // Whoever wrote what it was woken for has held the thread in this turn; what others write in it is decided about together.
    await pause();
    for (;;) {
      if (isStopped) { await Promise.allSettled(inFlight); return; }
      if (mustRebuild || !picture) { await rebuild(); continue; }
      if (failure !== undefined) {
        const error = failure;
        failure = undefined;
        throw error;
      }
      if (clock.now() >= retryAtMs) retryConflicts();
      if (clock.now() >= nextTickMs) tick(picture);
      const isLast = inFlight.size >= maxInFlight || decideSlice(picture);
      if (inFlight.size === 0 && !hasWork()) break;
      // What gathers meanwhile is decided about together.
      if (isLast && inFlight.size > 0) await Promise.race(inFlight);
      await pause();
    }
    const { queue } = picture;
    metrics.waiting.set(queue.waitingTasks);
    metrics.blocked.set(queue.blocked.size);
    metrics.kept.set(queue.reservations.size);
    if (queue.blocked.size > 0) loop.wakeAt(Math.max(nextTickMs, clock.now() + 1));
    const dueMs = explainer!.nextDueMs();
    if (dueMs < Infinity) loop.wakeAt(dueMs);
  }

  function tick(of: Picture): void {
    const nowMs = clock.now();
    of.queue.tick(nowMs);
    explainer!.refresh(nowMs);
    nextTickMs = nowMs + tickMs;
  }

  /** True: nothing is left that a next slice would do at once. */
  function decideSlice(of: Picture): boolean {
    const startMs = clock.monotonic();
    const isTimeUp = () => clock.monotonic() - startMs > decideMs;
    const { queue } = of;
    const triesBefore = queue.tries;
    const batch = queue.decide({ nowMs: clock.now(), maxTasks: writesPerTransaction, mayPreempt: of.mayPreempt, isTimeUp, where: (g, tasks) => where(of, g, tasks) });
    metrics.tries.add(queue.tries - triesBefore);
    if (batch.heavy) decideElsewhere(of, batch.heavy);
    const size = send(of, batch, isTimeUp);
    const heldMs = clock.monotonic() - startMs;
    metrics.slice.observe(heldMs / 1000);
    // A transaction is as large as the thread can take.
    if (heldMs > sliceMs && size <= writesPerTransaction) writesPerTransaction = Math.max(leastWrites, Math.floor(writesPerTransaction / 2));
    else if (heldMs < sliceMs / 2 && size >= writesPerTransaction) writesPerTransaction = Math.min(mostWrites, writesPerTransaction * 2);
    return !hasWork();
  }

  function where(of: Picture, g: number, tasks: number): "here" | "elsewhere" | "later" {
    // The other thread is told nothing of volumes.
    if (!worker.isUsable || of.state.groups.rules[g]!.volumes.length > 0 || decisionCostMs(of.state, g, tasks) <= heavyMs) return "here";
    return worker.size < maxHeavy ? "elsewhere" : "later";
  }

  /** In the other thread, on a copy; what it answers is checked against what is then. Should it fail, the decision is made here. */
  function decideElsewhere(of: Picture, heavy: HeavyDecision): void {
    const { state, queue, placer } = of;
    const ids = Array.from(heavy.tasks, (t) => state.tasks.ids[t]!);
    // Nodes that are kept for it are open to it in the copy.
    const packed = queue.reservations.opened(state, heavy.group.key, heavy.group.priority, () => packDecision(state, heavy.group.g, ids.length, { defaultStrategy: placer.defaultStrategy, nowMs: clock.now() }));
    void worker.decide(packed).then((nodes) => {
      // While the picture is made anew, this one is told of nothing more; the new one has these tasks as well.
      if (isStopped || of !== picture || mustRebuild || backlog) return;
      if (nodes) metrics.workerDecisions.add();
      const isWaiting = (i: number) => state.tasks.ids[heavy.tasks[i]!] === ids[i] && state.tasks.nodeOf(heavy.tasks[i]!) === nowhere;
      const batch = queue.settleHeavy(heavy, isWaiting, nodes, { nowMs: clock.now(), maxTasks: ids.length, mayPreempt: of.mayPreempt, isTimeUp: () => false });
      send(of, batch, () => false);
      loop.wake();
    });
  }

  /** Returns how many writes that were. */
  function send(of: Picture, batch: Batch, isTimeUp: () => boolean): number {
    const { state } = of;
    for (const group of batch.blocked) explainer!.blocked(group);
    for (const t of batch.refused) explainer!.refused(t);
    const assignments = batch.placed.map((t) => ({
      taskId: state.tasks.ids[t]!, nodeId: state.nodes.ids[state.tasks.nodeOf(t)]!, assigned: assignGeneric(state, t), gpus: assignedGpus(state, t), volumes: [...state.volumes.heldBy(t)], waitsSinceMs: of.waitsSinceMs[t]!,
    }));
    const preemptions = batch.preemptions.flatMap(({ g, victims }) => victims.map((t) => ({
      taskId: state.tasks.ids[t]!, nodeId: state.nodes.ids[state.tasks.nodeOf(t)]!, byKey: state.groups.keys[g]!, byServiceId: state.services.ids[state.groups.service[g]!]!, priority: state.groups.priority[g]!,
    })));
    const explanations = explainer!.explain(Math.max(0, writesPerTransaction - assignments.length - preemptions.length), isTimeUp);
    const size = assignments.length + preemptions.length + explanations.length;
    if (size > 0) write(of, { assignments, preemptions, explanations });
    return size;
  }

  // ---- writing ----

  function write(of: Picture, writes: Writes): void {
    const stored = store.update((tx) => writeDecisions(tx, writes, clock.now()));
    const settled = stored.then((skipped) => {
      const nowMs = clock.now();
      for (const { waitsSinceMs } of writes.assignments) metrics.latency.observe((nowMs - waitsSinceMs) / 1000);
      metrics.assigned.add(writes.assignments.length - skipped.length);
      metrics.preemptions.add(writes.preemptions.length);
      if (skipped.length > 0) conflict(of, skipped);
    }, (error: unknown) => {
      metrics.failures.add();
      failure = error;
      undo(of, writes);
    }).finally(() => { inFlight.delete(settled); });
    inFlight.add(settled);
  }

  /** What they met is in flight and will be known with its commit; until then the store's word about them is out of date. */
  function conflict(of: Picture, taskIds: readonly string[]): void {
    metrics.conflicts.add(taskIds.length);
    if (of !== picture) return;
    for (const taskId of taskIds) {
      of.forgetTask(taskId);
      conflicts.add(taskId);
    }
    retryAtMs = clock.now() + retryConflictMs;
    loop.wakeAt(retryAtMs);
  }

  function retryConflicts(): void {
    retryAtMs = Infinity;
    if (conflicts.size === 0) return;
    takeStoresWord([...conflicts]);
    conflicts.clear();
  }

  /** What was decided was not stored. */
  function undo(of: Picture, { assignments, preemptions }: Writes): void {
    if (of !== picture || mustRebuild) return;
    for (const { taskId } of assignments) of.forgetTask(taskId);
    for (const { byKey } of preemptions) of.queue.giveUpRoom(byKey);
    takeStoresWord([...assignments, ...preemptions].map(({ taskId }) => taskId));
  }

  function takeStoresWord(taskIds: readonly string[]): void {
    store.view((tx) => {
      for (const taskId of taskIds) {
        const task = tx.get("task", taskId);
        if (task) picture!.noteTask(tx, task);
        else picture!.forgetTask(taskId);
      }
    });
  }

  // ---- audit ----

  function auditAgain(): void {
    if (isStopped) return;
    void audit().catch((error: unknown) => log.error("the scheduler's audit failed", { error: messageOf(error) })).then(() => {
      if (!isStopped) auditTimer = clock.after(auditEveryMs, auditAgain);
    });
  }

  async function audit(): Promise<readonly string[] | undefined> {
    const own: NonNullable<typeof shadow> = shadow = { picture: undefined, backlog: [] };
    const isOver = () => isStopped || shadow !== own;
    try {
      const made = await make(isOver);
      if (!made || isOver()) return undefined;
      for (const commit of own.backlog) apply(made, commit);
      own.picture = made;
      const faults: string[] = [];
      // Compared only while nothing is in flight: decisions that are not stored yet are no faults.
      const isQuiet = () => picture !== undefined && !backlog && !mustRebuild && inFlight.size === 0 && worker.size === 0 && conflicts.size === 0 && !picture.queue.hasWork;
      for (let waits = 0; !isQuiet(); waits++) {
        if (waits > 1_000 || isOver()) return undefined;
        await pause();
      }
      const kept = picture!;
      for (const fault of comparePictures(kept, made)) {
        if (fault !== undefined && faults.push(fault) >= 20) break;
        await breathe();
        for (let waits = 0; !isQuiet(); waits++) {
          if (waits > 1_000 || isOver()) return undefined;
          await pause();
        }
        if (isOver() || picture !== kept) return undefined;
      }
      metrics.audits.add();
      metrics.faults.add(faults.length);
      if (faults.length > 0) {
        log.error("the scheduler's picture of the cluster was wrong, and is made anew", { faults });
        take(made);
        loop.wake();
      }
      return faults;
    } finally { if (shadow === own) shadow = undefined; }
  }

  // ---- the thread ----

  function pause(): Promise<void> {
    return new Promise((resolve) => { setImmediate(() => { lastPauseMs = clock.monotonic(); resolve(); }); });
  }

  /** Lets others have the thread if it was held for a slice. */
  async function breathe(): Promise<void> { if (clock.monotonic() - lastPauseMs > sliceMs) await pause(); }

  return {
    inspect(look) {
      if (!picture || backlog) throw new SwarmError("UNAVAILABLE", "Cannot look into the scheduler: it is reading the cluster's state; try again in a moment.");
      return look(picture);
    },
    audit,
    async stop() {
      isStopped = true;
      unwatch();
      auditTimer.cancel();
      await worker.stop();
      await loop.stop();
    },
  };
}
