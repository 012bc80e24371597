import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Logger } from "../lib/index.js";

const boundMs = 100;
/** Each look is a wake-up of an idle process; a block is seen up to this much shorter than it was. */
const resolutionMs = 50;
const periodMs = 10_000;

/** Logs when this process's turn was blocked for longer than its bound: everything that it promises in time depends on that. */
export function watchEventLoop(log: Logger): () => void {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  // What start-up takes is no surprise, and nobody is served yet.
  const start = setTimeout(() => histogram.enable(), 3_000).unref();
  const timer = setInterval(() => {
    // The histogram holds the time from look to look, pauses included.
    const late = (nanoseconds: number) => Math.max(0, Math.round(nanoseconds / 1e6) - resolutionMs);
    const maxMs = late(histogram.max);
    if (maxMs > boundMs) log.warn("the event loop was blocked", { maxMs, p99Ms: late(histogram.percentile(99)) });
    histogram.reset();
  }, periodMs);
  timer.unref();
  return () => { clearTimeout(start); clearInterval(timer); histogram.disable(); };
}
