import { SwarmError } from "../../lib/index.js";
import type { Filter } from "../../gen/swarm/v1/Filter.js";

/** For each filter key: what a value asks of an item. May throw INVALID_ARGUMENT for a value that can never hold. */
export type FilterKeys<T> = Readonly<Record<string, (value: string) => (item: T) => boolean>>;

/** Values of one key: any of them. Different keys: all of them. */
export function matcher<T>(noun: string, filters: readonly Filter[], keys: FilterKeys<T>): (item: T) => boolean {
  const byKey = new Map<string, ((item: T) => boolean)[]>();
  for (const { key, value } of filters) {
    if (!Object.hasOwn(keys, key)) throw new SwarmError("INVALID_ARGUMENT", `Cannot filter ${noun}s by "${key.slice(0, 60)}": the keys are ${Object.keys(keys).join(", ")}`);
    byKey.set(key, [...byKey.get(key) ?? [], keys[key]!(value)]);
  }
  const all = [...byKey.values()];
  return (item) => all.every((any) => any.some((holds) => holds(item)));
}

/** "KEY" or "KEY=VALUE". */
export const labelFilter = <T>(labelsOf: (item: T) => Readonly<Record<string, string>> | undefined) => (value: string) => {
  const equals = value.indexOf("=");
  const key = equals < 0 ? value : value.slice(0, equals);
  return (item: T): boolean => {
    const labels = labelsOf(item) ?? {};
    return Object.hasOwn(labels, key) && (equals < 0 || labels[key] === value.slice(equals + 1));
  };
};

/** One of a set of words, in either case. */
export const wordFilter = <T>(noun: string, key: string, words: readonly string[], wordOf: (item: T) => string) => (value: string) => {
  const word = value.toLowerCase();
  if (!words.includes(word)) throw new SwarmError("INVALID_ARGUMENT", `Cannot filter ${noun}s by ${key} "${value.slice(0, 60)}": use ${words.join(", ")}`);
  return (item: T): boolean => wordOf(item) === word;
};

export const containsFilter = <T>(textOf: (item: T) => string) => (value: string) => (item: T): boolean => textOf(item).includes(value);
export const idFilter = <T extends { readonly id: string }>(value: string) => (item: T): boolean => item.id.startsWith(value);
