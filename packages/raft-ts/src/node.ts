// The driver: meets the world on the core's behalf. Inputs of one turn of the event loop (messages, proposals, completions) go to the core as they come; then one
// `process` takes what the core decided, so that a turn costs one batch for each peer and one log sync, however much came in. What a node does about each subject is in node/.
import type { MemberChange, NewMember, Raft, RaftId, RaftMetrics, RaftOptions, RaftStatus } from "./api.js";
import { decodeMessage } from "./codec.js";
import { emptyConfig, everyone, isOnlyVoter } from "./core/config.js";
import { RaftCore } from "./core/raft.js";
import type { Config, Entry, Message, RestoredState, Write } from "./core/types.js";
import { decodeLeave } from "./leave.js";
import type { NodeContext } from "./node/context.js";
import { asStorageError, closedError, removedError } from "./node/errors.js";
import { Members } from "./node/members.js";
import { Outbox } from "./node/outbox.js";
import { Proposals, type Committed } from "./node/proposals.js";
import { LocalReads } from "./node/reads.js";
import { Snapshots } from "./node/snapshots.js";
import { stateToStartWith } from "./node/start.js";
import { Counters, Listeners, metricsOf, roleOf, statusOf } from "./node/status.js";
import { resolveOptions, type LocalReceiver, type NodeConfig } from "./options.js";
import { Waiters } from "./waiters.js";
import { Storage } from "./wal/storage.js";

export class RaftNode implements Raft, NodeContext {
  readonly id: RaftId;
  readonly core: RaftCore;
  readonly transport: NodeConfig["transport"];
  readonly waiters = new Waiters();
  readonly counters = new Counters();

  private readonly outbox: Outbox;
  private readonly proposals: Proposals;
  private readonly reads: LocalReads;
  private readonly members: Members;
  private readonly snapshots: Snapshots;
  private readonly listeners: Listeners;

  private stopTicking = (): void => {};
  private isScheduled = false;
  private failure: Error | undefined;
  private isClosed = false;
  private closing: Promise<void> | undefined;
  private knownConfig: Config = emptyConfig;

  private constructor(readonly config: NodeConfig, readonly storage: Storage, state: RestoredState) {
    this.id = config.id;
    this.transport = config.transport;
    this.core = new RaftCore({
      id: config.id, electionTicks: config.electionTicks, heartbeatTicks: config.heartbeatTicks, maxMessageBytes: config.maxMessageBytes, maxInflight: config.maxInflight,
      maxInflightBytes: config.maxInflightBytes, maxUncommittedBytes: config.maxUncommittedBytes, maxApplyBytes: config.maxApplyBytes, promotionLag: config.promotionLag,
      readMode: config.readMode, random: config.random, state,
      log: (message) => config.log("info", message, { raftId: config.id, term: this.core?.term }),
    });
    this.proposals = new Proposals(this);
    this.reads = new LocalReads(this);
    this.members = new Members(this, this.proposals, this.reads);
    this.snapshots = new Snapshots(this, state.applied);
    this.outbox = new Outbox(this, (message) => this.snapshots.send(message));
    this.listeners = new Listeners(this, () => this.status());
  }

  static async open(options: RaftOptions): Promise<Raft> {
    const config = resolveOptions(options);
    // A write can fail before the node is there.
    let node: RaftNode | undefined;
    let failEarly = (_: Error): void => {};
    const early = new Promise<never>((_, reject) => { failEarly = reject; });
    early.catch(() => {});
    const { storage, restored } = await Storage.open({
      id: config.id, directory: config.directory, segmentBytes: config.segmentBytes, ...(config.sealer && { sealer: config.sealer }), ...(config.disk && { disk: config.disk }),
      mayRepairAlone: config.start.kind === "recover", log: config.log, onFailure: (error) => { if (node) node.fail(error); else failEarly(error); },
    }).catch((error: unknown) => { throw asStorageError(error, config.directory); });
    try {
      const state = await Promise.race([stateToStartWith(config, storage, restored), early]);
      if (state.applied > 0) await config.stateMachine.restore(storage.readSnapshot(state.snapshot!), state.applied);
      node = new RaftNode(config, storage, state);
      node.begin();
      return node;
    } catch (error) {
      await storage.close();
      throw asStorageError(error, config.directory);
    }
  }

