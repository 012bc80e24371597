// Snapshots: taken of the own state machine when enough was applied, sent to members whose entries are compacted, received from the leader.
import { RaftError, type RaftId, type StateMachine } from "../api.js";
import { decodeMessage, encodeMessage } from "../codec.js";
import { entryBytes } from "../core/log.js";
import type { Entry, Message, SnapshotMeta } from "../core/types.js";
import type { NodeContext } from "./context.js";
import { isDiskError } from "./errors.js";

export class Snapshots {
  private bytesSince = 0;
  private taking: Promise<void> | undefined;
  private receiving: Promise<void> | undefined;
  /** The one on disk turned out damaged. */
  private isDue = false;
  private readonly stateMachine: StateMachine;

  /** `index`: of the newest one. */
  constructor(private readonly node: NodeContext, private index: number) { this.stateMachine = node.config.stateMachine; }

  applied(committed: readonly Entry[]): void { for (const entry of committed) this.bytesSince += entryBytes(entry); }

  // ---- the own ----

  maybeTake(): void {
    const { config, core } = this.node;
    const { applied } = core.log;
    const isDue = this.isDue || applied - this.index >= config.snapshotEntries || this.bytesSince >= config.snapshotBytes;
    if (!isDue || this.taking || applied <= this.index) return;
    const term = core.log.term(applied);
    if (term === undefined) return;
    this.isDue = false;
    this.bytesSince = 0;
    this.index = applied;
    const meta: SnapshotMeta = { index: applied, term, config: core.config };
    // The first step is taken now: a generator looks at the state only when it is first asked, and entries may be applied before the file is open.
    const iterator = this.stateMachine.snapshot()[Symbol.asyncIterator]();
    const first = iterator.next();
    first.catch(() => {});
    this.taking = this.take(meta, this.untilEnded(first, iterator)).catch((error: NodeJS.ErrnoException) => {
      if (this.node.hasEnded) return;
      if (isDiskError(error)) this.node.fail(error);
      else config.log("error", `Cannot take a snapshot at index ${meta.index}: ${error.message}`);
    }).finally(() => { this.taking = undefined; this.node.schedule(); });
  }

  private async take(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { config, core, storage, counters } = this.node;
    const startedAt = config.clock.now();
    await storage.saveSnapshot(meta, chunks);
    const { log } = core;
    // A newer one came from the leader meanwhile.
    if (this.node.hasEnded || log.firstIndex > meta.index) return;
    const compactTo = this.trailingBase(meta.index);
    await storage.commitSnapshot(meta, { index: compactTo, term: log.term(compactTo)! });
    core.snapshotTaken(meta, compactTo);
    counters.snapshotsTaken++;
    config.log("info", `Snapshot at index ${meta.index}`, { compactedTo: compactTo, ms: Math.round(config.clock.now() - startedAt) });
  }

  /**
   * Keeps some entries for followers that are a little behind, within a bound on their bytes; and within a larger one what members that answer still need: behind a snapshot that is on
   * its way, or a new member under load would get one after the other and never the log.
   */
  private trailingBase(snapshotIndex: number): number {
    const { config, core: { log } } = this.node;
    const needed = this.neededBase();
    let base = snapshotIndex;
    for (let bytes = 0; base >= log.firstIndex && (base > needed || snapshotIndex - base < config.trailingEntries); base--) {
      bytes += entryBytes(log.entry(base)!);
      if (bytes > (base > needed ? config.catchUpBytes : config.trailingBytes)) break;
    }
    return Math.max(base, log.firstIndex - 1);
  }

  /** Members that answer have, or are being sent, everything up to there. */
  private neededBase(): number {
    const { core } = this.node;
    let base = Infinity;
    if (core.role === "leader") for (const { id, match, pendingSnapshot } of core.progress.values()) if (id !== core.id && core.isActive(id)) base = Math.min(base, Math.max(match, pendingSnapshot));
    return base;
  }

  private async *untilEnded(first: Promise<IteratorResult<Uint8Array>>, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await first; !next.done; next = await iterator.next()) {
        if (this.node.hasEnded) throw new Error("the node ended");
        yield next.value;
      }
    } finally { await iterator.return?.(); }
  }

  // ---- to others ----

  send(message: Extract<Message, { type: "snapshot" }>): void {
    const { config, core, transport, storage, counters } = this.node;
    const { to, snapshot } = message;
    config.log("info", `Sending member ${to} the snapshot at index ${snapshot.index}`);
    counters.snapshotsSent++;
    const end = (isDelivered: boolean): void => {
      if (this.node.hasEnded) return;
      core.snapshotSent(to, isDelivered);
      this.node.schedule();
    };
    transport.sendSnapshot(to, encodeMessage(message), storage.readSnapshot(snapshot)).then(() => end(true), (error: Error) => {
      config.log("warn", `Cannot send member ${to} the snapshot at index ${snapshot.index}: ${error.message}`);
      if (error.name === "SnapshotDamagedError") this.isDue = true;
      end(false);
    });
  }

  // ---- from the leader ----

  async receive(from: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { node } = this;
    node.throwIfEnded();
    const message = decodeMessage(header, from, node.core.id);
    if (message.type !== "snapshot") throw new RangeError("Cannot decode: a snapshot stream begins with a snapshot message");
    if (message.term >= node.core.term && node.core.wantsSnapshot(message.snapshot)) {
      if (this.receiving) throw new RaftError("busy", "Cannot take a snapshot: another one is being received");
      this.receiving = node.storage.saveSnapshot(message.snapshot, ofSender(chunks));
      try {
        await this.receiving;
      } catch (error) {
        // The sender's stream may break at any time; our disk may not.
        if (isDiskError(error)) node.fail(error as Error);
        throw error;
      } finally { this.receiving = undefined; }
      node.counters.snapshotsReceived++;
    }
    if (node.hasEnded) return;
    try { node.core.step(message); } catch (error) { node.fail(error as Error); throw error; }
    node.schedule();
    // Not before the state machine has it: the leader would take what it sends next to be refused for want of the snapshot, and send that again.
    await node.waiters.until(() => node.hasEnded || !node.core.isRestoring ? true : undefined);
  }

  /** The leader's snapshot is durable and the log refers to it: now the state machine takes it. Nothing is applied until it has. */
  restore(meta: SnapshotMeta): void {
    const { node } = this;
    node.config.log("info", `Restoring the leader's snapshot at index ${meta.index}`);
    this.stateMachine.restore(node.storage.readSnapshot(meta), meta.index).then(async () => {
      if (node.hasEnded) return;
      this.index = meta.index;
      this.bytesSince = 0;
      node.core.restored(meta.index);
      node.schedule();
      await node.storage.removeCovered(meta.index, meta.index);
    }).catch((error: Error) => node.fail(error));
  }

  async close(): Promise<void> {
    await this.taking;
    await this.receiving?.catch(() => {});
  }
}

/** What breaks on the sender's side, a file that a newer snapshot replaced, is no error of our disk, whatever it looks like by the time that it comes here. */
async function* ofSender(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try { yield* chunks; } catch (error) { throw new Error(`the sender's stream broke: ${(error as Error).message}`, { cause: error }); }
}
