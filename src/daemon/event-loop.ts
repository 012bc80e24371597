import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Logger } from "../lib/index.js";

const boundMs = 100;
const periodMs = 10_000;

/** Logs when this process's turn was blocked for longer than its bound: everything that it promises in time depends on that. */
export function watchEventLoop(log: Logger): () => void {
  const histogram = monitorEventLoopDelay({ resolution: 20 });
  // What start-up takes is no surprise, and nobody is served yet.
  const start = setTimeout(() => histogram.enable(), 3_000).unref();
  const timer = setInterval(() => {
    const maxMs = Math.round(histogram.max / 1e6);
    if (maxMs > boundMs) log.warn("the event loop was blocked", { maxMs, p99Ms: Math.round(histogram.percentile(99) / 1e6) });
    histogram.reset();
  }, periodMs);
  timer.unref();
  return () => { clearTimeout(start); clearInterval(timer); histogram.disable(); };
}
