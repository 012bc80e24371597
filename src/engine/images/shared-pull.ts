import { SwarmError } from "../../lib/index.js";
import type { PullOptions, PullProgress } from "../api/index.js";

/** One piece of work with several that wait for it: it ends early only when all of them have given up. */
export class SharedPull<T> {
  readonly result: Promise<T>;
  #controller = new AbortController();
  #listeners = new Set<(progress: PullProgress) => void>();
  #latest = new Map<string, PullProgress>();
  #waiting = 0;

  constructor(run: (signal: AbortSignal, onProgress: (progress: PullProgress) => void) => Promise<T>) {
    this.result = run(this.#controller.signal, (progress) => {
      this.#latest.set(progress.id, progress);
      for (const listener of this.#listeners) listener(progress);
    });
    this.result.catch(() => {});
  }

  cancel(): void { this.#controller.abort(new SwarmError("CANCELLED", "the engine is closing")); }

  async join(options: PullOptions, subject: string, onAbandoned: () => void): Promise<T> {
    this.#waiting++;
    if (options.onProgress) {
      for (const progress of this.#latest.values()) options.onProgress(progress);   // whoever comes later sees where it stands
      this.#listeners.add(options.onProgress);
    }
    let onAbort: (() => void) | undefined;
    try {
      if (!options.signal) return await this.result;
      const aborted = new Promise<never>((_, reject) => {
        onAbort = () => reject(new SwarmError("CANCELLED", `Pulling image "${subject}" was cancelled`));
        options.signal!.addEventListener("abort", onAbort, { once: true });
      });
      return await Promise.race([this.result, aborted]);
    } finally {
      if (onAbort) options.signal!.removeEventListener("abort", onAbort);
      if (options.onProgress) this.#listeners.delete(options.onProgress);
      if (--this.#waiting === 0 && options.signal?.aborted) { onAbandoned(); this.cancel(); }
    }
  }
}
