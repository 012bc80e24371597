/** "Less than a second", "5 seconds", "About a minute", "3 hours", "2 weeks": as Docker says how long ago. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(seconds / 3600);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(seconds / 86_400);
  if (hours < 24 * 14) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 60) return `${Math.floor(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

/** "1.23kB", "45MB": decimal units, three or four digits, as in Docker's progress bars. */
export function humanSize(bytes: number, digits = 4): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) { value /= 1000; unit++; }
  return `${Number(value.toPrecision(digits))}${units[unit]}`;
}

/** "[=====>     ]  1.2MB/3.4MB". */
export function progressBar(currentBytes: number, totalBytes: number): string {
  if (currentBytes <= 0 && totalBytes <= 0) return "";
  if (totalBytes <= 0) return humanSize(currentBytes).padStart(8);
  const percent = Math.min(50, Math.floor((currentBytes / totalBytes) * 50));
  const bar = percent > 0 ? `${"=".repeat(percent)}>` : ">";
  return `[${bar}${" ".repeat(Math.max(0, 50 - percent))}] ${humanSize(currentBytes).padStart(8)}/${humanSize(totalBytes)}`;
}

export const zeroTime = "0001-01-01T00:00:00Z";
export const timeText = (ms: number | undefined): string => (ms ? new Date(ms).toISOString() : zeroTime);

/** Seconds since 1970 with a fraction, RFC 3339, or a duration back from now ("10m"); undefined when there is none. */
export function parseTime(text: string, nowMs: number): number | undefined {
  if (text === "") return undefined;
  if (/^-?\d+(\.\d{1,9})?$/.test(text)) return Number(text) * 1000;
  const span = parseDurationMs(text);
  if (span !== undefined) return nowMs - span;
  const at = Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : /[zZ]$|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
  return Number.isNaN(at) ? NaN : at;
}

/** The same in nanoseconds, which seconds with nine digits behind the dot need. */
export function parseTimeNs(text: string, nowMs: number): bigint | "invalid" | undefined {
  const [, seconds, fraction = ""] = /^(\d{1,12})(?:\.(\d{1,9}))?$/.exec(text) ?? [];
  if (seconds !== undefined) return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  const ms = parseTime(text, nowMs);
  return ms === undefined ? undefined : Number.isNaN(ms) ? "invalid" : BigInt(Math.max(0, Math.round(ms * 1000))) * 1000n;
}

/** Go's durations: "1h30m", "1.5s", "300ms". */
function parseDurationMs(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  const units: Record<string, number> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  return [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)].reduce((sum, [, number, unit]) => sum + Number(number) * units[unit!]!, 0);
}
