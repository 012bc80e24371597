// The gRPC service and its message types, from proto/raft/v1/raft.proto, and how raft messages are put into frames and taken out.
import { fileURLToPath } from "node:url";
import type * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";

/** What a stream carries: whole messages, or one part of a large one; see the .proto file for each field. */
export interface Frame {
  readonly messages?: readonly Uint8Array[];
  readonly part?: Uint8Array;
  readonly isLastPart?: boolean;
  readonly partOf?: number;
  readonly partOffset?: number;
}

/** A snapshot's stream: first one with `header` (an encoded message), then the pieces of the state machine's snapshot; one of more than 1 MiB in several, of which all but the last continue. */
export interface SnapshotChunk { readonly header?: Uint8Array; readonly data?: Uint8Array; readonly continues?: boolean }

// One directory up from src/ as from dist/.
const root = protobuf.loadSync(fileURLToPath(new URL("../proto/raft/v1/raft.proto", import.meta.url)));

function codec<T>(name: string): { serialize: (value: T) => Buffer; deserialize: (bytes: Buffer) => T } {
  const type = root.lookupType(name);
  return { serialize: (value) => type.encode(value as object).finish() as Buffer, deserialize: (bytes) => type.decode(bytes) as unknown as T };
}

const frame = codec<Frame>("raft.v1.Frame");
const chunk = codec<SnapshotChunk>("raft.v1.SnapshotChunk");
const receipt = codec<object>("raft.v1.SnapshotReceipt");

export const streamMethod: grpc.MethodDefinition<Frame, Frame> = {
  path: "/raft.v1.Raft/Stream", requestStream: true, responseStream: true, originalName: "stream",
  requestSerialize: frame.serialize, requestDeserialize: frame.deserialize, responseSerialize: frame.serialize, responseDeserialize: frame.deserialize,
};
export const snapshotMethod: grpc.MethodDefinition<SnapshotChunk, object> = {
  path: "/raft.v1.Raft/Snapshot", requestStream: true, responseStream: false, originalName: "snapshot",
  requestSerialize: chunk.serialize, requestDeserialize: chunk.deserialize, responseSerialize: receipt.serialize, responseDeserialize: receipt.deserialize,
};
export const raftService: grpc.ServiceDefinition = { Stream: streamMethod, Snapshot: snapshotMethod };

/** A chunk of a snapshot. gRPC refuses messages above 4 MiB unless told otherwise at both ends; nothing here comes near. */
export const partBytes = 1024 * 1024;

/** The largest message that members take from each other: an entry of 256 MiB, the most that `maxEntryBytes` may be, and what stands around it. */
export const maxMessageBytes = 257 * 1024 * 1024;

/** Puts the parts of large messages together again, those of one stream. Throws RangeError when a part is missing or too many bytes come; then the stream must end, and nothing more comes out. */
export class FrameJoiner {
  private parts: Uint8Array[] = [];
  private bytes = 0;
  private partOf = 0;
  private isBroken = false;
  constructor(private readonly maxBytes = maxMessageBytes) {}

  join(frame: Frame): readonly Uint8Array[] {
    if (this.isBroken) return [];
    const messages = frame.messages ?? [];
    const { part } = frame;
    if (!part?.length) return messages;
    const { partOf = 0, partOffset = 0 } = frame;
    // 0: a sender of an older version, which does not say. What it mixes up the decoder refuses.
    if (this.bytes > 0 ? partOf !== this.partOf || (partOf !== 0 && partOffset !== this.bytes) : partOffset !== 0) {
      throw this.broken(`byte ${partOffset} of large message ${partOf} comes after ${this.bytes} bytes of ${this.bytes > 0 ? `large message ${this.partOf}` : "none"}: parts are missing`);
    }
    this.partOf = partOf;
    this.parts.push(part);
    this.bytes += part.length;
    if (this.bytes > this.maxBytes) throw this.broken(`it has more than ${this.maxBytes} bytes`);
    if (!frame.isLastPart) return messages;
    const whole = Buffer.concat(this.parts, this.bytes);
    this.parts = [];
    this.bytes = 0;
    return [...messages, whole];
  }

  private broken(why: string): RangeError {
    this.isBroken = true;
    this.parts = [];
    return new RangeError(`Cannot join a raft message: ${why}`);
  }
}
