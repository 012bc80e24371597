import { readFile, rm, rmdir } from "node:fs/promises";
import { SwarmError, sleep, type Clock, type Logger } from "../../lib/index.js";
import type { ContainerExit, HealthState } from "../api/index.js";
import { probeSettings } from "../health/core/health-state.js";
import type { ImageRecord } from "../images/record.js";
import type { ContainerPaths, Paths } from "../paths.js";
import { argumentsOf } from "../runtime/bundle.js";
import { findDevices } from "../runtime/devices.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { unmount } from "../runtime/mounts.js";
import { isAlive, signalNumber, signalProcess } from "../runtime/process-identity.js";
import { explainStartFailure } from "../runtime/runtime.js";
import type { Runtimes } from "../runtime/runtimes.js";
import { delayToRestart } from "./core/restart-policy.js";
import type { HealthWatch } from "./health-watch.js";
import { HeldPaths } from "./held-paths.js";
import { clearTraces, deleteByForce, freeze, launch, thaw } from "./launch.js";
import type { Neighbours } from "./ports.js";
import { joinNamespaces } from "./join-namespaces.js";
import { checkMounts, mountRoot, writeBundle, type PrepareParts } from "./prepare.js";
import { isRestarting, type ContainerRecord, type RunningProcess } from "./record.js";
import type { MonitorReport } from "./start-monitor.js";
import type { ContainerTable, Entry } from "./table.js";

export interface LifecycleParts extends PrepareParts {
  readonly paths: Paths;
  readonly runtimes: Runtimes;
  readonly findImage: (reference: string) => ImageRecord | undefined;
  readonly onImageReleased: (imageId: string) => void;
  readonly bootId: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly table: ContainerTable;
  readonly health: HealthWatch;
  /** Known once the parts that look at containers are there. */
  readonly neighbours: () => Neighbours;
}

const monitorEndMs = 10_000;
const killedWithinMs = 10_000;

/** From one phase to the next: starting, ending, freezing, removing; and what follows from an end. */
export class Lifecycle {
  #isClosed = false;
  constructor(private readonly parts: LifecycleParts) {}

  async start(id: string): Promise<void> {
    const { table } = this.parts;
    const entry = table.need(id, "start");
    return table.exclusively(id, async () => {
      if (table.get(id) !== entry) table.need(id, "start");
      if (entry.record.phase === "running" && entry.record.isPaused) throw new SwarmError("FAILED_PRECONDITION", `Cannot start container "${entry.record.config.name}": it is paused; unpause it instead`);
      await this.#begin(entry, "user");
    });
  }

