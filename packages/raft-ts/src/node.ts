// The driver: meets the world on the core's behalf. Inputs of one turn of the event loop (messages, proposals, completions) go to the core as they come; then one
// `process` takes what the core decided, so that a turn costs one batch for each peer and one log sync, however much came in.
import { RaftError, type Member, type Raft, type RaftId, type RaftOptions, type RaftStatus, type StateMachine, type Transport } from "./api.js";
import { decodeMessage, encodeMessage } from "./codec.js";
import { encodeConfig } from "./core/config-codec.js";
import { emptyConfig, everyone, isOnlyVoter, isVoter, memberOf, voters } from "./core/config.js";
import { entryBytes } from "./core/log.js";
import { LostLogError, RaftCore } from "./core/raft.js";
import type { Config, ConfigChange, Entry, Message, RestoredState, SnapshotMeta, Write } from "./core/types.js";
import { decodeLeave, encodeLeave } from "./leave.js";
import { resolveOptions, type NodeConfig } from "./options.js";
import { Waiters } from "./waiters.js";
import { Storage } from "./wal/storage.js";

interface PendingProposal { readonly term: number; readonly resolve: (result: { index: number; term: number }) => void; readonly reject: (error: Error) => void }
interface PendingRead { readonly waiters: { resolve: (index: number) => void; reject: (error: Error) => void }[]; ticks: number }

export class RaftNode implements Raft {
  readonly id: RaftId;
  private readonly core: RaftCore;
  private readonly transport: Transport;
  private readonly stateMachine: StateMachine;
  private stopTicking = (): void => {};
  private isScheduled = false;
  private failure: Error | undefined;
  private isClosed = false;
  private closing: Promise<void> | undefined;

  private readonly proposals = new Map<number, PendingProposal>();
  private readonly reads = new Map<number, PendingRead>();
  private nextRead: PendingRead | undefined;
  // Starts anywhere, so that no answer meant for an earlier life of this member fits.
  private readId: number;
  private readonly waiters = new Waiters();
  private readonly listeners = new Set<(status: RaftStatus) => void>();
  private notifiedKey = "";
  private notifiedConfig: unknown;
  private knownConfig: Config = emptyConfig;
  private leaveRefusal: string | undefined;

  private snapshotIndex: number;
  private bytesSinceSnapshot = 0;
  private snapshotting: Promise<void> | undefined;
  private receiving: Promise<void> | undefined;
  private isSnapshotDue = false;

