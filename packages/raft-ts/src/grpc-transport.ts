// Raft messages over gRPC (proto/raft/v1/raft.proto). To each member one stream is held open; a frame carries the messages of one turn. Who calls is proved by `identify`.
// Answers to a caller whose address is not known here (a joiner that has not got the configuration yet is the answering side of this) go down the stream that the caller opened.
import * as grpc from "@grpc/grpc-js";
import type { Member, RaftId, Transport, TransportReceiver } from "./api.js";
import { Frame, FrameJoiner, framesOf, raftService, SnapshotChunk } from "./grpc-frames.js";
import { Peer, type PeerTarget } from "./grpc-peer.js";
import { readSnapshotStream, sendSnapshotStream } from "./grpc-snapshot.js";

export interface GrpcTransportOptions {
  readonly self: RaftId;
  /** How to reach a member: read again whenever its context changes. */
  readonly dial: (member: Member) => PeerTarget;
  /** The raft id of the caller, proved by its certificate. undefined: the call is refused. */
  readonly identify: (call: IncomingCall) => RaftId | undefined;
  readonly log?: (level: "debug" | "info" | "warn", message: string, fields?: Record<string, unknown>) => void;
}

export type IncomingCall = grpc.ServerDuplexStream<Frame, Frame> | grpc.ServerReadableStream<SnapshotChunk, unknown>;

/** Frames wait for a slow caller's stream up to this many bytes; beyond it they are dropped, which Raft allows. */
const maxDownBytes = 16 * 1024 * 1024;
/** A frame is answered after this time at the latest. */
const pongMs = 500;

export class GrpcTransport implements Transport {
  /** Add to a server: `server.addService(transport.service, transport.handlers)`. */
  readonly service = raftService;
  readonly handlers: grpc.UntypedServiceImplementation = {
    Stream: (call: grpc.ServerDuplexStream<Frame, Frame>) => this.onStream(call),
    Snapshot: (call: grpc.ServerReadableStream<SnapshotChunk, unknown>, callback: grpc.sendUnaryData<unknown>) => this.onSnapshot(call, callback),
  };

  private receiver: TransportReceiver | undefined;
  private readonly peers = new Map<RaftId, Peer>();
  private members: readonly Member[] = [];
  private readonly callers = new Map<RaftId, grpc.ServerDuplexStream<Frame, Frame>>();
  private isClosed = false;

  constructor(private readonly options: GrpcTransportOptions) {}

  start(receiver: TransportReceiver): void { this.receiver = receiver; }

  setMembers(members: readonly Member[]): void {
    if (this.isClosed) return;
    const before = this.members;
    this.members = members;
    for (const [id, peer] of this.peers) {
      if (!members.some((m) => m.id === id)) { peer.end(); this.peers.delete(id); }
    }
    for (const member of members) {
      if (member.id === this.options.self) continue;
      const old = before.find((m) => m.id === member.id);
      if (old && this.peers.has(member.id) && Buffer.compare(old.context, member.context) === 0) continue;
      this.peers.get(member.id)?.end();
      this.peers.set(member.id, new Peer(member.id, this.options.dial(member), {
        receive: (messages) => this.deliver(member.id, messages),
        unreachable: () => { if (!this.isClosed) this.receiver?.unreachable(member.id); },
        log: this.options.log ?? (() => {}),
      }));
    }
  }

  send(to: RaftId, messages: readonly Uint8Array[]): void {
    if (this.isClosed) return;
    const peer = this.peers.get(to);
    if (peer) return peer.send(messages);
    const caller = this.callers.get(to);
    if (!caller || caller.writableLength > maxDownBytes) return;
    for (const frame of framesOf(messages)) caller.write(frame);
  }

  async sendSnapshot(to: RaftId, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const peer = this.peers.get(to);
    if (!peer || this.isClosed) throw new Error(`member ${to} has no address`);
    await sendSnapshotStream(peer.client, header, chunks);
  }

  private deliver(from: RaftId, messages: readonly Uint8Array[]): void {
    if (this.isClosed || !this.receiver) return;
    for (const message of messages) this.receiver.receive(from, message);
  }

  private onStream(call: grpc.ServerDuplexStream<Frame, Frame>): void {
    // Without a listener an error of the stream would end the process.
    call.on("error", () => {});
    const from = this.admit(call);
    if (from === undefined) { refuse(call, refusal()); return; }
    // The caller's library keeps what it sent for a retry until it has heard something.
    call.sendMetadata(new grpc.Metadata());
    const previous = this.callers.get(from);
    this.callers.set(from, call);
    previous?.end();
    const joiner = new FrameJoiner();
    let pong: NodeJS.Timeout | undefined;
    call.on("data", (frame: Frame) => {
      // An empty frame, so that the caller can tell a live stream from one that hangs.
      pong ??= setTimeout(() => { pong = undefined; if (!call.cancelled && call.writable) call.write({}); }, pongMs).unref();
      try { this.deliver(from, joiner.join(frame)); } catch (error) { refuse(call, { code: grpc.status.INVALID_ARGUMENT, details: (error as Error).message }); }
    });
    const forget = (): void => { if (this.callers.get(from) === call) this.callers.delete(from); };
    call.on("end", () => { forget(); call.end(); });
    call.on("close", forget);
    call.on("cancelled", forget);
  }

  private onSnapshot(call: grpc.ServerReadableStream<SnapshotChunk, unknown>, callback: grpc.sendUnaryData<unknown>): void {
    call.on("error", () => {});
    const from = this.admit(call);
    if (from === undefined || !this.receiver) return callback(refusal());
    const { receiver } = this;
    readSnapshotStream(call, (header, chunks) => receiver.receiveSnapshot(from, header, chunks)).then(
      () => callback(null, {}),
      (error: Error) => callback({ code: grpc.status.ABORTED, details: error.message }),
    );
  }

  private admit(call: IncomingCall): RaftId | undefined {
    if (this.isClosed || !this.receiver) return undefined;
    try { return this.options.identify(call); } catch (error) {
      this.options.log?.("warn", `Cannot identify the caller ${call.getPeer()}: ${(error as Error).message}`);
      return undefined;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    for (const peer of this.peers.values()) peer.end();
    this.peers.clear();
    for (const call of this.callers.values()) call.end();
    this.callers.clear();
  }
}

/** In grpc-js an "error" event is how a handler ends a stream with a status; `destroy` would end it with none, and the caller would wait for ever. */
function refuse(call: grpc.ServerDuplexStream<Frame, Frame>, status: Partial<grpc.StatusObject>): void { call.emit("error", status); }

const refusal = (): Partial<grpc.StatusObject> => ({ code: grpc.status.PERMISSION_DENIED, details: "The caller is not proved to be a member of this Raft group" });
