/** Runs actions of one key one after another, in the order of asking; different keys run side by side. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Whether an action of that key runs or waits. */
  isHeld(key: string): boolean { return this.#tails.has(key); }

  async run<T>(key: string, action: () => Promise<T>): Promise<T> {
    const previous = this.#tails.get(key) ?? Promise.resolve();
    const mine = previous.then(action);
    const tail = mine.catch(() => {});   // whoever asked has the failure
    this.#tails.set(key, tail);
    try { return await mine; } finally { if (this.#tails.get(key) === tail) this.#tails.delete(key); }
  }

  /** Resolves once nothing that was asked for so far is running. */
  async idle(): Promise<void> { await Promise.all(this.#tails.values()); }
}
