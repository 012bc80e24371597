import { SwarmError } from "../../lib/index.js";
import type { HealthConfig } from "../../model/index.js";
import type { Fields } from "./fields.js";

const nanosOf = (ms: number): number => ms * 1e6;

/** Docker's Healthcheck, whose times are nanoseconds. */
export function parseHealthcheck(health: Fields): HealthConfig {
  const ms = (name: string) => {
    const nanos = health.integer(name) ?? 0;
    if (nanos < 0 || (nanos > 0 && nanos < 1e6)) throw new SwarmError("INVALID_ARGUMENT", `${name} in Healthcheck cannot be less than 1ms`);
    return Math.round(nanos / 1e6);
  };
  const retries = health.integer("Retries") ?? 0;
  if (retries < 0) throw new SwarmError("INVALID_ARGUMENT", "Retries in Healthcheck cannot be negative");
  const test = health.texts("Test") ?? [];
  if (test.length > 0 && !["NONE", "CMD", "CMD-SHELL"].includes(test[0]!)) throw new SwarmError("INVALID_ARGUMENT", `Unknown healthcheck type '${test[0]!.slice(0, 80)}' (expected 'CMD')`);
  return { test, intervalMs: ms("Interval"), timeoutMs: ms("Timeout"), retries, startPeriodMs: ms("StartPeriod"), startIntervalMs: ms("StartInterval") };
}

export function healthcheckJson(health: HealthConfig): object {
  return {
    ...(health.test.length > 0 ? { Test: health.test } : {}), ...(health.intervalMs ? { Interval: nanosOf(health.intervalMs) } : {}), ...(health.timeoutMs ? { Timeout: nanosOf(health.timeoutMs) } : {}),
    ...(health.startPeriodMs ? { StartPeriod: nanosOf(health.startPeriodMs) } : {}), ...(health.startIntervalMs ? { StartInterval: nanosOf(health.startIntervalMs) } : {}), ...(health.retries ? { Retries: health.retries } : {}),
  };
}
