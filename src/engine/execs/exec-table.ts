import { randomBytes } from "node:crypto";
import { SwarmError, codeOf, type Clock, type Logger, type Timer } from "../../lib/index.js";
import type { ExecConfig, ExecOptions, ExecResult, ExecState, Execs, ProcessStreams, TerminalSize } from "../api/index.js";
import { MonitorConnection, isGone, type ProcessEnd } from "../attach/monitor-connection.js";
import { processStreams } from "../attach/process-streams.js";
import { execProcess } from "../containers/exec-process.js";
import { reportOf } from "../containers/launch.js";
import type { ContainerAccess } from "../containers/ports.js";
import { isRestarting, type ContainerRecord } from "../containers/record.js";
import { startMonitor, type MonitorReport } from "../containers/start-monitor.js";
import type { Paths } from "../paths.js";
import { isAlive, signalProcess } from "../runtime/process-identity.js";
import type { HostAbilities } from "../runtime/host-abilities.js";
import type { Runtimes } from "../runtime/runtimes.js";
import { endOf, execDirectory, execFile, foundExecs, removeExec, writeExec } from "./exec-files.js";
import { ExecStartFailure, execFailure } from "./start-failure.js";

export interface ExecParts {
  readonly containers: ContainerAccess;
  readonly paths: Paths;
  readonly runtimes: Runtimes;
  readonly monitorPath: string;
  readonly host: HostAbilities;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Entry {
  readonly id: string;
  readonly config: ExecConfig;
  phase: "created" | "starting" | "running" | "ended";
  report: MonitorReport | undefined;
  exitCode: number | undefined;
  size: TerminalSize | undefined;
  /** Learns of the end, and carries the terminal's size. */
  control: MonitorConnection | undefined;
  ended: Promise<void>;
}

const keptMs = 5 * 60_000;
const keptAtMost = 512;
const openAtMost = 1_024;
const outputMaxBytes = 64 * 1024;

/** Commands in running containers, each under a monitor of its own, so that it and its exit code outlive this daemon. */
export class ExecTable implements Execs {
  #entries = new Map<string, Entry>();
  #ended: { id: string; atMs: number }[] = [];
  #forgetting: Timer | undefined;
  #streams = new Set<ProcessStreams>();
  #isClosed = false;

  constructor(private readonly parts: ExecParts) {}

  /** What an earlier daemon's clients have left running, or ended. */
  async takeOver(): Promise<void> {
    for (const record of this.parts.containers.all().filter((each) => each.phase === "running")) {
      const own = this.parts.paths.container(record.config.id);
      for (const { id, config, report } of await foundExecs(own)) {
        const directory = execDirectory(own, id);
        if (!config || !report) { await removeExec(directory); continue; }
        const entry: Entry = { id, config, phase: "running", report, exitCode: undefined, size: undefined, control: undefined, ended: Promise.resolve() };
        this.#entries.set(id, entry);
        await this.#watch(entry, directory);
      }
    }
  }

