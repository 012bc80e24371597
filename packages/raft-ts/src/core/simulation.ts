// A whole group of cores in one turn-by-turn world, for tests: seeded network, disks that lose what was not synced, crashes, membership changes. The same seed gives the same run.
// Checked all the time: one leader a term, committed entries never differ or vanish, new leaders hold everything committed, reads are not stale.
import type { RaftId } from "../api.js";
import { emptyConfig, isJoint, memberOf, voters } from "./config.js";
import { encodeConfig } from "./config-codec.js";
import { RaftCore } from "./raft.js";
import type { Config, ConfigChange, Entry, HardState, Message, RestoredState, SnapshotMeta, Write } from "./types.js";

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes: number;
  readonly durationMs: number;
  /** Things go wrong at all. */
  readonly faults: boolean;
  /** Members come and go. */
  readonly membership?: boolean;
  /** Disks lose synced entries at a crash (noticed: the member recovers), of fewer than a majority at a time. */
  readonly damage?: boolean;
  /** Leaders read by lease; clocks differ by a twelfth. */
  readonly lease?: boolean;
}

class Disk {
  hardState: HardState = { term: 0, vote: 0, commit: 0 };
  base = { index: 0, term: 0 };
  entries: Entry[] = [];
  snapshot: { meta: SnapshotMeta; digest: string } | undefined;
  recovering = false;
  pending: Write[] = [];

  apply(write: Write, digestOf: (meta: SnapshotMeta) => string): void {
    if (write.snapshot) {
      this.base = { index: write.snapshot.index, term: write.snapshot.term };
      this.entries = [];
      this.snapshot = { meta: write.snapshot, digest: digestOf(write.snapshot) };
    }
    if (write.hardState) this.hardState = write.hardState;
    if (write.recovering !== undefined) this.recovering = write.recovering;
    const first = write.entries[0];
    if (first) {
      const keep = first.index - this.base.index - 1;
      check(keep <= this.entries.length, "writes leave no gap");
      // A write that was overtaken by compaction begins below the base.
      this.entries = keep >= 0 ? [...this.entries.slice(0, keep), ...write.entries] : write.entries.slice(-keep);
    }
  }

  state(): RestoredState {
    const applied = this.snapshot?.meta.index ?? 0;
    return { hardState: this.hardState, config: this.snapshot?.meta.config ?? emptyConfig, base: this.base, entries: this.entries, applied, ...(this.snapshot && { snapshot: this.snapshot.meta }), recovering: this.recovering };
  }
}

interface Node { readonly id: RaftId; readonly disk: Disk; core: RaftCore | undefined; digest: string; life: number; readonly limits: { maxMessageBytes: number; maxInflight: number }; readonly tickMs: number; writing: boolean; nextForward: number; readonly forwards: Map<number, Uint8Array> }

export class Simulation {
  private readonly random: Random;
  private readonly queue = new EventQueue();
  private now = 0;
  readonly nodes = new Map<RaftId, Node>();
  private readonly leaders = new Map<number, RaftId>();
  /** index → what was committed there. */
  readonly committed: Entry[] = [];
  /** index → digest of the state after it. */
  private readonly digests = [""];
  private readonly values = new Set<string>();
  private readonly digestBySnapshot = new Map<string, string>();
  private readonly partition = new Map<RaftId, number>();
  private dropRate = 0;
  private maxDelayMs = 10;
  private nextId = 0;
  private nextRead = 0;
  private readonly readFloor = new Map<number, number>();
  private proposals = 0;
  private isHealing = false;
  readonly stats = { elections: 0, crashes: 0, snapshots: 0, reads: 0, configChanges: 0, joints: 0, recovered: 0, forwarded: 0 };
  trace: string[] | undefined;

  constructor(private readonly options: SimulationOptions) {
    this.random = new Random(options.seed);
    const first = Array.from({ length: options.nodes }, () => ++this.nextId);
    const config: Config = { members: first.map((id) => ({ id, isLearner: false, context: new Uint8Array(0) })), outgoing: [], removed: [] };
    const entry: Entry = { index: 1, term: 1, kind: "config", data: encodeConfig(config) };
    for (const id of first) {
      const node = this.makeNode(id);
      node.disk.hardState = { term: 1, vote: 0, commit: 1 };
      node.disk.entries = [entry];
      this.boot(node);
    }
  }

