// Linearizable reads (`readIndex`): all reads of one turn share one question to the leader, which is asked again until it is answered.
import { RaftError } from "../api.js";
import type { NodeContext } from "./context.js";

interface PendingRead { readonly waiters: { resolve: (index: number) => void; reject: (error: Error) => void }[]; ticks: number }

export class LocalReads {
  private readonly asked = new Map<number, PendingRead>();
  private next: PendingRead | undefined;
  /** Starts anywhere, so that no answer meant for an earlier life of this member fits. */
  private id: number;
  private lastTickAt: number;

  constructor(private readonly node: NodeContext) {
    this.id = node.config.random(2 ** 40);
    this.lastTickAt = node.config.clock.now();
  }

  readIndex(signal: AbortSignal | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      this.node.throwIfEnded();
      signal?.throwIfAborted();
      const abort = (): void => reject(signal!.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      const end = (): void => signal?.removeEventListener("abort", abort);
      this.next ??= { waiters: [], ticks: 0 };
      this.next.waiters.push({ resolve: (index) => { end(); resolve(index); }, reject: (error) => { end(); reject(error); } });
      this.node.schedule();
    });
  }

  start(): void {
    if (!this.next) return;
    this.expireLateLease();
    const id = this.id++;
    this.asked.set(id, this.next);
    this.next = undefined;
    this.node.counters.reads++;
    this.node.core.read(id);
  }

  finish(id: number, index: number): void {
    const read = this.asked.get(id);
    this.asked.delete(id);
    for (const waiter of read?.waiters ?? []) waiter.resolve(index);
  }

  /** Before the core's own tick. */
  beforeTick(): void {
    this.expireLateLease();
    this.lastTickAt = this.node.config.clock.now();
  }

  tick(): void {
    const { core, config } = this.node;
    for (const [id, read] of this.asked) {
      read.ticks++;
      if (read.ticks >= config.electionTicks * 3) {
        this.asked.delete(id);
        const error = new RaftError("quorum", `Cannot confirm that this is the newest state: no leader with a majority answered within ${read.ticks * config.tickMs} ms; reads that may be stale are still possible`);
        for (const waiter of read.waiters) waiter.reject(error);
      } else if (read.ticks % 3 === 0) core.read(id);
    }
  }

  /** The lease counts ticks. After a pause of this process they are too few, and another may lead by now. */
  private expireLateLease(): void {
    const { config, core } = this.node;
    if (config.readMode === "lease" && config.clock.now() - this.lastTickAt > config.tickMs * 1.5) core.expireLease();
  }

  rejectAll(error: Error): void {
    for (const read of [...this.asked.values(), ...(this.next ? [this.next] : [])]) for (const waiter of read.waiters) waiter.reject(error);
    this.asked.clear();
    this.next = undefined;
  }
}
