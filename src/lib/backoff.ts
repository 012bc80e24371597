/**
 * Exponential back-off with full jitter over its upper half: attempt 0 waits `baseMs`, each next twice as long, up to `maxMs`.
 * `random` returns [0, 1).
 */
export function backoffMs(attempt: number, options: { baseMs: number; maxMs: number }, random: () => number): number {
  const ceiling = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + random() * (ceiling / 2));
}
