import { SwarmError, type Clock } from "../../lib/index.js";

/** Of the event loop, at a time: decisions and heartbeats wait no longer for somebody's question. */
const sliceMs = 4;
/** Questions that wait for their turn. Each holds a copy of the cluster while it runs. */
const maxWaiting = 16;

/** Runs steps one question after the other, a few milliseconds at a time. */
export class SlicedRunner {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(private readonly clock: Pick<Clock, "monotonic">) {}

  /** The result of `start`'s steps. `start` itself runs when its turn comes. */
  async run<T>(start: () => Generator<void, T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting >= maxWaiting) throw new SwarmError("RESOURCE_EXHAUSTED", `Cannot answer now: ${this.#waiting} questions to the scheduler wait already; try again in a moment`);
    this.#waiting++;
    const result = this.#last.then(() => this.#runNow(start, signal)).finally(() => { this.#waiting--; });
    this.#last = result.catch(() => {});
    return result;
  }

  async #runNow<T>(start: () => Generator<void, T>, signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw signal.reason;
    const steps = start();
    try {
      for (;;) {
        const until = this.clock.monotonic() + sliceMs;
        do {
          const step = steps.next();
          if (step.done) return step.value;
        } while (this.clock.monotonic() < until);
        await new Promise<void>((resolve) => { setImmediate(resolve); });
        if (signal.aborted) throw signal.reason;
      }
    } finally { steps.return(undefined as never); }
  }
}
