import { createHash } from "node:crypto";
import { pack, type Pack } from "tar-stream";
import type { BlobStore } from "../content/blob-store.js";
import { compressionOf } from "../content/compress.js";
import { layersOf, type ImageRecord } from "./record.js";
import { familiar, parseReference } from "./reference.js";

/**
 * One tar that is a docker-save archive (manifest.json, repositories) and an OCI layout (index.json, oci-layout) at once. Blobs go in as they
 * are stored and each of them once, so pulled layers stay compressed and a load gives the same digests. Streamed: memory does not grow with size.
 */
export async function* writeArchive(images: readonly { readonly record: ImageRecord; readonly names: readonly string[] }[], blobs: BlobStore): AsyncGenerator<Uint8Array> {
  const tar = pack();
  const writing = write(tar, images, blobs).then(() => tar.finalize(), (error: Error) => tar.destroy(error));
  try { yield* tar as unknown as AsyncIterable<Uint8Array>; await writing; } finally { tar.destroy(); }
}

async function write(tar: Pack, images: readonly { readonly record: ImageRecord; readonly names: readonly string[] }[], blobs: BlobStore): Promise<void> {
  const written = new Set<string>();
  const stored = async (digest: string): Promise<number> => {
    const size = await blobs.sizeBytes(digest);
    if (!written.has(digest)) { written.add(digest); await entryOf(tar, `blobs/sha256/${digest.slice(7)}`, size, blobs.stream(digest)); }
    return size;
  };
  const made = async (bytes: Buffer): Promise<string> => {
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (!written.has(digest)) { written.add(digest); await entryOf(tar, `blobs/sha256/${digest.slice(7)}`, bytes.length, [bytes]); }
    return digest;
  };
  tar.entry({ name: "blobs/", type: "directory", mode: 0o755, mtime: epoch });
  tar.entry({ name: "blobs/sha256/", type: "directory", mode: 0o755, mtime: epoch });

  const index: object[] = [];
  const list: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  for (const { record, names } of images) {
    const layers: { digest: string; size: number; mediaType: string }[] = [];
    for (const layer of layersOf(record)) layers.push({ digest: layer.digest, size: await stored(layer.digest), mediaType: layerType[compressionOf(await blobs.head(layer.digest))] });
    const configSize = await stored(record.id);
    const isOriginal = record.manifest !== undefined && await blobs.has(record.manifest.digest);
    const manifest = isOriginal ? { digest: record.manifest!.digest, size: await stored(record.manifest!.digest), mediaType: record.manifest!.mediaType } : await (async () => {
      const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config: { mediaType: configType, digest: record.id, size: configSize }, layers }));
      return { digest: await made(bytes), size: bytes.length, mediaType: manifestType };
    })();
    const references = names.map((name) => parseReference(name));
    for (const reference of references.length > 0 ? references : [undefined]) {
      index.push({
        mediaType: manifest.mediaType || manifestType, digest: manifest.digest, size: manifest.size,
        ...(reference ? { annotations: { "io.containerd.image.name": reference.normalized, "org.opencontainers.image.ref.name": reference.tag } } : {}),
        platform: { architecture: record.arch, os: record.os, ...(record.variant ? { variant: record.variant } : {}) },
      });
      if (reference && layers.length > 0) (repositories[familiar(reference.name)] ??= {})[reference.tag!] = layers.at(-1)!.digest.slice(7);
    }
    const path = (digest: string) => `blobs/sha256/${digest.slice(7)}`;
    list.push({
      Config: path(record.id), RepoTags: names.length > 0 ? names.map(familiar) : null, Layers: layers.map((layer) => path(layer.digest)),
      LayerSources: Object.fromEntries(record.diffIds.map((diffId, i) => [diffId, layers[i]])),
    });
  }
  const json = (name: string, value: object) => { const bytes = Buffer.from(JSON.stringify(value)); return entryOf(tar, name, bytes.length, [bytes]); };
  await json("index.json", { schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: index });
  await json("manifest.json", list);
  await json("oci-layout", { imageLayoutVersion: "1.0.0" });
  await json("repositories", repositories);
}

const epoch = new Date(0);
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const configType = "application/vnd.oci.image.config.v1+json";
const layerType = {
  none: "application/vnd.oci.image.layer.v1.tar", gzip: "application/vnd.oci.image.layer.v1.tar+gzip", zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  bzip2: "application/vnd.oci.image.layer.v1.tar", xz: "application/vnd.oci.image.layer.v1.tar",
} as const;

/** At the reader's pace. */
async function entryOf(tar: Pack, name: string, size: number, source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  let wake: (() => void) | undefined;
  let ended: { readonly error: unknown } | undefined;
  const onWake = () => wake?.();
  const entry = tar.entry({ name, size, mode: 0o644, mtime: epoch }, (error) => { ended = { error }; onWake(); });
  entry.on("drain", onWake).on("close", onWake);
  tar.on("close", onWake);
  const isOver = () => ended !== undefined || tar.destroyed;
  const pause = () => new Promise<void>((resolve) => { wake = resolve; if (isOver()) resolve(); });
  try {
    for await (const chunk of source) {
      if (isOver()) break;
      if (!entry.write(chunk)) await pause();
    }
    if (!isOver()) entry.end(undefined);
    while (!isOver()) await pause();
    if (ended?.error) throw ended.error;
    if (!ended) throw new Error("nobody reads the archive any more");
  } finally { tar.off("close", onWake); }
}
