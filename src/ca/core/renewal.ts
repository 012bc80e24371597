/**
 * When to renew a certificate, in Unix milliseconds: at a random point between 50 % and 80 % of its life, so that a cluster's nodes,
 * which joined together, do not all ask in one minute. `random` is in [0, 1) and drawn once per certificate.
 */
export function renewalTimeMs(validity: { notBeforeMs: number; notAfterMs: number }, random: number): number {
  const life = validity.notAfterMs - validity.notBeforeMs;
  return Math.round(validity.notBeforeMs + life * (0.5 + 0.3 * random));
}

/** Milliseconds to wait before renewing; 0: now. */
export const renewalDelayMs = (validity: { notBeforeMs: number; notAfterMs: number }, random: number, now: number): number =>
  Math.max(0, renewalTimeMs(validity, random) - now);
