// Promises for "once this holds": every condition is looked at again whenever something changed.

interface Waiter { look(ticks: number): void }

export class Waiters {
  private readonly waiting = new Set<Waiter>();
  private ticks = 0;

  /** Resolves with the first result of `condition` that is not undefined, rejects with what it throws; `limit` in ticks. */
  until<T>(condition: (ticks: number) => T | undefined, signal?: AbortSignal, limit?: { ticks: number; error: () => Error }): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal?.throwIfAborted();
      const startedAt = this.ticks;
      const end = (): void => { this.waiting.delete(waiter); signal?.removeEventListener("abort", abort); };
      const abort = (): void => { end(); reject(signal!.reason as Error); };
      const waiter: Waiter = {
        look: (ticks) => {
          try {
            const result = condition(ticks);
            if (result !== undefined) { end(); resolve(result); }
            else if (limit && ticks - startedAt >= limit.ticks) { end(); reject(limit.error()); }
          } catch (error) { end(); reject(error as Error); }
        },
      };
      this.waiting.add(waiter);
      signal?.addEventListener("abort", abort, { once: true });
      waiter.look(this.ticks);
    });
  }

  get isEmpty(): boolean { return this.waiting.size === 0; }
  wake(): void { if (this.waiting.size > 0) for (const waiter of [...this.waiting]) waiter.look(this.ticks); }
  tick(): void { this.ticks++; this.wake(); }
}
