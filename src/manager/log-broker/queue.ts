/** Items from several producers for one consumer. Full: `push` waits, so that a slow consumer slows its producers and nothing is lost. */
export class BoundedQueue<T> {
  readonly #items: T[] = [];
  readonly #limit: number;
  #producers: (() => void)[] = [];
  #consumer: (() => void) | undefined;
  #isClosed = false;

  constructor(limit: number) { this.#limit = limit; }

  /** False when nobody reads any more. */
  async push(item: T): Promise<boolean> {
    while (this.#items.length >= this.#limit && !this.#isClosed) await new Promise<void>((resolve) => this.#producers.push(resolve));
    if (this.#isClosed) return false;
    this.#items.push(item);
    this.#consumer?.();
    return true;
  }

  /** What is in the queue is still read; nothing more comes in. */
  close(): void {
    this.#isClosed = true;
    this.#wakeProducers();
    this.#consumer?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      while (this.#items.length > 0) {
        const item = this.#items.shift()!;
        this.#wakeProducers();
        yield item;
      }
      if (this.#isClosed) return;
      await new Promise<void>((resolve) => { this.#consumer = resolve; });
      this.#consumer = undefined;
    }
  }

  #wakeProducers(): void {
    for (const wake of this.#producers.splice(0)) wake();
  }
}
