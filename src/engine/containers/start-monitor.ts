import { SwarmError } from "../../lib/index.js";
import { requireSpawner } from "../runtime/spawner.js";

/** What a monitor says once its container runs (monitor.c). */
export interface MonitorReport { readonly pid: number; readonly startTime: number; readonly monitorPid: number; readonly monitorStartTime: number; readonly startedAtMs: number }

/**
 * Starts `skein-monitor run` (or exec), which leaves the helper's session at once, and waits for its report. A start that failed comes back as the runtime's text.
 * UNAVAILABLE: the helper was killed meanwhile; the monitor may have gone on alone, and its state.json tells.
 */
export async function startMonitor(monitorPath: string, args: readonly string[], verb: "run" | "exec" = "run"): Promise<MonitorReport | { readonly error: string }> {
  const parts: Buffer[] = [];
  const answer = await requireSpawner().run({ argv: [monitorPath, verb, ...args], isMonitor: true, outputLimitBytes: 65_536 }, { onOutput: (_, bytes) => { parts.push(bytes); } });
  if (answer.isLost) throw new SwarmError("UNAVAILABLE", answer.why);
  if (answer.code < 0) throw new SwarmError("FAILED_PRECONDITION", `the container monitor "${monitorPath}" cannot be run: ${answer.why}; run npm run build`);
  const text = Buffer.concat(parts).toString();
  if (text === "") return { error: "its monitor ended before it could start it" };
  try { return JSON.parse(text) as MonitorReport | { error: string }; } catch { return { error: `its monitor answered with "${text.slice(0, 200)}"` }; }
}
