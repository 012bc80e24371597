import { messageOf, sleep, type Clock, type Logger } from "../lib/index.js";

export interface Loop { stop(): Promise<void> | void }

export interface LeadershipOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly isLeader: () => boolean;
  readonly term: () => number;
  readonly start: () => Promise<Loop[]>;
}

/**
 * Runs the leader's loops while this manager leads: one change at a time, so that two sets never run together, and a leadership that was
 * lost and won again in between starts afresh.
 */
export class Leadership {
  readonly #options: LeadershipOptions;
  #loops: { readonly term: number; readonly loops: Loop[] } | undefined;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(options: LeadershipOptions) { this.#options = options; }

  /** Something about leadership may have changed. */
  look(): void {
    this.#running ??= this.#settle().finally(() => { this.#running = undefined; if (this.#isOff()) this.look(); });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.look();
    await this.#running;
  }

  #wanted(): number | undefined { return !this.#isStopped && this.#options.isLeader() ? this.#options.term() : undefined; }
  #isOff(): boolean { return this.#wanted() !== this.#loops?.term; }

  async #settle(): Promise<void> {
    const { clock, log, start } = this.#options;
    while (this.#isOff()) {
      if (this.#loops) {
        log.info("stopped leading: the control loops end", { term: this.#loops.term });
        const { loops } = this.#loops;
        await Promise.all(loops.map(async (loop) => { try { await loop.stop(); } catch (error) { log.error("a control loop did not stop cleanly", { error: messageOf(error) }); } }));
        this.#loops = undefined;
        continue;
      }
      const term = this.#wanted()!;
      try {
        this.#loops = { term, loops: await start() };
        log.info("leading: the control loops run", { term });
      } catch (error) {
        log.error("the control loops could not start", { term, error: messageOf(error) });
        await sleep(clock, 500);
      }
    }
  }
}
