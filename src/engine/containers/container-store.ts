import { randomBytes } from "node:crypto";
import { watch, type FSWatcher } from "node:fs";
import { mkdir, readFile, readdir, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, sleep, type Clock, type Logger, type Timer } from "../../lib/index.js";
import type { ContainerConfig, ContainerEvent, ContainerExit, ContainerState, Events, ExecOptions, ExecResult, HealthState, LogLine, LogReadOptions } from "../api/index.js";
import { probeSettings } from "../health/core/health-state.js";
import { startProber } from "../health/prober.js";
import type { ImageRecord } from "../images/record.js";
import { KeyedLock } from "../keyed-lock.js";
import { resolveLogOptions } from "../logs/options.js";
import { readLog } from "../logs/read-log.js";
import type { Metadata } from "../metadata.js";
import type { Paths } from "../paths.js";
import { oomFileOf } from "../runtime/cgroups.js";
import { mountsBelow } from "../runtime/mountinfo.js";
import { isAlive, signalNumber, signalProcess } from "../runtime/process-identity.js";
import { runProgram } from "../runtime/program.js";
import { explainStartFailure, type Runtime } from "../runtime/runtime.js";
import { anonymousTargets, checkMounts, execProcess, mountRoot, writeBundle, type PrepareParts } from "./prepare.js";
import type { ContainerAccess } from "./ports.js";
import { stateOf, type ContainerRecord, type RunningProcess } from "./record.js";
import { startMonitor, type MonitorReport } from "./start-monitor.js";

export interface ContainerParts extends PrepareParts {
  readonly metadata: Metadata;
  readonly paths: Paths;
  readonly runtime: Runtime;
  readonly findImage: (reference: string) => ImageRecord | undefined;
  readonly onImageReleased: (imageId: string) => void;
  readonly bootId: string;
  readonly log: Logger;
  readonly events: Events;
  readonly clock: Clock;
}

interface Entry {
  record: ContainerRecord;
  waiters: Set<{ resolve(exit: ContainerExit): void; reject(error: unknown): void }>;
  prober: { stop(): void } | undefined;
}

const sweepMs = 2_000;
const sweepWithoutWatchMs = 200;

/** Containers from creation to removal. What runs is kept by its monitor; this class starts, signals, watches and cleans up. */
export class ContainerStore implements ContainerAccess {
  #entries = new Map<string, Entry>();
  #lock = new KeyedLock();
  #listeners = new Set<(event: ContainerEvent) => void>();
  #watcher: FSWatcher | undefined;
  #sweep: Timer | undefined;
  #sweepMs = sweepMs;
  #isClosed = false;

  private constructor(private readonly parts: ContainerParts) {}

