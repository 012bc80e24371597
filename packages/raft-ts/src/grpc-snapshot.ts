// A snapshot over its own gRPC stream, both ends, with back-pressure from disk to disk.
import { once } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { partBytes, snapshotMethod, type SnapshotChunk } from "./grpc-frames.js";

/** No chunk taken for this long: the receiver is gone or stuck. */
const stallMs = 30_000;

export async function sendSnapshotStream(client: grpc.Client, header: Uint8Array, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  let settle: (error?: Error) => void = () => {};
  const answered = new Promise<void>((resolve, reject) => { settle = (error) => { if (error) reject(error); else resolve(); }; });
  // Looked at in the end; until then a rejection is not unhandled.
  answered.catch(() => {});
  let isOver = false;
  const call = client.makeClientStreamRequest<SnapshotChunk, object>(
    snapshotMethod.path, snapshotMethod.requestSerialize, snapshotMethod.responseDeserialize, new grpc.Metadata(), {},
    (error) => { isOver = true; settle(error ?? undefined); call.emit("drain"); });
  call.on("error", () => {});
  const write = async (chunk: SnapshotChunk): Promise<void> => {
    if (call.write(chunk) || isOver) return;
    await once(call, "drain", { signal: AbortSignal.timeout(stallMs) });
  };
  try {
    await write({ header });
    for await (const data of chunks) {
      for (let at = 0; at === 0 || at < data.length; at += partBytes) {
        await write({ data: data.subarray(at, at + partBytes), continues: at + partBytes < data.length });
        if (isOver) return await answered;
      }
    }
    call.end();
  } catch (error) {
    call.cancel();
    throw error;
  }
  await answered;
}

export async function readSnapshotStream(
  call: grpc.ServerReadableStream<SnapshotChunk, unknown>, receive: (header: Uint8Array, chunks: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  let isWhole = false;
  call.on("end", () => { isWhole = true; });
  const iterator = (call as AsyncIterable<SnapshotChunk>)[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done || !first.value.header?.length) throw new RangeError("A snapshot stream begins with a header");
  async function* chunks(): AsyncGenerator<Uint8Array> {
    let parts: Uint8Array[] = [];
    for (;;) {
      const next = await iterator.next();
      if (next.done) break;
      parts.push(next.value.data ?? new Uint8Array(0));
      if (next.value.continues) continue;
      yield parts.length === 1 ? parts[0]! : Buffer.concat(parts);
      parts = [];
    }
    // A stream that was cut off must not pass for a short snapshot.
    if (!isWhole || call.cancelled || parts.length > 0) throw new Error("the stream was cut off");
  }
  await receive(first.value.header, chunks());
}
