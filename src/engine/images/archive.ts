import type { BlobStore } from "../content/blob-store.js";
import { ArchiveFiles, refuse } from "./archive-files.js";
import { readLegacyArchive } from "./legacy-archive.js";
import type { LayerBlob } from "./record.js";
import { parseReference } from "./reference.js";
import { choosePlatform, parseManifest, type Descriptor, type Platform } from "../registry/manifest.js";

/** One image of an archive; its blobs are in the content store. */
export interface ArchivedImage {
  readonly configDigest: string;
  readonly layers: readonly LayerBlob[];
  readonly names: readonly string[];
  /** Undefined: the archive is of a tool that keeps none. */
  readonly manifest: { readonly digest: string; readonly mediaType: string } | undefined;
  /** An OCI layout alone: its manifest is what the name stands for. */
  readonly isOci: boolean;
}

/** Reads a docker-save or an OCI-layout tar into the content store. Every file is stored; what belongs to no image is garbage afterwards. */
export async function readArchive(tar: AsyncIterable<Uint8Array>, store: BlobStore, platform: Platform): Promise<ArchivedImage[]> {
  const files = await ArchiveFiles.read(tar, store);
  const blob = async (digest: string, mediaType: string): Promise<LayerBlob> => ({ digest, sizeBytes: await store.sizeBytes(digest), mediaType });
  const index = files.find("index.json");
  const top = index === undefined ? undefined : parseManifest(await store.read(index), "index.json");
  const dockerManifest = files.find("manifest.json");
  if (dockerManifest) {
    const list = await files.json("manifest.json") as { Config: string; RepoTags: string[] | null; Layers: string[] | null }[];
    if (!Array.isArray(list)) return refuse("its manifest.json is not a list");
    // Archives of newer tools are both: the layout's manifests belong to the same images.
    const manifests = new Map<string, { digest: string; mediaType: string; layers: readonly string[] }>();
    for (const entry of top?.kind === "index" ? top.manifests : []) {
      if (files.find(blobPath(entry.digest)) !== entry.digest || await store.sizeBytes(entry.digest) > 4 * 1024 * 1024) continue;
      try {
        const parsed = parseManifest(await store.read(entry.digest), entry.digest);
        if (parsed.kind === "image") manifests.set(parsed.manifest.config.digest, { digest: entry.digest, mediaType: entry.mediaType, layers: parsed.manifest.layers.map((layer) => layer.digest) });
      } catch { /* something else that the layout names */ }
    }
    return Promise.all(list.map(async (image) => {
      if (typeof image !== "object" || image === null || (image.RepoTags ?? []).some((name) => typeof name !== "string")) return refuse("its manifest.json is malformed");
      const configDigest = files.need(String(image.Config));
      const layers = (image.Layers ?? []).map((layer) => files.need(String(layer)));
      const manifest = manifests.get(configDigest);
      const isSame = manifest?.layers.length === layers.length && manifest.layers.every((digest, i) => digest === layers[i]);
      return { manifest: isSame ? { digest: manifest!.digest, mediaType: manifest!.mediaType } : undefined, isOci: false, configDigest, layers: await Promise.all(layers.map((layer) => blob(layer, ""))), names: image.RepoTags ?? [] };
    }));
  }
  if (!top && files.find("repositories")) return readLegacyArchive(files, store);
  if (!top) return refuse("it holds neither manifest.json (docker save) nor index.json (OCI layout); for a tar of a root filesystem use image import");
  if (top.kind !== "index") return refuse("its index.json is not an index");
  const images: ArchivedImage[] = [];
  const fitting = top.manifests.filter((m) => !m.platform || (m.platform.os === platform.os && m.platform.architecture === platform.architecture));
  for (const entry of fitting.length > 0 ? fitting : [choosePlatform(top.manifests, platform, "index.json")]) {
    const image = await resolve(entry, store, files, platform, 0);
    const name = entry.annotations?.["io.containerd.image.name"] ?? entry.annotations?.["org.opencontainers.image.ref.name"];
    const names = name && isName(name) ? [name] : [];
    const same = images.findIndex((each) => each.manifest?.digest === image.digest);
    if (same >= 0) { images[same] = { ...images[same]!, names: [...images[same]!.names, ...names] }; continue; }
    images.push({
      manifest: { digest: image.digest, mediaType: image.mediaType }, isOci: true, configDigest: files.need(blobPath(image.config)),
      layers: await Promise.all(image.layers.map((layer) => blob(files.need(blobPath(layer.digest)), layer.mediaType))), names,
    });
  }
  return images;
}

/** An OCI layout may call an image "latest" or "v1", which names nothing. */
const isName = (name: string): boolean => { try { parseReference(name); return /[/:]/.test(name); } catch { return false; } };

const blobPath = (digest: string) => `blobs/sha256/${digest.replace("sha256:", "")}`;

async function resolve(entry: Descriptor, store: BlobStore, files: ArchiveFiles, platform: Platform, depth: number): Promise<{ digest: string; mediaType: string; config: string; layers: readonly Descriptor[] }> {
  if (files.find(blobPath(entry.digest)) !== entry.digest) return refuse(`it names "${blobPath(entry.digest)}", which is not in it; it is incomplete`);
  if (depth > 3) return refuse("its index leads to an index again and again");
  const parsed = parseManifest(await store.read(entry.digest), entry.digest);
  if (parsed.kind === "index") return resolve(choosePlatform(parsed.manifests, platform, entry.digest), store, files, platform, depth + 1);
  return { digest: entry.digest, mediaType: entry.mediaType, config: parsed.manifest.config.digest, layers: parsed.manifest.layers };
}