  run(): void {
    if (this.options.faults) this.scheduleFaults();
    this.at(this.random.below(20), () => this.load());
    this.runUntil(this.options.durationMs);
    // Liveness: with everything mended the group must come together and commit again.
    this.isHealing = true;
    this.heal();
    const before = this.committed.length;
    for (let i = 0; i < 20 && !this.isMended(before); i++) this.runUntil(this.now + 500);
    check(this.committed.length > before, `a mended group commits again (${this.describe()})`);
    const leader = this.leaderNode();
    check(leader !== undefined, `a mended group has a leader (${this.describe()})`);
    check(!isJoint(leader.core!.config), `a joint configuration is left (${this.describe()})`);
    for (const member of leader.core!.config.members) {
      const core = this.nodes.get(member.id)!.core!;
      check(leader.core!.log.commit - core.log.applied < 100, `member ${member.id} has caught up: ${core.log.applied} of ${leader.core!.log.commit} (${this.describe()})`);
      check(!core.recovering, `member ${member.id} has recovered (${this.describe()})`);
    }
  }

  private isMended(before: number): boolean {
    const leader = this.leaderNode()?.core;
    return leader !== undefined && this.committed.length > before && !isJoint(leader.config) && leader.config.members.every((m) => {
      const core = this.nodes.get(m.id)!.core!;
      return !core.recovering && leader.log.commit - core.log.applied < 100;
    });
  }

  private describe(): string {
    return [`seed ${this.options.seed}`, ...[...this.nodes.values()].map((n) => n.core ? `${n.id}: ${n.core.role} term ${n.core.term} last ${n.core.log.lastIndex} commit ${n.core.log.commit} applied ${n.core.log.applied}${n.core.recovering ? " recovering" : ""} voters ${voters(n.core.config).map((m) => m.id)}` : `${n.id}: down`)].join("; ");
  }

  private runUntil(end: number): void {
    for (let event = this.queue.peek(); event && event.at <= end; event = this.queue.peek()) {
      this.queue.pop();
      this.now = event.at;
      event.run();
    }
    this.now = end;
  }

  private at(delayMs: number, run: () => void): void { this.queue.push(this.now + delayMs, run); }

  // ---- nodes ----

  private makeNode(id: RaftId): Node {
    // Small limits for some, so that windows fill and messages split.
    const limits = { maxMessageBytes: this.random.pick([20, 200, 1 << 20]), maxInflight: this.random.pick([1, 4, 256]) };
    const node: Node = { id, disk: new Disk(), core: undefined, digest: "", life: 0, limits, tickMs: this.options.lease ? 9.6 + this.random.below(9) / 10 : 10, writing: false, nextForward: 0, forwards: new Map() };
    this.nodes.set(id, node);
    return node;
  }

  private boot(node: Node): void {
    const life = ++node.life;
    node.disk.pending = [];
    node.writing = false;
    node.digest = node.disk.snapshot?.digest ?? "";
    node.forwards.clear();
    node.nextForward = this.random.below(1000);
    node.core = new RaftCore({
      id: node.id, electionTicks: 10, heartbeatTicks: 2, maxInflightBytes: 1 << 20, maxUncommittedBytes: 1 << 16, maxApplyBytes: 200, promotionLag: 5, readMode: this.options.lease ? "lease" : "safe",
      ...node.limits, random: (bound) => this.random.below(bound), state: node.disk.state(), log: () => {},
    });
    const tick = (): void => {
      if (node.life !== life || !node.core) return;
      node.core.tick();
      this.pump(node);
      this.at(node.tickMs, tick);
    };
    this.at(this.random.below(10), tick);
    this.pump(node);
  }

  private crash(node: Node): void {
    if (!node.core) return;
    this.stats.crashes++;
    node.core = undefined;
    node.life++;
    node.disk.pending = [];
    if (this.options.damage && !this.isHealing && !node.disk.recovering && this.random.chance(0.4)) this.damage(node);
  }

