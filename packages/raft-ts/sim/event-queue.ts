// What is going to happen, as a binary heap by time; within one instant first come, first served.
import type { Life } from "./life.js";

export interface SimulationEvent {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  /** It happens only while this life of a member lasts, and not while it is paused. */
  readonly life: Life | undefined;
}

export class EventQueue {
  private readonly heap: SimulationEvent[] = [];
  private order = 0;

  get next(): SimulationEvent | undefined { return this.heap[0]; }

  push(at: number, run: () => void, life: Life | undefined): void {
    const { heap } = this;
    const event: SimulationEvent = { at, order: this.order++, run, life };
    let i = heap.length;
    heap.push(event);
    // A new event is the last of its instant: only later ones make room.
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent]!;
      if (above.at <= event.at) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = event;
  }

  pop(): SimulationEvent {
    const { heap } = this;
    const top = heap[0]!;
    const moved = heap.pop()!;
    const { length } = heap;
    if (length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= length) break;
      let least = heap[child]!;
      if (child + 1 < length) {
        const right = heap[child + 1]!;
        if (right.at < least.at || (right.at === least.at && right.order < least.order)) { least = right; child++; }
      }
      if (moved.at < least.at || (moved.at === least.at && moved.order < least.order)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = moved;
    return top;
  }
}
