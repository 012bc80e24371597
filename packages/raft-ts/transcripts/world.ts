// The cores of a group with a network and disks that do what a transcript says: nothing happens by itself, and nothing by chance.
import type { RaftId } from "../src/api.js";
import { emptyConfig } from "../src/core/config.js";
import { encodeConfig } from "../src/core/config-codec.js";
import { RaftCore } from "../src/core/raft.js";
import type { Config, ConfigChange, CoreOptions, Entry, HardState, Message, ProposeResult, RestoredState, SnapshotMeta, Write } from "../src/core/types.js";
import { describeEntries, describeEntry, describeMessage, describeResult, describeWrite } from "./describe.js";

/** What survives a crash. */
interface Disk { hardState: HardState; base: { index: number; term: number }; entries: Entry[]; snapshot: SnapshotMeta | undefined; recovering: boolean }

export interface Node {
  readonly id: RaftId;
  core: RaftCore | undefined;
  disk: Disk;
  /** Handed out by the core and not done yet, in order. */
  writes: Write[];
  /** Handed out to be applied and not acknowledged yet. */
  applying: Entry[][];
  holdsWrites: boolean;
  holdsApplies: boolean;
  holdsRestores: boolean;
  /** Snapshots from the leader that the state machine does not hold yet. */
  restoring: number[];
}

export type Limits = Partial<Omit<CoreOptions, "id" | "state" | "random" | "log">>;

const defaults = {
  electionTicks: 10, heartbeatTicks: 1, maxMessageBytes: 1 << 20, maxInflight: 256, maxInflightBytes: 1 << 20, maxUncommittedBytes: 1 << 20, maxApplyBytes: 1 << 20, promotionLag: 5,
};

const emptyDisk = (): Disk => ({ hardState: { term: 0, vote: 0, commit: 0 }, base: { index: 0, term: 0 }, entries: [], snapshot: undefined, recovering: false });

export class World {
  readonly nodes = new Map<RaftId, Node>();
  /** Sent and not yet delivered, in the order of sending. */
  network: Message[] = [];
  readonly cuts = new Set<string>();
  /** What happened since it was last emptied. */
  lines: string[] = [];
  private readonly timeouts = new Map<RaftId, number>();

  constructor(private readonly limits: Limits) {}

  // ---- nodes ----

  /** The first members know each other from the start: entry 1 of term 1 is their configuration, committed. */
  found(config: Config): void {
    const entry: Entry = { index: 1, term: 1, kind: "config", data: encodeConfig(config) };
    for (const { id } of config.members) this.add(id, { ...emptyDisk(), hardState: { term: 1, vote: 0, commit: 1 }, entries: [entry] });
  }

  /** A node with an empty disk that waits to be added to the group. */
  join(id: RaftId): void { this.add(id, emptyDisk()); }

  private add(id: RaftId, disk: Disk): void {
    if (this.nodes.has(id)) throw new Error(`there is a node ${id} already`);
    this.nodes.set(id, { id, core: undefined, disk, writes: [], applying: [], holdsWrites: false, holdsApplies: false, holdsRestores: false, restoring: [] });
    this.start(id);
  }

  node(id: RaftId): Node {
    const node = this.nodes.get(id);
    if (!node) throw new Error(`there is no node ${id}`);
    return node;
  }

  core(id: RaftId): RaftCore {
    const { core } = this.node(id);
    if (!core) throw new Error(`node ${id} is down`);
    return core;
  }

  /** Election timeouts are `electionTicks` plus this; 0 unless a transcript says otherwise. */
  setTimeout(id: RaftId, extraTicks: number): void { this.timeouts.set(id, extraTicks); }

  start(id: RaftId): void {
    const node = this.node(id);
    if (node.core) throw new Error(`node ${id} runs already`);
    const { disk } = node;
    const state: RestoredState = {
      hardState: disk.hardState, config: disk.snapshot?.config ?? emptyConfig, base: disk.base, entries: disk.entries, applied: disk.snapshot?.index ?? 0,
      ...(disk.snapshot && { snapshot: disk.snapshot }), recovering: disk.recovering,
    };
    node.core = new RaftCore({ ...defaults, ...this.limits, id, state, random: (bound) => Math.min(this.timeouts.get(id) ?? 0, bound - 1), log: () => {} });
    this.pump(id);
  }

