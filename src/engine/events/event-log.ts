import type { Clock } from "../../lib/index.js";
import type { EngineEvent, Events } from "../api/index.js";

const kept = 1_024;
const waitingLimit = 8_192;

/** The host's events in memory. A reader that falls 8,192 behind loses the oldest of what waits for it. */
export class EventLog implements Events {
  #recent: EngineEvent[] = [];
  #readers = new Set<(event: EngineEvent) => void>();
  #lastNano = 0n;

  constructor(private readonly clock: Clock) {}

  publish(event: Omit<EngineEvent, "timeNano">): void {
    // Strictly increasing, so that `since` the last one that was seen repeats nothing.
    const now = BigInt(this.clock.now()) * 1_000_000n;
    this.#lastNano = now > this.#lastNano ? now : this.#lastNano + 1n;
    const stamped: EngineEvent = { ...event, timeNano: this.#lastNano };
    this.#recent.push(stamped);
    if (this.#recent.length > 2 * kept) this.#recent = this.#recent.slice(-kept);
    for (const read of [...this.#readers]) read(stamped);
  }

  async *stream({ sinceMs, untilMs, signal }: { sinceMs?: number; untilMs?: number; signal: AbortSignal }): AsyncGenerator<EngineEvent> {
    const nanos = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;
    const until = untilMs === undefined ? undefined : nanos(untilMs);
    let waiting: EngineEvent[] = sinceMs === undefined ? [] : this.#recent.slice(-kept).filter((event) => event.timeNano >= nanos(sinceMs));
    let wake: (() => void) | undefined;
    const read = (event: EngineEvent) => { waiting.push(event); if (waiting.length > waitingLimit) waiting.shift(); wake?.(); };
    // A timer may fire within the millisecond before its time by the other clock: that it fired is what counts.
    let isOver = untilMs !== undefined && untilMs <= this.clock.now();
    const end = () => wake?.();
    const pass = () => { isOver = true; end(); };
    this.#readers.add(read);
    signal.addEventListener("abort", end, { once: true });
    const timer = untilMs === undefined ? undefined : this.clock.after(Math.max(0, untilMs - this.clock.now()), pass);
    try {
      while (!signal.aborted) {
        const batch = waiting;
        waiting = [];
        for (const event of batch) if (until === undefined || event.timeNano <= until) yield event;
        if (isOver) return;
        if (waiting.length === 0 && !signal.aborted) await new Promise<void>((resolve) => { wake = resolve; });
        wake = undefined;
      }
    } finally {
      timer?.cancel();
      this.#readers.delete(read);
      signal.removeEventListener("abort", end);
    }
  }
}
