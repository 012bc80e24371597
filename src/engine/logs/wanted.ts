import type { LogReadOptions } from "../api/index.js";
import { timeLimit, type RecordScanner } from "./record-scanner.js";

/** Which records a reader asks for. */
export interface Wanted {
  readonly sinceMs: number | undefined;
  readonly untilMs: number | undefined;
  matches(record: RecordScanner): boolean;
}

export function wantedOf(options: LogReadOptions): Wanted {
  const sinceNs = options.sinceNs ?? (options.sinceMs === undefined ? undefined : nanoseconds(options.sinceMs));
  const untilNs = options.untilNs ?? (options.untilMs === undefined ? undefined : nanoseconds(options.untilMs) + (Number.isInteger(options.untilMs) ? 999_999n : 0n));   // all of that millisecond
  const since = sinceNs === undefined ? undefined : timeLimit(sinceNs);
  const until = untilNs === undefined ? undefined : timeLimit(untilNs);
  const { stdout = true, stderr = true } = options;
  return {
    sinceMs: sinceNs === undefined ? undefined : Number(sinceNs / 1_000_000n),
    untilMs: untilNs === undefined ? undefined : Number(untilNs / 1_000_000n),
    matches: (record) => (record.stream === "stdout" ? stdout : stderr) && (since === undefined || !record.isBefore(since)) && (until === undefined || !record.isAfter(until)),
  };
}

const nanoseconds = (ms: number): bigint => BigInt(Math.round(ms * 1000)) * 1000n;
