import type { Clock, Timer } from "../../lib/index.js";
import type { ExecResult, HealthState } from "../api/index.js";
import { afterProbe, nextProbeMs, type HealthProgress, type ProbeSettings } from "./core/health-state.js";

export interface ProberParts {
  readonly clock: Clock;
  readonly settings: ProbeSettings;
  readonly startedAtMs: number;
  /** Where an earlier daemon's prober had come to. */
  readonly initial: HealthState;
  readonly exec: (command: readonly string[], timeoutMs: number) => Promise<ExecResult>;
  /** After every probe. */
  readonly report: (health: HealthState, output: string) => void;
}

const outputMaxChars = 4096;

/** Runs one container's health command until stopped. One probe at a time: a slow one delays the next. */
export function startProber(parts: ProberParts): { stop(): void } {
  const { clock, settings } = parts;
  let progress: HealthProgress = { health: parts.initial === "none" ? "starting" : parts.initial, failures: parts.initial === "unhealthy" ? settings.retries : 0 };
  let timer: Timer | undefined;
  let isStopped = false;
  const sinceStart = () => Math.max(0, clock.now() - parts.startedAtMs);
  const schedule = () => { timer = clock.after(nextProbeMs(progress, sinceStart(), settings), () => void probe()); };

  const probe = async () => {
    const beganAt = sinceStart();
    let isSuccess = false;
    let output: string;
    try {
      const result = await parts.exec(settings.command, settings.timeoutMs);
      isSuccess = result.exitCode === 0 && !result.isTimedOut;
      output = result.isTimedOut ? `the health check did not end within ${settings.timeoutMs} ms${result.output ? `: ${result.output}` : ""}` : result.output;
    } catch (error) { output = (error as Error).message; }
    if (isStopped) return;
    progress = afterProbe(progress, isSuccess, beganAt, settings);
    parts.report(progress.health, output.slice(0, outputMaxChars));
    schedule();
  };

  schedule();
  return { stop() { isStopped = true; timer?.cancel(); } };
}
