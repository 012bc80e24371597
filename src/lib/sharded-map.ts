/** A Map of more entries is divided, which takes about a millisecond: many small Maps are made, so that later it would hold the thread as long as what it avoids. */
const mostWhole = 2 ** 11;
const shardCount = 64;
const hashBits = 12;
/** Characters of a key that choose its shard: the last ones are what ids differ in, and those before the number of a revision. */
const hashedCharacters = 6;

/**
 * Strings to values, as a Map, but for its order. A Map doubles all at once: that holds the thread for 3 ms at 65,536 entries and for 70 at a million, where several grow together for the sum. Here many entries are in 64 Maps
 * of unequal size (the largest gets nearly twice as many as the smallest), which double one after the other: 2 ms each at a million.
 */
export class ShardedMap<V> {
  #whole: Map<string, V> | undefined = new Map();
  #shards: readonly Map<string, V>[] = [];

  get(key: string): V | undefined { return this.#of(key).get(key); }
  has(key: string): boolean { return this.#of(key).has(key); }
  delete(key: string): boolean { return this.#of(key).delete(key); }

  set(key: string, value: V): void {
    this.#of(key).set(key, value);
    if (this.#whole !== undefined && this.#whole.size > mostWhole) this.#divide(this.#whole);
  }

  #of(key: string): Map<string, V> { return this.#whole ?? this.#shards[shardOf(key)]!; }

  #divide(whole: Map<string, V>): void {
    this.#shards = Array.from({ length: shardCount }, () => new Map<string, V>());
    for (const [key, value] of whole) this.#shards[shardOf(key)]!.set(key, value);
    this.#whole = undefined;
  }
}

/** By hash: shard i gets 2^(i / shardCount) parts of all. */
const shards = Uint8Array.from({ length: 2 ** hashBits }, (_, hash) => Math.floor(shardCount * Math.log2(1 + hash / 2 ** hashBits)));

function shardOf(key: string): number {
  let hash = key.length;
  for (let i = Math.max(0, key.length - hashedCharacters); i < key.length; i++) hash = (Math.imul(hash, 31) + key.charCodeAt(i)) | 0;
  return shards[Math.imul(hash, 0x9e3779b1) >>> (32 - hashBits)]!;
}
