import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SwarmError, backoffMs, messageOf, type Clock, type Logger, type Timer } from "../lib/index.js";
import type { TlsIdentity } from "../ca/index.js";
import type { ManagerStart } from "../manager/index.js";
import type { FromManager, ManagerConfig, ToManager } from "./manager-protocol.js";

// Beside this file, compiled or not.
const program = fileURLToPath(new URL(`./manager-process${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url));

const removed = "this manager was taken out of the raft group";
/** A demotion's second half, the new role, comes within this time; else it asks to join again (its disk was lost). */
const afterRemovalMs = 3_000;
const readyBoundMs = 90_000;
const stopBoundMs = 10_000;

export interface ManagerChildOptions {
  readonly config: Omit<ManagerConfig, "start">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  /** How a crashed one is started again. */
  readonly startAgain: () => ManagerStart;
}

/**
 * The manager process of this host, started again when it crashes, with back-off. It lives as long as its IPC channel: when the node process dies
 * in whatever way, it ends too.
 */
export class ManagerChild {
  #child: ChildProcess | undefined;
  #identity: TlsIdentity;
  #isStopping = false;
  #restart: Timer | undefined;
  #failures = 0;
  #error = "";

  private constructor(private readonly options: ManagerChildOptions) { this.#identity = options.config.identity; }

  /** Resolves once it serves; rejects with its reason, and then nothing of it is left. */
  static async start(options: ManagerChildOptions, start: ManagerStart): Promise<ManagerChild> {
    const manager = new ManagerChild(options);
    await manager.#spawn(start);
    return manager;
  }

  /** For a restart of the daemon: resolves at once, and tries until it serves. */
  static resume(options: ManagerChildOptions): ManagerChild {
    const manager = new ManagerChild(options);
    manager.#spawn(options.startAgain()).catch((error: unknown) => manager.#failed(error));
    return manager;
  }

  /** Why it does not serve; "" while it does. */
  get error(): string { return this.#error; }

  renew(identity: TlsIdentity): void {
    this.#identity = identity;
    this.#send({ kind: "identity", identity });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#restart?.cancel();
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    this.#send({ kind: "stop" });
    const timer = this.options.clock.after(stopBoundMs, () => child.kill("SIGKILL"));
    await ended;
    timer.cancel();
  }

  #send(message: ToManager): void {
    if (this.#child?.connected) this.#child.send(message, () => { /* it is ending: its exit is handled */ });
  }

  #spawn(start: ManagerStart): Promise<void> {
    const { clock, log, config } = this.options;
    const startedAt = clock.monotonic();
    const child = this.#child = fork(program, [], { stdio: ["ignore", "inherit", "inherit", "ipc"], serialization: "json" });
    return new Promise((resolve, reject) => {
      let isReady = false;
      let failure: SwarmError | undefined;
      const bound = clock.after(readyBoundMs, () => {
        failure = new SwarmError("DEADLINE_EXCEEDED", `the manager was not ready within ${readyBoundMs / 1000} s`);
        child.kill("SIGKILL");
      });
      child.on("message", (message: FromManager) => {
        if (message.kind === "ready") {
          isReady = true;
          this.#error = "";
          bound.cancel();
          resolve();
        } else if (message.kind === "removed") {
          failure = new SwarmError("FAILED_PRECONDITION", removed);
        } else {
          // What comes behind the first follows from it.
          failure ??= new SwarmError(message.code, message.message);
        }
      });
      child.on("error", (error) => { failure ??= new SwarmError("INTERNAL", `Cannot start the manager process: ${error.message}`, { cause: error }); });
      child.on("close", (code, signal) => {
        bound.cancel();
        if (this.#child === child) this.#child = undefined;
        failure ??= new SwarmError("INTERNAL", `the manager process ended with ${signal ?? `exit code ${code}`}; the daemon's log has more`);
        if (!isReady) return reject(failure);
        if (this.#isStopping) return;
        if (clock.monotonic() - startedAt > 60_000) this.#failures = 0;
        this.#failed(failure);
      });
      log.debug("starting the manager process", { pid: child.pid, start: start.kind });
      this.#send({ kind: "start", config: { ...config, identity: this.#identity, start } });
    });
  }

  #failed(error: unknown): void {
    if (this.#isStopping) return;
    const isRemoved = messageOf(error) === removed;
    const delayMs = isRemoved ? afterRemovalMs : backoffMs(this.#failures++, { baseMs: 200, maxMs: 10_000 }, this.options.random);
    this.#error = messageOf(error);
    if (isRemoved) this.options.log.info("the manager process ended: it was taken out of the raft group");
    else this.options.log.error("the manager process failed; starting it again", { error, delayMs });
    this.#restart = this.options.clock.after(delayMs, () => { this.#spawn(this.options.startAgain()).catch((again: unknown) => this.#failed(again)); });
  }
}