  /** What was not written is gone, and so is what it had applied. */
  crash(id: RaftId): void {
    const node = this.node(id);
    this.core(id);
    node.core = undefined;
    node.writes = [];
    node.applying = [];
    node.restoring = [];
  }

  /** The disk loses its newest entries, and says so at the next start, as the log's checksums do. */
  damage(id: RaftId, count: number): void {
    const { disk, core } = this.node(id);
    if (core) throw new Error(`node ${id} runs: crash it first`);
    disk.entries = disk.entries.slice(0, -count);
    disk.recovering = true;
  }

  /** A node that was crashed starts again under its id with nothing on its disk. */
  wipe(id: RaftId): void {
    const node = this.node(id);
    node.disk = emptyDisk();
    this.start(id);
  }

  // ---- inputs ----

  tick(id: RaftId, count: number): void { for (let i = 0; i < count; i++) { this.core(id).tick(); this.pump(id); } }

  /** Until the node campaigns; at most two election timeouts. */
  timeOut(id: RaftId): void {
    const core = this.core(id);
    const before = { role: core.role, term: core.term };
    for (let i = 0; i < 40 && core.role === before.role && core.term === before.term; i++) this.tick(id, 1);
  }

  campaign(id: RaftId): void { this.core(id).campaignNow(); this.pump(id); }

  propose(id: RaftId, data: string): ProposeResult { return this.input(id, (core) => core.propose(Buffer.from(data))); }
  forward(id: RaftId, proposal: number, data: string): boolean { return this.input(id, (core) => core.forward(proposal, Buffer.from(data))); }
  change(id: RaftId, changes: readonly ConfigChange[]): ProposeResult { return this.input(id, (core) => core.proposeConfig(changes)); }
  read(id: RaftId, read: number): boolean { return this.input(id, (core) => core.read(read)); }
  transfer(id: RaftId, to: RaftId): boolean { return this.input(id, (core) => core.transfer(to)); }
  unreachable(id: RaftId, peer: RaftId): void { this.input(id, (core) => core.unreachable(peer)); }

  private input<T>(id: RaftId, act: (core: RaftCore) => T): T {
    const result = act(this.core(id));
    this.pump(id);
    return result;
  }

  /** A snapshot at the applied index; the newest `keep` entries stay in the log. */
  snapshot(id: RaftId, keep: number): void {
    const { disk } = this.node(id), core = this.core(id), { log } = core;
    const meta: SnapshotMeta = { index: log.applied, term: log.term(log.applied)!, config: core.config };
    const compactTo = Math.max(log.firstIndex - 1, meta.index - keep);
    const base = { index: compactTo, term: log.term(compactTo)! };
    disk.entries = disk.entries.slice(compactTo - disk.base.index);
    disk.base = base;
    disk.snapshot = meta;
    core.snapshotTaken(meta, compactTo);
    this.pump(id);
  }

  // ---- the network ----

  cut(from: RaftId, to: RaftId): void { this.cuts.add(`${from}>${to}`); }
  heal(): void { this.cuts.clear(); }

  /** Takes a message as if it had come over the network. */
  deliver(message: Message): void {
    if (this.cuts.has(`${message.from}>${message.to}`) || !this.nodes.get(message.to)?.core) return this.lose(message);
    this.lines.push(`> ${describeMessage(message)}`);
    const sender = this.nodes.get(message.from)?.core;
    this.core(message.to).step(message);
    this.pump(message.to);
    if (message.type === "snapshot" && sender) { sender.snapshotSent(message.to, true); this.pump(message.from); }
  }

  lose(message: Message): void {
    const sender = this.nodes.get(message.from)?.core;
    this.lines.push(`lost ${describeMessage(message)}`);
    if (message.type === "snapshot" && sender) { sender.snapshotSent(message.to, false); this.pump(message.from); }
  }

  /** Delivers until nothing is on its way any more. */
  settle(): void {
    for (let i = 0; this.network.length > 0; i++) {
      if (i === 10_000) throw new Error("the group does not come to rest");
      this.deliver(this.network.shift()!);
    }
  }

  // ---- the disk ----

