import type { ManagersClient } from "../../gen/swarm/v1/Managers.js";
import type { ReportStatusesResponse } from "../../gen/swarm/v1/ReportStatusesResponse.js";
import type { TaskStatusUpdate } from "../../gen/swarm/v1/TaskStatusUpdate.js";
import { SwarmError, type Clock, type Timer } from "../../lib/index.js";
import { call } from "../../rpc/index.js";
import type { Store } from "../../store/index.js";
import { mergeStatus } from "./core/merge-status.js";

/** Tasks written in one transaction: an entry stays small, and other proposals get their turn. */
const tasksPerTransaction = 200;

/** How this manager sees the leader: itself, another through its client, or nobody (undefined). */
export interface LeaderView { readonly isSelf: boolean; readonly client?: ManagersClient }

interface Waiting { readonly nodeId: string; readonly updates: readonly TaskStatusUpdate[]; resolve(unknownTaskIds: string[]): void; reject(error: unknown): void }

/** Where reported task statuses go: into the store in batches on the leader, over to the leader elsewhere. */
export class StatusIntake {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #leader: () => LeaderView | undefined;
  #waiting: Waiting[] = [];
  #timer: Timer | undefined;

  constructor(options: { store: Store; clock: Clock; leader: () => LeaderView | undefined }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#leader = options.leader;
  }

  /** Resolves once the statuses are on a majority's disk, with the ids of tasks that are not (or no longer) this node's. */
  async report(nodeId: string, updates: readonly TaskStatusUpdate[]): Promise<string[]> {
    const leader = this.#leader();
    if (leader?.isSelf) return this.store(nodeId, updates);
    if (!leader?.client) throw new SwarmError("UNAVAILABLE", "Cannot store task statuses: the cluster has no leader at the moment; they are sent again");
    const response = await call<ReportStatusesResponse>(leader.client, "reportStatuses", { nodeId, updates }, { timeoutMs: 5_000 });
    return response.unknownTaskIds;
  }

  /** The leader's part. */
  store(nodeId: string, updates: readonly TaskStatusUpdate[]): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ nodeId, updates, resolve, reject });
      this.#timer ??= this.#clock.after(0, () => this.#flush());
    });
  }

  stop(): void {
    this.#timer?.cancel();
    for (const { reject } of this.#waiting.splice(0)) reject(new SwarmError("UNAVAILABLE", "Cannot store task statuses: this manager is stopping"));
  }

  #flush(): void {
    this.#timer = undefined;
    const batch: Waiting[] = [];
    for (let tasks = 0; this.#waiting.length > 0 && (tasks === 0 || tasks + this.#waiting[0]!.updates.length <= tasksPerTransaction);) {
      const next = this.#waiting.shift()!;
      tasks += next.updates.length;
      batch.push(next);
    }
    if (this.#waiting.length > 0) this.#timer = this.#clock.after(0, () => this.#flush());
    this.#store.update((tx) => batch.map(({ nodeId, updates }) => {
      const unknown: string[] = [];
      for (const { taskId, status } of updates) {
        const task = tx.get("task", taskId);
        if (!task || task.nodeId !== nodeId) { unknown.push(taskId); continue; }
        const merged = status ? mergeStatus(task, status, this.#clock.now()) : undefined;
        if (merged) tx.update("task", merged);
      }
      return unknown;
    })).then(
      (unknown) => batch.forEach((waiting, index) => waiting.resolve(unknown[index]!)),
      (error) => { for (const waiting of batch) waiting.reject(error); },
    );
  }
}
