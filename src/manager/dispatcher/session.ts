import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { AgentHello } from "../../gen/swarm/v1/AgentHello.js";
import type { AgentMessage } from "../../gen/swarm/v1/AgentMessage.js";
import type { ManagerMessage__Input } from "../../gen/swarm/v1/ManagerMessage.js";
import type { NodeUpdate__Input } from "../../gen/swarm/v1/NodeUpdate.js";
import type { StatusBatch } from "../../gen/swarm/v1/StatusBatch.js";
import type { UsageReport } from "../../gen/swarm/v1/UsageReport.js";
import { SwarmError, backoffMs, isRetryable, sleep, type Clock, type Logger } from "../../lib/index.js";
import type { NodeDescription } from "../../model/index.js";
import type { AssignmentChange } from "./core/assignments.js";
import type { AssignmentSource, AssignmentSubscription } from "./assignment-source.js";
import { reportedDescription } from "./core/reported.js";
import { isSame } from "./core/same.js";

export type SessionStream = ServerDuplexStream<AgentMessage, ManagerMessage__Input>;

export interface SessionOptions {
  readonly id: string;
  readonly nodeId: string;
  readonly hello: AgentHello;
  readonly addr: string;
  readonly stream: SessionStream;
  readonly source: AssignmentSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  nodeUpdate(): NodeUpdate__Input;
  /** A message came: the node is alive. */
  onHeard(session: Session): void;
  onGoodbye(session: Session): void;
  onUsage(report: UsageReport): void;
  report(updates: StatusBatch["updates"]): Promise<string[]>;
}

/** One agent's stream, from welcome to its end. */
export class Session {
  readonly id: string;
  readonly nodeId: string;
  readonly addr: string;
  description: NodeDescription | undefined;
  lastHeard: number;
  /** Fires with the reason when the session is over. */
  readonly closed: AbortSignal;

  readonly #options: SessionOptions;
  readonly #closing = new AbortController();
  #subscription: AssignmentSubscription | undefined;
  #sentIndex = 0;
  #sentUpdate: NodeUpdate__Input | undefined;
  /** The agent reads slower than changes come: they are dropped, and it gets the complete state once it has caught up. */
  #isBehind = false;
  #isFull = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.id = options.id;
    this.nodeId = options.nodeId;
    this.addr = options.addr;
    this.description = options.hello.description ? reportedDescription(options.hello.description) : undefined;
    this.lastHeard = options.clock.monotonic();
    this.closed = this.#closing.signal;
  }

  /** Resolves when the agent ended the stream, rejects with why it ended otherwise. */
  async run(): Promise<void> {
    const { stream, source, nodeUpdate } = this.#options;
    stream.on("drain", () => this.#caughtUp());
    try {
      this.#sentUpdate = nodeUpdate();
      this.send({ welcome: { sessionId: this.id, heartbeatMs: this.#sentUpdate.heartbeatMs, node: this.#sentUpdate } });
      this.#subscription = source.subscribe(this.nodeId, {
        changed: (changes, index) => this.#changed(changes, index),
        surroundingsChanged: () => this.#pushUpdate(),
      });
      this.#sendComplete();
      this.#options.onHeard(this);
      await new Promise<void>((resolve, reject) => {
        if (this.closed.aborted) return reject(this.closed.reason);
        this.closed.addEventListener("abort", () => reject(this.closed.reason), { once: true });
        stream.on("data", (message: AgentMessage) => this.#received(message));
        stream.once("end", resolve);
        stream.once("cancelled", () => reject(new SwarmError("CANCELLED", "the connection to the agent broke")));
        stream.once("error", reject);
        stream.resume();
      });
    } finally {
      this.#subscription?.close();
      if (!this.closed.aborted) this.#closing.abort(new SwarmError("CANCELLED", "the agent ended its session"));
    }
  }

  close(reason: SwarmError): void { this.#closing.abort(reason); }

  send(message: ManagerMessage__Input): void {
    if (!this.closed.aborted && !this.#options.stream.write(message)) this.#isFull = true;
  }

  #received(message: AgentMessage): void {
    this.lastHeard = this.#options.clock.monotonic();
    if (message.description) this.description = reportedDescription(message.description);
    if (message.heartbeat) this.send({ heartbeatAck: { sequence: message.heartbeat.sequence } });
    if (message.statuses) void this.#storeStatuses(message.statuses);
    if (message.usage) this.#options.onUsage(message.usage);
    if (message.goodbye) this.#options.onGoodbye(this); else this.#options.onHeard(this);
  }

  /** Tries until they are stored or the session ends: an agent waits for its acknowledgement before it sends more. */
  async #storeStatuses(batch: StatusBatch): Promise<void> {
    const { clock, log, random, report } = this.#options;
    for (let attempt = 0; !this.closed.aborted; attempt += 1) {
      try {
        const unknownTaskIds = await report(batch.updates);
        this.send({ statusAck: { sequence: batch.sequence, unknownTaskIds } });
        return;
      } catch (error) {
        if (this.closed.aborted) return;
        if (!isRetryable(error) && attempt % 16 === 0) log.error("Could not store task statuses; trying again", { node: this.nodeId, error });
        await sleep(clock, backoffMs(attempt, { baseMs: 50, maxMs: 1_000 }, random), this.closed).catch(() => {});
      }
    }
  }

  #changed(changes: readonly AssignmentChange[], index: number): void {
    if (this.#isFull) { this.#isBehind = true; return; }
    this.send({ assignments: { isComplete: false, appliesTo: this.#sentIndex, resultsIn: index, changes: changes as never } });
    this.#sentIndex = index;
  }

  #sendComplete(): void {
    this.#isBehind = false;
    const { changes, index } = this.#subscription!.complete();
    this.#isBehind = false;
    this.send({ assignments: { isComplete: true, appliesTo: 0, resultsIn: index, changes: changes as never } });
    this.#sentIndex = index;
  }

  #caughtUp(): void {
    this.#isFull = false;
    if (this.#isBehind && !this.closed.aborted) this.#sendComplete();
  }

  #pushUpdate(): void {
    const update = this.#options.nodeUpdate();
    const comparable = (u: NodeUpdate__Input | undefined) => u && { ...u, node: { ...u.node, meta: null } };
    if (isSame(comparable(update), comparable(this.#sentUpdate))) return;
    this.#sentUpdate = update;
    this.send({ node: update });
  }
}
