import type { UntypedServiceImplementation } from "@grpc/grpc-js";
import { SwarmError } from "../lib/index.js";
import { clientStream, serverStream, unary, type Authorize, type CallContext } from "../rpc/index.js";
import type { ImageInfo } from "../gen/swarm/v1/ImageInfo.js";
import type { ImageProgress } from "../gen/swarm/v1/ImageProgress.js";
import type { ListContainersRequest } from "../gen/swarm/v1/ListContainersRequest.js";
import type { ListContainersResponse } from "../gen/swarm/v1/ListContainersResponse.js";
import type { ListImagesRequest } from "../gen/swarm/v1/ListImagesRequest.js";
import type { ListImagesResponse } from "../gen/swarm/v1/ListImagesResponse.js";
import type { LoadImageRequest } from "../gen/swarm/v1/LoadImageRequest.js";
import type { LoadImageResponse } from "../gen/swarm/v1/LoadImageResponse.js";
import type { PullImageRequest } from "../gen/swarm/v1/PullImageRequest.js";
import type { RemoveImageRequest } from "../gen/swarm/v1/RemoveImageRequest.js";
import type { RemoveImageResponse } from "../gen/swarm/v1/RemoveImageResponse.js";
import type { Engine, Image, PullProgress } from "./api/index.js";

/** The LocalEngine service on swarmd.sock: for root on this host only. */
export function localEngineHandlers(engine: Engine, authorize: Authorize): UntypedServiceImplementation {
  const local: Authorize = (call) => {
    const caller = authorize(call);
    if (caller.kind !== "local") throw new SwarmError("PERMISSION_DENIED", "The engine of a host is controlled only from that host, as root, through its local socket");
    return caller;
  };
  return {
    ListImages: unary<ListImagesRequest, ListImagesResponse>(local, async ({ reference }) => {
      if (!reference) return { images: (await engine.images.list()).map(imageInfo) };
      const image = await engine.images.get(reference);
      return { images: image ? [imageInfo(image)] : [] };
    }),
    PullImage: serverStream<PullImageRequest, ImageProgress>(local, (request, context) => pull(engine, request, context)),
    LoadImage: clientStream<LoadImageRequest, LoadImageResponse>(local, async (requests) => ({ images: (await engine.images.load(chunks(requests[Symbol.asyncIterator]()))).map(imageInfo) })),
    ImportImage: clientStream<LoadImageRequest, LoadImageResponse>(local, async (requests) => {
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done || !first.value.reference) throw new SwarmError("INVALID_ARGUMENT", "Cannot import an image without a name; give one, such as team/app:1.0");
      const { reference, changes } = first.value;
      return { images: [imageInfo(await engine.images.import(chunks(iterator, first.value), { reference, changes }))] };
    }),
    RemoveImage: unary<RemoveImageRequest, RemoveImageResponse>(local, async ({ reference, force }) => engine.images.remove(reference, { force })),
    ListContainers: unary<ListContainersRequest, ListContainersResponse>(local, async ({ all }) => ({
      containers: (await engine.list()).filter((c) => all || c.phase === "running").map((c) => ({
        id: c.id, name: c.name, image: c.image, state: c.phase, pid: c.pid, exitCode: c.exit?.exitCode ?? 0, createdAtMs: c.createdAtMs, startedAtMs: c.startedAtMs,
        finishedAtMs: c.exit?.finishedAtMs ?? 0, labels: { ...c.labels }, health: c.health === "none" ? "" : c.health,
      })),
    })),
  };
}

/** Progress as it comes: only the latest state of each layer waits for a slow caller. */
async function* pull(engine: Engine, request: PullImageRequest, context: CallContext): AsyncGenerator<ImageProgress> {
  const waiting = new Map<string, PullProgress>();
  let wake: (() => void) | undefined;
  let hasEnded = false;
  const result = engine.images.pull(request.reference, {
    plainHttp: request.plainHttp, signal: context.signal,
    ...(request.username ? { credentials: { username: request.username, password: request.password } } : {}),
    onProgress: (progress) => { waiting.set(progress.id, progress); wake?.(); },
  }).finally(() => { hasEnded = true; wake?.(); });
  result.catch(() => {});
  for (;;) {
    for (const [id, progress] of [...waiting]) { waiting.delete(id); if (progress.id) yield { ...progress, image: null }; }
    if (waiting.size > 0) continue;
    if (hasEnded) break;
    await new Promise<void>((resolve) => { wake = resolve; });
    wake = undefined;
  }
  yield { id: "", status: "Done", currentBytes: 0, totalBytes: 0, image: imageInfo(await result) };
}

async function* chunks(iterator: AsyncIterator<LoadImageRequest>, first?: LoadImageRequest): AsyncGenerator<Uint8Array> {
  if (first && first.chunk.length > 0) yield first.chunk as Uint8Array;
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) if (next.value.chunk.length > 0) yield next.value.chunk as Uint8Array;
}

function imageInfo(image: Image): ImageInfo {
  return { id: image.id, references: [...image.references], digests: [...image.digests], sizeBytes: image.sizeBytes, createdAtMs: image.createdAtMs, arch: image.arch, os: image.os };
}
