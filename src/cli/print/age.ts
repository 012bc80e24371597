/** How long ago, in the largest fitting unit: "8 seconds ago", "3 minutes ago". */
export function age(thenMs: number, nowMs: number): string {
  return thenMs > 0 ? `${span(nowMs - thenMs)} ago` : "";
}

/** A length of time for people: "1 second", "3 minutes". */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const [amount, unit] = seconds < 120 ? [seconds, "second"] : seconds < 7_200 ? [Math.floor(seconds / 60), "minute"]
    : seconds < 172_800 ? [Math.floor(seconds / 3_600), "hour"] : [Math.floor(seconds / 86_400), "day"];
  return `${amount} ${unit}${amount === 1 ? "" : "s"}`;
}
