// Time and chance as a node sees them. Injected, so that a simulation can run whole nodes on a clock of its own, and run them again exactly.
import { randomInt } from "node:crypto";

export interface Clock {
  /** Milliseconds from an arbitrary origin; never goes back. */
  now(): number;
  /** Calls `run` every `periodMs` until the function that it returns is called. */
  every(periodMs: number, run: () => void): () => void;
  /** Calls `run` once, after what the present turn of the event loop still has to do. */
  soon(run: () => void): void;
}

export const nodeClock: Clock = {
  now: () => performance.now(),
  every(periodMs, run) {
    const timer = setInterval(run, periodMs);
    return () => clearInterval(timer);
  },
  soon: (run) => { setImmediate(run); },
};

/** An integer in [0, bound), from the system's entropy: members that were started from one image must not draw the same election timeouts. */
export const nodeRandom = (bound: number): number => randomInt(bound);
