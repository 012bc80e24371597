// The one source of chance in a simulated world. Streams of their own for the plan, the network, each disk and each member keep what one part draws from
// changing what another part draws, so that a run from which a fault was taken away stays like the run before for as long as it can.

/** sfc32: small, fast, and good enough to draw faults with. */
export class Random {
  private a: number;
  private b: number;
  private c: number;
  private d = 1;

  constructor(seed: number, stream = 0) {
    this.a = seed | 0;
    this.b = Math.floor(seed / 2 ** 32) | 0;
    this.c = stream | 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  private next(): number {
    const sum = (((this.a + this.b) | 0) + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + sum | 0;
    return sum >>> 0;
  }

  /** In [0, 1). */
  unit(): number { return this.next() / 2 ** 32; }
  /** An integer in [0, bound); `bound` up to 2^53. */
  below(bound: number): number { return bound <= 2 ** 32 ? Math.floor(this.next() / 2 ** 32 * bound) : Math.floor((this.next() + this.next() / 2 ** 32) / 2 ** 32 * bound); }
  /** An integer in [from, to]. */
  between(from: number, to: number): number { return from + this.below(to - from + 1); }
  chance(probability: number): boolean { return probability > 0 && this.unit() < probability; }
  pick<T>(from: readonly T[]): T { return from[this.below(from.length)]!; }
  /** Waiting times of what happens independently of what happened before. */
  exponential(mean: number): number { return Math.floor(-Math.log(1 - this.unit()) * mean); }

  shuffle<T>(items: readonly T[]): T[] {
    const out = [...items];
    for (let i = out.length - 1; i > 0; i--) {
      const k = this.below(i + 1);
      [out[i], out[k]] = [out[k]!, out[i]!];
    }
    return out;
  }
}