  async create(config: ExecConfig): Promise<string> {
    const record = this.#needRunning(config.containerId);
    if (config.command.length === 0 || config.command[0] === "") throw refusal(record, "INVALID_ARGUMENT", "no command was given");
    const open = [...this.#entries.values()].filter((entry) => entry.config.containerId === config.containerId && entry.phase !== "ended");
    if (open.length >= openAtMost) throw refusal(record, "RESOURCE_EXHAUSTED", `${openAtMost} commands run or wait in it already; end some first`);
    const id = randomBytes(32).toString("hex");
    this.#entries.set(id, { id, config, phase: "created", report: undefined, exitCode: undefined, size: undefined, control: undefined, ended: Promise.resolve() });
    this.#publish(record, "exec_create", id, config);
    return id;
  }

  async start(id: string, options: { tty: boolean; isDetached: boolean; size?: TerminalSize }): Promise<ProcessStreams | undefined> {
    const entry = this.#need(id);
    const { attachStdin, attachStdout, attachStderr } = entry.config;
    const isAttached = !options.isDetached && (attachStdin || attachStdout || attachStderr);
    if (options.size) entry.size = options.size;
    const directory = await this.#launch(entry, { hasStdin: !options.isDetached && attachStdin, isAwaited: isAttached });
    if (!isAttached) return undefined;
    const connecting = this.#connect(directory, { stdin: attachStdin, stdout: attachStdout, stderr: attachStderr });
    await connecting;
    const streams: ProcessStreams = processStreams(connecting, {
      isTty: entry.config.tty, hasStdin: attachStdin,
      // Who has seen the end asks for the exit code next.
      onDrained: () => entry.ended,
      onClosed: () => this.#streams.delete(streams),
    });
    this.#streams.add(streams);
    return streams;
  }

  inspect(id: string): ExecState {
    const { config, phase, exitCode, report } = this.#need(id);
    return { id, config, isRunning: phase === "running" || phase === "starting", exitCode, pid: report?.pid ?? 0 };
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    const entry = this.#need(id);
    if (entry.phase === "ended") throw new SwarmError("FAILED_PRECONDITION", `Cannot resize the terminal of exec "${id}": it has ended`);
    entry.size = size;
    entry.control?.resize(size);
  }

  of(containerId: string): string[] { return [...this.#entries.values()].filter((entry) => entry.config.containerId === containerId && entry.phase !== "created" && entry.phase !== "ended").map((entry) => entry.id); }

  /** Runs a command to its end and collects the first 64 KiB that it prints. One that cannot be started has Docker's exit code and the reason as its output. */
  async run(containerId: string, options: ExecOptions): Promise<ExecResult> {
    const { command, user, env, timeoutMs } = options;
    const id = await this.create({ containerId, command, ...(user ? { user } : {}), ...(env ? { env } : {}), tty: false, attachStdin: false, attachStdout: true, attachStderr: true });
    const entry = this.#need(id);
    let isTimedOut = false;
    const timer = this.parts.clock.after(timeoutMs, () => { isTimedOut = true; if (entry.report) void signalProcess(entry.report, 9); });
    try {
      const streams = await this.start(id, { tty: false, isDetached: false });
      if (isTimedOut && entry.report) await signalProcess(entry.report, 9);   // it came too late for the timer
      const parts: Buffer[] = [];
      let size = 0;
      for await (const { bytes } of streams!.output) {
        if (size < outputMaxBytes) parts.push(bytes.subarray(0, outputMaxBytes - size));
        size += bytes.length;
      }
      return { exitCode: entry.exitCode ?? 137, output: Buffer.concat(parts).toString(), isTimedOut };
    } catch (error) {
      if (!(error instanceof ExecStartFailure)) throw error;
      return { exitCode: error.exitCode, output: error.reason, isTimedOut: false };
    } finally {
      timer.cancel();
      if (entry.phase === "ended") this.#entries.delete(id);
    }
  }

  /** Its processes are gone with it, unless they shared the host's: those are killed now. Exit codes can still be asked for. */
  containerEnded(containerId: string): void {
    for (const entry of [...this.#entries.values()].filter((each) => each.config.containerId === containerId)) {
      if (entry.phase === "created") this.#entries.delete(entry.id);
      else if (entry.phase === "running" && entry.report) void signalProcess(entry.report, 9);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#forgetting?.cancel();
    for (const streams of [...this.#streams]) streams.close();
    for (const { control } of this.#entries.values()) control?.destroy();
  }

  /** The command runs when this resolves. */
  async #launch(entry: Entry, { hasStdin, isAwaited }: { hasStdin: boolean; isAwaited: boolean }): Promise<string> {
    const { id, config } = entry;
    if (entry.phase !== "created") throw new SwarmError("FAILED_PRECONDITION", `Cannot start exec "${id}": exec command ${id} ${entry.phase === "ended" ? "has already run" : "is already running"}; create another`);
    const record = this.#needRunning(config.containerId);
    const own = this.parts.paths.container(config.containerId);
    const directory = execDirectory(own, id);
    entry.phase = "starting";
    this.#publish(record, "exec_start", id, config);
    try {
      const process = await execProcess(own, config, this.parts.host.boundingCapabilities);
      await writeExec(directory, config, { ...process, ...(config.tty && entry.size ? { consoleSize: { height: entry.size.rows, width: entry.size.columns } } : {}) });
      const report = await this.#startMonitor(directory, config, [
        ...(config.tty ? ["--tty"] : []), ...(entry.size ? ["--size", `${entry.size.rows}x${entry.size.columns}`] : []), ...(hasStdin ? ["--stdin", "--stdin-once"] : []), ...(isAwaited ? ["--await", "1"] : []),
      ]);
      if ("error" in report) throw execFailure(config.command, report.error);
      entry.report = report;
      entry.phase = "running";
    } catch (error) {
      entry.exitCode = error instanceof ExecStartFailure ? error.exitCode : 126;
      this.#forgetLater(entry);
      await removeExec(directory);
      throw error instanceof ExecStartFailure ? error : refusal(record, error instanceof SwarmError ? error.code : "INTERNAL", error instanceof Error ? error.message : String(error), error);
    }
    void this.#watch(entry, directory);
    return directory;
  }

  async #startMonitor(directory: string, config: ExecConfig, more: readonly string[]): Promise<MonitorReport | { readonly error: string }> {
    const { monitorPath, runtimes, clock, paths } = this.parts;
    try {
      return await startMonitor(monitorPath, ["--id", config.containerId, "--dir", directory, "--process", execFile.process, "--exit-file", execFile.exit, ...more, "--", ...(await runtimes.holding(config.containerId)).command], "exec");
    } catch (error) {
      if (codeOf(error) !== "UNAVAILABLE") throw error;
      return (await reportOf({ ...paths.container(config.containerId), bundle: directory }, clock)) ?? { error: "its monitor was lost" };
    }
  }

  /** Resolves when the connection that will tell of the end is there. */
  async #watch(entry: Entry, directory: string): Promise<void> {
    const connecting = this.#connect(directory, {}).catch(() => undefined);
    entry.ended = connecting.then(async (control) => {
      entry.control = control;
      if (entry.size && entry.config.tty) control?.resize(entry.size);   // it may have come while the command was being started
      const end = await control?.ended;
      entry.control = undefined;
      if (!this.#isClosed) await this.#noticeEnd(entry, directory, end);
    }).catch((error: unknown) => this.parts.log.error("looking after an exec failed", { exec: entry.id, container: entry.config.containerId, error }));
    await connecting;
  }

  async #noticeEnd(entry: Entry, directory: string, told: ProcessEnd | undefined): Promise<void> {
    let end = told ?? await endOf(directory);
    if (!end && entry.report) {
      // The connection broke, or could not be made. Its monitor lives: ask it again; it was killed: nobody looks after the command.
      if (await isAlive({ pid: entry.report.monitorPid, startTime: entry.report.monitorStartTime })) {
        const again = await this.#connect(directory, {}).catch(() => undefined);
        end = await again?.ended ?? await endOf(directory);
      } else end = await endOf(directory);
      if (!end) await signalProcess(entry.report, 9);
    }
    entry.exitCode = end?.exitCode ?? 137;
    this.#forgetLater(entry);
    const record = this.parts.containers.record(entry.config.containerId);
    if (record) this.#publish(record, "exec_die", entry.id, entry.config, { exitCode: String(entry.exitCode) });
    // Its output may still be on its way to a slow client, over a connection that needs no file.
    await removeExec(directory);
  }

  /** Undefined: it has ended. */
  async #connect(directory: string, streams: { stdin?: boolean; stdout?: boolean; stderr?: boolean }): Promise<MonitorConnection | undefined> {
    try { return await MonitorConnection.open(directory, { ...streams, isAwaited: Boolean(streams.stdin || streams.stdout || streams.stderr) }); } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  #forgetLater(entry: Entry): void {
    entry.phase = "ended";
    this.#ended.push({ id: entry.id, atMs: this.parts.clock.monotonic() });
    while (this.#ended.length > keptAtMost) this.#entries.delete(this.#ended.shift()!.id);
    if (!this.#forgetting && !this.#isClosed) this.#scheduleForgetting();
  }

  #scheduleForgetting(): void {
    const { clock } = this.parts;
    const [oldest] = this.#ended;
    this.#forgetting = oldest && clock.after(Math.max(0, oldest.atMs + keptMs - clock.monotonic()), () => {
      while (this.#ended[0] && this.#ended[0].atMs + keptMs <= clock.monotonic()) this.#entries.delete(this.#ended.shift()!.id);
      this.#scheduleForgetting();
    });
  }

  #need(id: string): Entry {
    const entry = this.#entries.get(id);
    // A container that was removed has taken its execs with it.
    if (entry && this.parts.containers.record(entry.config.containerId)) return entry;
    if (entry) this.#entries.delete(id);
    throw new SwarmError("NOT_FOUND", `No such exec instance: "${id}" is not known on this host; it may have ended more than five minutes ago`);
  }

  #needRunning(containerId: string): ContainerRecord {
    const record = this.parts.containers.require(containerId, "run a command in");
    if (isRestarting(record)) throw refusal(record, "FAILED_PRECONDITION", "it is restarting; wait until it runs");
    if (record.phase !== "running") throw refusal(record, "FAILED_PRECONDITION", "it is not running");
    if (record.isPaused) throw refusal(record, "FAILED_PRECONDITION", "it is paused; unpause it first");
    return record;
  }

  #publish(record: ContainerRecord, what: string, execId: string, { command }: ExecConfig, more: Readonly<Record<string, string>> = {}): void {
    this.parts.containers.publish(record, what === "exec_die" ? what : `${what}: ${command.join(" ")}`, { execID: execId, ...more });
  }
}

const refusal = (record: ContainerRecord, code: ConstructorParameters<typeof SwarmError>[0], why: string, cause?: unknown): SwarmError => new SwarmError(code, `Cannot run a command in container "${record.config.name}": ${why}`, { cause });
