/** So many tasks that came or went are remembered at least; otherwise as many as there are on nodes. */
const leastWindow = 64;
/** As if a part of the tasks had come to stay: the first one that goes does not yet mean that all do. */
const expectedToStay = 1 / 32;

/**
 * Whether places are used again: how many tasks have gone lately for each that came, 0 to 1. While a cluster fills up it is 0, and what a task strands stays stranded. Where as
 * many go as come it is nearly 1: what is stranded now is used later, and what counts is that no more nodes are opened than are needed. Packing asks for it (score/).
 *
 * Known by counting, not in the store: a new leader takes all tasks that it finds as being there, and knows after a tenth of them has been replaced.
 */
export class Turnover {
  #came = 0;
  #gone = 0;
  /** Not counted yet. */
  #goneSince = 0;
  #placed: number | undefined;
  #fixed: number | undefined;

  /** A task that was on a node is no more. Moves are none of that, nor are places that are only tried. */
  noteGone(): void { this.#goneSince++; }

  /** `placed`: tasks that are on nodes now. */
  of(placed: number): number {
    if (this.#fixed !== undefined) return this.#fixed;
    if (this.#placed !== undefined) {
      this.#came += placed - this.#placed + this.#goneSince;
      this.#gone += this.#goneSince;
    }
    this.#goneSince = 0;
    this.#placed = placed;
    while (this.#came + this.#gone > Math.max(leastWindow, placed)) {
      this.#came /= 2;
      this.#gone /= 2;
    }
    return Math.min(1, this.#gone / (Math.max(0, this.#came) + expectedToStay * placed + 1));
  }

  /** Stays as it was said: for who decides about a part of the cluster. */
  static fixedAt(part: number): Turnover {
    const turnover = new Turnover();
    turnover.#fixed = part;
    return turnover;
  }

  copy(): Turnover {
    const copy = new Turnover();
    copy.#came = this.#came;
    copy.#gone = this.#gone;
    copy.#goneSince = this.#goneSince;
    copy.#placed = this.#placed;
    copy.#fixed = this.#fixed;
    return copy;
  }
}