  private begin(): void {
    const receiver: LocalReceiver = {
      receive: (from, bytes) => this.receive(from, bytes),
      receiveSnapshot: (from, header, chunks) => this.snapshots.receive(from, header, chunks),
      receiveMessage: (message) => this.receiveMessage(message),
      unreachable: (id) => { if (!this.hasEnded) this.core.unreachable(id); },
    };
    this.transport.start(receiver);
    this.stopTicking = this.config.clock.every(this.config.tickMs, () => this.tick());
    this.updateMembers();
    this.process();
    // Nobody to wait for.
    if (isOnlyVoter(this.core.config, this.id)) this.core.campaignNow();
    this.schedule();
  }

  // ---- the loop ----

  get hasEnded(): boolean { return this.isClosed || this.failure !== undefined || this.core.role === "removed"; }

  schedule(): void {
    if (this.isScheduled || this.isClosed || this.failure) return;
    this.isScheduled = true;
    this.config.clock.soon(this.turn);
  }

  /** Who waits may wait for what the core does not act on: how far another member is. */
  private scheduleIfDue(): void { if (this.core.isDirty || !this.waiters.isEmpty) this.schedule(); }

  private readonly turn = (): void => { this.isScheduled = false; this.process(); };

  private process(): void {
    if (this.isClosed || this.failure) return;
    try {
      this.reads.start();
      let hasApplied = false;
      while (this.core.isDirty && !hasApplied) {
        const ready = this.core.ready();
        this.outbox.add(ready.messages);
        this.outbox.flush();
        if (ready.write) this.persist(ready.write);
        for (const read of ready.reads) this.reads.finish(read.id, read.index);
        this.proposals.onForwarded(ready.forwarded);
        // After the messages, so that a member learns of its removal while there is still a connection to it.
        this.updateMembers();
        if (ready.committed.length > 0) { this.apply(ready.committed); hasApplied = true; }
      }
      // One batch of applies a turn: heartbeats go between them.
      if (this.core.isDirty) this.schedule();
      this.snapshots.maybeTake();
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    this.settle();
  }

  private tick(): void {
    if (this.hasEnded) return;
    this.reads.beforeTick();
    try { this.core.tick(); } catch (error) { this.fail(error as Error); return; }
    this.storage.mark(isOnlyVoter(this.core.config, this.id));
    this.reads.tick();
    this.proposals.tick();
    this.waiters.tick();
    // Most ticks only count: an idle member does nothing else.
    if (this.core.isDirty) this.schedule();
  }

  private receive(from: RaftId, bytes: Uint8Array): void {
    if (this.hasEnded) return;
    this.counters.messagesReceived++;
    this.counters.bytesReceived += bytes.length;
    try {
      const leave = decodeLeave(bytes);
      if (leave?.kind === "leave") return this.members.onLeave(from);
      if (leave?.kind === "refused") return this.members.onLeaveRefused(leave.why, leave.missing);
      this.core.step(decodeMessage(bytes, from, this.id));
    } catch (error) {
      if (error instanceof RangeError) { this.config.log("warn", `Dropped a malformed message from member ${from}: ${error.message}`); return; }
      this.fail(error as Error);
      return;
    }
    this.scheduleIfDue();
  }

  private receiveMessage(message: Message): void {
    if (this.hasEnded) return;
    this.counters.messagesReceived++;
    try { this.core.step(message); } catch (error) { this.fail(error as Error); return; }
    this.scheduleIfDue();
  }

  private persist(write: Write): void {
    const { clock } = this.config;
    const startedAt = clock.now();
    this.storage.write(write, () => {
      if (this.isClosed || this.failure) return;
      if (write.mustSync) { this.counters.logWrites++; this.counters.logWriteMs += clock.now() - startedAt; }
      try {
        this.outbox.add(write.messages);
        this.outbox.flushSoon();
        this.core.persisted(write.id);
        if (write.snapshot) this.snapshots.restore(write.snapshot);
      } catch (error) { this.fail(error as Error); return; }
      this.schedule();
    });
  }

  private apply(committed: readonly Entry[]): void {
    let data: { index: number; data: Uint8Array }[] = [];
    const flush = (): void => {
      if (data.length > 0 && isThenable(this.config.stateMachine.apply(data))) throw new TypeError("The state machine's apply returned a promise: it has to be done when it returns, as the next entries follow at once");
      data = [];
    };
    for (const entry of committed) {
      if (entry.kind === "data") data.push({ index: entry.index, data: entry.data });
      else if (entry.kind === "config") { flush(); this.core.applyConfig(entry); }
    }
    flush();
    this.core.applied(committed[committed.length - 1]!.index);
    this.counters.entriesApplied += committed.length;
    this.snapshots.applied(committed);
    this.proposals.applied(committed);
  }

  /** Tells those who wait what this turn changed. */
  private settle(): void {
    this.proposals.settle();
    if (this.core.role === "removed") this.reads.rejectAll(removedError());
    this.waiters.wake();
    this.listeners.notify(roleOf(this, this.failure));
  }

  private updateMembers(): void {
    if (this.knownConfig === this.core.config) return;
    this.knownConfig = this.core.config;
    this.transport.setMembers(everyone(this.knownConfig));
  }

  // ---- the public face ----

  propose(data: Uint8Array, options?: { signal?: AbortSignal }): Promise<Committed> { return this.proposals.propose(data, options?.signal); }

  async waitApplied(index: number, signal?: AbortSignal): Promise<void> {
    if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`Cannot wait for index ${String(index)}: an index is an integer from 0; \`readIndex\` and \`propose\` give one`);
    await this.waiters.until(() => {
      this.throwIfEnded();
      return this.core.log.applied >= index ? true : undefined;
    }, signal);
  }

