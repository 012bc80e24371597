// What the leader remembers of proposals that one life of one member forwarded to it in this term, so that a message that comes twice appends nothing twice.
import type { ForwardRefusal } from "./types.js";

/** As many ids as a sender may have unanswered, from its oldest on. */
export const forwardWindowSize = 1024;

export class ForwardWindow {
  private newest = -1;
  private readonly ids = new Float64Array(forwardWindowSize).fill(-1);
  /** 0: refused. */
  private readonly indexes = new Float64Array(forwardWindowSize);
  private readonly refusals: ForwardRefusal[] = [];
  constructor(readonly life: number) {}

  /** "new", or what became of it the first time; "old": so long ago that its sender no longer waits for it. */
  find(id: number): "new" | "old" | { readonly index: number; readonly why: ForwardRefusal } {
    if (id <= this.newest - forwardWindowSize) return "old";
    const slot = id % forwardWindowSize;
    return this.ids[slot] === id ? { index: this.indexes[slot]!, why: this.refusals[slot]! } : "new";
  }

  remember(id: number, index: number, why: ForwardRefusal): void {
    const slot = id % forwardWindowSize;
    this.ids[slot] = id;
    this.indexes[slot] = index;
    this.refusals[slot] = why;
    this.newest = Math.max(this.newest, id);
  }
}
