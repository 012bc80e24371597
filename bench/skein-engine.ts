import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../cluster-tests/run.js";
import { apiCall } from "./docker-client.js";

/** One swarmd alone on this machine, with its Docker API on a socket, in a mount and a network namespace of its own that has a loopback and nothing else. */
export interface SkeinEngine { readonly socket: string; readonly directory: string; readonly pid: number; down(): Promise<void> }

export async function openSkeinEngine(more: readonly string[] = []): Promise<SkeinEngine> {
  const directory = mkdtempSync(join(tmpdir(), "skein-bench-"));
  const socket = join(directory, "docker.sock");
  const pidFile = join(directory, "swarmd.pid");
  const cgroupParent = `/skein-bench-${randomBytes(4).toString("hex")}`;
  const child = spawn("unshare", ["--mount", "--net", "--fork", "--kill-child", "sh", "-c", `ip link set lo up && echo $$ > ${pidFile} && exec "$@"`, "sh", process.execPath, join(root, "bin/swarmd"),
    "--state-dir", join(directory, "state"), "--run-dir", join(directory, "run"), "--cgroup-parent", cgroupParent, "--docker-socket", socket, "--log-level", "warn", ...more], { stdio: ["ignore", "ignore", "inherit"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()).once("error", () => resolve()));
  const down = async () => {
    const pid = existsSync(pidFile) ? Number(readFileSync(pidFile, "utf8")) : 0;
    if (pid > 1) try { process.kill(pid, "SIGTERM"); } catch { /* gone already */ }
    const killing = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await exited;
    clearTimeout(killing);
    rmSync(directory, { recursive: true, force: true });
    removeControlGroups(cgroupParent);
  };
  try {
    for (let i = 0; ; i++) {
      try { await apiCall(socket, "GET", "/_ping"); break; } catch (error) { if (i > 200 || child.exitCode !== null) throw error; }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return { socket, directory, pid: Number(readFileSync(pidFile, "utf8")), down };
  } catch (error) { await down(); throw error; }
}

/** What an engine leaves of its parent group: v1 has it once for each controller, v2 once. */
export function removeControlGroups(cgroupParent: string): void {
  for (const mount of ["", ...readdirSync("/sys/fs/cgroup")]) try { rmdirSync(join("/sys/fs/cgroup", mount, cgroupParent)); } catch { /* not there */ }
}