  /** Takes synced entries away, and says so, as the log's read-back does. Never of so many that a majority could have lost the same entry. */
  private damage(node: Node): void {
    const damaged = [...this.nodes.values()].filter((n) => n.disk.recovering).length;
    const config = this.leaderNode()?.core?.config;
    // With membership changes one voter may be on its way out.
    const certain = config ? voters(config).length - (this.options.membership ? 1 : 0) : 0;
    if (damaged + 1 > Math.floor((certain - 1) / 2)) return;
    if (node.disk.entries.length === 0) return;
    node.disk.entries = node.disk.entries.slice(0, -1 - this.random.below(node.disk.entries.length));
    const { snapshot, base, entries } = node.disk;
    // What reaches not even the snapshot is of no use.
    if (snapshot && base.index + entries.length < snapshot.meta.index) { node.disk.base = { index: snapshot.meta.index, term: snapshot.meta.term }; node.disk.entries = []; }
    node.disk.recovering = true;
    this.stats.recovered++;
  }

  private pump(node: Node): void {
    const { core, life } = node;
    while (core && core.isDirty && node.life === life) {
      const ready = core.ready();
      this.trace?.push(`${this.now} ${node.id} ${core.role} ${core.term} ${ready.messages.map((m) => `${m.type}>${m.to}`)} ${ready.write?.id ?? ""} ${ready.committed.length}`);
      this.checkLeader(node);
      for (const message of ready.messages) this.send(message);
      if (ready.write) { node.disk.pending.push(ready.write); this.write(node); }
      for (const read of ready.reads) {
        const floor = this.readFloor.get(read.id);
        if (floor === undefined) continue;
        this.stats.reads++;
        check(read.index >= floor, `a read is not stale: got ${read.index}, committed before it ${floor} (seed ${this.options.seed})`);
        this.readFloor.delete(read.id);
      }
      for (const { id, result } of ready.forwarded) {
        node.forwards.delete(id);
        if (result.kind === "appended") this.stats.forwarded++;
      }
      if (ready.committed.length > 0) this.applyAll(node, ready.committed);
    }
  }

  private write(node: Node): void {
    if (node.writing || node.disk.pending.length === 0) return;
    node.writing = true;
    const { life } = node;
    const batch = node.disk.pending.slice();
    this.at(this.options.faults ? this.random.below(this.random.chance(0.05) ? 60 : 4) : 1, () => {
      if (node.life !== life) return;
      node.writing = false;
      node.disk.pending = node.disk.pending.slice(batch.length);
      for (const write of batch) {
        node.disk.apply(write, (meta) => this.digestBySnapshot.get(`${meta.index} ${meta.term}`)!);
        for (const message of write.messages) this.send(message);
        node.core!.persisted(write.id);
        if (write.snapshot) this.restore(node, write.snapshot);
      }
      this.write(node);
      this.pump(node);
    });
  }

  private restore(node: Node, meta: SnapshotMeta): void {
    const { life } = node;
    this.at(this.random.below(30), () => {
      if (node.life !== life) return;
      node.digest = this.digestBySnapshot.get(`${meta.index} ${meta.term}`)!;
      node.core!.restored(meta.index);
      this.pump(node);
    });
  }

  private applyAll(node: Node, entries: readonly Entry[]): void {
    const core = node.core!;
    for (const entry of entries) {
      const known = this.committed[entry.index];
      if (known) check(known.term === entry.term && known.data === entry.data || Buffer.compare(known.data, entry.data) === 0 && known.term === entry.term, `entry ${entry.index} is the same everywhere (seed ${this.options.seed})`);
      else { this.committed[entry.index] = entry; this.once(entry); }
      node.digest = digestStep(node.digest, entry);
      this.digests[entry.index] ??= node.digest;
      check(this.digests[entry.index] === node.digest, `the state after ${entry.index} is the same everywhere (seed ${this.options.seed})`);
      if (entry.kind === "config") { core.applyConfig(entry); this.stats.configChanges++; if (isJoint(core.config)) this.stats.joints++; }
    }
    const { life } = node;
    const acknowledge = (): void => {
      if (node.life !== life) return;
      core.applied(entries.at(-1)!.index);
      this.maybeSnapshot(node);
    };
    if (this.random.chance(0.7)) acknowledge();
    else this.at(this.random.below(20), () => { acknowledge(); this.pump(node); });
  }

  private once(entry: Entry): void {
    if (entry.kind !== "data") return;
    const text = Buffer.from(entry.data).toString();
    check(!this.values.has(text), `${text} is committed once (seed ${this.options.seed})`);
    this.values.add(text);
  }

