import type { Clock, Timer } from "./clock.js";

/** A clock that moves only when told to. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  #sequence = 0;
  #timers: { due: number; sequence: number; action: () => void }[] = [];

  now() { return this.#now; }
  monotonic() { return this.#now; }
  after(delayMs: number, action: () => void): Timer {
    const timer = { due: this.#now + delayMs, sequence: this.#sequence++, action };
    this.#timers.push(timer);
    return { cancel: () => { this.#timers = this.#timers.filter((t) => t !== timer); } };
  }
  /** Runs every timer that falls due in the next `ms`, in order, and leaves the clock there. */
  advance(ms: number) {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.filter((t) => t.due <= end).sort((a, b) => a.due - b.due || a.sequence - b.sequence)[0];
      if (!next) break;
      this.#timers = this.#timers.filter((t) => t !== next);
      this.#now = Math.max(this.#now, next.due);
      next.action();
    }
    this.#now = end;
  }
}

/** Resolves when `condition` holds, asked every 10 ms; rejects with `what` after `boundMs`. */
export async function waitFor(what: string, condition: () => unknown | Promise<unknown>, boundMs = 10_000): Promise<void> {
  const end = Date.now() + boundMs;
  let last: unknown;
  for (;;) {
    try {
      if (await condition()) return;
      last = undefined;
    } catch (error) { last = error; }
    if (Date.now() > end) throw new Error(`waited ${boundMs} ms in vain for: ${what}${last ? ` (${String(last)})` : ""}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
