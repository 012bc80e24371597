import { rowsPerStep } from "./columns.js";

/** What is put into `from` meanwhile may be left out: it is noted. */
export function* copyMap<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>): Generator<void> {
  let count = 0;
  for (const [key, value] of from) {
    to.set(key, value);
    if (++count % rowsPerStep === 0) yield;
  }
}

export function copyEntry<K, V>(from: ReadonlyMap<K, V>, to: Map<K, V>, key: K): void {
  const value = from.get(key);
  if (value === undefined) to.delete(key);
  else to.set(key, value);
}
