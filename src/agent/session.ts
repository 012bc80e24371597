import type { ClientDuplexStream } from "@grpc/grpc-js";
import type { AgentMessage__Input } from "../gen/swarm/v1/AgentMessage.js";
import type { DispatcherClient } from "../gen/swarm/v1/Dispatcher.js";
import type { ManagerMessage } from "../gen/swarm/v1/ManagerMessage.js";
import type { NodeUpdate } from "../gen/swarm/v1/NodeUpdate.js";
import type { TaskStatusUpdate__Input } from "../gen/swarm/v1/TaskStatusUpdate.js";
import type { UsageReport } from "../gen/swarm/v1/UsageReport.js";
import type { TaskEngine } from "../engine/index.js";
import { SwarmError, type Clock, type Logger, type Timer } from "../lib/index.js";
import type { NodeDescription, TaskStatus } from "../model/index.js";
import { fromServiceError } from "../rpc/index.js";
import { LogPublisher } from "./log-publisher.js";
import type { Worker } from "./worker.js";

/** A manager that accepts the connection and does not answer for so long is left for another. */
const welcomeMs = 5_000;
/** Statuses in one message; the next goes when these are stored. */
const batchSize = 200;
const describeEveryMs = 20_000;
const usageEveryMs = 30_000;

export interface SessionOptions {
  readonly client: DispatcherClient;
  readonly worker: Worker;
  readonly engine: TaskEngine;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly addr: string;
  readonly describe: () => Promise<NodeDescription>;
  readonly usage: () => UsageReport | undefined;
  readonly onWelcome: (sessionId: string) => void;
  readonly onNodeUpdate: (update: NodeUpdate) => void;
}

type TimerName = "heartbeat" | "describe" | "usage" | "welcome" | "report";

