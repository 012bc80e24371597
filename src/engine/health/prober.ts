import type { Clock, Timer } from "../../lib/index.js";
import type { ExecResult, HealthProbe } from "../api/index.js";
import { afterProbe, nextProbeMs, type HealthProgress, type ProbeSettings } from "./core/health-state.js";

export interface ProberParts {
  readonly clock: Clock;
  readonly settings: ProbeSettings;
  readonly startedAtMs: number;
  /** Where an earlier daemon's prober had come to. */
  readonly initial: HealthProgress;
  readonly exec: (command: readonly string[], timeoutMs: number) => Promise<ExecResult>;
  /** After every probe. */
  readonly report: (progress: HealthProgress, probe: HealthProbe) => void;
}

const outputMaxChars = 4096;

/** Runs one container's health command until stopped. One probe at a time: a slow one delays the next. */
export function startProber(parts: ProberParts): { stop(): void } {
  const { clock, settings } = parts;
  let progress = parts.initial;
  let timer: Timer | undefined;
  let isStopped = false;
  const sinceStart = () => Math.max(0, clock.now() - parts.startedAtMs);
  const schedule = () => { timer = clock.after(nextProbeMs(progress, sinceStart(), settings), () => void probe()); };

  const probe = async () => {
    const startedAtMs = clock.now();
    const beganAt = sinceStart();
    let exitCode: number;
    let output: string;
    try {
      const result = await parts.exec(settings.command, settings.timeoutMs);
      exitCode = result.isTimedOut ? -1 : result.exitCode;
      output = result.isTimedOut ? `the health check did not end within ${settings.timeoutMs} ms${result.output ? `: ${result.output}` : ""}` : result.output;
    } catch (error) { exitCode = -1; output = (error as Error).message; }
    if (isStopped) return;
    progress = afterProbe(progress, exitCode === 0, beganAt, settings);
    parts.report(progress, { startedAtMs, endedAtMs: clock.now(), exitCode, output: output.slice(0, outputMaxChars) });
    if (!isStopped) schedule();
  };

  schedule();
  return { stop() { isStopped = true; timer?.cancel(); } };
}
