import type { Clock, Timer } from "./clock.js";
import { backoffMs } from "./backoff.js";
import { isRetryable, messageOf } from "./errors.js";
import type { Logger } from "./log.js";

/** Handle of a loop that runs when woken, never twice at once. */
export interface CoalescingLoop {
  /** There is something to do: runs at the end of this turn, or once more after the present run. Cheap to call often. */
  wake(): void;
  /** Wakes at `atMs` (clock.now()) at the latest; an earlier one that is already set stays. */
  wakeAt(atMs: number): void;
  /** Resolves when the present run has ended; nothing runs after that. */
  stop(): Promise<void>;
}

/**
 * Adds no delay when idle: the first `wake` runs at once (a microtask later, so that changes of one turn are seen together); what arrives
 * while it runs is looked at together afterwards. A run that rejects is run again after a back-off; an expected failure (no leader,
 * conflict) is logged as debug, anything else as an error.
 */
export function startCoalescingLoop(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly run: () => Promise<void>;
}): CoalescingLoop {
  const { name, clock, random, log, run } = options;
  let isDirty = false;
  let isStopped = false;
  let isScheduled = false;
  let failures = 0;
  let running: Promise<void> | undefined;
  let backoff: Timer | undefined;
  let alarm: { atMs: number; timer: Timer } | undefined;

  const schedule = () => {
    if (isStopped || isScheduled || running || backoff) return;
    isScheduled = true;
    void Promise.resolve().then(() => {
      isScheduled = false;
      if (isStopped || !isDirty) return;
      isDirty = false;
      running = run().then(() => { failures = 0; }, (error: unknown) => {
        isDirty = true;
        const delayMs = backoffMs(failures++, { baseMs: 50, maxMs: 5_000 }, random);
        const fields = { loop: name, error: messageOf(error), retryInMs: delayMs };
        if (isRetryable(error)) log.debug("control loop could not write", fields);
        else log.error("control loop failed", { ...fields, stack: error instanceof Error ? error.stack : undefined });
        if (!isStopped) backoff = clock.after(delayMs, () => { backoff = undefined; schedule(); });
      }).then(() => {
        running = undefined;
        if (isDirty) schedule();
      });
    });
  };

  const wake = () => { isDirty = true; schedule(); };
  return {
    wake,
    wakeAt(atMs) {
      if (isStopped || (alarm && alarm.atMs <= atMs)) return;
      alarm?.timer.cancel();
      // Timers of the system clock hold at most 2^31-1 ms; a later wake-up is asked for again by then.
      alarm = { atMs, timer: clock.after(Math.min(Math.max(0, atMs - clock.now()), 2_000_000_000), () => { alarm = undefined; wake(); }) };
    },
    async stop() {
      isStopped = true;
      backoff?.cancel();
      alarm?.timer.cancel();
      await running;
    },
  };
}
