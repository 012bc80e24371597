import { amountText } from "../filters/index.js";

/** One dimension of what each task of a service sets aside. */
export interface Observed {
  /** 0: nothing is set aside. */
  readonly reserved: number;
  /** 0: none. */
  readonly limit: number;
  /** Of the task that uses most: the 95th percentile (CPU) or the peak (memory). */
  readonly used: number;
}

export interface RightSize {
  /** 0: leave it as it is. */
  readonly suggested: number;
  /** "" with it. */
  readonly advice: string;
}

/** What is watched for less may be an idle hour's first minutes. */
export const leastWindowMs = 10 * 60_000;
/** On top of what was seen: the next peak is higher than the last one. */
const margin = 1.2;
/** A reservation is called too large only when it is so many times what is suggested: a service that is changed every day costs more than it saves. */
const tooLarge = 1.25;

const unit = { cpu: 10, memory: 8 * 2 ** 20 } as const;
const least = { cpu: 10, memory: 16 * 2 ** 20 } as const;
const words = { cpu: "CPU", memory: "memory" } as const;

/** What a service should set aside of `dimension` by what its tasks used: a fifth more than that, in round numbers, never above its limit. */
export function rightSize(dimension: "cpu" | "memory", { reserved, limit, used }: Observed): RightSize {
  const wanted = Math.max(least[dimension], Math.ceil((used * margin) / unit[dimension]) * unit[dimension]);
  const suggested = limit > 0 ? Math.min(limit, wanted) : wanted;
  const text = (amount: number) => `${amountText(dimension, amount)} ${words[dimension]}`;
  if (reserved > suggested * tooLarge) return { suggested, advice: `reserves ${text(reserved)} and uses ${amountText(dimension, used)}: ${amountText(dimension, suggested)} would do` };
  // Nothing is set aside on purpose, often; a task that uses next to nothing is no reason to speak of it.
  if (reserved < used && suggested > reserved && used > 2 * least[dimension]) {
    return { suggested, advice: reserved === 0 ? `uses ${text(used)} and reserves none: others are placed as if it used nothing` : `uses ${text(used)} and reserves ${amountText(dimension, reserved)}: its nodes are fuller than they seem` };
  }
  return { suggested: 0, advice: "" };
}
