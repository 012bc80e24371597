import type { WaitingGroup } from "./waiting-group.js";

/** Groups of one priority: those of the present turn from `at` on, in order, and those of the next. */
interface Turns { readonly priority: number; present: WaitingGroup[]; at: number; next: WaitingGroup[] }

/**
 * Groups that are to be decided about: those of higher priority first; within a priority in turns, so that a group of many tasks shares
 * with the others; within a turn who waits longest. Who comes (back) joins the turn after the present one: a stream of new services never gets in
 * front of one that waits already. A turn is put in order once, when it begins, which costs next to nothing where groups come in order.
 */
export class ReadyQueue {
  /** By priority, highest first. There are few. */
  readonly #turns: Turns[] = [];

  push(group: WaitingGroup): void {
    group.place = "ready";
    if (group.isQueued) return;
    group.isQueued = true;
    this.#turnsOf(group.priority).next.push(group);
  }

  pop(): WaitingGroup | undefined {
    const group = this.peek();
    if (!group) return undefined;
    group.isQueued = false;
    this.#turns[0]!.at++;
    return group;
  }

  /** Groups that have lost all their tasks, or were blocked, meanwhile are passed over. */
  peek(): WaitingGroup | undefined {
    while (this.#turns.length > 0) {
      const turns = this.#turns[0]!;
      while (turns.at < turns.present.length) {
        const group = turns.present[turns.at]!;
        if (group.tasks.size > 0 && group.place === "ready") return group;
        group.isQueued = false;
        turns.at++;
      }
      if (turns.next.length === 0) { this.#turns.shift(); continue; }
      turns.present = turns.next.sort(byAge);
      turns.at = 0;
      turns.next = [];
    }
    return undefined;
  }

  #turnsOf(priority: number): Turns {
    let i = 0;
    while (i < this.#turns.length && this.#turns[i]!.priority > priority) i++;
    const known = this.#turns[i];
    if (known?.priority === priority) return known;
    const turns: Turns = { priority, present: [], at: 0, next: [] };
    this.#turns.splice(i, 0, turns);
    return turns;
  }
}

const byAge = (a: WaitingGroup, b: WaitingGroup): number => a.sinceMs - b.sinceMs || a.number - b.number;