/** One session with one manager, from hello to its end. */
export class AgentSession {
  heartbeatMs = 5_000;
  readonly #options: SessionOptions;
  readonly #stream: ClientDuplexStream<AgentMessage__Input, ManagerMessage>;
  readonly #logs: LogPublisher;
  #isWelcome = false;
  #isOver = false;
  #lastReceived: number;
  #sequence = 0;
  #inFlight: { readonly sequence: number; readonly sent: { taskId: string; status: TaskStatus }[] } | undefined;
  #described = "";
  #timers = new Map<TimerName, Timer>();
  #failure: SwarmError | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#stream = options.client.session();
    // It may break off while the host is still being described, before anybody reads it: an error that nobody listens for ends the process.
    this.#stream.on("error", (error) => { this.#failure ??= fromServiceError(error); });
    this.#logs = new LogPublisher(options);
    this.#lastReceived = options.clock.monotonic();
  }

  /** Resolves when the manager ended the session in order; rejects with why it broke off. */
  async run(): Promise<void> {
    const { clock, worker, describe, addr } = this.#options;
    this.#after("welcome", welcomeMs, () => this.#fail(new SwarmError("DEADLINE_EXCEEDED", `the manager did not answer within ${welcomeMs / 1000} s`)));
    try {
      const description = await describe();
      if (this.#failure) throw this.#failure;
      this.#described = JSON.stringify(description);
      this.#send({ hello: { description, addr, assignments: worker.index } });
      // One message at a time: the next is read when this one is durable here, which also slows down a manager that is too fast.
      for await (const message of this.#stream) {
        this.#lastReceived = clock.monotonic();
        await this.#received(message as ManagerMessage);
      }
      if (this.#failure) throw this.#failure;
    } catch (error) {
      throw this.#failure ?? fromServiceError(error);
    } finally {
      this.#isOver = true;
      for (const timer of this.#timers.values()) timer.cancel();
      this.#logs.close();
      this.#stream.on("error", () => {});
      this.#stream.cancel();
    }
  }

  /** There may be statuses to send. They go at the end of the turn, so that one message carries what changes together. */
  report(): void {
    if (!this.#isWelcome || this.#isOver || this.#inFlight || this.#timers.has("report")) return;
    this.#after("report", 0, () => {
      const sent = this.#options.worker.unconfirmed(batchSize);
      if (sent.length === 0 || this.#inFlight) return;
      this.#inFlight = { sequence: ++this.#sequence, sent };
      this.#send({ statuses: { sequence: this.#sequence, updates: sent as TaskStatusUpdate__Input[] } });
    });
  }

  /** Ends the session in order; with `goodbye` the node counts as gone at once. */
  end(options: { goodbye: boolean }): void {
    if (this.#isOver) return;
    if (options.goodbye) this.#send({ goodbye: {} });
    this.#stream.end();
  }

  /** Ends the session without waiting for anything. */
  cancel(): void { this.#fail(new SwarmError("CANCELLED", "the agent is stopping")); }

  async #received(message: ManagerMessage): Promise<void> {
    const { worker, onWelcome, onNodeUpdate } = this.#options;
    if (message.welcome) {
      this.#timers.get("welcome")?.cancel();
      this.#isWelcome = true;
      onWelcome(message.welcome.sessionId);
      this.heartbeatMs = message.welcome.heartbeatMs || this.heartbeatMs;
      if (message.welcome.node) onNodeUpdate(message.welcome.node);
      this.#beat();
      this.#describeLater();
      this.#tellUsage();
      this.report();
    }
    if (message.node) {
      const isOther = message.node.heartbeatMs > 0 && message.node.heartbeatMs !== this.heartbeatMs;
      if (message.node.heartbeatMs > 0) this.heartbeatMs = message.node.heartbeatMs;
      onNodeUpdate(message.node);
      if (isOther) this.#beat();
    }
    if (message.assignments) await worker.assign(message.assignments);
    if (message.statusAck && message.statusAck.sequence === this.#inFlight?.sequence) {
      worker.confirmed(this.#inFlight.sent);
      this.#inFlight = undefined;
      this.report();
    }
    if (message.subscribe) this.#logs.subscribe(message.subscribe);
    if (message.unsubscribe) this.#logs.unsubscribe(message.unsubscribe.id);
  }

  /** Sooner than the period by up to a tenth, so that the nodes of a cluster do not beat together. */
  #beat(): void {
    const { clock, random } = this.#options;
    const silentMs = clock.monotonic() - this.#lastReceived;
    if (silentMs > 2 * this.heartbeatMs) return this.#fail(new SwarmError("DEADLINE_EXCEEDED", `the manager has been silent for ${Math.round(silentMs)} ms`));
    this.#send({ heartbeat: { sequence: ++this.#sequence } });
    this.#after("heartbeat", this.heartbeatMs * (0.9 + random() * 0.1), () => this.#beat());
  }

  #describeLater(): void {
    this.#after("describe", describeEveryMs, () => {
      void this.#options.describe().then((description) => {
        if (JSON.stringify(description) !== this.#described) this.#send({ description });
        this.#described = JSON.stringify(description);
      }).catch((error) => this.#options.log.warn("Could not describe this node; trying again", { error }))
        .finally(() => { if (!this.#isOver) this.#describeLater(); });
    });
  }

  /** At once, for a manager that has just begun to lead knows nothing; then sooner than the period by up to a tenth. */
  #tellUsage(): void {
    const usage = this.#options.usage();
    if (usage) this.#send({ usage });
    this.#after("usage", usageEveryMs * (0.9 + this.#options.random() * 0.1), () => this.#tellUsage());
  }

  #send(message: AgentMessage__Input): void { if (!this.#isOver && !this.#stream.destroyed) this.#stream.write(message); }

  #fail(failure: SwarmError): void {
    this.#failure ??= failure;
    this.#stream.cancel();
  }

  #after(name: TimerName, delayMs: number, action: () => void): void {
    this.#timers.get(name)?.cancel();
    this.#timers.set(name, this.#options.clock.after(delayMs, () => { this.#timers.delete(name); if (!this.#isOver) action(); }));
  }
}
