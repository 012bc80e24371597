/** One task at a time for each key; others wait in the order in which they came. */
export class KeyedLock {
  readonly #tails = new Map<string, Promise<void>>();

  isHeld(key: string): boolean { return this.#tails.has(key); }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let release!: () => void;
    const mine = new Promise<void>((resolve) => { release = resolve; });
    const tail = (before ?? Promise.resolve()).then(() => mine);
    this.#tails.set(key, tail);
    await before;
    try { return await task(); } finally {
      release();
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }
}