  private constructor(private readonly config: NodeConfig, private readonly storage: Storage, state: RestoredState) {
    this.id = config.id;
    this.transport = config.transport;
    this.stateMachine = config.stateMachine;
    this.snapshotIndex = state.applied;
    this.readId = config.random(2 ** 40);
    this.core = new RaftCore({
      id: config.id, electionTicks: config.electionTicks, heartbeatTicks: config.heartbeatTicks,
      maxMessageBytes: config.maxMessageBytes, maxInflight: 256, maxInflightBytes: 64 * 1024 * 1024, maxUncommittedBytes: config.maxUncommittedBytes,
      maxApplyBytes: 1024 * 1024, promotionLag: 100, random: config.random, state,
      log: (message) => config.log("info", message, { raftId: config.id, term: this.core?.term }),
    });
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
      log: config.log, onFailure: (error) => { if (node) node.fail(error); else failEarly(error); },
    }).catch((error: unknown) => { throw asStorageError(error, config.directory); });
    try {
      const state = restored && (restored.hardState.term > 0 || restored.recovering || restored.applied > 0) ? restored : await Promise.race([firstState(config, storage), early]);
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
    this.transport.start({
      receive: (from, bytes) => this.receive(from, bytes),
      receiveSnapshot: (from, header, chunks) => this.receiveSnapshot(from, header, chunks),
      unreachable: (id) => { if (!this.hasEnded) this.core.unreachable(id); },
    });
    this.stopTicking = this.config.clock.every(this.config.tickMs, () => this.tick());
    this.updateMembers();
    this.process();
    // Nobody to wait for.
    if (isOnlyVoter(this.core.config, this.id)) this.core.campaignNow();
    this.schedule();
  }

  private get hasEnded(): boolean { return this.isClosed || this.failure !== undefined || this.core.role === "removed"; }

  // ---- the loop ----

  private schedule(): void {
    if (this.isScheduled || this.isClosed || this.failure) return;
    this.isScheduled = true;
    this.config.clock.soon(() => { this.isScheduled = false; this.process(); });
  }

  private process(): void {
    if (this.isClosed || this.failure) return;
    try {
      this.startReads();
      let hasApplied = false;
      while (this.core.isDirty && !hasApplied) {
        const ready = this.core.ready();
        this.send(ready.messages);
        if (ready.write) this.persist(ready.write);
        for (const read of ready.reads) this.finishRead(read.id, read.index);
        // After the messages, so that a member learns of its removal while there is still a connection to it.
        this.updateMembers();
        if (ready.committed.length > 0) { this.apply(ready.committed); hasApplied = true; }
      }
      // One batch of applies a turn: heartbeats go between them.
      if (this.core.isDirty) this.schedule();
      this.maybeSnapshot();
    } catch (error) {
      this.fail(error as Error);
      return;
    }
    this.settle();
  }

  private tick(): void {
    if (this.hasEnded) return;
    try { this.core.tick(); } catch (error) { this.fail(error as Error); return; }
    this.storage.mark(isOnlyVoter(this.core.config, this.id));
    for (const [id, read] of this.reads) {
      read.ticks++;
      if (read.ticks >= this.config.electionTicks * 3) {
        this.reads.delete(id);
        const error = new RaftError("quorum", `Cannot confirm that this is the newest state: no leader with a majority answered within ${read.ticks * this.config.tickMs} ms; reads that may be stale are still possible`);
        for (const waiter of read.waiters) waiter.reject(error);
      } else if (read.ticks % 3 === 0) this.core.read(id);
    }
    this.waiters.tick();
    // Most ticks only count: an idle member does nothing else.
    if (this.core.isDirty) this.schedule();
  }

  private receive(from: RaftId, bytes: Uint8Array): void {
    if (this.hasEnded) return;
    try {
      const leave = decodeLeave(bytes);
      if (leave?.kind === "leave") return this.onLeave(from);
      if (leave?.kind === "refused") { this.leaveRefusal = leave.why; this.waiters.wake(); return; }
      this.core.step(decodeMessage(bytes, from, this.id));
    } catch (error) {
      if (error instanceof RangeError) { this.config.log("warn", `Dropped a malformed message from member ${from}: ${error.message}`); return; }
      this.fail(error as Error);
      return;
    }
    this.schedule();
  }

  private send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const byReceiver = new Map<RaftId, Uint8Array[]>();
    for (const message of messages) {
      if (message.type === "snapshot") { this.sendSnapshot(message); continue; }
      const encoded = encodeMessage(message);
      const list = byReceiver.get(message.to);
      if (list) list.push(encoded); else byReceiver.set(message.to, [encoded]);
    }
    for (const [to, list] of byReceiver) this.transport.send(to, list);
  }

  private persist(write: Write): void {
    this.storage.write(write, () => {
      if (this.isClosed || this.failure) return;
      try {
        this.send(write.messages);
        this.core.persisted(write.id);
        if (write.snapshot) this.restore(write.snapshot);
      } catch (error) { this.fail(error as Error); return; }
      this.schedule();
    });
  }

  private apply(committed: readonly Entry[]): void {
    let data: { index: number; data: Uint8Array }[] = [];
    const flush = (): void => {
      if (data.length > 0) this.stateMachine.apply(data);
      data = [];
    };
    for (const entry of committed) {
      this.bytesSinceSnapshot += entryBytes(entry);
      if (entry.kind === "data") { data.push({ index: entry.index, data: entry.data }); continue; }
      if (entry.kind === "config") { flush(); this.core.applyConfig(entry); }
    }
    flush();
    const last = committed[committed.length - 1]!.index;
    this.core.applied(last);
    for (const entry of committed) {
      const proposal = this.proposals.get(entry.index);
      if (!proposal) continue;
      this.proposals.delete(entry.index);
      if (proposal.term === entry.term) proposal.resolve({ index: entry.index, term: entry.term });
      else proposal.reject(droppedError());
    }
  }

  /** Tells those who wait what this turn changed. */
  private settle(): void {
    if (this.core.role !== "leader" && this.proposals.size > 0) {
      for (const proposal of this.proposals.values()) proposal.reject(this.core.role === "removed" ? removedError() : droppedError());
      this.proposals.clear();
    }
    if (this.core.role === "removed") this.rejectWaiting(removedError());
    this.waiters.wake();
    this.notify();
  }

  private updateMembers(): void {
    if (this.knownConfig === this.core.config) return;
    this.knownConfig = this.core.config;
    this.transport.setMembers(everyone(this.knownConfig));
  }

  // ---- the log ----

  propose(data: Uint8Array, options?: { signal?: AbortSignal }): Promise<{ index: number; term: number }> {
    return new Promise((resolve, reject) => {
      this.throwIfEnded();
      options?.signal?.throwIfAborted();
      if (data.length > this.config.maxEntryBytes) throw new RaftError("too-large", `Cannot propose ${data.length} bytes: an entry holds at most ${this.config.maxEntryBytes}; split the change`);
      const result = this.core.propose(data);
      if (result.kind === "refused") throw this.refusal(result.why);
      const proposal: PendingProposal = { term: result.term, resolve, reject };
      this.proposals.set(result.index, proposal);
      const { signal } = options ?? {};
      if (signal) {
        const abort = (): void => { this.proposals.delete(result.index); reject(signal.reason as Error); };
        signal.addEventListener("abort", abort, { once: true });
        this.proposals.set(result.index, {
          term: result.term,
          resolve: (value) => { signal.removeEventListener("abort", abort); resolve(value); },
          reject: (error) => { signal.removeEventListener("abort", abort); reject(error); },
        });
      }
      this.schedule();
    });
  }

  private refusal(why: string): RaftError {
    switch (why) {
      case "not-leader": return new RaftError("not-leader", this.core.leader === undefined ? "Cannot propose here: this member is not the leader, and none is known" : `Cannot propose here: member ${this.core.leader} is the leader`);
      case "busy": return new RaftError("busy", "Cannot propose now: too much waits to be committed; try again when some of it is");
      case "transferring": return new RaftError("busy", `Cannot propose now: leadership is being handed to member ${this.core.transferee}; try again there`);
      default: return new RaftError("busy", `Cannot propose now: ${why}`);
    }
  }

  async waitApplied(index: number, signal?: AbortSignal): Promise<void> {
    await this.waiters.until(() => {
      this.throwIfEnded();
      return this.core.log.applied >= index ? true : undefined;
    }, signal);
  }

  // ---- reads ----

  readIndex(options?: { signal?: AbortSignal }): Promise<number> {
    return new Promise((resolve, reject) => {
      this.throwIfEnded();
      const { signal } = options ?? {};
      signal?.throwIfAborted();
      const abort = (): void => reject(signal!.reason as Error);
      signal?.addEventListener("abort", abort, { once: true });
      const end = (): void => signal?.removeEventListener("abort", abort);
      // All reads of a turn share one question.
      this.nextRead ??= { waiters: [], ticks: 0 };
      this.nextRead.waiters.push({ resolve: (index) => { end(); resolve(index); }, reject: (error) => { end(); reject(error); } });
      this.schedule();
    });
  }

  private startReads(): void {
    if (!this.nextRead) return;
    const id = this.readId++;
    this.reads.set(id, this.nextRead);
    this.nextRead = undefined;
    this.core.read(id);
  }

  private finishRead(id: number, index: number): void {
    const read = this.reads.get(id);
    this.reads.delete(id);
    for (const waiter of read?.waiters ?? []) waiter.resolve(index);
  }

  // ---- membership ----

  async addMember(member: { id: RaftId; context: Uint8Array }): Promise<void> {
    checkId(member.id);
    if (this.core.config.removed.includes(member.id)) throw new RaftError("removed", `Cannot add member ${member.id}: a member with this id was removed, and ids are never used again; join under a new id`);
    if (!memberOf(this.core.config, member.id)) await this.change({ kind: "add-learner", id: member.id, context: member.context });
    await this.waiters.until(() => {
      this.throwIfEnded();
      if (isVoter(this.core.config, member.id)) return true;
      if (!memberOf(this.core.config, member.id)) throw new RaftError("removed", `Cannot add member ${member.id}: it was removed before it had caught up`);
      if (this.core.role !== "leader") throw droppedError();
      return undefined;
    });
    await this.spread();
  }

  /**
   * Until a majority knows that the change is committed. As long as only the leader does, its death can leave members that would campaign with the
   * configuration of before, and may miss the majority of that one. A heartbeat round carries the commit index.
   */
  private async spread(): Promise<void> { await this.readIndex().catch(() => {}); }

  async removeMember(id: RaftId): Promise<void> {
    this.throwIfEnded();
    if (!memberOf(this.core.config, id)) return;
    if (isVoter(this.core.config, id) && voters(this.core.config).length === 1) throw new RaftError("quorum", `Cannot remove member ${id}: it is the only voter; add another first`);
    if (id !== this.id) return this.change({ kind: "remove", id });
    if (this.core.role === "leader") await this.transferLeadership();
    await this.leave();
  }

  updateMember(id: RaftId, context: Uint8Array): Promise<void> { return this.change({ kind: "update", id, context }); }

  /** Proposes until it is accepted (changes go one at a time), then waits until it is applied. */
  private async change(change: ConfigChange): Promise<void> {
    const target = await this.waiters.until(() => {
      this.throwIfEnded();
      const result = this.core.proposeConfig([change]);
      if (result.kind === "appended") return result;
      switch (result.why) {
        case "pending-config": case "transferring": return undefined;
        case "no-change": return { index: 0, term: 0 };
        case "quorum": throw new RaftError("quorum", `Cannot ${change.kind} member ${change.id}: without ${result.missing.map((id) => `member ${id}`).join(", ")} the voters form no majority; bring back what is missing first`);
        case "unfit": throw new RaftError("removed", `Cannot ${change.kind} member ${change.id}: ${result.reason}`);
        default: throw this.refusal(result.why);
      }
    }, undefined, { ticks: this.config.electionTicks * 10, error: () => new RaftError("busy", `Cannot ${change.kind} member ${change.id}: another membership change has not finished; try again later`) });
    this.schedule();
    if (target.index === 0) return;
    await new Promise<void>((resolve, reject) => { this.proposals.set(target.index, { term: target.term, resolve: () => resolve(), reject }); });
    await this.spread();
  }

  /** Asks the leader for our removal until we are told. */
  private async leave(): Promise<void> {
    this.leaveRefusal = undefined;
    let asked: RaftId | undefined;
    let askedAt = -Infinity;
    await this.waiters.until((ticks) => {
      if (this.core.role === "removed") return true;
      this.throwIfEnded();
      if (this.leaveRefusal !== undefined) throw new RaftError("quorum", this.leaveRefusal);
      const { leader } = this.core;
      if (leader !== undefined && leader !== this.id && (leader !== asked || ticks - askedAt >= this.config.electionTicks)) {
        asked = leader;
        askedAt = ticks;
        this.transport.send(leader, [encodeLeave({ kind: "leave" })]);
      }
      return undefined;
    }, undefined, { ticks: this.config.electionTicks * 10, error: () => new RaftError("quorum", `Cannot remove member ${this.id}: no leader confirmed it in time; try again when a majority is there`) });
  }

  private onLeave(from: RaftId): void {
    if (this.core.role !== "leader" || !memberOf(this.core.config, from)) return;
    this.removeMember(from).catch((error: Error) => {
      if (error instanceof RaftError && error.kind === "quorum" && !this.hasEnded) this.transport.send(from, [encodeLeave({ kind: "refused", why: error.message })]);
    });
  }

  async transferLeadership(to?: RaftId): Promise<void> {
    this.throwIfEnded();
    if (this.core.role !== "leader") throw this.refusal("not-leader");
    if (to === this.id) return;
    const target = to ?? this.bestSuccessor();
    if (target === undefined || !this.core.transfer(target)) throw new RaftError("quorum", to === undefined ? "Cannot hand over leadership: no other voter is active" : `Cannot hand leadership to member ${to}: it is not a voter`);
    this.schedule();
    await this.waiters.until(() => {
      this.throwIfEnded();
      if (this.core.role !== "leader" && this.core.leader !== undefined) return true;
      if (this.core.role === "leader" && this.core.transferee === undefined) throw new RaftError("busy", `Cannot hand leadership to member ${target}: it did not take over within ${this.config.electionTicks * this.config.tickMs} ms`);
      return undefined;
    }, undefined, { ticks: this.config.electionTicks * 5, error: () => new RaftError("quorum", "Leadership was given up, but no new leader is known yet") });
  }

  private bestSuccessor(): RaftId | undefined {
    const match = (id: RaftId): number => this.core.progress.get(id)?.match ?? 0;
    return voters(this.core.config).map((m) => m.id).filter((id) => id !== this.id && this.core.isActive(id)).sort((a, b) => match(b) - match(a))[0];
  }

  // ---- snapshots ----

  private maybeSnapshot(): void {
    const { applied } = this.core.log;
    const isDue = this.isSnapshotDue || applied - this.snapshotIndex >= this.config.snapshotEntries || this.bytesSinceSnapshot >= this.config.snapshotBytes;
    if (!isDue || this.snapshotting || applied <= this.snapshotIndex || this.core.log.term(applied) === undefined) return;
    this.isSnapshotDue = false;
    this.bytesSinceSnapshot = 0;
    this.snapshotIndex = applied;
    const meta: SnapshotMeta = { index: applied, term: this.core.log.term(applied)!, config: this.core.config };
    // The first step is taken now: a generator looks at the state only when it is first asked, and entries may be applied before the file is open.
    const iterator = this.stateMachine.snapshot()[Symbol.asyncIterator]();
    const first = iterator.next();
    first.catch(() => {});
    this.snapshotting = this.takeSnapshot(meta, this.untilClosed(first, iterator)).catch((error: NodeJS.ErrnoException) => {
      if (this.isClosed || this.failure) return;
      if (isDiskError(error)) this.fail(error);
      else this.config.log("error", `Cannot take a snapshot at index ${meta.index}: ${error.message}`);
    }).finally(() => { this.snapshotting = undefined; this.schedule(); });
  }

  private async takeSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const startedAt = this.config.clock.now();
    await this.storage.saveSnapshot(meta, chunks);
    const { log } = this.core;
    // A newer one came from the leader meanwhile.
    if (this.hasEnded || log.firstIndex > meta.index) return;
    const compactTo = this.trailingBase(meta.index);
    await this.storage.commitSnapshot(meta, { index: compactTo, term: log.term(compactTo)! });
    this.core.snapshotTaken(meta, compactTo);
    this.config.log("info", `Snapshot at index ${meta.index}`, { compactedTo: compactTo, ms: Math.round(this.config.clock.now() - startedAt) });
  }

  /** Keeps some entries for followers that are a little behind, within a bound on their bytes. */
  private trailingBase(snapshotIndex: number): number {
    const { log } = this.core;
    let base = snapshotIndex;
    for (let bytes = 0; base >= log.firstIndex && snapshotIndex - base < this.config.trailingEntries; base--) {
      bytes += entryBytes(log.entry(base)!);
      if (bytes > this.config.trailingBytes) break;
    }
    return Math.max(base, log.firstIndex - 1);
  }

  private async *untilClosed(first: Promise<IteratorResult<Uint8Array>>, iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for (let next = await first; !next.done; next = await iterator.next()) {
        if (this.isClosed || this.failure) throw new Error("the node ended");
        yield next.value;
      }
    } finally { await iterator.return?.(); }
  }

  private sendSnapshot(message: Extract<Message, { type: "snapshot" }>): void {
    const { to, snapshot } = message;
    this.config.log("info", `Sending member ${to} the snapshot at index ${snapshot.index}`);
    const end = (isDelivered: boolean): void => {
      if (this.hasEnded) return;
      this.core.snapshotSent(to, isDelivered);
      this.schedule();
    };
    this.transport.sendSnapshot(to, encodeMessage(message), this.storage.readSnapshot(snapshot)).then(() => end(true), (error: Error) => {
      this.config.log("warn", `Cannot send member ${to} the snapshot at index ${snapshot.index}: ${error.message}`);
      if (error.name === "SnapshotDamagedError") this.isSnapshotDue = true;
      end(false);
    });
  }

  private async receiveSnapshot(from: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    this.throwIfEnded();
    const message = decodeMessage(header, from, this.id);
    if (message.type !== "snapshot") throw new RangeError("Cannot decode: a snapshot stream begins with a snapshot message");
    if (message.term >= this.core.term && this.core.wantsSnapshot(message.snapshot)) {
      if (this.receiving) throw new RaftError("busy", "Cannot take a snapshot: another one is being received");
      this.receiving = this.storage.saveSnapshot(message.snapshot, chunks);
      try {
        await this.receiving;
      } catch (error) {
        // The sender's stream may break at any time; our disk may not.
        if (isDiskError(error)) this.fail(error as Error);
        throw error;
      } finally { this.receiving = undefined; }
    }
    if (this.hasEnded) return;
    try { this.core.step(message); } catch (error) { this.fail(error as Error); throw error; }
    this.schedule();
  }

  /** The leader's snapshot is durable and the log refers to it: now the state machine takes it. Nothing is applied until it has. */
  private restore(meta: SnapshotMeta): void {
    this.config.log("info", `Restoring the leader's snapshot at index ${meta.index}`);
    this.stateMachine.restore(this.storage.readSnapshot(meta), meta.index).then(async () => {
      if (this.isClosed || this.failure) return;
      this.snapshotIndex = meta.index;
      this.bytesSinceSnapshot = 0;
      this.core.restored(meta.index);
      this.schedule();
      await this.storage.removeCovered(meta.index, meta.index);
    }).catch((error: Error) => this.fail(error));
  }

  // ---- status and end ----

  status(): RaftStatus {
    const { core } = this;
    const isLeader = this.role === "leader";
    return {
      id: this.id, role: this.role, leader: this.hasEnded ? undefined : core.leader,
      isReady: isLeader && core.log.applied >= core.termStart,
      term: core.term, commitIndex: core.log.commit, appliedIndex: core.log.applied, lastIndex: core.log.lastIndex,
      members: core.config.members.map((m) => ({
        ...m,
        matchIndex: m.id === this.id ? core.log.stable : core.progress.get(m.id)?.match ?? 0,
        isActive: isLeader ? core.isActive(m.id) : m.id === this.id || m.id === core.leader,
      })),
      leaderlessMs: isLeader ? 0 : core.leaderlessTicks * this.config.tickMs,
      ...(this.failure && { failure: this.failure }),
    };
  }

  private get role(): RaftStatus["role"] {
    if (this.failure) return "failed";
    const { role } = this.core;
    if (role === "pre-candidate") return "candidate";
    if (role === "follower" && !isVoter(this.core.config, this.id)) return "learner";
    return role;
  }

  onChange(listener: (status: RaftStatus) => void): () => void {
    // A copy, so that the same function can listen twice.
    const own = (status: RaftStatus): void => listener(status);
    this.listeners.add(own);
    own(this.status());
    return () => { this.listeners.delete(own); };
  }

  private notify(): void {
    const { core } = this;
    const key = `${this.role} ${core.leader} ${core.term} ${core.role === "leader" && core.log.applied >= core.termStart}`;
    if (key === this.notifiedKey && this.notifiedConfig === core.config) return;
    this.notifiedKey = key;
    this.notifiedConfig = core.config;
    const status = this.status();
    for (const listener of [...this.listeners]) {
      try { listener(status); } catch (error) { this.config.log("error", `A listener of this member's state threw: ${(error as Error).message}`); }
    }
  }

  private throwIfEnded(): void {
    if (this.isClosed) throw closedError();
    if (this.failure) throw this.failure;
    if (this.core.role === "removed") throw removedError();
  }

  /** Ends the node, and acknowledges nothing more. */
  private fail(error: Error): void {
    if (this.failure || this.isClosed) return;
    this.failure = asStorageError(error, this.config.directory);
    this.config.log("error", this.failure.message, { raftId: this.id });
    this.stopTicking();
    this.rejectAll(this.failure);
    this.notify();
  }

  private rejectAll(error: Error): void {
    for (const proposal of this.proposals.values()) proposal.reject(error);
    this.proposals.clear();
    this.rejectWaiting(error);
    this.waiters.wake();
  }

  private rejectWaiting(error: Error): void {
    for (const read of [...this.reads.values(), ...(this.nextRead ? [this.nextRead] : [])]) for (const waiter of read.waiters) waiter.reject(error);
    this.reads.clear();
    this.nextRead = undefined;
  }

  close(): Promise<void> {
    this.closing ??= (async () => {
      this.isClosed = true;
      this.stopTicking();
      this.rejectAll(closedError());
      this.listeners.clear();
      await this.transport.close();
      await this.storage.close();
      await this.snapshotting;
      await this.receiving?.catch(() => {});
    })();
    return this.closing;
  }
}

