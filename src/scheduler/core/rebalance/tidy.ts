import { Disorder } from "./disorder.js";
import type { Packing } from "./packing.js";
import { nowhere, type Reason } from "./problem.js";

/** What a step must win for each move that it takes, in units of Disorder: the steps that win most are made first, and when moves are few, no others. */
const leastGains = [0.05, 0.005];
/** A try costs as much as this many nodes in a look for the tightest. */
const workPerTry = 40;

/**
 * Makes free amounts more useful by moving single tasks and by exchanging two, as long as the disorder gets less: drawn at random, those that win much first.
 * An exchange takes three moves (one steps aside), unless one of the two fits beside the other. `isEnough`, which may place what waits, is asked now and then.
 * Returns whether the work ran out.
 */
export function tidy(packing: Packing, options: { readonly maxMoves: number; readonly maxWork: number; readonly random: () => number; readonly isEnough: () => boolean }): boolean {
  const { maxMoves, maxWork, random, isEnough } = options, { tasks, nodes } = packing.problem;
  const movable = Int32Array.from({ length: tasks.count }, (_, t) => t).filter((t) => tasks.movable[t] === 1 && packing.nodeOf[t] !== nowhere);
  if (movable.length === 0 || nodes.count < 2) return false;
  const step = new TidyStep(packing, random);
  // Enough to draw every task some hundred times: what still wins then is rare.
  const tries = Math.min(400 * movable.length, 4_000_000);
  for (const leastGain of leastGains) {
    let since = 0;
    for (let k = 0; k < tries; k++) {
      if (packing.work > maxWork) return true;
      if (packing.moves >= maxMoves) return false;
      packing.work += workPerTry;
      const t = step.draw(movable);
      const isDone = random() < 0.4
        ? step.relocate(t, (random() * nodes.count) | 0, leastGain)
        : step.exchange(t, step.draw(movable), leastGain, maxMoves - packing.moves);
      if (isDone && ++since >= 64) { since = 0; if (isEnough()) return false; step.forget(); }
    }
    if (isEnough()) return false;
    step.forget();
  }
  return false;
}

class TidyStep {
  readonly #disorder: Disorder;
  readonly #of: Float64Array;
  readonly #targets: Int32Array;
  readonly #blocked: Uint8Array;

  constructor(readonly packing: Packing, readonly random: () => number) {
    this.#disorder = new Disorder(packing);
    const { count, receives } = packing.problem.nodes;
    this.#of = Float64Array.from({ length: count }, (_, n) => this.#disorder.of(n));
    this.#targets = Int32Array.from({ length: count }, (_, n) => n).filter((n) => receives[n] === 1);
    this.#blocked = new Uint8Array(count);
  }

  /** Of three drawn, the one whose node is the most disordered. */
  draw(movable: Int32Array): number {
    let drawn = nowhere, most = -Infinity;
    for (let k = 0; k < 3; k++) {
      const t = movable[(this.random() * movable.length) | 0]!, open = this.#now(this.packing.nodeOf[t]!) + this.packing.problem.nodes.gpuCount[this.packing.nodeOf[t]!]!;
      if (open > most) { most = open; drawn = t; }
    }
    return drawn;
  }

  relocate(t: number, to: number, leastGain: number): boolean {
    const { packing } = this, from = packing.nodeOf[t]!;
    if (from === to || packing.tasksOn[to] === 0 || !packing.fits(t, to)) return false;
    const before = this.#now(from) + this.#now(to), mask = packing.maskOf[t]!;
    packing.lift(t);
    packing.put(t, to, packing.devicesFor(packing.problem.tasks.request[t]!, to));
    const gain = before - this.#disorder.of(from) - this.#disorder.of(to);
    packing.lift(t);
    packing.put(t, from, mask);
    if (gain < leastGain) return false;
    this.#move(t, to, { kind: "tidies", gain });
    return true;
  }

  exchange(one: number, other: number, leastGain: number, maxMoves: number): boolean {
    const { packing } = this, a = packing.nodeOf[one]!, b = packing.nodeOf[other]!, { request } = packing.problem.tasks;
    if (a === b || request[one] === request[other] || maxMoves < 2 || !packing.fits(one, b, other) || !packing.fits(other, a, one)) return false;
    const gain = this.#gainOfExchange(one, a, other, b);
    if (gain < 2 * leastGain) return false;
    for (const [first, to, second, back] of [[one, b, other, a], [other, a, one, b]] as const) {
      if (!packing.fits(first, to)) continue;
      this.#move(first, to, { kind: "tidies", gain });
      this.#move(second, back, { kind: "tidies", gain });
      return true;
    }
    if (gain < 3 * leastGain || maxMoves < 3) return false;
    for (const [first, to, second, back] of [[one, b, other, a], [other, a, one, b]] as const) {
      this.#blocked[a] = this.#blocked[b] = 1;
      const third = packing.tightest(first, this.#targets, this.#blocked);
      this.#blocked[a] = this.#blocked[b] = 0;
      if (third === nowhere) continue;
      this.#move(first, third, { kind: "steps-aside" });
      this.#move(second, back, { kind: "tidies", gain });
      this.#move(first, to, { kind: "tidies", gain });
      return true;
    }
    return false;
  }

  #gainOfExchange(one: number, a: number, other: number, b: number): number {
    const { packing } = this, { request } = packing.problem.tasks, before = this.#now(a) + this.#now(b), maskOfOne = packing.maskOf[one]!, maskOfOther = packing.maskOf[other]!;
    packing.lift(one);
    packing.lift(other);
    packing.put(one, b, packing.devicesFor(request[one]!, b));
    packing.put(other, a, packing.devicesFor(request[other]!, a));
    const gain = before - this.#disorder.of(a) - this.#disorder.of(b);
    packing.lift(one);
    packing.lift(other);
    packing.put(one, a, maskOfOne);
    packing.put(other, b, maskOfOther);
    return gain;
  }

  #move(t: number, to: number, why: Reason): void {
    const from = this.packing.nodeOf[t]!;
    this.packing.move(t, to, why);
    this.#of[from] = this.#of[to] = NaN;
  }

  /** Kept until the node changes. */
  #now(n: number): number {
    if (Number.isNaN(this.#of[n]!)) this.#of[n] = this.#disorder.of(n);
    return this.#of[n]!;
  }

  /** Others than this have moved tasks. */
  forget(): void { this.#of.fill(NaN); }
}