  private maybeSnapshot(node: Node): void {
    const { log } = node.core!;
    if (log.applied - (node.disk.snapshot?.meta.index ?? 0) < 40 || node.disk.pending.length > 0 || log.term(log.applied) === undefined || node.disk.base.index + node.disk.entries.length < log.applied) return;
    const meta: SnapshotMeta = { index: log.applied, term: log.term(log.applied)!, config: node.core!.config };
    this.stats.snapshots++;
    this.digestBySnapshot.set(`${meta.index} ${meta.term}`, this.digests[meta.index]!);
    const compactTo = Math.max(log.firstIndex - 1, meta.index - this.random.below(20));
    const term = log.term(compactTo)!;
    node.disk.snapshot = { meta, digest: this.digests[meta.index]! };
    node.disk.entries = node.disk.entries.slice(compactTo - node.disk.base.index);
    node.disk.base = { index: compactTo, term };
    node.core!.snapshotTaken(meta, compactTo);
  }

  private checkLeader(node: Node): void {
    const core = node.core!;
    if (core.role !== "leader") return;
    const known = this.leaders.get(core.term);
    if (known === node.id) return;
    check(known === undefined, `one leader in term ${core.term}: ${known} and ${node.id} (seed ${this.options.seed})`);
    this.leaders.set(core.term, node.id);
    this.stats.elections++;
    // Leader completeness: everything committed anywhere before is in its log.
    for (let index = core.log.firstIndex; index < this.committed.length; index++) {
      const entry = this.committed[index];
      if (entry && entry.term < core.term) check(core.log.term(index) === entry.term, `the leader of term ${core.term} holds committed entry ${index} (seed ${this.options.seed})`);
    }
    // The nemesis that finds what random faults do not: the new leader dies, or is cut off, after its first messages.
    if (this.options.faults && !this.isHealing && this.random.chance(0.3)) {
      const { life } = node;
      this.at(this.random.below(25), () => {
        if (node.life !== life) return;
        if (this.random.chance(0.5)) { this.crash(node); this.at(this.random.below(400), () => { if (!node.core) this.boot(node); }); }
        else { this.partition.set(node.id, 9); this.at(this.random.below(500), () => this.partition.delete(node.id)); }
      });
    }
  }

  private leaderNode(): Node | undefined {
    return [...this.nodes.values()].filter((n) => n.core?.role === "leader").sort((a, b) => b.core!.term - a.core!.term)[0];
  }

  // ---- network ----

  private send(message: Message): void {
    if (this.random.chance(this.dropRate)) { this.lost(message); return; }
    const deliver = (): void => {
      const target = this.nodes.get(message.to);
      if (!target?.core || (this.partition.get(message.from) ?? 0) !== (this.partition.get(message.to) ?? 0)) { this.lost(message); return; }
      if (message.type === "snapshot") this.snapshotEnded(message, true);
      target.core.step(message);
      this.pump(target);
    };
    this.at(1 + this.random.below(this.maxDelayMs), deliver);
    if (this.options.faults && this.random.chance(0.02)) this.at(1 + this.random.below(this.maxDelayMs * 20), deliver);
  }

  private lost(message: Message): void { if (message.type === "snapshot") this.snapshotEnded(message, false); }

  private snapshotEnded(message: Message, isDelivered: boolean): void {
    const sender = this.nodes.get(message.from);
    if (!sender?.core) return;
    sender.core.snapshotSent(message.to, isDelivered);
  }

  // ---- what happens to them ----

  private load(): void {
    const leader = this.leaderNode();
    if (leader?.core) {
      const count = 1 + this.random.below(3);
      for (let i = 0; i < count; i++) leader.core.propose(Buffer.from(`p${this.proposals++}`));
      this.pump(leader);
    }
    const sender = this.random.pick([...this.nodes.values()]);
    if (sender.core) {
      for (const [id, data] of sender.forwards) if (this.random.chance(0.3)) sender.core.forward(id, data);
      const data = Buffer.from(`f${this.proposals++}`);
      if (sender.core.forward(sender.nextForward, data)) sender.forwards.set(sender.nextForward, data);
      sender.nextForward++;
      this.pump(sender);
    }
    const reader = this.random.pick([...this.nodes.values()]);
    if (reader.core) {
      const id = ++this.nextRead;
      // What any member has applied was committed before the read began.
      this.readFloor.set(id, this.committed.length - 1);
      reader.core.read(id);
      this.pump(reader);
    }
    this.at(5 + this.random.below(40), () => this.load());
  }

