import { readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { mountsBelow } from "../runtime/mountinfo.js";
import { isAlive, signalProcess } from "../runtime/process-identity.js";
import { unmount } from "../runtime/mounts.js";
import { startsWithDaemon } from "./core/restart-policy.js";
import { deleteByForce, freeze, reportOf, thaw } from "./launch.js";
import type { Lifecycle, LifecycleParts } from "./lifecycle.js";
import { isRestarting } from "./record.js";
import type { Entry } from "./table.js";

/** What a new daemon does with what it finds: it adopts what runs, finishes what was begun, clears what nobody knows, and starts again what a policy wants running. */
export async function takeOver(parts: LifecycleParts, lifecycle: Lifecycle): Promise<void> {
  const { paths, log, table } = parts;
  for (const entry of table.entries()) {
    const { id, name } = entry.record.config;
    try {
      switch (entry.record.phase) {
        case "created": case "exited": if (entry.record.config.network) await parts.neighbours().networking?.release(id); break;
        case "creating": case "removing": await discard(entry, parts, lifecycle); break;
        case "starting": await adoptStarting(entry, parts, lifecycle); break;
        case "running": await checkRunning(entry, parts, lifecycle); break;
      }
      if (entry.record.phase === "running") await adopt(entry, parts);
    } catch (error) { log.error("taking over a container failed", { container: id, name, error }); }
  }
  const known = (name: string) => table.get(name) !== undefined;
  for (const mount of mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), paths.runContainers)) {
    if (!known(mount.slice(paths.runContainers.length + 1).split("/")[0]!)) await unmount(mount);
  }
  for (const { root } of parts.runtimes.all()) {
    for (const name of await readdir(root)) if (!known(name)) { log.warn("ending an unknown container", { container: name }); await deleteByForce(name, parts.runtimes); }
  }
  for (const names of [await readdir(paths.containers), await readdir(paths.runContainers), await parts.layers.writable()]) {
    for (const name of names) if (!known(name)) { log.warn("removing what an unknown container left", { container: name }); await lifecycle.eraseFiles(name); }
  }
  for (const name of await readdir(paths.exits)) if (!known(name.replace(/\.json(\.tmp)?$/, ""))) await rm(join(paths.exits, name), { force: true });
}

/** Those that ended: started again if their policy says so, removed if they remove themselves. After takeOver. */
export async function resumeEnded({ table, clock, log }: LifecycleParts, lifecycle: Lifecycle): Promise<void> {
  for (const entry of table.entries()) {
    const { config, phase, exit, startedAtMs, isStoppedByUser, restartCount } = entry.record;
    if (phase !== "exited" || !exit || entry.restartTimer) continue;
    const isWanted = isRestarting(entry.record) || (startedAtMs > 0 && startsWithDaemon(config.restart, { exitCode: exit.exitCode, isStoppedByUser, restartCount }));
    try {
      if (isWanted) {
        await table.save(entry, { restartsAtMs: entry.record.restartsAtMs ?? clock.now() });
        lifecycle.scheduleRestart(entry, Math.max(0, entry.record.restartsAtMs! - clock.now()));
      } else if (config.autoRemove) lifecycle.removeLater(entry);
    } catch (error) { log.error("resuming a container failed", { container: config.id, name: config.name, error }); }
  }
}

/** For what no event tells: a missed exit, a monitor that was killed, a host that restarted. */
export async function checkRunning(entry: Entry, parts: LifecycleParts, lifecycle: Lifecycle): Promise<void> {
  const { config, process: running } = entry.record;
  const isSameBoot = running?.bootId === parts.bootId;
  if (running && isSameBoot && (await isAlive({ pid: running.monitorPid, startTime: running.monitorStartTime }))) return;
  // The monitor ends after it has written the file, so the order of these two looks matters.
  const exit = await lifecycle.readExit(config.id);
  if (exit) return lifecycle.ended(entry, exit);
  const isStillThere = running !== undefined && isSameBoot && (await isAlive(running));
  const why = isStillThere ? "its monitor process was killed, so the container was stopped" : "the host was stopped or restarted";
  parts.log.warn("a container was lost", { container: config.id, name: config.name, reason: why });
  if (isStillThere) await signalProcess(running, 9);
  await deleteByForce(config.id, parts.runtimes);
  await lifecycle.ended(entry, { exitCode: 137, isOomKilled: false, finishedAtMs: parts.clock.now(), error: `Container "${config.name}" ended: ${why}` });
}

async function adopt(entry: Entry, parts: LifecycleParts): Promise<void> {
  const { config: { id, name }, isPaused, isPausedBriefly, process: running } = entry.record;
  parts.log.info("took over a running container", { container: id, name, pid: running?.pid });
  // A daemon that died between "is to be paused" and the freezing; what is frozen already refuses in vain.
  if (isPaused && !isPausedBriefly) await freeze(id, parts.runtimes).catch(() => {});
  else if (isPaused) {
    await thaw(id, parts.runtimes).catch(() => {});   // it may not have come to the freezing
    await parts.table.save(entry, { isPaused: false });
  }
  parts.health.start(entry, parts.findImage(entry.record.imageId));
}

async function discard(entry: Entry, parts: LifecycleParts, lifecycle: Lifecycle): Promise<void> {
  const { process: running, config, phase } = entry.record;
  if (running) { await signalProcess(running, 9); await lifecycle.waitForMonitor(running); }
  await deleteByForce(config.id, parts.runtimes);
  await lifecycle.erase(entry, true);
  if (phase === "removing") parts.table.publish(entry.record, "destroy");
}

/** The daemon died between starting a monitor and hearing from it: the monitor has gone on alone. */
async function adoptStarting(entry: Entry, parts: LifecycleParts, lifecycle: Lifecycle): Promise<void> {
  const { clock, table } = parts;
  const { config, imageId } = entry.record;
  const state = await reportOf(parts.paths.container(config.id), clock);
  if (state) {
    await lifecycle.running(entry, state, parts.findImage(imageId));
    return checkRunning(entry, parts, lifecycle);
  }
  await deleteByForce(config.id, parts.runtimes);
  if (config.network) await parts.neighbours().networking?.release(config.id);
  // Whoever asked for its first start has heard nothing. One that has lived before is for its policy; what its policy or a restart had begun is tried again.
  const { startedAtMs, restartsAtMs } = entry.record;
  const isBegunAgain = restartsAtMs !== undefined || entry.record.restartCount > 0;
  await table.save(entry, startedAtMs > 0 || isBegunAgain
    ? { phase: "exited", exit: { exitCode: 137, isOomKilled: false, finishedAtMs: clock.now(), error: "the daemon ended while it was being started" }, restartsAtMs: isBegunAgain ? clock.now() : undefined }
    : { phase: "created" });
}
