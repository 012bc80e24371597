// The gRPC service and its message types, from proto/raft/v1/raft.proto, and how raft messages are put into frames and taken out.
import { fileURLToPath } from "node:url";
import type * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";

export interface Frame { readonly messages?: readonly Uint8Array[]; readonly part?: Uint8Array; readonly isLastPart?: boolean }
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

/** gRPC refuses messages above 4 MiB unless told otherwise at both ends; nothing here comes near. */
export const partBytes = 1024 * 1024;

export function* framesOf(messages: readonly Uint8Array[]): Generator<Frame> {
  let batch: Uint8Array[] = [];
  let bytes = 0;
  for (const message of messages) {
    if (bytes + message.length > partBytes && batch.length > 0) { yield { messages: batch }; batch = []; bytes = 0; }
    if (message.length > partBytes) {
      for (let at = 0; at < message.length; at += partBytes) yield { part: message.subarray(at, at + partBytes), isLastPart: at + partBytes >= message.length };
    } else { batch.push(message); bytes += message.length; }
  }
  if (batch.length > 0) yield { messages: batch };
}

/** Puts the parts of large messages together again. */
export class FrameJoiner {
  private parts: Uint8Array[] = [];
  private bytes = 0;
  constructor(private readonly maxBytes = 256 * 1024 * 1024) {}

  join(frame: Frame): readonly Uint8Array[] {
    const messages = frame.messages ?? [];
    if (!frame.part?.length) return messages;
    this.parts.push(frame.part);
    this.bytes += frame.part.length;
    if (this.bytes > this.maxBytes) throw new RangeError("A raft message is too large");
    if (!frame.isLastPart) return messages;
    const whole = Buffer.concat(this.parts);
    this.parts = [];
    this.bytes = 0;
    return [...messages, whole];
  }
}
