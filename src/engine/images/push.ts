import { createHash } from "node:crypto";
import { KeyedLock } from "../../lib/index.js";
import type { PullOptions, PullProgress } from "../api/index.js";
import type { BlobStore } from "../content/blob-store.js";
import { compressionOf, gzip } from "../content/compress.js";
import type { Metadata } from "../metadata.js";
import type { RegistryClient } from "../registry/client.js";
import { parseManifest } from "../registry/manifest.js";
import { layersOf, type ImageRecord, type LayerBlob } from "./record.js";
import type { Reference } from "./reference.js";

const uploadsAtOnce = 5;
const docker = {
  manifest: "application/vnd.docker.distribution.manifest.v2+json", config: "application/vnd.docker.container.image.v1+json", gzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
} as const;
const oci = { manifest: "application/vnd.oci.image.manifest.v1+json", config: "application/vnd.oci.image.config.v1+json", layer: "application/vnd.oci.image.layer.v1.tar" } as const;

export interface PushParts {
  readonly blobs: BlobStore;
  readonly registry: RegistryClient;
  readonly metadata: Pick<Metadata, "putCompressed">;
  readonly compressed: Map<string, LayerBlob>;
  /** Repositories on the same registry that may have this blob. */
  readonly repositoriesOf: (digest: string) => readonly string[];
}

export interface PushedImage { readonly manifest: { readonly digest: string; readonly mediaType: string }; readonly manifestBytes: number; /** As they went out. */ readonly layers: readonly LayerBlob[] }

/** Layers side by side, then the config, then the manifest: what came with the image goes out byte for byte. */
export async function pushImage(reference: Reference, image: ImageRecord, options: PullOptions, parts: PushParts): Promise<PushedImage> {
  const { blobs, registry } = parts;
  const original = await manifestOf(image, blobs);
  const layers = layersOf(image).map((layer, i) => ({ layer, diffId: image.diffIds[i]! }));
  const idOf = ({ diffId }: { readonly diffId: string }) => diffId.slice(7, 19);
  const report = (id: string, status: string, currentBytes = 0, totalBytes = 0) => options.onProgress?.({ id, status, currentBytes, totalBytes } satisfies PullProgress);
  for (const each of layers) report(idOf(each), "Preparing");
  for (const each of layers.slice(uploadsAtOnce)) report(idOf(each), "Waiting");

  const group = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, group.signal]) : group.signal;
  let failure: { readonly error: unknown } | undefined;
  const sent = new Array<LayerBlob>(layers.length);
  const waiting = [...layers.keys()];
  const send = async () => {
    for (let at = waiting.shift(); at !== undefined && !failure; at = waiting.shift()) {
      const each = layers[at]!;
      const id = idOf(each);
      try {
        const blob = original ? await sized(each.layer, blobs) : await compressedLayer(each.layer, each.diffId, parts, (bytes) => report(id, "Compressing", bytes));
        sent[at] = blob;
        let shown = 0;
        const how = await registry.upload(reference, blob, blobs, parts.repositoriesOf(blob.digest).filter((repository) => repository !== reference.repository).slice(0, 4), { ...options, signal }, (bytes) => {
          if (bytes - shown >= 512 * 1024 || bytes === blob.sizeBytes || bytes < shown) { shown = bytes; report(id, "Pushing", bytes, blob.sizeBytes); }
        });
        const from = how === "mounted" ? parts.repositoriesOf(blob.digest)[0] : undefined;
        report(id, how === "exists" ? "Layer already exists" : from !== undefined ? `Mounted from ${from}` : "Pushed");
      } catch (error) { failure ??= { error }; group.abort(error); }
    }
  };
  await Promise.all(Array.from({ length: Math.min(uploadsAtOnce, layers.length) }, send));
  if (failure) throw failure.error;

  const config = { digest: image.id, sizeBytes: await blobs.sizeBytes(image.id) };
  await registry.upload(reference, config, blobs, [], options, () => {});
  const manifest = original ?? generated(config, sent);
  await registry.putManifest(reference, manifest, options);
  const digest = `sha256:${createHash("sha256").update(manifest.bytes).digest("hex")}`;
  await blobs.put([manifest.bytes], { digest });
  return { manifest: { digest, mediaType: manifest.mediaType }, manifestBytes: manifest.bytes.length, layers: sent };
}

/** The manifest that the image came with, if everything that it names is still here. */
async function manifestOf(image: ImageRecord, blobs: BlobStore): Promise<{ readonly bytes: Buffer; readonly mediaType: string } | undefined> {
  if (!image.manifest || !image.layers || !(await blobs.has(image.manifest.digest))) return undefined;
  const bytes = await blobs.read(image.manifest.digest);
  const parsed = parseManifest(bytes, image.id);
  if (parsed.kind !== "image" || parsed.manifest.config.digest !== image.id || parsed.manifest.layers.length !== image.layers.length) return undefined;
  for (const [i, layer] of parsed.manifest.layers.entries()) if (layer.digest !== image.layers[i]!.digest || !(await blobs.has(layer.digest))) return undefined;
  return { bytes, mediaType: image.manifest.mediaType || docker.manifest };
}

/** Docker's schema 2 as dockerd makes it; OCI's when a layer is in a form that only OCI names. */
function generated(config: { digest: string; sizeBytes: number }, layers: readonly LayerBlob[]): { bytes: Buffer; mediaType: string } {
  const isDocker = layers.every((layer) => layer.mediaType === docker.gzip);
  const mediaType = isDocker ? docker.manifest : oci.manifest;
  const asOci = (type: string) => (type === docker.gzip ? `${oci.layer}+gzip` : type);
  return {
    mediaType,
    bytes: Buffer.from(JSON.stringify({
      schemaVersion: 2, mediaType, config: { mediaType: isDocker ? docker.config : oci.config, digest: config.digest, size: config.sizeBytes },
      layers: layers.map((layer) => ({ mediaType: isDocker ? layer.mediaType : asOci(layer.mediaType), digest: layer.digest, size: layer.sizeBytes })),
    })),
  };
}

const compressing = new KeyedLock();

/** The layer as registries take it: as it is if it is compressed already, else compressed now and never again. */
async function compressedLayer(layer: LayerBlob, diffId: string, parts: PushParts, onProgress: (bytes: number) => void): Promise<LayerBlob> {
  const { blobs, compressed, metadata } = parts;
  return compressing.run(diffId, async () => {
    const known = compressed.get(diffId);
    if (known && await blobs.has(known.digest)) return known;
    const form = compressionOf(await blobs.head(layer.digest));
    if (form === "gzip") return { ...(await sized(layer, blobs)), mediaType: docker.gzip };
    if (form === "zstd") return { ...(await sized(layer, blobs)), mediaType: `${oci.layer}+zstd` };
    const source = async function* () {
      let bytes = 0;
      let shown = 0;
      for await (const chunk of blobs.stream(layer.digest)) { yield chunk; bytes += chunk.length; if (bytes - shown > 8 << 20) { shown = bytes; onProgress(bytes); } }
    };
    const made: LayerBlob = { ...(await blobs.put(gzip(source()))), mediaType: docker.gzip };
    await metadata.putCompressed(diffId, made);
    compressed.set(diffId, made);
    return made;
  });
}

const sized = async (layer: LayerBlob, blobs: BlobStore): Promise<LayerBlob> => (layer.sizeBytes >= 0 ? layer : { ...layer, sizeBytes: await blobs.sizeBytes(layer.digest) });
