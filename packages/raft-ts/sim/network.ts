// Links between members, each direction apart: messages are lost, repeated, delayed, overtaken and held up; a snapshot is a stream that can stand still or break in the middle.
import type { Member, RaftId, Transport } from "../src/api.js";
import type { Message } from "../src/core/types.js";
import type { LocalReceiver } from "../src/options.js";
import { never, type Life } from "./life.js";
import type { Random } from "./random.js";
import type { World } from "./world.js";

/** Ids of members lie below. */
export const maxHosts = 64;

export interface Weather {
  readonly loss: number;
  readonly duplication: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
  /** Chance of a delay of up to `spikeMs`. */
  readonly spikes: number;
  readonly spikeMs: number;
  /** As one connection keeps its messages in order; else later ones overtake. */
  readonly isOrdered: boolean;
  /** Messages arrive at multiples of this: what comes in one turn of the event loop is decided on together. */
  readonly grainMs: number;
}

export const fairWeather: Weather = { loss: 0, duplication: 0, minDelayMs: 1, maxDelayMs: 3, spikes: 0, spikeMs: 0, isOrdered: true, grainMs: 1 };

/** What a link carries: a message as bytes, or as it is (plan.ts, isEncoded). */
type Packet = Uint8Array | Message;

interface Endpoint { readonly life: Life; readonly receiver: LocalReceiver }

export class Network {
  weather: Weather = fairWeather;
  private readonly endpoints: (Endpoint | undefined)[] = [];
  private readonly isCut = new Uint8Array(maxHosts * maxHosts);
  private readonly cloggedUntil = new Float64Array(maxHosts * maxHosts);
  private readonly lastArrival = new Float64Array(maxHosts * maxHosts);
  private readonly pipes = new Set<Pipe>();
  messages = 0;
  snapshots = 0;

  constructor(private readonly world: World, private readonly random: Random) {}

  // ---- faults ----

  cut(from: RaftId, to: RaftId): void { this.isCut[from * maxHosts + to] = 1; }
  cutOff(id: RaftId): void {
    for (let other = 0; other < maxHosts; other++) { this.cut(id, other); this.cut(other, id); }
  }
  join(id: RaftId): void {
    for (let other = 0; other < maxHosts; other++) this.isCut[id * maxHosts + other] = this.isCut[other * maxHosts + id] = 0;
  }
  clog(from: RaftId, to: RaftId, untilMs: number): void { this.cloggedUntil[from * maxHosts + to] = untilMs; }
  heal(): void { this.isCut.fill(0); this.cloggedUntil.fill(0); }
  /** All cut links work again; those that are clogged stay so. */
  reconnect(): void { this.isCut.fill(0); }

  // ---- what members see ----

  transport(life: Life): Transport {
    return {
      send: (to, messages) => this.send(life, to, messages),
      sendSnapshot: (to, header, chunks) => this.sendSnapshot(life, to, header, chunks),
      start: (receiver: LocalReceiver) => { if (!life.isOver) this.endpoints[life.host] = { life, receiver }; },
      setMembers: (_members: readonly Member[]) => {},
      close: async () => { this.leave(life); },
    };
  }

  /** The process is gone: its streams break. */
  leave(life: Life): void {
    if (this.endpoints[life.host]?.life === life) this.endpoints[life.host] = undefined;
    for (const pipe of this.pipes) if (pipe.from === life || pipe.to === life) this.breakPipe(pipe, "the other side is gone");
  }

  send(life: Life, to: RaftId, messages: readonly Packet[]): void {
    if (life.isOver || to >= maxHosts) return;
    const { world, random, weather } = this;
    const link = life.host * maxHosts + to;
    let batch: Packet[] | undefined;
    for (const message of messages) {
      if (life.owner?.maySend() === false) break;
      this.messages++;
      world.mix(message instanceof Uint8Array ? message.length * 16 + message[0]! : message.term * 32 + message.type.length);
      if (this.isCut[link] === 1 || random.chance(weather.loss)) continue;
      // What went together mostly arrives together, also in the disorderly weathers.
      if (weather.isOrdered || random.chance(0.8)) { if (batch) batch.push(message); else batch = [message]; }
      else this.deliver(life, to, [message], this.arrival(link));
      if (weather.duplication > 0 && random.chance(weather.duplication)) this.deliver(life, to, [message], this.arrival(link) + random.below(weather.maxDelayMs * 30));
    }
    if (batch) this.deliver(life, to, batch, this.arrival(link));
    else if (this.isCut[link] === 1 && random.chance(0.1)) world.at(1 + random.below(50), () => this.endpoints[life.host]?.receiver.unreachable(to), life);
  }

  private arrival(link: number): number {
    const { world, random, weather } = this;
    let delay = weather.minDelayMs + random.below(weather.maxDelayMs - weather.minDelayMs + 1);
    if (weather.spikes > 0 && random.chance(weather.spikes)) delay += random.below(weather.spikeMs);
    let at = Math.max(world.now + delay, this.cloggedUntil[link]!);
    at += (weather.grainMs - at % weather.grainMs) % weather.grainMs;
    if (weather.isOrdered) { at = Math.max(at, this.lastArrival[link]!); this.lastArrival[link] = at; }
    return at;
  }