  readIndex(options?: { signal?: AbortSignal }): Promise<number> { return this.reads.readIndex(options?.signal); }

  async addMember(member: NewMember, options?: { signal?: AbortSignal }): Promise<void> { return this.members.add(member, options?.signal); }
  async removeMember(id: RaftId): Promise<void> { return this.members.remove(id); }
  async updateMember(id: RaftId, change: Uint8Array | { readonly context?: Uint8Array; readonly priority?: number }): Promise<void> {
    return this.members.change([{ kind: "update", id, ...(change instanceof Uint8Array ? { context: change } : change) }]);
  }
  async changeMembers(changes: readonly MemberChange[]): Promise<void> {
    if (!Array.isArray(changes)) throw new TypeError("Cannot change members: the changes are an array of { kind, id }");
    return this.members.change(changes as readonly MemberChange[]);
  }
  transferLeadership(to?: RaftId): Promise<void> { return this.members.transfer(to); }

  status(): RaftStatus { return statusOf(this, this.failure); }
  metrics(): RaftMetrics { return metricsOf(this); }
  onChange(listener: (status: RaftStatus) => void): () => void { return this.listeners.add(listener); }

  // ---- the end ----

  throwIfEnded(): void {
    if (this.isClosed) throw closedError();
    if (this.failure) throw this.failure;
    if (this.core.role === "removed") throw removedError();
  }

  fail(error: Error): void {
    if (this.failure || this.isClosed) return;
    this.failure = asStorageError(error, this.config.directory);
    this.config.log("error", this.failure.message, { raftId: this.id });
    this.stopTicking();
    this.rejectAll(this.failure);
    this.listeners.notify("failed");
  }

  private rejectAll(error: Error): void {
    this.proposals.rejectAll(error);
    this.reads.rejectAll(error);
    this.waiters.wake();
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      this.isClosed = true;
      this.stopTicking();
      this.rejectAll(closedError());
      this.listeners.clear();
      await this.transport.close();
      await this.storage.close();
      await this.snapshots.close();
    })();
    return this.closing;
  }
}

/** TypeScript takes a function that returns a promise for one that returns nothing. */
const isThenable = (result: unknown): boolean => typeof (result as PromiseLike<unknown> | undefined)?.then === "function";
