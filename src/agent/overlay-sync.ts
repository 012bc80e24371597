import { backoffMs, type Clock, type Logger, type Timer } from "../lib/index.js";
import type { Overlay, OverlayState } from "../overlay/index.js";

interface Waiter { readonly version: number; resolve(): void; reject(error: unknown): void }

/** Hands the overlay the newest state, one call at a time, and again after a failure. */
export class OverlaySync {
  readonly #overlay: Overlay;
  readonly #state: () => OverlayState;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #random: () => number;
  #version = 0;
  #applied = 0;
  #failures = 0;
  #isApplying = false;
  #isStopped = false;
  #retry: Timer | undefined;
  #waiters: Waiter[] = [];

  constructor(options: { overlay: Overlay; state: () => OverlayState; clock: Clock; log: Logger; random: () => number }) {
    this.#overlay = options.overlay;
    this.#state = options.state;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#random = options.random;
  }

  changed(): void {
    this.#version += 1;
    void this.#apply();
  }

  /** Resolves when the state as it is now was applied; rejects with the failure of an attempt at it. */
  applied(): Promise<void> {
    if (this.#applied >= this.#version) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ version: this.#version, resolve, reject });
      void this.#apply();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.cancel();
  }

  async #apply(): Promise<void> {
    if (this.#isApplying || this.#isStopped) return;
    this.#isApplying = true;
    this.#retry?.cancel();
    while (this.#applied < this.#version && !this.#isStopped) {
      const version = this.#version;
      try {
        await this.#overlay.apply(this.#state());
        this.#applied = version;
        this.#failures = 0;
        this.#settle((waiter) => waiter.version <= version, (waiter) => waiter.resolve());
      } catch (error) {
        this.#log.warn("Could not bring the host's networks up to date; trying again", { error });
        this.#settle((waiter) => waiter.version <= version, (waiter) => waiter.reject(error));
        if (this.#version === version) {
          this.#retry = this.#clock.after(backoffMs(this.#failures++, { baseMs: 500, maxMs: 30_000 }, this.#random), () => void this.#apply());
          break;
        }
      }
    }
    this.#isApplying = false;
  }

  #settle(which: (waiter: Waiter) => boolean, settle: (waiter: Waiter) => void): void {
    const settled = this.#waiters.filter(which);
    this.#waiters = this.#waiters.filter((waiter) => !which(waiter));
    for (const waiter of settled) settle(waiter);
  }
}
