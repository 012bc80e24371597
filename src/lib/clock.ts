/** Time as a port, so that simulation owns it. */
export interface Clock {
  /** Unix milliseconds. For what is shown and stored. */
  now(): number;
  /** Milliseconds that never go back. For measuring and for deadlines. */
  monotonic(): number;
  /** Runs `action` once after `delayMs`; the handle ends it. */
  after(delayMs: number, action: () => void): Timer;
}

export interface Timer { cancel(): void }

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(delayMs, action) {
    // Node takes a delay above 31 bits for 1 ms: whoever asks for a month gets 24 days.
    const handle = setTimeout(action, Math.min(delayMs, 2 ** 31 - 1));
    return { cancel: () => clearTimeout(handle) };
  },
};

/** Resolves after `delayMs`, or rejects with the signal's reason. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => { timer.cancel(); reject(signal!.reason); };
    const timer = clock.after(delayMs, () => { signal?.removeEventListener("abort", onAbort); resolve(); });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
