import type { UsageReport } from "../gen/swarm/v1/UsageReport.js";
import type { Clock, Logger, Timer } from "../lib/index.js";
import { UsageWindow, sampleEveryMs, type UsageSample } from "./core/usage-window.js";

export type HostUsage = Omit<UsageSample, "atMs">;

/** Looks at what the host and its tasks use every 10 s, for as long as the agent runs, with a session or without. */
export class UsageSampler {
  readonly #window = new UsageWindow();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(private readonly options: { readonly sample: () => Promise<HostUsage>; readonly clock: Clock; readonly log: Logger }) { void this.#look(); }

  report(): UsageReport | undefined { return this.#window.report(); }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { sample, clock, log } = this.options;
    try {
      const found = await sample();
      this.#window.add({ ...found, atMs: clock.monotonic() });
    } catch (error) { log.debug("Could not read what this host uses; trying again", { error }); }
    if (!this.#isStopped) this.#timer = clock.after(sampleEveryMs, () => void this.#look());
  }
}