  /** To whoever lives there when it arrives; put off while that one is paused. */
  private deliver(sender: Life, to: RaftId, batch: readonly Packet[], at: number): void {
    this.world.at(at - this.world.now, () => { this.arrive(sender.host, to, batch); });
  }

  private arrive(from: RaftId, to: RaftId, batch: readonly Packet[]): void {
    const endpoint = this.endpoints[to];
    if (endpoint && this.isCut[from * maxHosts + to] === 0) this.world.performWith(receiveAll, endpoint, from, batch, endpoint.life);
  }

  // ---- snapshots ----

  private async sendSnapshot(life: Life, to: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const { world, random } = this;
    this.snapshots++;
    await this.wait(life, this.arrival(life.host * maxHosts + to) - world.now);
    // Ended in the same millisecond, before it could go on.
    if (life.isOver) return never();
    const endpoint = this.endpoints[to];
    if (!endpoint || this.isLinkDown(life.host, to)) throw new Error(`member ${to} is not reachable`);
    const pipe = new Pipe(world, life, endpoint.life);
    this.pipes.add(pipe);
    try {
      endpoint.receiver.receiveSnapshot(life.host, header, pipe).then(() => pipe.finish(), (error: Error) => pipe.break(error));
      for await (const chunk of chunks) {
        await this.wait(life, this.arrival(life.host * maxHosts + to) - world.now);
        // A stream survives lost packets; it does not survive lost links, and now and then breaks for no reason that anybody sees.
        if (this.isLinkDown(life.host, to) || random.chance(this.weather.loss * 0.1)) {
          if (random.chance(0.5)) await this.wait(life, random.below(5000));
          throw new Error("the stream was cut off");
        }
        await pipe.push(chunk);
      }
      await pipe.end();
    } catch (error) {
      this.breakPipe(pipe, "the stream was cut off");
      throw error;
    } finally { this.pipes.delete(pipe); }
  }

  private isLinkDown(from: RaftId, to: RaftId): boolean { return this.isCut[from * maxHosts + to] === 1 || this.isCut[to * maxHosts + from] === 1; }

  private breakPipe(pipe: Pipe, why: string): void {
    this.pipes.delete(pipe);
    this.world.at(1 + this.random.below(100), () => pipe.break(new Error(why)));
  }

  private wait(life: Life, ms: number): Promise<void> {
    return new Promise((resolve) => { this.world.at(Math.max(1, ms), () => { this.world.touch(); resolve(); }, life); });
  }
}

function receiveAll({ life, receiver }: Endpoint, from: RaftId, batch: readonly Packet[]): void {
  for (const message of batch) {
    if (life.isOver) return;
    if (message instanceof Uint8Array) receiver.receive(from, message); else receiver.receiveMessage(message);
  }
}

/** One chunk at a time: the sender goes on when the receiver has asked for the next. */
class Pipe implements AsyncIterable<Uint8Array> {
  private chunk: Uint8Array | undefined;
  private isEnded = false;
  private error: Error | undefined;
  private isFinished = false;
  private reader: { resolve: (result: IteratorResult<Uint8Array>) => void; reject: (error: Error) => void } | undefined;
  private writer: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(private readonly world: World, readonly from: Life, readonly to: Life) {}

  push(chunk: Uint8Array): Promise<void> {
    this.chunk = chunk;
    return this.handOver();
  }

  /** Resolves when the receiver has taken everything and is done with it. */
  end(): Promise<void> {
    this.isEnded = true;
    return this.handOver();
  }

  finish(): void {
    this.world.touch();
    this.isFinished = true;
    this.writer?.resolve();
    this.writer = undefined;
  }

  break(error: Error): void {
    if (this.error || this.isFinished) return;
    this.world.touch();
    this.error = error;
    this.reader?.reject(error);
    this.writer?.reject(error);
    this.reader = this.writer = undefined;
  }

  private handOver(): Promise<void> {
    this.world.touch();
    if (this.error) return Promise.reject(this.error);
    if (this.isFinished) return Promise.resolve();
    const waiting = new Promise<void>((resolve, reject) => { this.writer = { resolve, reject }; });
    this.serve();
    return waiting;
  }

  private serve(): void {
    if (!this.reader) return;
    const { reader, writer } = this;
    if (this.chunk) {
      const value = this.chunk;
      this.chunk = undefined;
      this.reader = this.writer = undefined;
      reader.resolve({ done: false, value });
      writer?.resolve();
    } else if (this.isEnded) {
      this.reader = undefined;
      reader.resolve({ done: true, value: undefined });
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return {
      next: () => new Promise((resolve, reject) => {
        this.world.touch();
        if (this.error) { reject(this.error); return; }
        this.reader = { resolve, reject };
        this.serve();
      }),
      return: () => { this.break(new Error("the receiver gave up")); return Promise.resolve({ done: true, value: undefined }); },
    };
  }
}
