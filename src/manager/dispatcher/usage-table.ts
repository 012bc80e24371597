import type { UsageReport } from "../../gen/swarm/v1/UsageReport.js";
import type { Clock } from "../../lib/index.js";

export interface HostUse { readonly cpuMillis: number; readonly memoryBytes: number; readonly atMs: number }
export interface TaskUse { readonly nodeId: string; readonly windowMs: number; readonly cpuP95Millis: number; readonly memoryPeakBytes: number }

/** A node that has not reported for so long (three reports missed) is taken for unknown. */
const keptMs = 120_000;
/** A node cannot have more tasks than that; who says so is not believed. */
const maxTasksOfNode = 10_000;

/**
 * What nodes and tasks really use, as agents last reported: the leader's memory, filled anew within half a minute by every new leader. Numbers that are none are
 * dropped here: they come from other hosts.
 */
export class UsageTable {
  readonly #nodes = new Map<string, { use: HostUse; heardMs: number; tasks: Map<string, TaskUse> }>();
  readonly #nodeOfTask = new Map<string, string>();
  readonly #listeners = new Set<(nodeId: string, use: HostUse | undefined) => void>();

  constructor(private readonly clock: Clock) {}

  note(nodeId: string, report: UsageReport): void {
    if (!isAmount(report.cpuMillis) || !isAmount(report.memoryBytes)) return;
    this.#dropTasks(nodeId);
    const tasks = new Map<string, TaskUse>();
    for (const { taskId, windowMs, cpuP95Millis, memoryPeakBytes } of report.tasks.slice(0, maxTasksOfNode)) {
      if (![windowMs, cpuP95Millis, memoryPeakBytes].every(isAmount)) continue;
      tasks.set(taskId, { nodeId, windowMs, cpuP95Millis, memoryPeakBytes });
      this.#nodeOfTask.set(taskId, nodeId);
    }
    const use = { cpuMillis: report.cpuMillis, memoryBytes: report.memoryBytes, atMs: this.clock.now() };
    this.#nodes.set(nodeId, { use, heardMs: this.clock.monotonic(), tasks });
    this.#tell(nodeId, use);
  }

  node(nodeId: string): HostUse | undefined { return this.#nodes.get(nodeId)?.use; }
  task(taskId: string): TaskUse | undefined { return this.#nodes.get(this.#nodeOfTask.get(taskId) ?? "")?.tasks.get(taskId); }
  get nodeIds(): Iterable<string> { return this.#nodes.keys(); }
  get nodeCount(): number { return this.#nodes.size; }

  /** Told of each report, and (undefined) of nodes that stopped to report. The result ends it. */
  onChange(listener: (nodeId: string, use: HostUse | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  forgetSilent(): void {
    const before = this.clock.monotonic() - keptMs;
    for (const [nodeId, { heardMs }] of this.#nodes) if (heardMs < before) this.#forget(nodeId);
  }

  clear(): void { for (const nodeId of [...this.#nodes.keys()]) this.#forget(nodeId); }

  #forget(nodeId: string): void {
    this.#dropTasks(nodeId);
    this.#nodes.delete(nodeId);
    this.#tell(nodeId, undefined);
  }

  #dropTasks(nodeId: string): void {
    for (const taskId of this.#nodes.get(nodeId)?.tasks.keys() ?? []) if (this.#nodeOfTask.get(taskId) === nodeId) this.#nodeOfTask.delete(taskId);
  }

  #tell(nodeId: string, use: HostUse | undefined): void { for (const listener of this.#listeners) listener(nodeId, use); }
}

const isAmount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
