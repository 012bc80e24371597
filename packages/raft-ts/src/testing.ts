/** A network within one process, for tests: loses, delays and cuts what the test says. Exported as "raft-ts/testing". */
import type { Member, RaftId, Transport, TransportReceiver } from "./api.js";

/**
 * Give each node `network.transport(id)`. A fresh network loses and delays nothing; messages come in a later turn of the event loop. Only messages are lost and delayed: a snapshot either
 * comes as a whole or fails, when the link is cut. There is nothing to close.
 */
export class MemoryNetwork {
  private readonly transports = new Map<RaftId, MemoryTransport>();
  private groups: readonly ReadonlySet<RaftId>[] = [];
  private readonly cut = new Set<string>();
  /** Chance of losing each message, from 0, the default, to 1. */
  dropRate = 0;
  /** Each message is delayed by milliseconds drawn from [min, max), so that they overtake each other. Default: [0, 0], no delay. */
  delayMs: readonly [number, number] = [0, 0];
  private state: number;

  /** `seed`: the same seed draws the same losses and delays. */
  constructor(seed = 1) { this.state = seed; }

  /** A transport for one life of the member: a node that is opened again needs a new one, which takes the place of the one before. */
  transport(id: RaftId): Transport { return new MemoryTransport(id, this); }

  /** Only members of the same group reach each other; those in none reach nobody. Takes the place of the partition before; links that were cut stay cut. */
  partition(...groups: readonly (readonly RaftId[])[]): void { this.groups = groups.map((group) => new Set(group)); }
  /** Cuts one direction: `to` hears nothing of `from`. */
  cutLink(from: RaftId, to: RaftId): void { this.cut.add(`${from} ${to}`); }
  /** No partition, no cut links, no losses, no delays. */
  heal(): void { this.groups = []; this.cut.clear(); this.dropRate = 0; this.delayMs = [0, 0]; }

  /** @internal */
  attach(id: RaftId, transport: MemoryTransport): void { this.transports.set(id, transport); }
  /** @internal */
  detach(id: RaftId, transport: MemoryTransport): void { if (this.transports.get(id) === transport) this.transports.delete(id); }

  /** Whether a message from one to the other would arrive, if it is not lost by chance. Says nothing about whether the member runs. */
  isConnected(from: RaftId, to: RaftId): boolean {
    if (this.cut.has(`${from} ${to}`)) return false;
    return this.groups.length === 0 || this.groups.some((group) => group.has(from) && group.has(to));
  }

  /** @internal */
  reach(from: RaftId, to: RaftId): TransportReceiver | undefined { return this.isConnected(from, to) ? this.transports.get(to)?.receiver : undefined; }

  /** @internal */
  deliver(from: RaftId, to: RaftId, message: Uint8Array): void {
    if (this.dropRate > 0 && this.random() < this.dropRate) return;
    const [min, max] = this.delayMs;
    const arrive = (): void => this.reach(from, to)?.receive(from, message);
    if (max > 0) setTimeout(arrive, min + this.random() * (max - min));
    else setImmediate(arrive);
  }

  private random(): number {
    // mulberry32
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}

class MemoryTransport implements Transport {
  receiver: TransportReceiver | undefined;
  constructor(private readonly id: RaftId, private readonly network: MemoryNetwork) {}

  start(receiver: TransportReceiver): void {
    this.receiver = receiver;
    this.network.attach(this.id, this);
  }

  send(to: RaftId, messages: readonly Uint8Array[]): void {
    for (const message of messages) this.network.deliver(this.id, to, message);
  }

  async sendSnapshot(to: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const receiver = this.network.reach(this.id, to);
    if (!receiver) throw new Error(`member ${to} is not reachable`);
    const { id, network } = this;
    async function* through(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        if (!network.isConnected(id, to)) throw new Error("the stream was cut off");
        yield chunk;
      }
    }
    await receiver.receiveSnapshot(this.id, header, through());
  }

  setMembers(_members: readonly Member[]): void {}

  async close(): Promise<void> { this.network.detach(this.id, this); }
}