/** A directory without state: the first member writes the entry that makes it one; any other waits for the leader to find it. */
async function firstState(config: NodeConfig, storage: Storage): Promise<RestoredState> {
  const empty: RestoredState = { hardState: { term: 0, vote: 0, commit: 0 }, config: emptyConfig, base: { index: 0, term: 0 }, entries: [], applied: 0, recovering: false };
  if (config.start.kind === "join") return empty;
  const members: Member[] = [{ id: config.id, isLearner: false, context: config.start.context }];
  const entries: Entry[] = [{ index: 1, term: 1, kind: "config", data: encodeConfig({ members, outgoing: [], removed: [] }) }];
  const hardState = { term: 1, vote: 0, commit: 1 };
  await new Promise<void>((resolve) => { storage.write({ id: 0, hardState, entries, mustSync: true, messages: [] }, resolve); });
  return { ...empty, hardState, entries };
}

function checkId(id: RaftId): void {
  if (!Number.isSafeInteger(id) || id <= 0 || id >= 2 ** 48) throw new RangeError(`Raft id ${id} is not a positive integer below 2^48`);
}

/** An error of the operating system; others have codes too, of other kinds. */
function isDiskError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code);
}

function asStorageError(error: unknown, directory: string): Error {
  if (error instanceof RaftError) return error;
  if (error instanceof LostLogError) return new RaftError("corrupt", `Cannot go on with the Raft log in "${directory}": ${error.message}; remove this member and let it join again under a new id`);
  if (!isDiskError(error)) return error as Error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new RaftError("storage", `Cannot write the Raft log in "${directory}": ${message}${code === "ENOSPC" ? "; free space on that disk and start again" : ""}`, { cause: error });
}

const droppedError = (): RaftError => new RaftError("dropped", "Leadership was lost before the entry was committed: it may or may not take effect; look before trying again");
const removedError = (): RaftError => new RaftError("removed", "This member was removed from the group");
const closedError = (): RaftError => new RaftError("closed", "The Raft node is closed");