  /** Completes the oldest writes. */
  write(id: RaftId, count: number): void {
    const node = this.node(id);
    for (let i = 0; i < count && node.writes.length > 0; i++) {
      const write = node.writes.shift()!;
      this.store(node.disk, write);
      const written = describeWrite(write);
      if (written !== undefined) this.lines.push(`${id} wrote ${written}`);
      for (const message of write.messages) this.send(message);
      this.core(id).persisted(write.id);
      if (write.snapshot) node.restoring.push(write.snapshot.index);
      if (!node.holdsRestores) this.restore(id);
      this.pump(id);
    }
  }

  /** The state machine takes the snapshots that the leader sent. */
  restore(id: RaftId): void {
    for (const index of this.node(id).restoring.splice(0)) { this.lines.push(`${id} restored ${index}`); this.core(id).restored(index); this.pump(id); }
  }

  private store(disk: Disk, write: Write): void {
    if (write.snapshot) { disk.base = { index: write.snapshot.index, term: write.snapshot.term }; disk.entries = []; disk.snapshot = write.snapshot; }
    if (write.hardState) disk.hardState = write.hardState;
    if (write.recovering !== undefined) disk.recovering = write.recovering;
    const first = write.entries[0];
    if (first) disk.entries = [...disk.entries.slice(0, Math.max(0, first.index - disk.base.index - 1)), ...write.entries.filter((entry) => entry.index > disk.base.index)];
  }

  /** Acknowledges the oldest batches of applied entries. */
  apply(id: RaftId, count: number): void {
    const node = this.node(id);
    for (let i = 0; i < count && node.applying.length > 0; i++) {
      const batch = node.applying.shift()!, core = this.core(id);
      this.lines.push(`${id} applied ${describeEntries(batch)}`);
      for (const entry of batch) if (entry.kind === "config") core.applyConfig(entry);
      core.applied(batch.at(-1)!.index);
      this.pump(id);
    }
  }

  // ---- output ----

  private send(message: Message): void { this.network.push(message); }

  /** Takes what the core has decided, until it has nothing more. */
  private pump(id: RaftId): void {
    const node = this.node(id);
    for (let i = 0; node.core?.isDirty; i++) {
      if (i === 1_000) throw new Error(`node ${id} does not come to rest`);
      const ready = node.core.ready();
      for (const message of ready.messages) this.send(message);
      if (ready.write) node.writes.push(ready.write);
      for (const read of ready.reads) this.lines.push(`${id} may read ${read.id} once ${read.index} is applied`);
      for (const { id: proposal, result } of ready.forwarded) this.lines.push(`${id} hears of proposal ${proposal}: ${describeResult(result)}`);
      if (ready.committed.length > 0) node.applying.push([...ready.committed]);
      if (!node.holdsWrites) this.write(id, node.writes.length);
      if (!node.holdsApplies) this.apply(id, node.applying.length);
    }
  }

  /** One line about a node. */
  describe(id: RaftId): string {
    const { core } = this.node(id);
    if (!core) return `${id} is down`;
    const { log } = core;
    const leader = core.role === "leader" || core.leader === undefined ? "" : ` of ${core.leader}`;
    return `${id} ${core.role}${leader}, term ${core.term}, vote ${core.vote || "-"}, last ${log.lastIndex}@${log.lastTerm}, committed ${log.commit}, applied ${log.applied}${core.recovering ? ", recovering" : ""}`;
  }

  describeLog(id: RaftId): string {
    const { log } = this.core(id);
    const entries = Array.from({ length: log.lastIndex - log.firstIndex + 1 }, (_, i) => describeEntry(log.entry(log.firstIndex + i)!));
    return [...(log.firstIndex > 1 ? [`snapshot ${log.firstIndex - 1}@${log.term(log.firstIndex - 1)}`] : []), ...entries].join(" ") || "empty";
  }

  describeProgress(id: RaftId): string[] {
    return [...this.core(id).progress].filter(([peer]) => peer !== id).map(([peer, p]) => `${peer} ${p.state} match ${p.match} next ${p.next}${p.inflights.count > 0 ? ` inflight ${p.inflights.count}` : ""}${p.isPaused ? " paused" : ""}`);
  }
}
