/** A set of small integers (node rows), a bit each. Grows when told; reading past its end reads "not in". */
export class Bitset {
  words: Uint32Array;

  constructor(size = 0) { this.words = new Uint32Array((size + 31) >>> 5); }

  has(i: number): boolean { return ((this.words[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0; }

  set(i: number, isIn: boolean): void {
    if (i >>> 5 >= this.words.length) this.grow(i + 1);
    if (isIn) this.words[i >>> 5]! |= 1 << (i & 31);
    else this.words[i >>> 5]! &= ~(1 << (i & 31));
  }

  grow(size: number): void {
    const length = (size + 31) >>> 5;
    if (length <= this.words.length) return;
    const words = new Uint32Array(Math.max(length, this.words.length * 2));
    words.set(this.words);
    this.words = words;
  }

  count(): number {
    let count = 0;
    for (const word of this.words) count += popcount(word);
    return count;
  }

  /** Ascending. */
  forEach(visit: (i: number) => void): void {
    for (let w = 0; w < this.words.length; w++) {
      for (let word = this.words[w]!; word !== 0; word &= word - 1) visit((w << 5) + 31 - Math.clz32(word & -word));
    }
  }

  toArray(): Int32Array {
    const result = new Int32Array(this.count());
    let at = 0;
    this.forEach((i) => { result[at++] = i; });
    return result;
  }

  copy(): Bitset {
    const copy = new Bitset();
    copy.words = this.words.slice();
    return copy;
  }
}

export function popcount(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return (((word + (word >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}
