import { spawn } from "node:child_process";
import { SwarmError } from "../../lib/index.js";

/** What a monitor says once its container runs (monitor.c). */
export interface MonitorReport { readonly pid: number; readonly startTime: number; readonly monitorPid: number; readonly monitorStartTime: number; readonly startedAtMs: number }

/** Starts `skein-monitor run`, which leaves this process's session at once, and waits for its report. A start that failed comes back as the runtime's text. */
export function startMonitor(monitorPath: string, args: readonly string[]): Promise<MonitorReport | { readonly error: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(monitorPath, ["run", ...args], { stdio: ["ignore", "ignore", "ignore", "pipe"], detached: true });
    const pipe = child.stdio[3] as NodeJS.ReadableStream;
    let text = "";
    pipe.setEncoding("utf8");
    pipe.on("data", (chunk: string) => { text += chunk; });
    child.on("error", (error) => reject(new SwarmError("FAILED_PRECONDITION", `the container monitor "${monitorPath}" cannot be run: ${error.message}; run npm run build`, { cause: error })));
    pipe.on("error", () => {});
    pipe.on("close", () => {
      if (text === "") return resolve({ error: "its monitor ended before it could start it" });
      try { resolve(JSON.parse(text) as MonitorReport | { error: string }); } catch { resolve({ error: `its monitor answered with "${text.slice(0, 200)}"` }); }
    });
  });
}
