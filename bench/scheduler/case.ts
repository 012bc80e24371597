import { median, report } from "../report.js";

/** One case of the scheduler's benchmark; each runs in a process of its own, so that the memory of one does not slow down another. */
export interface Case {
  /** Begins with the letter of the family: "S2-1k". */
  readonly name: string;
  run(): void | Promise<void>;
}

/** Prepares, then takes the time of the work alone, until it has run for a second, at least 3 and at most 50 times. The runs of the first 300 ms are not counted: they compile. Median, ms. */
export function timed(prepare: () => void, work: () => void): number {
  const times: number[] = [];
  let totalMs = 0, warmMs = 0;
  for (let runs = 0; times.length < 3 || (totalMs < 1_000 && times.length < 50); runs++) {
    prepare();
    const start = performance.now();
    work();
    const ms = performance.now() - start;
    if (runs > 0 && warmMs >= 300) { times.push(ms); totalMs += ms; } else warmMs += ms;
  }
  return median(times);
}

export const rssMiB = (): number => process.memoryUsage.rss() / 2 ** 20;

export interface Peer { readonly peer: string; readonly peerValue: number }

export function reportCase(name: string, metric: string, value: number, unit: string, peer?: Peer): void {
  report({ bench: "scheduler", case: name, metric, value, unit, ...peer });
  report({ bench: "scheduler", case: name, metric: "resident memory of the process", value: rssMiB(), unit: "MiB" });
}
