import { SwarmError, codeOf } from "../../lib/index.js";
import type { PullOptions, PullProgress } from "../api/index.js";
import type { BlobStore } from "../content/blob-store.js";
import type { RegistryClient } from "../registry/client.js";
import { choosePlatform, parseManifest, type Descriptor, type Platform } from "../registry/manifest.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import { parseImageConfig } from "./config.js";
import type { LayerBlob } from "./record.js";
import { familiar, type Reference } from "./reference.js";

const downloadsAtOnce = 3;
const indexDepth = 3;
const roomCheckBytes = 64 * 1024 * 1024;
const mostLayers = 500;                    // overlayfs takes no more lower directories

export interface PullParts {
  readonly blobs: BlobStore;
  readonly layers: Pick<SnapshotDriver, "layerSize" | "unpack">;
  readonly registry: RegistryClient;
  /** Throws when so many more bytes have no room on the disk. */
  readonly checkRoom: (bytes: number) => Promise<void>;
}

export interface PulledContent {
  readonly configDigest: string;
  readonly layers: readonly LayerBlob[];
  /** Every manifest on the way, the one that was asked for first, the image's own last. */
  readonly manifests: readonly { readonly digest: string; readonly mediaType: string }[];
}

type Options = PullOptions & { readonly signal: AbortSignal; readonly onProgress: (progress: PullProgress) => void };

