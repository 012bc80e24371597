import type { HealthConfig } from "../../../model/index.js";

export interface ProbeSettings {
  readonly command: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
}

export interface HealthProgress { readonly health: "starting" | "healthy" | "unhealthy"; readonly failures: number }

/** The container's own settings over the image's, with Docker's defaults; undefined when no probe is to run. */
export function probeSettings(own: HealthConfig | undefined, image: HealthConfig | undefined): ProbeSettings | undefined {
  const test = own && own.test.length > 0 ? own.test : image?.test ?? [];
  const [kind, ...rest] = test;
  const command = kind === "CMD" ? rest : kind === "CMD-SHELL" ? ["/bin/sh", "-c", rest.join(" ")] : [];
  if (command.length === 0) return undefined;
  const pick = (name: "intervalMs" | "timeoutMs" | "retries" | "startPeriodMs" | "startIntervalMs", fallback: number) => own?.[name] || image?.[name] || fallback;
  return { command, intervalMs: pick("intervalMs", 30_000), timeoutMs: pick("timeoutMs", 30_000), retries: pick("retries", 3), startPeriodMs: pick("startPeriodMs", 0), startIntervalMs: pick("startIntervalMs", 5_000) };
}

/** One probe's outcome: a success makes healthy at once; failures count only after the start period or after the first success. */
export function afterProbe(before: HealthProgress, isSuccess: boolean, sinceStartMs: number, settings: ProbeSettings): HealthProgress {
  if (isSuccess) return { health: "healthy", failures: 0 };
  if (before.health === "starting" && sinceStartMs < settings.startPeriodMs) return before;
  const failures = before.failures + 1;
  return { health: failures >= settings.retries ? "unhealthy" : before.health, failures };
}

export function nextProbeMs(progress: HealthProgress, sinceStartMs: number, settings: ProbeSettings): number {
  return progress.health === "starting" && sinceStartMs < settings.startPeriodMs ? Math.min(settings.startIntervalMs, settings.intervalMs) : settings.intervalMs;
}
