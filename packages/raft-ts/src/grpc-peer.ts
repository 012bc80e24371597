// The stream to one member: opened when there is something to send, opened again with growing pauses when it breaks.
import * as grpc from "@grpc/grpc-js";
import type { RaftId } from "./api.js";
import { FrameJoiner, streamMethod, type Frame } from "./grpc-frames.js";
import { FrameWriter } from "./grpc-writer.js";

/** How to reach a member: what a gRPC client is made of. */
export interface PeerTarget {
  /** A gRPC target: "10.0.0.7:4242", "dns:///raft-2.example:4242", "unix:/run/raft.sock". What gRPC cannot parse leaves the member unreachable until its context changes. */
  readonly address: string;
  /** Both ends prove themselves with certificates in earnest: `grpc.credentials.createSsl(roots, key, certificate)`. */
  readonly credentials: grpc.ChannelCredentials;
  /** Put over the transport's own (keepalive, pauses between attempts to connect). */
  readonly channelOptions?: grpc.ChannelOptions;
}

export interface PeerEvents {
  receive(messages: readonly Uint8Array[]): void;
  unreachable(): void;
  log(level: "debug" | "info" | "warn", message: string): void;
}

const firstPauseMs = 50;
const maxPauseMs = 1000;
/** No answer to a frame for this long (the other side answers within `pongMs`): the connection is given up for a new one. TCP alone would come back from a partition only with its next retransmission, many seconds later. */
const silenceMs = 2500;

export class Peer {
  client: grpc.Client;
  private stream: grpc.ClientDuplexStream<Frame, Frame> | undefined;
  private writer: FrameWriter | undefined;
  private pauseMs = 0;
  private openAgainAt = 0;
  private isEnded = false;

  /** When the oldest frame was sent on this stream that nothing has come back after. What the member sends on its own stream says nothing about ours. */
  private unansweredSince: number | undefined;

  constructor(private readonly id: RaftId, private readonly target: PeerTarget, private readonly events: PeerEvents) { this.client = this.connect(); }

  private connect(): grpc.Client {
    const { target } = this;
    return new grpc.Client(target.address, target.credentials, {
      // Else a new client would share the connection that we gave up.
      "grpc.use_local_subchannel_pool": 1,
      // A peer that vanished without a word (power, partition) must not hold a dead connection for minutes.
      "grpc.keepalive_time_ms": 5000, "grpc.keepalive_timeout_ms": 3000,
      "grpc.initial_reconnect_backoff_ms": firstPauseMs, "grpc.min_reconnect_backoff_ms": firstPauseMs, "grpc.max_reconnect_backoff_ms": maxPauseMs,
      "grpc.max_receive_message_length": 16 * 1024 * 1024,
      ...target.channelOptions,
    });
  }

  send(messages: readonly Uint8Array[]): void {
    this.giveUpIfSilent();
    const writer = this.openWriter();
    if (!writer) return;
    this.unansweredSince ??= performance.now();
    if (!writer.send(messages)) this.events.unreachable();
  }

  private giveUpIfSilent(): void {
    if (!this.stream || this.isEnded || this.unansweredSince === undefined || performance.now() - this.unansweredSince < silenceMs) return;
    const { stream, client } = this;
    this.forget();
    this.client = this.connect();
    this.openAgainAt = 0;
    stream.cancel();
    client.close();
    this.events.log("debug", `No word from member ${this.id} for ${silenceMs} ms: connecting anew`);
    this.events.unreachable();
  }

  private openWriter(): FrameWriter | undefined {
    if (this.writer) return this.writer;
    if (this.isEnded || performance.now() < this.openAgainAt) return undefined;
    const stream = this.client.makeBidiStreamRequest<Frame, Frame>(streamMethod.path, streamMethod.requestSerialize, streamMethod.responseDeserialize, new grpc.Metadata(), {});
    this.stream = stream;
    this.writer = new FrameWriter(stream, (level, message) => this.events.log(level, `To member ${this.id}: ${message}`));
    const joiner = new FrameJoiner();
    stream.on("metadata", () => { this.pauseMs = 0; });
    stream.on("data", (frame: Frame) => {
      this.pauseMs = 0;
      this.unansweredSince = undefined;
      try { this.events.receive(joiner.join(frame)); } catch (error) {
        this.events.log("warn", `Gave up the stream to member ${this.id} for what came down it: ${(error as Error).message}`);
        stream.cancel();
      }
    });
    stream.on("error", (error: grpc.ServiceError) => this.broken(stream, error));
    stream.on("end", () => this.broken(stream, undefined));
    return this.writer;
  }

  private forget(): void {
    this.writer?.abandon();
    this.writer = undefined;
    this.stream = undefined;
    this.unansweredSince = undefined;
  }

  private broken(stream: grpc.ClientDuplexStream<Frame, Frame>, error: grpc.ServiceError | undefined): void {
    if (this.stream !== stream) return;
    this.forget();
    if (this.isEnded) return;
    this.pauseMs = Math.min(maxPauseMs, Math.max(firstPauseMs, this.pauseMs * 2));
    // Jitter, so that members that lost each other at once do not meet in step.
    this.openAgainAt = performance.now() + this.pauseMs * (0.5 + Math.random() / 2);
    this.events.log("debug", `The stream to member ${this.id} ended: ${error?.details ?? "closed by the other side"}`);
    this.events.unreachable();
  }

  /** What was sent before still goes out; then the connection closes. */
  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const { stream, writer } = this;
    if (!stream || !writer) { this.client.close(); return; }
    const timer = setTimeout(() => { stream.cancel(); this.client.close(); }, 1000);
    timer.unref();
    stream.on("close", () => { clearTimeout(timer); this.client.close(); });
    stream.on("status", () => { clearTimeout(timer); this.client.close(); });
    writer.end();
  }
}
