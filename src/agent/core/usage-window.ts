import type { UsageReport } from "../../gen/swarm/v1/UsageReport.js";

/** One look at the host. Counters only grow; times are monotonic milliseconds. */
export interface UsageSample {
  readonly atMs: number;
  /** Time that the host's processors were busy, all together. */
  readonly cpuBusyNs: number;
  readonly memoryBytes: number;
  readonly tasks: readonly { readonly taskId: string; readonly cpuNs: number; readonly memoryBytes: number }[];
}

export const sampleEveryMs = 10_000;
/** An hour of samples. What a task used before that is forgotten: its service may have changed its ways. */
export const keptSamples = 360;

interface TaskHistory { cpuNs: number; atMs: number; readonly sinceMs: number; readonly rates: Uint32Array; readonly memory: Float64Array; count: number }

/** Samples of the last hour, summed up on demand: per task the 95th percentile of its CPU and its peak memory. A task costs 4 KiB. */
export class UsageWindow {
  readonly #tasks = new Map<string, TaskHistory>();
  #previous: UsageSample | undefined;
  #host: { cpuMillis: number; memoryBytes: number } | undefined;

  add(sample: UsageSample): void {
    const previous = this.#previous;
    this.#previous = sample;
    this.#host = previous && sample.atMs > previous.atMs ? { cpuMillis: millis(sample.cpuBusyNs - previous.cpuBusyNs, sample.atMs - previous.atMs), memoryBytes: sample.memoryBytes } : undefined;
    const present = new Set<string>();
    for (const { taskId, cpuNs, memoryBytes } of sample.tasks) {
      present.add(taskId);
      const task = this.#tasks.get(taskId);
      // A counter that went back is another container's: restarted under the same task's name.
      if (!task || cpuNs < task.cpuNs) {
        this.#tasks.set(taskId, { cpuNs, atMs: sample.atMs, sinceMs: sample.atMs, rates: new Uint32Array(keptSamples), memory: new Float64Array(keptSamples), count: 0 });
        continue;
      }
      if (sample.atMs <= task.atMs) continue;
      const at = task.count++ % keptSamples;
      task.rates[at] = millis(cpuNs - task.cpuNs, sample.atMs - task.atMs);
      task.memory[at] = memoryBytes;
      task.cpuNs = cpuNs;
      task.atMs = sample.atMs;
    }
    for (const id of this.#tasks.keys()) if (!present.has(id)) this.#tasks.delete(id);
  }

  /** undefined: nothing can be told yet (a rate needs two samples). */
  report(): UsageReport | undefined {
    if (!this.#host) return undefined;
    const tasks = [...this.#tasks].filter(([, { count }]) => count > 0).map(([taskId, task]) => {
      const kept = Math.min(task.count, keptSamples);
      const rates = task.rates.slice(0, kept).sort();
      return {
        taskId, windowMs: Math.round(Math.min(task.atMs - task.sinceMs, keptSamples * sampleEveryMs)),
        cpuP95Millis: rates[Math.ceil(kept * 0.95) - 1]!, memoryPeakBytes: task.memory.subarray(0, kept).reduce((most, bytes) => Math.max(most, bytes), 0),
      };
    });
    return { ...this.#host, tasks };
  }
}

/** Thousandths of a core. */
const millis = (busyNs: number, elapsedMs: number): number => Math.max(0, Math.round(busyNs / 1_000 / elapsedMs));
