import { SwarmError } from "../../lib/index.js";
import { parseDuration } from "./duration.js";

/** "10m" (ago), "2026-11-21T08:00:00Z" or Unix seconds → Unix milliseconds. */
export function parsePointInTime(text: string, flag: string, nowMs: number): number {
  if (/^\d{9,}(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const ms = Date.parse(text);
    if (!Number.isNaN(ms)) return ms;
  }
  try { return nowMs - parseDuration(text, flag); } catch {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag} as a point in time: write how long ago (10m), or a date such as 2026-11-21T08:00:00Z.`);
  }
}
