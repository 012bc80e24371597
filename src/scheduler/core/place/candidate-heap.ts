/** Binary heap of candidates (rows of whoever knows their scores) with the best on top. Only the top one's score ever changes. */
export class CandidateHeap {
  /** Put in order when the best is first asked for: who only looks through all of them needs none. */
  #isOrdered = false;

  constructor(readonly items: number[], private readonly isBefore: (a: number, b: number) => boolean) {}

  get top(): number | undefined {
    if (!this.#isOrdered) {
      this.#isOrdered = true;
      for (let i = (this.items.length >> 1) - 1; i >= 0; i--) this.#siftDown(i);
    }
    return this.items[0];
  }

  topChanged(): void { this.#siftDown(0); }

  dropTop(): void {
    const last = this.items.pop()!;
    if (this.items.length === 0) return;
    this.items[0] = last;
    this.#siftDown(0);
  }

  #siftDown(start: number): void {
    const { items, isBefore } = this;
    const item = items[start]!;
    let at = start;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, item)) break;
      items[at] = items[child]!;
      at = child;
    }
    items[at] = item;
  }
}