  private scheduleFaults(): void {
    const again = (): void => {
      if (this.isHealing) return;
      this.fault();
      this.at(20 + this.random.below(300), again);
    };
    this.at(this.random.below(500), again);
  }

  private fault(): void {
    const nodes = [...this.nodes.values()];
    const node = this.random.pick(nodes);
    switch (this.random.below(this.options.membership ? 10 : 7)) {
      case 0: this.dropRate = this.random.pick([0, 0, 0.02, 0.1, 0.3]); break;
      case 1: this.maxDelayMs = this.random.pick([5, 10, 50]); break;
      case 2: for (const n of nodes) this.partition.set(n.id, this.random.below(2)); break;
      case 3: this.partition.clear(); break;
      case 4: if (node.core) this.crash(node); else this.boot(node); break;
      case 5: for (const n of nodes) if (!n.core && this.random.chance(0.7)) this.boot(n); break;
      case 6: {
        const leader = this.leaderNode();
        if (leader?.core?.transfer(node.id)) this.pump(leader);
        break;
      }
      default: this.changeMembers();
    }
  }

  private changeMembers(): void {
    const leader = this.leaderNode();
    const config = leader?.core?.config;
    if (!leader?.core || !config) return;
    const changes: ConfigChange[] = [];
    const fresh: RaftId[] = [];
    for (let left = this.random.pick([1, 1, 2, 3]); left > 0; left--) {
      const id = this.random.pick(config.members).id;
      switch (this.random.below(7)) {
        case 0: case 1: case 2:
          if (config.members.length + fresh.length >= 5) break;
          fresh.push(this.nextId + fresh.length + 1);
          changes.push({ kind: this.random.chance(0.3) ? "add-voter" : "add-learner", id: fresh.at(-1)!, context: new Uint8Array(0) });
          break;
        case 3: changes.push({ kind: "demote", id }); break;
        case 4: changes.push({ kind: "promote", id }); break;
        case 5: changes.push({ kind: "update", id, priority: this.random.below(3) }); break;
        default: changes.push({ kind: "remove", id });
      }
    }
    // Those that a change takes away must not be the ones that a damaged log is to be filled from.
    const takes = changes.some((c) => c.kind === "demote" || c.kind === "remove");
    if (takes && (voters(config).length <= 2 || [...this.nodes.values()].some((n) => n.disk.recovering))) return;
    if (leader.core.proposeConfig(changes).kind === "appended") for (const id of fresh) { this.nextId = id; this.boot(this.makeNode(id)); }
    this.pump(leader);
  }

  private heal(): void {
    this.dropRate = 0;
    this.maxDelayMs = 10;
    this.partition.clear();
    for (const node of this.nodes.values()) if (!node.core) this.boot(node);
  }

  member(id: RaftId): boolean { return [...this.nodes.values()].some((n) => n.core && memberOf(n.core.config, id)); }
}

function digestStep(digest: string, entry: Entry): string {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${digest} ${entry.index} ${entry.term} ${entry.kind}`)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  for (const byte of entry.data) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16);
}

function check(condition: boolean, claim: string): asserts condition { if (!condition) throw new Error(`Simulation: it does not hold that ${claim}`); }

/** mulberry32 */
export class Random {
  constructor(private state: number) {}
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
  below(bound: number): number { return Math.floor(this.next() * bound); }
  chance(probability: number): boolean { return this.next() < probability; }
  pick<T>(from: readonly T[]): T { return from[this.below(from.length)]!; }
}

/** A binary heap by time, first come first served within one instant. */
class EventQueue {
  private heap: { at: number; order: number; run: () => void }[] = [];
  private order = 0;

  peek(): { at: number; run: () => void } | undefined { return this.heap[0]; }

  push(at: number, run: () => void): void {
    const { heap } = this;
    let i = heap.push({ at, order: this.order++, run }) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.isLess(i, parent)) break;
      [heap[i], heap[parent]] = [heap[parent]!, heap[i]!];
      i = parent;
    }
  }

  pop(): void {
    const { heap } = this;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let i = 0; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) if (child < heap.length && this.isLess(child, least)) least = child;
      if (least === i) return;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }

  private isLess(a: number, b: number): boolean {
    const x = this.heap[a]!, y = this.heap[b]!;
    return x.at < y.at || (x.at === y.at && x.order < y.order);
  }
}
