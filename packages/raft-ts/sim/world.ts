// Time, and the order of everything. Single-threaded: events run one after the other at integer milliseconds; what production code awaits goes on in between, in the order
// of the microtask queue, which depends on nothing but what was run. Nothing here looks at the machine's clock, so one seed has one history.
import { EventQueue } from "./event-queue.js";
import type { Life } from "./life.js";

/**
 * A promise of the world's own that settled opens this many turns of the microtask queue at once (an await costs 0.1 to 0.2 µs), and so many spread over the instants that follow, for longer
 * chains of awaits. Every instant opens one, for chains that production code begins by itself. To the node that looks like a slow processor.
 */
const turnsAtOnce = 4;
const turnsLater = 10;

/** Awaited again and again: a value that is no promise would make a new one each time. */
const turn = Promise.resolve();

/** Of the event loop within one millisecond: more is a loop that waits for nothing. */
const maxRounds = 20_000;

export class World {
  /** Milliseconds since the world began. */
  now = 0;
  /** Of everything that happened: equal for equal runs. */
  hash = 0x811c9dc5 | 0;
  events = 0;
  /** The first promise that was found broken; it ends the run. */
  failure: Error | undefined;
  /** Readable lines of what happens, when somebody wants them: making them costs more than the run. */
  story: string[] | undefined;
  private readonly queue = new EventQueue();
  private soonRuns: (() => void)[] = [];
  private soonLives: Life[] = [];
  /** So many of them count; to set the length of an array takes as long as to fill it. */
  private soonCount = 0;
  private spareRuns: (() => void)[] = [];
  private spareLives: Life[] = [];
  private isTouched = false;
  private turnsDue = 0;

  at(delayMs: number, run: () => void, life?: Life): void { this.queue.push(this.now + delayMs, run, life); }

  soon(run: () => void, life: Life): void {
    this.soonRuns[this.soonCount] = run;
    this.soonLives[this.soonCount++] = life;
  }

  /** Something that production code awaits was, or is about to be, settled. */
  touch(): void { this.isTouched = true; }

  mix(value: number): void { this.hash = Math.imul(this.hash ^ value, 0x01000193); }
  tell(line: string): void { this.story?.push(`${String(this.now).padStart(8)} ms  ${line}`); }

  /** Runs until nothing is left, until `endMs`, or until `isDone`, which is asked every `everyMs`. Throws what was found broken. */
  async run(endMs: number, isDone?: () => boolean, everyMs = 100): Promise<void> {
    const { queue } = this;
    let askAt = this.now + everyMs;
    for (let next = queue.next; next !== undefined && next.at <= endMs; next = queue.next) {
      this.now = next.at;
      if (isDone && this.now >= askAt) {
        if (isDone()) return;
        askAt = this.now + everyMs;
      }
      let rounds = 0;
      do {
        this.instant();
        if (++rounds > maxRounds) throw new Error(`Time stands still: ${rounds} rounds of the event loop at one millisecond`);
        if (this.isTouched) {
          this.isTouched = false;
          this.turnsDue = turnsLater;
          for (let i = 0; i < turnsAtOnce; i++) await turn;
        } else {
          if (this.turnsDue > 0) { this.turnsDue--; await turn; }
          await turn;
        }
        if (this.failure) throw this.failure;
      } while (this.isTouched || this.soonCount > 0 || queue.next?.at === this.now);
    }
    this.now = endMs;
  }

  private instant(): void {
    const { queue, now } = this;
    for (let next = queue.next; next !== undefined && next.at === now; next = queue.next) {
      const event = queue.pop();
      const { life } = event;
      if (life === undefined) { this.events++; event.run(); }
      else if (!life.isOver) this.perform(event.run, life);
    }
    const count = this.soonCount;
    if (count === 0) return;
    const runs = this.soonRuns, lives = this.soonLives;
    this.soonCount = 0;
    this.soonRuns = this.spareRuns;
    this.soonLives = this.spareLives;
    for (let i = 0; i < count; i++) {
      const life = lives[i]!;
      if (!life.isOver) this.perform(runs[i]!, life);
    }
    this.spareRuns = runs;
    this.spareLives = lives;
  }

  /** Runs what happens to a life now, or puts it off while that life is paused. */
  perform(run: () => void, life: Life): void {
    if (life.pausedUntil > this.now) { this.queue.push(life.pausedUntil, run, life); return; }
    this.begin(life);
    try { run(); } catch (error) { this.failure ??= error as Error; return; }
    if (!life.isOver) life.owner?.look();
  }

  /** The same without a closure for each event. */
  performWith<A, B, C>(run: (a: A, b: B, c: C) => void, a: A, b: B, c: C, life: Life): void {
    if (life.pausedUntil > this.now) { this.queue.push(life.pausedUntil, () => run(a, b, c), life); return; }
    this.begin(life);
    try { run(a, b, c); } catch (error) { this.failure ??= error as Error; return; }
    if (!life.isOver) life.owner?.look();
  }

  private begin(life: Life): void {
    this.events++;
    this.mix(this.now * 64 + life.host);
  }
}
