/**
 * Levels of amounts, eight to an octave: 0 … 8 are levels of their own, above that a level is an eighth of its octave wide. What is of one level differs by less
 * than an eighth. In levels, amounts from 1 to 2^25 are 192 numbers.
 */
export const levels = 192;

export function levelOf(amount: number): number {
  if (amount < 8) return amount < 0 ? 0 : amount | 0;
  if (amount >= 2 ** 26) return levels - 1;
  const octave = 31 - Math.clz32(amount);
  const level = ((octave - 2) << 3) | ((amount >>> (octave - 3)) & 7);
  return level < levels ? level : levels - 1;
}

/** The least amount of a level. */
export function floorOf(level: number): number {
  if (level < 8) return level;
  return (8 + (level & 7)) * 2 ** ((level >> 3) - 1);
}
