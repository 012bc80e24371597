import type { Clock } from "./clock.js";

const maxKeys = 1_000;

/**
 * Lets each key through once a period. For log lines that anybody on the network can cause as often as they like: these must not fill
 * the disk, nor bury the others.
 */
export class RepeatFilter {
  readonly #seen = new Map<string, { since: number; held: number }>();
  constructor(private readonly clock: Pick<Clock, "monotonic">, private readonly periodMs = 60_000) {}

  /** How many were held back since the last one that passed; undefined: this one is held back too. */
  pass(key: string): number | undefined {
    const now = this.clock.monotonic();
    const entry = this.#seen.get(key);
    if (entry && now - entry.since < this.periodMs) { entry.held++; return undefined; }
    if (!entry && this.#seen.size >= maxKeys) this.#seen.clear();
    this.#seen.set(key, { since: now, held: 0 });
    return entry?.held ?? 0;
  }
}
