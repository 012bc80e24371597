// For tests: a core whose disk and network are moved by hand, and a group of them on a network that does what the test says.
import { strict as assert } from "node:assert";
import type { Member, RaftId } from "../api.js";
import { decodeMessage, encodeMessage } from "../codec.js";
import { RaftCore } from "./raft.js";
import type { Config, ConfigChange, CoreOptions, Entry, EntryKind, Forwarded, Message, ProposeResult, Ready, RestoredState, Write } from "./types.js";

const nothing = new Uint8Array(0);
export const memberOf = (id: RaftId, extra: Partial<Member> = {}): Member => ({ id, isLearner: false, context: nothing, ...extra });
export const configOf = (...ids: RaftId[]): Config => ({ members: ids.map((id) => memberOf(id)), outgoing: [], removed: [] });
export const entryOf = (index: number, term: number, text = "", kind: EntryKind = "data"): Entry => ({ index, term, kind, data: Buffer.from(text) });
export const logOf = (...terms: number[]): Entry[] => terms.map((term, i) => entryOf(i + 1, term));
export const of = <T extends Message["type"]>(messages: readonly Message[], type: T): Extract<Message, { type: T }>[] => messages.filter((m) => m.type === type) as Extract<Message, { type: T }>[];
export const vote = (from: RaftId, term: number, lastIndex: number, lastTerm: number, extra = {}): { type: "vote"; from: RaftId; term: number } & Record<string, unknown> => ({ type: "vote", from, term, isPre: false, lastIndex, lastTerm, isTransfer: false, ...extra });

/** Messages and writes go nowhere unless the test moves them. */
export class Hand {
  readonly core: RaftCore;
  readonly sent: Message[] = [];
  readonly writes: Write[] = [];
  /** Handed out; acknowledged at once unless `holdsApply`. */
  readonly applied: Entry[] = [];
  readonly reads: { id: number; index: number }[] = [];
  readonly forwarded: Forwarded[] = [];
  holdsApply = false;
  /** Snapshots are in the state machine as soon as they are on disk. */
  restoresAtOnce = false;

  constructor(readonly id: RaftId, state: Partial<RestoredState> = {}, options: Partial<CoreOptions> = {}) {
    this.core = new RaftCore({
      id, electionTicks: 10, heartbeatTicks: 1, maxMessageBytes: 1 << 20, maxInflight: 256, maxInflightBytes: 1 << 24, maxUncommittedBytes: 1 << 20, maxApplyBytes: 1 << 20, promotionLag: 10,
      random: () => 0, log: () => {},
      state: { hardState: { term: 0, vote: 0, commit: 0 }, config: configOf(1, 2, 3), base: { index: 0, term: 0 }, entries: [], applied: 0, recovering: false, ...state },
      ...options,
    });
  }

  /** Takes what is ready; writes wait for `sync`. Returns what was sent at once. */
  turn(): Message[] {
    const out: Message[] = [];
    while (this.core.isDirty) {
      const ready: Ready = this.core.ready();
      out.push(...ready.messages);
      this.reads.push(...ready.reads);
      this.forwarded.push(...ready.forwarded);
      if (ready.write) this.writes.push(ready.write);
      for (const entry of ready.committed) {
        this.applied.push(entry);
        if (entry.kind === "config") this.core.applyConfig(entry);
        if (!this.holdsApply) this.core.applied(entry.index);
      }
    }
    this.sent.push(...out);
    return out;
  }

  /** The disk catches up. Returns what may be sent now. */
  sync(): Message[] {
    const out = this.turn();
    while (this.writes.length > 0) {
      const write = this.writes.shift()!;
      out.push(...write.messages);
      this.core.persisted(write.id);
      if (write.snapshot && this.restoresAtOnce) this.core.restored(write.snapshot.index);
      out.push(...this.turn());
    }
    return out;
  }

  step(message: { type: Message["type"]; from: RaftId; term: number } & Record<string, unknown>): this {
    // Through the codec, so that every message in these tests is also a test of it.
    const whole = { to: this.id, commit: 0, commitTerm: 0, ...message } as unknown as Message;
    this.core.step(decodeMessage(encodeMessage(whole), whole.from, this.id));
    return this;
  }
  ticks(count: number): this { for (let i = 0; i < count; i++) this.core.tick(); return this; }

  /** Elected in the term after its own, with the votes of `voters`. */
  lead(...voters: RaftId[]): this {
    this.ticks(10).sync();
    for (const from of voters) this.step({ type: "vote-response", from, term: this.core.term + 1, isPre: true, isGranted: true });
    this.sync();
    for (const from of voters) this.step({ type: "vote-response", from, term: this.core.term, isPre: false, isGranted: true });
    assert.equal(this.core.role, "leader");
    this.sync();
    return this;
  }

  ack(from: RaftId, index: number): this { return this.step({ type: "append-response", from, term: this.core.term, index }); }
  propose(text: string): ProposeResult { return this.core.propose(Buffer.from(text)); }
  change(...changes: ConfigChange[]): ProposeResult { return this.core.proposeConfig(changes); }
  texts(): string[] { return this.applied.filter((e) => e.kind === "data").map((e) => Buffer.from(e.data).toString()); }
}

/** Members with instant disks. Messages travel in `settle`, except over links that are cut. */
export class HandGroup {
  readonly hands = new Map<RaftId, Hand>();
  private readonly down = new Set<RaftId>();
  /** Says which messages are lost. */
  loses: (message: Message) => boolean = () => false;

  constructor(config: Config, private readonly options: Partial<CoreOptions> = {}) {
    for (const { id } of config.members) this.join(id, config);
  }

  join(id: RaftId, config: Config = { members: [], outgoing: [], removed: [] }, state: Partial<RestoredState> = {}): Hand {
    const hand = new Hand(id, { config, ...state }, this.options);
    hand.restoresAtOnce = true;
    this.hands.set(id, hand);
    return hand;
  }

  get(id: RaftId): Hand { return this.hands.get(id)!; }
  stop(...ids: RaftId[]): void { for (const id of ids) this.down.add(id); }
  start(...ids: RaftId[]): void { for (const id of ids) this.down.delete(id); }
  private get running(): Hand[] { return [...this.hands.values()].filter((h) => !this.down.has(h.id)); }

  /** Until nobody has anything more to say. */
  settle(): this {
    for (let rounds = 0, isBusy = true; isBusy; rounds++) {
      assert.ok(rounds < 1000, "the group comes to rest");
      isBusy = false;
      for (const hand of this.running) {
        for (const message of hand.sync()) {
          isBusy = true;
          const target = this.hands.get(message.to);
          if (!target || this.down.has(message.to) || this.loses(message)) continue;
          target.core.step(decodeMessage(encodeMessage(message), message.from, message.to));
          if (message.type === "snapshot") hand.core.snapshotSent(message.to, true);
        }
      }
    }
    return this;
  }

  tick(count = 1): this {
    for (let i = 0; i < count; i++) { for (const hand of this.running) hand.core.tick(); this.settle(); }
    return this;
  }

  elect(id: RaftId): Hand {
    this.settle();
    this.get(id).core.campaignNow();
    this.settle();
    assert.equal(this.get(id).core.role, "leader");
    return this.get(id);
  }

  leader(): Hand | undefined { return this.running.filter((h) => h.core.role === "leader").sort((a, b) => b.core.term - a.core.term)[0]; }
}
