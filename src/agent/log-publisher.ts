import type { ClientWritableStream } from "@grpc/grpc-js";
import type { LogLine, TaskEngine } from "../engine/index.js";
import type { DispatcherClient } from "../gen/swarm/v1/Dispatcher.js";
import type { LogRecord__Input } from "../gen/swarm/v1/LogRecord.js";
import type { LogSubscription } from "../gen/swarm/v1/LogSubscription.js";
import type { PublishLogsMessage__Input } from "../gen/swarm/v1/PublishLogsMessage.js";
import { SwarmError, messageOf, sleep, type Clock, type Logger } from "../lib/index.js";
import { isTerminal } from "../model/index.js";
import { containerIdOf } from "./container-config.js";
import type { Worker } from "./worker.js";

/** Lines travel in messages of about this size, or as soon as no further line is at hand. */
const messageBytes = 48 * 1024;
const waitForContainerMs = 250;

/** Answers one session's log subscriptions: a stream to the manager for each. The manager's pace is the reader's. */
export class LogPublisher {
  readonly #options: { client: DispatcherClient; engine: TaskEngine; worker: Worker; clock: Clock; log: Logger };
  readonly #subscriptions = new Map<string, AbortController>();

  constructor(options: { client: DispatcherClient; engine: TaskEngine; worker: Worker; clock: Clock; log: Logger }) { this.#options = options; }

  subscribe(subscription: LogSubscription): void {
    const abort = new AbortController();
    this.#subscriptions.set(subscription.id, abort);
    this.#publish(subscription, abort)
      .catch((error) => { if (!abort.signal.aborted) this.#options.log.debug("A stream of logs broke off", { subscription: subscription.id, error }); })
      .finally(() => { abort.abort(); this.#subscriptions.delete(subscription.id); });
  }

  unsubscribe(id: string): void { this.#subscriptions.get(id)?.abort(new SwarmError("CANCELLED", "the logs are not asked for any more")); }

  close(): void { for (const id of this.#subscriptions.keys()) this.unsubscribe(id); }

  async #publish(subscription: LogSubscription, abort: AbortController): Promise<void> {
    const { signal } = abort;
    let stream: ClientWritableStream<PublishLogsMessage__Input> | undefined;
    const answered = new Promise<void>((resolve, reject) => {
      stream = this.#options.client.publishLogs((error) => { if (error) { abort.abort(error); reject(error); } else resolve(); });
    });
    answered.catch(() => {});
    const call = stream!;
    call.on("error", () => {}); // told through the callback too
    const onAbort = () => call.cancel();
    signal.addEventListener("abort", onAbort, { once: true });
    let last = Promise.resolve();
    const send = (message: Omit<PublishLogsMessage__Input, "subscriptionId">) => (last = last.then(async () => {
      if (!signal.aborted && !call.write({ subscriptionId: subscription.id, ...message })) await drained(call, signal);
    }));
    try {
      await send({});
      await Promise.all(subscription.taskIds.map(async (taskId) => {
        try {
          await this.#readTask(taskId, subscription, signal, (records) => send({ records }));
        } catch (error) {
          if (signal.aborted) return;
          await send({ records: [{ taskId, stream: "SYSTEM", timestamp: "", line: Buffer.from(`Cannot read the log: ${messageOf(error)}`) }] });
        }
        await send({ finishedTaskIds: [taskId] });
      }));
      if (signal.aborted) return;
      call.end();
      await answered;
    } finally { signal.removeEventListener("abort", onAbort); }
  }

  async #readTask(taskId: string, { options }: LogSubscription, signal: AbortSignal, send: (records: LogRecord__Input[]) => Promise<void>): Promise<void> {
    const { engine, worker, clock } = this.#options;
    const follow = options?.follow ?? false;
    for (;;) {
      const record = worker.record(taskId);
      const container = worker.container(taskId);
      if (container && container.phase !== "created") break;
      if (!record || !follow || isTerminal(record.status.state)) return;
      await sleep(clock, waitForContainerMs, signal);
    }
    const lines = engine.logs(containerIdOf(taskId), {
      follow, signal,
      ...(options && options.tail >= 0 && { tail: options.tail }),
      ...(options?.sinceMs && { sinceMs: options.sinceMs }),
      ...(options?.untilMs && { untilMs: options.untilMs }),
    })[Symbol.asyncIterator]();
    try {
      let batch: LogRecord__Input[] = [];
      let bytes = 0;
      let next = lines.next();
      for (;;) {
        const { done, value } = await next;
        if (!done) {
          batch.push(recordOf(taskId, value));
          bytes += value.line.length + 64;
          next = lines.next();
          if (bytes < messageBytes && await isAtHand(next)) continue;
        }
        if (batch.length > 0) await send(batch);
        batch = [];
        bytes = 0;
        if (done || signal.aborted) return;
      }
    } finally { await lines.return?.(undefined); }
  }
}

const recordOf = (taskId: string, line: LogLine): LogRecord__Input => ({ taskId, stream: line.stream === "stdout" ? "STDOUT" : "STDERR", timestamp: line.timestamp, line: line.line });

/** Whether a promise is settled by the end of this turn. */
const isAtHand = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true, () => true), new Promise<boolean>((resolve) => setImmediate(() => resolve(false)))]);

function drained(call: ClientWritableStream<PublishLogsMessage__Input>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => { call.off("drain", done).off("close", done); signal.removeEventListener("abort", done); resolve(); };
    call.once("drain", done).once("close", done);
    signal.addEventListener("abort", done, { once: true });
  });
}