  /** Takes over what runs, finishes what was being removed, and clears what was half made. */
  static async open(parts: ContainerParts): Promise<ContainerStore> {
    const store = new ContainerStore(parts);
    for (const directory of [parts.paths.containers, parts.paths.exits, parts.paths.runContainers, parts.paths.runtimeRoot]) await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const record of await parts.metadata.containers()) store.#entries.set(record.config.id, { record, waiters: new Set(), prober: undefined });
    // Watching before looking: an exit in between is seen by one of the two.
    store.#watchExits();
    await store.#reconcile();
    store.#scheduleSweep();
    return store;
  }

  list(): ContainerState[] { return [...this.#entries.values()].filter((e) => e.record.phase !== "creating").map((e) => stateOf(e.record)); }
  inspect(id: string): ContainerState | undefined { const entry = this.#entries.get(id); return entry && entry.record.phase !== "creating" ? stateOf(entry.record) : undefined; }
  usersOf(imageId: string): string[] { return [...this.#entries.values()].filter((e) => e.record.imageId === imageId).map((e) => e.record.config.name); }

  record(id: string): ContainerRecord | undefined { return this.#entries.get(id)?.record; }
  require(id: string, verb: string): ContainerRecord { return this.#need(id, verb).record; }
  all(): ContainerRecord[] { return [...this.#entries.values()].map((e) => e.record); }
  exclusively<T>(id: string, work: () => Promise<T>): Promise<T> { return this.#lock.run(id, work); }

  watch(listener: (event: ContainerEvent) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    this.#listeners.add(listener);
    signal.addEventListener("abort", () => this.#listeners.delete(listener), { once: true });
  }

  create(config: ContainerConfig): Promise<void> {
    return this.#lock.run(config.id, async () => {
      const refuse = (code: ConstructorParameters<typeof SwarmError>[0], why: string, cause?: unknown): never => { throw new SwarmError(code, `Cannot create container "${config.name}": ${why}`, { cause }); };
      if (!/^[a-z0-9]{12,64}$/.test(config.id)) refuse("INVALID_ARGUMENT", `its id "${config.id.slice(0, 80)}" must be 12 to 64 lower-case letters and digits`);
      if (this.#entries.has(config.id)) refuse("ALREADY_EXISTS", "a container with its id is there already; remove that one first");
      const { metadata, paths } = this.parts;
      const image = this.parts.findImage(config.image) ?? refuse("NOT_FOUND", `image "${config.image}" is not on this host; pull or load it first`);
      const record: ContainerRecord = {
        config, imageId: image.id, phase: "creating", createdAtMs: this.parts.clock.now(), startedAtMs: 0, process: undefined, exit: undefined, health: "none", healthLog: "",
        anonymousVolumes: anonymousTargets(config, image).map(() => randomBytes(32).toString("hex")),
      };
      const entry: Entry = { record, waiters: new Set(), prober: undefined };
      this.#entries.set(config.id, entry);
      try {
        resolveLogOptions(config.logDriver);
        if (config.stopSignal) signalNumber(config.stopSignal);
        await checkMounts(config.mounts);
        await metadata.putContainer(record);
        await mountRoot(paths.container(config.id), image.diffIds, this.parts);
        await writeBundle(config, image, paths.container(config.id), record.anonymousVolumes, this.parts);
        await this.#save(entry, { phase: "created" });
      } catch (error) {
        await this.#erase(entry).catch((cause: unknown) => this.parts.log.error("cleaning up after a failed create failed", { container: config.id, error: cause }));
        if (error instanceof SwarmError) refuse(error.code, lowerFirst(error.message), error);
        throw error;
      }
    });
  }

  start(id: string): Promise<void> {
    return this.#lock.run(id, async () => {
      const entry = this.#need(id, "start");
      const { config, phase } = entry.record;
      if (phase === "running") return;
      const { paths, runtime } = this.parts;
      const own = paths.container(id);
      const image = this.parts.findImage(entry.record.imageId);
      if (!image) throw new SwarmError("FAILED_PRECONDITION", `Cannot start container "${config.name}": its image ${entry.record.imageId} is gone; remove the container and create it again`);
      if (entry.record.process) await this.#waitForMonitor(entry.record.process);
      await this.#ensureMounted(entry, image);
      await rm(own.exit, { force: true });
      for (const name of ["state.json", "monitor.json"]) await rm(join(own.bundle, name), { force: true });
      await this.#save(entry, { phase: "starting", exit: undefined, process: undefined });

      const logOptions = resolveLogOptions(config.logDriver);
      const oomFile = oomFileOf(this.parts.cgroups, this.parts.cgroupPathOf(id));
      const report = await startMonitor(this.parts.monitorPath, [
        "--id", id, "--dir", own.bundle, "--bundle", own.bundle, "--exit-file", own.exit, "--max-size", String(logOptions.maxSizeBytes), "--max-file", String(logOptions.maxFiles),
        ...(logOptions.isKept ? ["--log-file", own.log] : []), ...(oomFile ? ["--oom-file", oomFile] : []), ...(config.tty ? ["--tty"] : []), "--", ...runtime.command,
      ]);
      if ("error" in report) {
        const { text, exitCode } = explainStartFailure(report.error);
        const message = `Cannot start container "${config.name}": ${text}`;
        await this.#ended(entry, { exitCode, isOomKilled: false, finishedAtMs: this.parts.clock.now(), error: message });
        throw new SwarmError("FAILED_PRECONDITION", message);
      }
      await this.#running(entry, report, image);
    });
  }

  async stop(id: string, options: { graceMs: number; signal?: string }): Promise<void> {
    const entry = this.#need(id, "stop");
    const { config, imageId } = entry.record;
    const signal = signalNumber(options.signal || config.stopSignal || this.parts.findImage(imageId)?.config.stopSignal || "SIGTERM");
    await this.#settled(id);
    const { phase, process: running } = entry.record;
    if (phase !== "running" || !running) return;
    entry.prober?.stop();
    const exited = this.wait(id);
    exited.catch(() => {});
    if (options.graceMs > 0) {
      await signalProcess(running, signal);
      const ending = new AbortController();
      const isGone = await Promise.race([exited.then(() => true), sleep(this.parts.clock, options.graceMs, ending.signal).then(() => false, () => true)]);
      ending.abort();
      if (isGone) return;
    }
    await signalProcess(running, 9);
    await exited;
  }

  async kill(id: string, signal: string): Promise<void> {
    const entry = this.#need(id, "kill");
    const number = signalNumber(signal);
    await this.#settled(id);
    const { phase, process: running, config } = entry.record;
    if (phase !== "running" || !running) throw new SwarmError("FAILED_PRECONDITION", `Cannot send a signal to container "${config.name}": it is not running`);
    await signalProcess(running, number);
  }

  async remove(id: string, options: { force?: boolean } = {}): Promise<void> {
    const entry = this.#entries.get(id);
    if (!entry) return;
    await this.#lock.run(id, async () => {
      if (this.#entries.get(id) !== entry) return;
      if (entry.record.phase === "running") {
        if (!options.force) throw new SwarmError("FAILED_PRECONDITION", `Cannot remove container "${entry.record.config.name}": it is running; stop it first, or use force`);
        entry.prober?.stop();
        const exited = this.wait(id);
        await signalProcess(entry.record.process!, 9);
        await exited;
      }
      await this.#save(entry, { phase: "removing" });
      if (entry.record.process) await this.#waitForMonitor(entry.record.process);
      await this.#erase(entry);
    });
    this.parts.onImageReleased(entry.record.imageId);
  }

  wait(id: string, signal?: AbortSignal): Promise<ContainerExit> {
    const entry = this.#entries.get(id);
    if (!entry) return Promise.reject(notFound(id, "wait for"));
    if (entry.record.exit && entry.record.phase !== "running" && entry.record.phase !== "starting") return Promise.resolve(entry.record.exit);
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const forget = () => { signal?.removeEventListener("abort", onAbort); entry.waiters.delete(waiter); };
      const onAbort = () => { forget(); reject(signal!.reason); };
      const waiter = { resolve(exit: ContainerExit) { forget(); resolve(exit); }, reject(error: unknown) { forget(); reject(error); } };
      entry.waiters.add(waiter);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  async *logs(id: string, options: LogReadOptions): AsyncGenerator<LogLine> {
    const entry = this.#need(id, "read the logs of");
    const { config } = entry.record;
    if (!resolveLogOptions(config.logDriver).isKept) throw new SwarmError("FAILED_PRECONDITION", `Container "${config.name}" keeps no logs: its log driver is none`);
    const hasEnded = () => this.#isClosed || ["exited", "removing"].includes(entry.record.phase) || this.#entries.get(id) !== entry;
    yield* readLog(this.parts.paths.container(id).log, options, hasEnded, this.parts.clock);
  }

  async exec(id: string, options: ExecOptions): Promise<ExecResult> {
    const entry = this.#need(id, "run a command in");
    const { config, phase, imageId } = entry.record;
    const refuse = (why: string): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot run a command in container "${config.name}": ${why}`); };
    if (phase !== "running") refuse("it is not running");
    if (options.command.length === 0) refuse("no command was given");
    const image = this.parts.findImage(imageId) ?? refuse("its image is gone");
    const own = this.parts.paths.container(id);
    const stem = join(own.bundle, `exec-${randomBytes(6).toString("hex")}`);
    await writeFile(`${stem}.json`, JSON.stringify(await execProcess(config, image, options, own, this.parts.boundingCapabilities)));
    // Killing the runtime would leave the command running: the command itself is killed, through its own pid.
    const killCommand = () => { void readFile(`${stem}.pid`, "utf8").then((text) => { const pid = Number(text); if (pid > 1) process.kill(pid, "SIGKILL"); }).catch(() => {}); };
    try {
      const result = await this.parts.runtime.run(["--log", `${stem}.log`, "--log-format", "json", "exec", "--process", `${stem}.json`, "--pid-file", `${stem}.pid`, id],
        { timeoutMs: options.timeoutMs, onTimeout: killCommand });
      const complaint = await readFile(`${stem}.log`, "utf8").catch(() => "");
      const failed = result.code !== 0 && !result.isTimedOut ? /"level":"error"[^}]*"msg":"((?:[^"\\]|\\.)*)"|"msg":"((?:[^"\\]|\\.)*)"[^}]*"level":"error"/.exec(complaint) : null;
      if (failed) {
        const { text, exitCode } = explainStartFailure((JSON.parse(`"${failed[1] ?? failed[2]}"`) as string).replace(/^exec failed: /, ""));
        return { exitCode, output: text, isTimedOut: false };
      }
      return { exitCode: result.code, output: result.output, isTimedOut: result.isTimedOut };
    } finally { for (const suffix of [".json", ".pid", ".log"]) await rm(stem + suffix, { force: true }); }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#watcher?.close();
    this.#sweep?.cancel();
    for (const { waiters } of this.#entries.values()) for (const waiter of [...waiters]) waiter.reject(new SwarmError("CANCELLED", "the engine is closing; the container goes on"));
    await this.#lock.idle();
    for (const entry of this.#entries.values()) entry.prober?.stop();
    this.#listeners.clear();
  }

  #need(id: string, verb: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry || entry.record.phase === "creating") throw notFound(id, verb);
    return entry;
  }

  /** A create or start of this container that is under way has ended. */
  #settled(id: string): Promise<void> { return this.#lock.run(id, async () => {}); }

  async #save(entry: Entry, change: Partial<ContainerRecord>): Promise<void> {
    entry.record = { ...entry.record, ...change };
    await this.parts.metadata.putContainer(entry.record);
  }

  #emit(event: ContainerEvent): void {
    for (const listener of [...this.#listeners]) {
      try { listener(event); } catch (error) { this.parts.log.error("a listener for container events failed", { event: event.kind, container: event.id, error }); }
    }
  }

  async #running(entry: Entry, report: MonitorReport, image: ImageRecord): Promise<void> {
    const { id } = entry.record.config;
    const process: RunningProcess = { pid: report.pid, startTime: report.startTime, monitorPid: report.monitorPid, monitorStartTime: report.monitorStartTime, bootId: this.parts.bootId };
    const health: HealthState = probeSettings(entry.record.config.health, image.config.health) ? "starting" : "none";
    await this.#save(entry, { phase: "running", process, startedAtMs: report.startedAtMs, health, healthLog: "" });
    this.#emit({ kind: "started", id });
    this.#startProber(entry, image);
    // It may have ended while it was "starting", when nobody looked.
    const exit = await this.#readExit(id);
    if (exit) await this.#ended(entry, exit);
  }

  #startProber(entry: Entry, image: ImageRecord | undefined): void {
    const settings = probeSettings(entry.record.config.health, image?.config.health);
    if (!settings || this.#isClosed) return;
    const { id } = entry.record.config;
    entry.prober = startProber({
      clock: this.parts.clock, settings, startedAtMs: entry.record.startedAtMs, initial: entry.record.health,
      exec: (command, timeoutMs) => this.exec(id, { command, timeoutMs }),
      report: (health, output) => {
        if (entry.record.phase !== "running") return;
        const hasChanged = health !== entry.record.health;
        this.#save(entry, { health, healthLog: output }).catch((error: unknown) => this.parts.log.warn("saving a container's health failed", { container: id, error }));
        if (hasChanged) this.#emit({ kind: "health", id, health, output });
      },
    });
  }

  async #ended(entry: Entry, exit: ContainerExit): Promise<void> {
    if (entry.record.phase !== "running" && entry.record.phase !== "starting") return;
    entry.prober?.stop();
    entry.prober = undefined;
    // In memory at once, so that this runs once; the exit file repeats it should the database not get there.
    const saved = this.#save(entry, { phase: "exited", exit });
    this.#emit({ kind: "exited", id: entry.record.config.id, exit });
    for (const waiter of [...entry.waiters]) waiter.resolve(exit);
    await saved;
  }

  async #readExit(id: string): Promise<ContainerExit | undefined> {
    const text = await readFile(this.parts.paths.container(id).exit, "utf8").catch(() => undefined);
    if (text === undefined) return undefined;
    const json = JSON.parse(text) as { exitCode: number; oomKilled: boolean; finishedAtMs: number; droppedLogLines?: number };
    if (json.droppedLogLines) this.parts.log.warn("log lines were lost because the disk refused them", { container: id, lines: json.droppedLogLines });
    return { exitCode: json.exitCode, isOomKilled: json.oomKilled, finishedAtMs: json.finishedAtMs };
  }

  #watchExits(): void {
    const { log, paths } = this.parts;
    const lost = (error: unknown) => { this.#sweepMs = sweepWithoutWatchMs; log.warn("exits of containers cannot be watched, so they are polled; fs.inotify.max_user_instances may be too small", { error }); };
    try {
      this.#watcher = watch(paths.exits, { persistent: false }, (_, name) => { if (name?.endsWith(".json")) this.#noticeExit(name.slice(0, -5)); });
      this.#watcher.on("error", lost);
    } catch (error) { lost(error); }
  }

  #noticeExit(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry || entry.record.phase !== "running" || this.#isClosed) return;
    void this.#readExit(id).then((exit) => (exit ? this.#ended(entry, exit) : undefined)).catch((error: unknown) => this.parts.log.error("reading a container's exit failed", { container: id, error }));
  }

  #scheduleSweep(): void {
    this.#sweep = this.parts.clock.after(this.#sweepMs, () => {
      void (async () => {
        for (const entry of this.#entries.values()) {
          if (entry.record.phase !== "running" || this.#isClosed) continue;
          try { await this.#checkRunning(entry); } catch (error) { this.parts.log.error("looking after a container failed", { container: entry.record.config.id, error }); }
        }
        if (!this.#isClosed) this.#scheduleSweep();
      })();
    });
  }

  /** For what no event tells: a missed exit, a monitor that was killed, a host that restarted. */
  async #checkRunning(entry: Entry): Promise<void> {
    const { config, process: running } = entry.record;
    const isSameBoot = running?.bootId === this.parts.bootId;
    if (running && isSameBoot && (await isAlive({ pid: running.monitorPid, startTime: running.monitorStartTime }))) return;
    // The monitor ends after it has written the file, so the order of these two looks matters.
    const exit = await this.#readExit(config.id);
    if (exit) return this.#ended(entry, exit);
    const isStillThere = running !== undefined && isSameBoot && (await isAlive(running));
    const why = isStillThere ? "its monitor process was killed, so the container was stopped" : "the host was stopped or restarted";
    this.parts.log.warn("a container was lost", { container: config.id, name: config.name, reason: why });
    if (isStillThere) await signalProcess(running, 9);
    await this.parts.runtime.run(["delete", "--force", config.id]);
    await this.#ended(entry, { exitCode: 137, isOomKilled: false, finishedAtMs: this.parts.clock.now(), error: `Container "${config.name}" ended: ${why}` });
  }

  async #waitForMonitor(running: RunningProcess): Promise<void> {
    if (running.bootId !== this.parts.bootId) return;
    const monitor = { pid: running.monitorPid, startTime: running.monitorStartTime };
    const end = this.parts.clock.monotonic() + 10_000;
    for (let waitMs = 2; await isAlive(monitor); waitMs = Math.min(waitMs * 2, 50)) {
      if (this.parts.clock.monotonic() > end) { await signalProcess(monitor, 9); return; }
      await sleep(this.parts.clock, waitMs);
    }
  }

  async #ensureMounted(entry: Entry, image: ImageRecord): Promise<void> {
    const { config, anonymousVolumes } = entry.record;
    const own = this.parts.paths.container(config.id);
    const mounted = mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), own.bundle).includes(own.rootfs);
    if (mounted) return;
    await this.parts.runtime.run(["delete", "--force", config.id]);   // leftovers from before a reboot
    await mountRoot(own, image.diffIds, this.parts);
    await writeBundle(config, image, own, anonymousVolumes, this.parts);
  }

  /** Takes away everything that a container has left; each step bears repetition. */
  async #erase(entry: Entry): Promise<void> {
    const { config, anonymousVolumes } = entry.record;
    const own = this.parts.paths.container(config.id);
    await this.#eraseFiles(config.id);
    for (const name of anonymousVolumes) await this.parts.volumes.remove(name);
    await rm(own.exit, { force: true });
    await this.parts.metadata.removeContainer(config.id);
    this.#entries.delete(config.id);
    const exit: ContainerExit = entry.record.exit ?? { exitCode: 137, isOomKilled: false, finishedAtMs: this.parts.clock.now(), error: "the container was removed" };
    for (const waiter of [...entry.waiters]) waiter.resolve(exit);
  }

  async #eraseFiles(id: string): Promise<void> {
    const own = this.parts.paths.container(id);
    const unmounted = await runProgram(this.parts.monitorPath, ["unmount", own.rootfs]);
    if (unmounted.code !== 0) throw new SwarmError("INTERNAL", `Cannot unmount the root filesystem of container ${id}: ${unmounted.stderr.trim()}`);
    await rm(own.bundle, { recursive: true, force: true });
    await rm(own.state, { recursive: true, force: true });
    // The runtime has removed these, unless its own state was lost with /run: then nobody else knows of them.
    for (const mount of this.parts.cgroups.mounts) await rmdir(mount + this.parts.cgroupPathOf(id)).catch(() => {});
  }

  async #reconcile(): Promise<void> {
    const { paths, log } = this.parts;
    for (const entry of [...this.#entries.values()]) {
      const { id, name } = entry.record.config;
      try {
        switch (entry.record.phase) {
          case "created": case "exited": break;
          case "creating": case "removing": await this.#discard(entry); break;
          case "starting": await this.#adoptStarting(entry); break;
          case "running": await this.#checkRunning(entry); break;
        }
        if (entry.record.phase === "running") {
          log.info("took over a running container", { container: id, name, pid: entry.record.process?.pid });
          this.#startProber(entry, this.parts.findImage(entry.record.imageId));
        }
      } catch (error) { log.error("taking over a container failed", { container: id, name, error }); }
    }
    const known = (name: string) => this.#entries.has(name);
    for (const mount of mountsBelow(await readFile("/proc/self/mountinfo", "utf8"), paths.runContainers)) {
      if (!known(mount.slice(paths.runContainers.length + 1).split("/")[0]!)) await runProgram(this.parts.monitorPath, ["unmount", mount]);
    }
    for (const name of await readdir(paths.runtimeRoot)) if (!known(name)) { log.warn("ending an unknown container", { container: name }); await this.parts.runtime.run(["delete", "--force", name]); }
    for (const directory of [paths.containers, paths.runContainers]) {
      for (const name of await readdir(directory)) if (!known(name)) { log.warn("removing what an unknown container left", { container: name }); await this.#eraseFiles(name); }
    }
    for (const name of await readdir(paths.exits)) if (!known(name.replace(/\.json(\.tmp)?$/, ""))) await rm(join(paths.exits, name), { force: true });
  }

  async #discard(entry: Entry): Promise<void> {
    if (entry.record.process) { await signalProcess(entry.record.process, 9); await this.#waitForMonitor(entry.record.process); }
    await this.parts.runtime.run(["delete", "--force", entry.record.config.id]);
    await this.#erase(entry);
  }

  /** The daemon died between starting a monitor and hearing from it: the monitor has gone on alone. */
  async #adoptStarting(entry: Entry): Promise<void> {
    const { id } = entry.record.config;
    const bundle = this.parts.paths.container(id).bundle;
    const readJson = async <T>(name: string): Promise<T | undefined> => { try { return JSON.parse(await readFile(join(bundle, name), "utf8")) as T; } catch { return undefined; } };
    const end = this.parts.clock.monotonic() + 30_000;
    for (let looks = 0; this.parts.clock.monotonic() < end; looks++) {
      const report = await readJson<MonitorReport>("state.json");
      if (report) {
        const image = this.parts.findImage(entry.record.imageId);
        const health: HealthState = probeSettings(entry.record.config.health, image?.config.health) ? "starting" : "none";
        await this.#save(entry, { phase: "running", startedAtMs: report.startedAtMs, health, process: { ...report, bootId: this.parts.bootId } });
        return this.#checkRunning(entry);
      }
      const monitor = await readJson<{ monitorPid: number; monitorStartTime: number }>("monitor.json");
      const isWorking = monitor ? await isAlive({ pid: monitor.monitorPid, startTime: monitor.monitorStartTime }) : looks < 20;   // it may not even have begun
      if (!isWorking && !(await readJson("state.json"))) break;
      await sleep(this.parts.clock, 20);
    }
    await this.parts.runtime.run(["delete", "--force", id]);
    await this.#save(entry, { phase: "created" });
  }
}

const notFound = (id: string, verb: string) => new SwarmError("NOT_FOUND", `Cannot ${verb} container "${id}": no such container is on this host`);
const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
