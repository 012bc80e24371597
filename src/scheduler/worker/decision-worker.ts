import type { Worker } from "node:worker_threads";
import { messageOf, startThread, type Clock, type Logger, type Timer } from "../../lib/index.js";
import { buffersOf, type PackedDecision } from "../core/pack/index.js";
import type { Answered, Asked } from "./thread.js";

/** A thread costs some memory: one that had nothing to do for so long is ended. */
const idleMs = 30_000;
/** A decision takes a second at most; a thread that is lost in one is ended. */
const timeoutMs = 30_000;
/** A thread that dies so often without an answer in between is not started again. */
const mostFailures = 3;

/** One thread, started with the first decision that it is given. Its failure costs its decisions, which are answered with undefined. */
export class DecisionWorker {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, (nodes: Int32Array | undefined) => void>();
  #lastId = 0;
  #failures = 0;
  #isStopped = false;
  #idle: Timer | undefined;

  constructor(private readonly clock: Clock, private readonly log: Logger) {}

  /** Decisions that are not answered yet. */
  get size(): number { return this.#waiting.size; }
  get isUsable(): boolean { return !this.#isStopped && this.#failures < mostFailures; }

  decide(packed: PackedDecision): Promise<Int32Array | undefined> {
    if (!this.isUsable) return Promise.resolve(undefined);
    this.#idle?.cancel();
    this.#idle = this.clock.after(timeoutMs, () => this.#fail("it gave no answer in time"));
    return new Promise((resolve) => {
      const asked: Asked = { id: ++this.#lastId, packed };
      this.#waiting.set(asked.id, resolve);
      try {
        this.#thread().postMessage(asked, buffersOf(packed));
      } catch (error) { this.#fail(messageOf(error)); }
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#end();
  }

  #thread(): Worker {
    if (this.#worker) return this.#worker;
    const worker = this.#worker = startThread(import.meta.url, "thread", undefined);
    worker.unref();
    worker.on("message", ({ id, nodes }: Answered) => {
      this.#failures = 0;
      this.#answer(id, nodes);
      if (this.#waiting.size > 0) return;
      this.#idle?.cancel();
      this.#idle = this.clock.after(idleMs, () => { void this.#end(); });
    });
    worker.on("error", (error) => { if (this.#worker === worker) this.#fail(messageOf(error)); });
    worker.on("exit", () => { if (this.#worker === worker) this.#fail("it ended by itself"); });
    return worker;
  }

  #fail(why: string): void {
    this.#failures++;
    this.log.error("the scheduler's thread failed; its decisions are made again without it", { error: why, isStartedAgain: this.#failures < mostFailures });
    void this.#end();
  }

  async #end(): Promise<void> {
    this.#idle?.cancel();
    const worker = this.#worker;
    this.#worker = undefined;
    for (const id of [...this.#waiting.keys()]) this.#answer(id, undefined);
    await worker?.terminate();
  }

  #answer(id: number, nodes: Int32Array | undefined): void {
    const resolve = this.#waiting.get(id);
    this.#waiting.delete(id);
    resolve?.(nodes);
  }
}
