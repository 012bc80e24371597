import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Client, ClientWritableStream } from "@grpc/grpc-js";
import { SwarmError, messageOf } from "../lib/index.js";
import { fromServiceError } from "../rpc/index.js";
import type { LoadImageResponse } from "../gen/swarm/v1/LoadImageResponse.js";
import type { ImageInfo } from "../gen/swarm/v1/ImageInfo.js";

export interface UploadOptions {
  readonly method: "loadImage" | "importImage";
  /** Path of a tar archive; "-" is standard input. */
  readonly path: string;
  readonly reference?: string;
  readonly changes?: readonly string[];
  readonly signal?: AbortSignal;
  /** totalBytes is 0 where it is not known. */
  readonly onProgress?: (sentBytes: number, totalBytes: number) => void;
}

/** Sends an archive to a host's engine, no faster than the engine takes it. */
export async function loadImages(engine: Client, options: UploadOptions): Promise<ImageInfo[]> {
  const { path, signal } = options;
  let totalBytes = 0;
  let source: AsyncIterable<Buffer> = process.stdin;
  if (path !== "-") {
    const file = await open(path).catch((error: unknown) => { throw new SwarmError("NOT_FOUND", `Cannot open the archive "${path}": ${messageOf(error)}.`, { cause: error }); });
    const stat = await file.stat();
    if (!stat.isFile() && stat.isDirectory()) { await file.close(); throw new SwarmError("INVALID_ARGUMENT", `Cannot load "${path}": it is a directory; give a tar archive.`); }
    totalBytes = stat.size;
    source = createReadStream(path, { fd: file, highWaterMark: 256 << 10 });
  }
  let answered: (images: ImageInfo[]) => void;
  let refused: (error: unknown) => void;
  const answer = new Promise<ImageInfo[]>((resolve, reject) => { answered = resolve; refused = reject; });
  const start = (engine as unknown as Record<string, (callback: (error: unknown, response?: LoadImageResponse) => void) => ClientWritableStream<object>>)[options.method]!;
  let isOver = false;
  const upload = start.call(engine, (error, response) => {
    isOver = true;
    if (error) refused(fromServiceError(error)); else answered(response?.images ?? []);
  });
  // A refusal in mid-stream arrives by the callback; the stream's own error says the same again.
  upload.on("error", () => {});
  answer.catch(() => {});
  const cancel = () => upload.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    upload.write({ reference: options.reference ?? "", changes: options.changes ?? [], chunk: Buffer.alloc(0) });
    let sentBytes = 0;
    for await (const chunk of source) {
      if (isOver) break;
      const hasRoom = upload.write({ chunk });
      sentBytes += chunk.length;
      options.onProgress?.(sentBytes, totalBytes);
      if (!hasRoom) await Promise.race([new Promise((resolve) => upload.once("drain", resolve)), answer.catch(() => {})]);
    }
    upload.end();
    return await answer;
  } finally { signal?.removeEventListener("abort", cancel); }
}
