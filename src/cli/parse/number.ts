import { SwarmError } from "../../lib/index.js";

/** A whole number from `min` to `max`. */
export function parseCount(text: string, flag: string, range: { min?: number; max?: number } = {}): number {
  const { min = 0, max = 4_294_967_295 } = range;
  const value = Number(text);
  if (/^-?\d+$/.test(text.trim()) && value >= min && value <= max) return value;
  const bounds = max === 4_294_967_295 && !(value > max) ? `a whole number, ${min} or more` : `a whole number from ${min} to ${max}`;
  throw new SwarmError("INVALID_ARGUMENT", `The value "${text}" of ${flag} is not possible: write ${bounds}.`);
}

/** "0.5", "2", "1500m" → thousandths of a core. */
export function parseCpus(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)(m?)$/.exec(text.trim());
  const millis = match ? Math.round(Number(match[1]) * (match[2] ? 1 : 1_000)) : NaN;
  if (Number.isSafeInteger(millis) && (millis > 0 || Number(match![1]) === 0)) return millis;
  if (match && Number(match[1]) >= 1) throw new SwarmError("INVALID_ARGUMENT", `The number of cores "${text}" of ${flag} is more than any machine has: write one up to 1000000.`);
  throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag} as a number of cores: write for example 0.5, 2 or 250m; the least is 0.001.`);
}