/** Brings everything that an image consists of: blobs into the content store, layers unpacked. Downloads run side by side, unpacking follows the lowest of them as it arrives. */
export async function pullContent(reference: Reference, platform: Platform, options: Options, parts: PullParts): Promise<PulledContent> {
  const { blobs, registry } = parts;
  const subject = familiar(reference.normalized);
  const manifests: { digest: string; mediaType: string }[] = [];
  let answer = await registry.manifest(reference, options);
  let parsed = parseManifest(answer.bytes, subject);
  options.onProgress({ id: reference.digest ?? reference.tag!, status: `Pulling from ${reference.repository}`, currentBytes: 0, totalBytes: 0 });
  for (;;) {
    await blobs.put([answer.bytes], { digest: answer.digest });
    manifests.push({ digest: answer.digest, mediaType: answer.mediaType });
    if (parsed.kind === "image") break;
    if (manifests.length > indexDepth) throw new SwarmError("INVALID_ARGUMENT", `Cannot pull image "${subject}": its index leads to an index again and again`);
    const chosen = choosePlatform(parsed.manifests, platform, subject, options.platform === undefined);
    answer = await registry.manifest({ ...reference, tag: undefined, digest: chosen.digest, normalized: `${reference.name}@${chosen.digest}` }, options);
    parsed = parseManifest(answer.bytes, subject);
  }
  const { config, layers } = parsed.manifest;
  if (config.size > 16 * 1024 * 1024) throw new SwarmError("INVALID_ARGUMENT", `Cannot pull image "${subject}": its config is larger than 16 MiB`);
  if (layers.length > mostLayers) throw new SwarmError("INVALID_ARGUMENT", `Cannot pull image "${subject}": it has ${layers.length} layers, and ${mostLayers} are the most`);
  await registry.blob(reference, config, blobs, options, () => {});
  const { diffIds } = parseImageConfig(await blobs.read(config.digest), subject);
  if (diffIds.length !== layers.length) throw new SwarmError("INVALID_ARGUMENT", `Image "${subject}" is broken: its config names ${diffIds.length} layers, its manifest ${layers.length}`);

  const work = await Promise.all(layers.map(async (layer, i) => ({
    layer, chain: diffIds.slice(0, i + 1), isUnpacked: (await parts.layers.layerSize(diffIds.slice(0, i + 1))) !== undefined, isStored: await blobs.has(layer.digest),
  })));
  const report = (layer: Descriptor, status: string, currentBytes = 0) => options.onProgress({ id: shortOf(layer), status, currentBytes, totalBytes: currentBytes === 0 ? 0 : layer.size });
  for (const { layer, isUnpacked, isStored } of work) report(layer, isUnpacked && isStored ? "Already exists" : "Pulling fs layer");
  await parts.checkRoom(work.reduce((sum, { layer, isStored }) => sum + (isStored ? 0 : layer.size), 0));

  // The first failure ends everything else.
  const group = new AbortController();
  const signal = AbortSignal.any([options.signal, group.signal]);
  let failure: { readonly error: unknown } | undefined;
  const fail = (error: unknown): never => {
    failure ??= { error };
    group.abort(error);
    for (const download of downloads.values()) download.reject(error);   // also of those that have not begun
    throw error;
  };
  const waiting = work.filter(({ isStored }) => !isStored);
  for (const { layer } of waiting.slice(downloadsAtOnce)) report(layer, "Waiting");
  const downloads = new Map(waiting.map(({ layer }) => [layer.digest, deferred()]));
  const bring = async () => {
    for (let next = waiting.shift(); next && !failure; next = waiting.shift()) {
      const { layer } = next;
      const done = downloads.get(layer.digest)!;
      let shown = 0;
      try {
        await registry.blob(reference, layer, blobs, { ...options, signal }, (bytes) => {
          if (bytes - shown >= 512 * 1024) { shown = bytes; report(layer, "Downloading", bytes); } else if (bytes === layer.size) report(layer, "Verifying Checksum");
        });
        report(layer, "Download complete");
        done.resolve();
      } catch (error) { done.reject(error); fail(error); }
    }
  };
  const unpack = async () => {
    for (const { layer, chain, isUnpacked, isStored } of work) {
      const download = downloads.get(layer.digest)?.promise ?? Promise.resolve();
      if (!isUnpacked) {
        let hasArrived = isStored;
        void download.then(() => { hasArrived = true; }, () => {});
        let unpackedBytes = 0;
        const onUnpacked = (bytes: number) => { unpackedBytes = bytes; };
        // A few bytes may unpack to many: the disk's room is looked at as they come out.
        const watched = async function* (source: AsyncIterable<Uint8Array>) {
          let [readBytes, shownBytes, checkedBytes] = [0, 0, 0];
          for await (const chunk of source) {
            if (unpackedBytes - checkedBytes > roomCheckBytes) { checkedBytes = unpackedBytes; await parts.checkRoom(0); }
            readBytes += chunk.length;
            if (hasArrived && readBytes - shownBytes >= 1024 * 1024) { shownBytes = readBytes; report(layer, "Extracting", readBytes); }
            yield chunk;
          }
        };
        // While it arrives; if that is disturbed (a server that begins anew), once more from the whole blob.
        await parts.layers.unpack(chain, () => watched(blobs.follow(layer.digest, download)), onUnpacked).catch(async (error: unknown) => {
          await download;
          if (isStored || codeOf(error) === "FAILED_PRECONDITION") throw error;
          await parts.layers.unpack(chain, () => watched(blobs.stream(layer.digest)), onUnpacked);
        }).catch(fail);
        report(layer, "Extracting", layer.size);
      }
      await download;
      if (!isUnpacked || !isStored) report(layer, "Pull complete");
    }
  };
  const ended = await Promise.allSettled([...Array.from({ length: Math.min(downloadsAtOnce, waiting.length) }, bring), unpack()]);
  if (failure) throw failure.error;
  options.signal.throwIfAborted();
  for (const each of ended) if (each.status === "rejected") throw each.reason;
  return { configDigest: config.digest, layers: layers.map(({ digest, size, mediaType }) => ({ digest, sizeBytes: size, mediaType })), manifests };
}

const shortOf = (layer: Descriptor): string => layer.digest.slice(7, 19);

function deferred(): { readonly promise: Promise<void>; resolve(): void; reject(error: unknown): void } {
  let settle: { resolve: () => void; reject: (error: unknown) => void } | undefined;
  const promise = new Promise<void>((resolve, reject) => { settle = { resolve, reject }; });
  promise.catch(() => {});
  return { promise, ...settle! };
}
