import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, codeOf, messageOf, sleep, type Clock } from "../../lib/index.js";
import type { ContainerConfig } from "../api/index.js";
import { logArguments } from "../logs/monitor-arguments.js";
import type { ContainerPaths } from "../paths.js";
import { oomFileOf, type CgroupLayout } from "../runtime/cgroups.js";
import { isAlive } from "../runtime/process-identity.js";
import type { Runtimes } from "../runtime/runtimes.js";
import { startMonitor, type MonitorReport } from "./start-monitor.js";

export interface LaunchParts { readonly runtimes: Runtimes; readonly monitorPath: string; readonly cgroups: CgroupLayout; readonly clock: Clock }

/** Everything that containers ask of the monitor and of the OCI runtime, in one place. */

/** The bundle is written and the root mounted: its process runs when this resolves, or `error` says in the runtime's words why not. */
export async function launch(config: ContainerConfig, paths: ContainerPaths, cgroupPath: string, more: readonly string[], parts: LaunchParts): Promise<MonitorReport | { readonly error: string }> {
  const oomFile = oomFileOf(parts.cgroups, cgroupPath);
  const runtime = parts.runtimes.named(config.runtime);
  const started = startMonitor(parts.monitorPath, [
    "--id", config.id, "--dir", paths.bundle, "--bundle", paths.bundle, "--exit-file", paths.exit, ...logArguments(config, paths), ...more,
    ...(oomFile ? ["--oom-file", oomFile] : []), "--state-dir", join(runtime.root, config.id), ...parts.cgroups.mounts.flatMap((mount) => ["--cgroup", mount + cgroupPath]), ...(config.tty ? ["--tty"] : []), ...(config.openStdin ? ["--stdin"] : []), ...(config.stdinOnce ? ["--stdin-once"] : []), "--", ...runtime.command,
  ]);
  return started.catch(async (error: unknown) => {
    if (codeOf(error) !== "UNAVAILABLE") throw error;
    return (await reportOf(paths, parts.clock)) ?? { error: messageOf(error) };
  });
}

/** A monitor that was started and not heard of: what it reports by itself, or undefined once it is certain that its container does not run. */
export async function reportOf(paths: ContainerPaths, clock: Clock): Promise<MonitorReport | undefined> {
  const end = clock.monotonic() + 30_000;
  for (let looks = 0; clock.monotonic() < end; looks++) {
    // In this order: a monitor that has ended in between has written its report before.
    const { monitor, state } = await tracesOf(paths);
    if (state) return state;
    const isWorking = monitor ? await isAlive({ pid: monitor.monitorPid, startTime: monitor.monitorStartTime }) : looks < 20;   // it may not even have begun
    if (!isWorking) return (await tracesOf(paths)).state;
    await sleep(clock, 20);
  }
  return undefined;
}

/** What an earlier life left would be taken for this one's. */
export async function clearTraces(paths: ContainerPaths): Promise<void> {
  await rm(paths.exit, { force: true });
  for (const name of ["state.json", "monitor.json"]) await rm(join(paths.bundle, name), { force: true });
}

/** What a monitor has written of itself: `state` once its container runs. */
async function tracesOf(paths: ContainerPaths): Promise<{ state: MonitorReport | undefined; monitor: { readonly monitorPid: number; readonly monitorStartTime: number } | undefined }> {
  const readJson = async <T>(name: string): Promise<T | undefined> => { try { return JSON.parse(await readFile(join(paths.bundle, name), "utf8")) as T; } catch { return undefined; } };
  return { monitor: await readJson("monitor.json"), state: await readJson("state.json") };
}

export async function freeze(id: string, runtimes: Runtimes): Promise<void> { await ask(id, runtimes, ["pause", id], "pause its processes"); }
export async function thaw(id: string, runtimes: Runtimes): Promise<void> { await ask(id, runtimes, ["resume", id], "resume its processes"); }
export async function applyLimits(id: string, resourcesFile: string, runtimes: Runtimes): Promise<void> { await ask(id, runtimes, ["update", "--resources", resourcesFile, id], "change its limits"); }

/** Ends and deletes it in the runtime that has it; what is not there is fine. */
export async function deleteByForce(id: string, runtimes: Runtimes): Promise<void> {
  for (const runtime of runtimes.all()) if (await runtime.holds(id)) await runtime.run(["delete", "--force", id]);
}

async function ask(id: string, runtimes: Runtimes, args: readonly string[], what: string): Promise<void> {
  const result = await (await runtimes.holding(id)).run(args, { timeoutMs: 30_000 });
  if (result.code === 0) return;
  const line = result.stderr.trim().split("\n").at(-1) ?? "";
  const text = line.replace(/^time=\S+ level=\w+ msg="(.*)"$/, "$1").replaceAll('\\"', '"').slice(0, 500);
  throw new SwarmError("INTERNAL", `the runtime could not ${what}: ${text || (result.isTimedOut ? "it did not answer within 30 s" : `it ended with code ${result.code}`)}`);
}
