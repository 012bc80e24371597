// Raft messages over gRPC (proto/raft/v1/raft.proto). To each member one stream is held open; a frame carries the messages of one turn. Who calls is proved by `identify`.
// Answers to a caller whose address is not known here (a joiner that has not got the configuration yet is the answering side of this) go down the stream that the caller opened.
import * as grpc from "@grpc/grpc-js";
import type { Member, RaftId, Transport, TransportReceiver } from "./api.js";
import { FrameJoiner, raftService, type Frame, type SnapshotChunk } from "./grpc-frames.js";
import { Peer, type PeerTarget } from "./grpc-peer.js";
import { readSnapshotStream, sendSnapshotStream } from "./grpc-snapshot.js";
import { FrameWriter } from "./grpc-writer.js";

export interface GrpcTransportOptions {
  /** The raft id of the member that this transport belongs to, as in `RaftOptions.id`: it is never dialled. */
  readonly self: RaftId;
  /**
   * How to reach a member, made of its `context`: called once for each member that is added and again when its context changes, never for `self`. It must answer at once.
   * When it throws, or gRPC refuses its answer, a warning is logged and this one member cannot be reached until `updateMember` gives it another context; the others work on.
   */
  readonly dial: (member: Member) => PeerTarget;
  /**
   * The raft id of the caller, proved by what the call is made over (`call.getAuthContext()` has the peer's certificate), never by what the caller says alone. Called once for each stream.
   * undefined: the call is refused with PERMISSION_DENIED. When it throws, too, and a warning says why.
   */
  readonly identify: (call: IncomingCall) => RaftId | undefined;
  /** Told of connections that come and go ("debug"), and of what somebody should look into ("warn"). Without it nothing is logged. */
  readonly log?: (level: "debug" | "info" | "warn", message: string, fields?: Record<string, unknown>) => void;
}

/** A call as gRPC hands it to a server: a member's stream of messages, or one snapshot. It is for `identify` to look at (`getAuthContext()`, `metadata`, `getPeer()`), not to read from. */
export type IncomingCall = grpc.ServerDuplexStream<Frame, Frame> | grpc.ServerReadableStream<SnapshotChunk, unknown>;

/** A frame is answered after this time at the latest. */
const pongMs = 500;

interface Caller { readonly call: grpc.ServerDuplexStream<Frame, Frame>; readonly writer: FrameWriter }

/**
 * The `Transport` of raft-ts over gRPC: one for each `RaftNode`, which starts it, tells it the members and closes it. The server is the caller's own, and stays open after `close`.
 *
 * A message of up to 257 MiB (one entry of up to 256 MiB) arrives whole or not at all. What waits for a slow member is bounded by 16 MiB, or one message that is larger; beyond it messages
 * are dropped, which Raft repairs. Heartbeats overtake what waits. No method throws but `sendSnapshot`, which rejects.
 */
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
  private readonly callers = new Map<RaftId, Caller>();
  private isClosed = false;

  constructor(private readonly options: GrpcTransportOptions) {}

  /** Called once, by the node. A call that comes before is refused, and the caller tries again. */
  start(receiver: TransportReceiver): void { this.receiver = receiver; }

  /** Never throws: one member that cannot be dialled must not end the group, whose members all see its context at once. */
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
      if (old && Buffer.compare(old.context, member.context) === 0) continue;
      this.peers.get(member.id)?.end();
      this.peers.delete(member.id);
      this.dial(member);
    }
  }

  private dial(member: Member): void {
    try {
      this.peers.set(member.id, new Peer(member.id, this.options.dial(member), {
        receive: (messages) => this.deliver(member.id, messages),
        unreachable: () => this.unreachable(member.id),
        log: this.options.log ?? (() => {}),
      }));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.options.log?.("warn", `Cannot dial member ${member.id}: ${why}; it is unreachable from here until "updateMember" gives it a context that leads to it`, { memberId: member.id });
    }
  }

  /** Never blocks: what finds no room is dropped, and the receiver hears that the member is unreachable. Each of `messages` is one encoded message; the transport keeps the array and the bytes. */
  send(to: RaftId, messages: readonly Uint8Array[]): void {
    if (this.isClosed) return;
    const peer = this.peers.get(to);
    if (peer) return peer.send(messages);
    if (!this.callers.get(to)?.writer.send(messages)) this.unreachable(to);
  }

  private unreachable(id: RaftId): void { if (!this.isClosed) this.receiver?.unreachable(id); }

  /**
   * Resolves once the member's state machine has the snapshot, or the member does not need it. `header` is an encoded message of type "snapshot". Rejects with gRPC's error, with that of `chunks`, with an AbortError when
   * nothing is taken for 30 s, and when the member has no address here.
   */
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
    const writer = new FrameWriter(call, (level, message) => this.options.log?.(level, `To member ${from}: ${message}`));
    this.callers.set(from, { call, writer });
    previous?.writer.abandon();
    previous?.call.end();
    const joiner = new FrameJoiner();
    let pong: NodeJS.Timeout | undefined;
    call.on("data", (frame: Frame) => {
      // An empty frame, so that the caller can tell a live stream from one that hangs.
      pong ??= setTimeout(() => { pong = undefined; if (!call.cancelled && call.writable) call.write({}); }, pongMs).unref();
      try { this.deliver(from, joiner.join(frame)); } catch (error) {
        this.options.log?.("warn", `Refused the stream of member ${from}: ${(error as Error).message}`);
        refuse(call, { code: grpc.status.INVALID_ARGUMENT, details: (error as Error).message });
      }
    });
    const forget = (): void => {
      writer.abandon();
      if (this.callers.get(from)?.call === call) this.callers.delete(from);
    };
    call.on("end", () => { writer.end(); forget(); });
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

  /** Ends all streams; what was sent before still goes out where that takes less than a second. */
  async close(): Promise<void> {
    this.isClosed = true;
    for (const peer of this.peers.values()) peer.end();
    this.peers.clear();
    for (const { writer } of this.callers.values()) writer.end();
    this.callers.clear();
  }
}

/** In grpc-js an "error" event is how a handler ends a stream with a status; `destroy` would end it with none, and the caller would wait for ever. */
function refuse(call: grpc.ServerDuplexStream<Frame, Frame>, status: Partial<grpc.StatusObject>): void { call.emit("error", status); }

const refusal = (): Partial<grpc.StatusObject> => ({ code: grpc.status.PERMISSION_DENIED, details: "The caller is not proved to be a member of this Raft group" });