  /** Resolves once it has ended. graceMs -1: it may take for ever. */
  async stop(id: string, options: { graceMs: number; signal?: string }): Promise<void> {
    const { table } = this.parts;
    const entry = table.need(id, "stop");
    const signal = this.#stopSignal(entry, options.signal);
    await table.settled(id);
    if (!(await this.#markStopped(entry))) return;
    await this.#end(entry, signal, options.graceMs);
    table.publish(entry.record, "stop");
  }

  /** As Docker: SIGKILL resolves once it has ended, any other signal once it is sent. */
  async kill(id: string, name: string): Promise<void> {
    const { table } = this.parts;
    const entry = table.need(id, "kill");
    const signal = signalNumber(name || "SIGKILL");
    await table.settled(id);
    const { phase, config } = entry.record;
    // As Docker: a signal that is meant to end it, or that nobody has told from one, ends the policy's interest as well.
    const isMeantToEnd = signal === 9 || !config.stopSignal || signal === this.#stopSignal(entry);
    if (isRestarting(entry.record)) { if (isMeantToEnd) await this.#markStopped(entry); return; }
    if (phase !== "running") throw new SwarmError("FAILED_PRECONDITION", `Cannot send a signal to container "${config.name}": it is not running`);
    if (isMeantToEnd && !(await this.#markStopped(entry))) return;
    if (signal !== 9) return this.#signal(entry, signal, isMeantToEnd);
    const exited = table.wait(entry, "next-exit");
    exited.catch(() => {});
    await this.#signal(entry, signal, true);
    if (!(await this.#isWithin(exited, killedWithinMs))) {
      throw new SwarmError("DEADLINE_EXCEEDED", `Cannot kill container "${config.name}": it has its signal and has not ended within ${killedWithinMs / 1000} s; the kernel may be holding a process of it, which ps shows in state D`);
    }
  }

  /** Stops it, if it runs, and starts it. A daemon that dies in between leaves the start to the next. */
  async restart(id: string, options: { graceMs: number; signal?: string }): Promise<void> {
    const { table, clock } = this.parts;
    const entry = table.need(id, "restart");
    const signal = this.#stopSignal(entry, options.signal);
    await table.settled(id);
    this.#cancelRestart(entry);
    if (entry.record.phase === "running") {
      entry.isBeingRestarted = true;
      try {
        await table.save(entry, { restartsAtMs: clock.now() });
        await this.#end(entry, signal, options.graceMs);
        table.publish(entry.record, "stop");
      } finally { entry.isBeingRestarted = false; }
    }
    await this.start(id);
    table.publish(entry.record, "restart");
  }

  /** isBrief: the engine itself freezes it for a moment; a daemon that dies meanwhile must not leave it so. */
  async pause(id: string, { isBrief = false } = {}): Promise<void> {
    const { table, runtimes, health } = this.parts;
    const entry = table.need(id, "pause");
    return table.exclusively(id, async () => {
      const { config, phase, isPaused } = entry.record;
      const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot pause container "${config.name}": ${why}`); };
      if (isRestarting(entry.record)) refuse("it is restarting; wait until it runs");
      if (phase !== "running") refuse("it is not running");
      if (isPaused) refuse("it is paused already");
      await table.save(entry, { isPaused: true, isPausedBriefly: isBrief });
      try { await freeze(id, runtimes); } catch (error) {
        if (entry.record.phase === "running") await table.save(entry, { isPaused: false });
        throw error;
      }
      health.stop(entry);
      table.publish(entry.record, "pause");
    });
  }

  async unpause(id: string): Promise<void> {
    const { table } = this.parts;
    const entry = table.need(id, "unpause");
    return table.exclusively(id, async () => {
      if (entry.record.phase !== "running" || !entry.record.isPaused) throw new SwarmError("FAILED_PRECONDITION", `Cannot unpause container "${entry.record.config.name}": it is not paused`);
      await this.#thaw(entry);
    });
  }

  async remove(id: string, options: { force?: boolean; removeVolumes?: boolean } = {}): Promise<void> {
    const { table, log } = this.parts;
    const entry = table.get(id);
    if (!entry) return;
    await table.exclusively(id, async () => {
      if (table.get(id) !== entry) return;
      const { config, phase } = entry.record;
      const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot remove container "${config.name}": ${why}`); };
      if (isRestarting(entry.record) && !options.force) refuse("it is restarting; stop it first, or use force");
      if (phase === "running") {
        if (!options.force) refuse(entry.record.isPaused ? "it is paused; unpause and stop it first, or use force" : "it is running; stop it first, or use force");
        await this.#markStopped(entry);
        const exited = table.wait(entry, "next-exit");
        await this.#signal(entry, 9, true);
        await exited;
      }
      await entry.ending;
      this.#cancelRestart(entry);
      // A full disk may refuse this, and removing is what makes room. A daemon that dies now knows the container as it was, and it can be removed again.
      await table.save(entry, { phase: "removing", restartsAtMs: undefined }).catch((error: unknown) => log.warn("a container is removed without a note of it", { container: id, error }));
      if (entry.record.process) await this.waitForMonitor(entry.record.process);
      await this.erase(entry, options.removeVolumes ?? true);
      table.publish(entry.record, "destroy");
    });
    this.parts.onImageReleased(entry.record.imageId);
  }

  /** The process runs, as its monitor says. */
  async running(entry: Entry, report: MonitorReport, image: ImageRecord | undefined): Promise<void> {
    const { table, bootId } = this.parts;
    const process: RunningProcess = { pid: report.pid, startTime: report.startTime, monitorPid: report.monitorPid, monitorStartTime: report.monitorStartTime, bootId };
    const health: HealthState = probeSettings(entry.record.config.health, image?.config.health) ? "starting" : "none";
    await table.save(entry, { phase: "running", process, startedAtMs: report.startedAtMs, health, healthLog: "", failingStreak: 0, healthProbes: [], isPaused: false, restartsAtMs: undefined });
  }

  /** Its process has ended or could not be started. Whoever notices it first acts, once; the promise is fulfilled when everybody has been told. */
  ended(entry: Entry, exit: ContainerExit): Promise<void> {
    const { table, log, health, clock } = this.parts;
    const before = entry.record;
    if (before.phase !== "running" && before.phase !== "starting") return entry.ending ?? Promise.resolve();
    const hasRun = before.phase === "running";
    const { config } = before;
    health.stop(entry);
    const ranMs = Math.max(0, exit.finishedAtMs - before.startedAtMs);
    const isByPolicy = before.restartCount > 0;
    const delayMs = entry.isBeingRestarted || !(hasRun || isByPolicy) ? undefined
      : delayToRestart(config.restart, { exitCode: exit.exitCode, ranMs: hasRun ? ranMs : 0, isStoppedByUser: before.isStoppedByUser, restartCount: before.restartCount, restartDelayMs: before.restartDelayMs });
    // In memory at once, so that this runs once; the exit file repeats it should the database not get there.
    const saved = table.save(entry, {
      phase: "exited", exit, isPaused: false,
      ...(delayMs !== undefined ? { restartsAtMs: clock.now() + delayMs, restartDelayMs: delayMs } : entry.isBeingRestarted ? {} : { restartsAtMs: undefined }),
    }).catch((error: unknown) => log.error("saving a container's end failed", { container: config.id, error }));
    // Addresses and ports are free before anybody hears of the end: who waits for it may want them next.
    entry.ending = (async () => {
      if (config.network) await this.parts.neighbours().networking?.release(config.id).catch((error: unknown) => log.error("giving back a container's network failed", { container: config.id, error }));
      await saved;
      entry.ending = undefined;
      if (hasRun) {
        if (exit.isOomKilled) table.publish(before, "oom");
        table.publish(before, "die", { exitCode: String(exit.exitCode), execDuration: String(Math.floor(ranMs / 1000)) });
      }
      table.emit({ kind: "exited", id: config.id, exit });
      table.tell(entry, exit, ["not-running", "next-exit"]);
      if (delayMs !== undefined) this.scheduleRestart(entry, delayMs);
      else if (config.autoRemove && !entry.isBeingRestarted) this.removeLater(entry);
    })();
    return entry.ending;
  }

  scheduleRestart(entry: Entry, delayMs: number): void {
    if (this.#isClosed) return;
    const { table, clock, log } = this.parts;
    const { id, name } = entry.record.config;
    entry.restartTimer?.cancel();
    entry.restartTimer = clock.after(delayMs, () => {
      entry.restartTimer = undefined;
      void table.exclusively(id, async () => {
        if (this.#isClosed || table.get(id) !== entry || !isRestarting(entry.record)) return;
        await this.#begin(entry, "policy");
      }).catch((error: unknown) => log.warn("a container's restart failed", { container: id, name, error }));
    });
  }

  /** An autoRemove container goes when it has ended. */
  removeLater(entry: Entry): void {
    if (this.#isClosed) return;
    const { config } = entry.record;
    void this.remove(config.id, { force: true }).catch((error: unknown) => this.parts.log.error("removing a container at its end failed", { container: config.id, name: config.name, error }));
  }

  async #begin(entry: Entry, by: "user" | "policy"): Promise<void> {
    const { paths, table, findImage, clock, log } = this.parts;
    await entry.ending;
    const { config, phase } = entry.record;
    const { id } = config;
    if (phase === "running") return;
    this.#cancelRestart(entry);
    const own = paths.container(id);
    let isPrepared = false;
    const held = new HeldPaths(own.parts);
    try {
      const image = findImage(entry.record.imageId);
      if (!image) throw new SwarmError("FAILED_PRECONDITION", `its image ${entry.record.imageId} is gone; remove the container and create it again`);
      if (entry.record.process) await this.waitForMonitor(entry.record.process);
      await this.#ensureMounted(entry, image);
      await clearTraces(own);
      const counted = by === "user" ? { restartCount: 0, restartDelayMs: 0, isStoppedByUser: false } : { restartCount: entry.record.restartCount + 1 };
      // restartsAtMs stays until it runs: a daemon that dies in between leaves the start to the next.
      await table.save(entry, { phase: "starting", exit: undefined, process: undefined, isPaused: false, ...counted });
      const networking = this.parts.neighbours().networking;
      isPrepared = config.network !== undefined && networking !== undefined;
      const network = isPrepared ? await networking!.prepare(config) : undefined;
      await checkMounts(config.mounts);
      const [namespaces, devices] = await Promise.all([joinNamespaces(config, this.parts.cgroups.kind === "v2", this.parts), findDevices(config)]);
      await writeBundle(entry.record, image, own, { network, namespaces, devices, held }, this.parts);
      const { streams } = this.parts.neighbours();
      const report = await launch(config, own, this.parts.cgroupPathOf(id, config.cgroupParent), await streams?.launching(id) ?? [], this.parts);
      if (!("error" in report)) streams?.launched(id);
      else {
        const { text, exitCode } = explainStartFailure(report.error, { program: argumentsOf(config, image.config)[0], oomScoreAdj: config.oomScoreAdj });
        throw new StartFailure(text, exitCode);
      }
      await this.running(entry, report, image);
      table.emit({ kind: "started", id });
      table.publish(entry.record, "start");
      this.parts.health.start(entry, image);
      // It may have ended while it was "starting", when nobody looked.
      const exit = await this.readExit(id);
      if (exit) await this.ended(entry, exit);
    } catch (error) {
      this.parts.neighbours().streams?.notLaunched(id);
      const message = `Cannot start container "${config.name}": ${lowerFirst(error instanceof Error ? error.message : String(error))}`;
      const exitCode = error instanceof StartFailure ? error.exitCode : 128;
      if (entry.record.phase === "starting") await this.ended(entry, { exitCode, isOomKilled: false, finishedAtMs: clock.now(), error: message });
      else if (isRestarting(entry.record)) await table.save(entry, { restartsAtMs: undefined });
      else if (isPrepared) log.error("a container that runs could not be looked after", { container: id, error });
      if (error instanceof SwarmError) throw new SwarmError(error.code, message, { cause: error });
      throw error;
    } finally { await held.close(); }
  }

  /** What erase takes away can be taken away again: each step bears repetition. */
  async erase(entry: Entry, removeVolumes: boolean): Promise<void> {
    const { table, volumes } = this.parts;
    const { config, anonymousVolumes } = entry.record;
    if (config.network) await this.parts.neighbours().networking?.forget(config.id);
    await this.eraseFiles(config.id, config.cgroupParent);
    if (removeVolumes) for (const name of anonymousVolumes) await volumes.discard(name, config.id);
    await rm(this.parts.paths.container(config.id).exit, { force: true });
    await table.erase(entry);
    this.parts.neighbours().streams?.notLaunched(config.id);
    const exit: ContainerExit = entry.record.exit ?? { exitCode: 0, isOomKilled: false, finishedAtMs: this.parts.clock.now(), error: "the container was removed" };
    table.tell(entry, exit, ["not-running", "next-exit", "removed"]);
  }

  async eraseFiles(id: string, cgroupParent?: string): Promise<void> {
    const own = this.parts.paths.container(id);
    await unmount(own.shm);
    await new HeldPaths(own.parts).clear();
    await this.parts.layers.unmount(id, own.rootfs);
    await this.parts.layers.remove(id);
    await rm(own.bundle, { recursive: true, force: true });
    await rm(own.state, { recursive: true, force: true });
    // The runtime has removed these, unless its own state was lost with /run: then nobody else knows of them.
    for (const mount of this.parts.cgroups.mounts) await rmdir(mount + this.parts.cgroupPathOf(id, cgroupParent)).catch(() => {});
  }

  async readExit(id: string): Promise<ContainerExit | undefined> {
    const text = await readFile(this.parts.paths.container(id).exit, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    if (text === "") return undefined;   // a power cut came between its name and its bytes
    const json = JSON.parse(text) as { exitCode: number; oomKilled: boolean; finishedAtMs: number; droppedLogLines?: number };
    if (json.droppedLogLines) this.parts.log.warn("log lines were lost because the disk refused them", { container: id, lines: json.droppedLogLines });
    return { exitCode: json.exitCode, isOomKilled: json.oomKilled, finishedAtMs: json.finishedAtMs };
  }

  async waitForMonitor(running: RunningProcess): Promise<void> {
    const { clock, bootId } = this.parts;
    if (running.bootId !== bootId) return;
    const monitor = { pid: running.monitorPid, startTime: running.monitorStartTime };
    const end = clock.monotonic() + monitorEndMs;
    for (let waitMs = 2; await isAlive(monitor); waitMs = Math.min(waitMs * 2, 50)) {
      if (clock.monotonic() > end) { await signalProcess(monitor, 9); return; }
      await sleep(clock, waitMs);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const entry of this.parts.table.entries()) entry.restartTimer?.cancel();
  }

  #stopSignal(entry: Entry, asked?: string): number {
    const { config, imageId } = entry.record;
    return signalNumber(asked || config.stopSignal || this.parts.findImage(imageId)?.config.stopSignal || "SIGTERM");
  }

  /** Nothing is to start it again. True if it runs. */
  async #markStopped(entry: Entry): Promise<boolean> {
    const { table, log } = this.parts;
    const { phase, exit } = entry.record;
    // In memory it is so in any case; only a daemon that dies before there is room to write would not know.
    const save = (change: Partial<ContainerRecord>) => table.save(entry, change).catch((error: unknown) => log.warn("that a container was stopped could not be noted", { container: entry.record.config.id, error }));
    if (isRestarting(entry.record)) {
      this.#cancelRestart(entry);
      await save({ restartsAtMs: undefined, isStoppedByUser: true });
      if (exit) table.tell(entry, exit, ["not-running"]);
      if (entry.record.config.autoRemove) this.removeLater(entry);
      return false;
    }
    if (phase !== "running") return false;
    await save({ isStoppedByUser: true });
    return entry.record.phase === "running";
  }

  #cancelRestart(entry: Entry): void {
    entry.restartTimer?.cancel();
    entry.restartTimer = undefined;
  }

  async #end(entry: Entry, signal: number, graceMs: number): Promise<void> {
    const { table } = this.parts;
    if (entry.record.phase !== "running") return;
    const exited = table.wait(entry, "next-exit");
    exited.catch(() => {});
    await this.#signal(entry, signal, true);
    if (graceMs < 0) { await exited; return; }
    if (graceMs > 0 && await this.#isWithin(exited, graceMs)) return;
    await this.#signal(entry, 9, true);
    await exited;
  }

  /** Whether it came in time; its failure is thrown. */
  async #isWithin(exited: Promise<unknown>, timeMs: number): Promise<boolean> {
    const ending = new AbortController();
    try {
      return await Promise.race([exited.then(() => true), sleep(this.parts.clock, timeMs, ending.signal).then(() => false, () => true)]);
    } finally { ending.abort(); }
  }

  /** A frozen process hears nothing: one that is to end is thawed. */
  async #signal(entry: Entry, signal: number, isMeantToEnd: boolean): Promise<void> {
    const { table } = this.parts;
    const { process: running, phase } = entry.record;
    if (phase !== "running" || !running) return;
    const isHeard = await signalProcess(running, signal);
    if (isHeard) table.publish(entry.record, "kill", { signal: String(signal) });
    if (isMeantToEnd && entry.record.isPaused) await this.#thaw(entry);
  }

  async #thaw(entry: Entry): Promise<void> {
    const { table, runtimes, health, findImage } = this.parts;
    try { await thaw(entry.record.config.id, runtimes); } catch (error) { if (entry.record.phase === "running") throw error; }
    if (entry.record.phase !== "running") return;
    await table.save(entry, { isPaused: false });
    table.publish(entry.record, "unpause");
    health.start(entry, findImage(entry.record.imageId));
  }

  async #ensureMounted(entry: Entry, image: ImageRecord): Promise<void> {
    const { config } = entry.record;
    const own: ContainerPaths = this.parts.paths.container(config.id);
    if (mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), own.bundle).includes(own.rootfs)) return;
    await deleteByForce(config.id, this.parts.runtimes);   // leftovers from before a reboot
    await mountRoot(config.id, own, image.diffIds, this.parts);
  }
}

/** The runtime could not start it; the exit code is Docker's: 127 no such command, 126 it may not be run, 128 anything else. */
class StartFailure extends SwarmError {
  constructor(text: string, readonly exitCode: number) { super(exitCode === 128 ? "FAILED_PRECONDITION" : "INVALID_ARGUMENT", text); }
}

export const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
