import { createHash } from "node:crypto";
import type { BlobStore } from "../content/blob-store.js";
import { compressionOf } from "../content/compress.js";
import { decompress } from "../content/decompress.js";
import type { ArchivedImage } from "./archive.js";
import { refuse, type ArchiveFiles } from "./archive-files.js";
import { modernConfig, type LegacyLayer } from "./core/legacy-config.js";

/** As many as an image may have (Docker's bound, from overlay's). */
const layersAtMost = 127;
const isId = (text: unknown): text is string => typeof text === "string" && /^[0-9a-f]{64}$/.test(text);
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * The form of Docker before 1.10: `repositories` ({"name": {"tag": "id"}}) and a folder a layer with its config (`json`, which names its parent) and
 * `layer.tar`. Made into images of today: one config, stored, for the chain of layers.
 */
export async function readLegacyArchive(files: ArchiveFiles, store: BlobStore): Promise<ArchivedImage[]> {
  const namesOf = new Map<string, string[]>();   // top layer -> name:tag
  const repositories = await files.json("repositories");
  if (!isObject(repositories)) return refuse("its repositories file is not an object of names");
  for (const [name, tags] of Object.entries(repositories)) {
    if (!isObject(tags)) return refuse(`its repositories file has no tags for "${name}"`);
    for (const [tag, id] of Object.entries(tags)) {
      if (!isId(id)) return refuse(`its repositories file gives "${name}:${tag}" the id ${JSON.stringify(id).slice(0, 80)}, which is none`);
      namesOf.set(id, [...namesOf.get(id) ?? [], `${name}:${tag}`]);
    }
  }
  const layers = new Map<string, LegacyLayer & { readonly blob: { readonly digest: string; readonly sizeBytes: number } }>();   // what images share is read once
  const layer = async (id: string, json: Record<string, unknown>) => {
    const known = layers.get(id);
    if (known) return known;
    const digest = files.need(`${id}/layer.tar`);
    const read = { json, diffId: await contentDigest(store, digest), blob: { digest, sizeBytes: await store.sizeBytes(digest) } };
    layers.set(id, read);
    return read;
  };
  const images: ArchivedImage[] = [];
  for (const [top, names] of namesOf) {
    const chain = await chainOf(top, files);
    const parts = [];
    for (const { id, json } of chain) parts.push(await layer(id, json));
    const { digest } = await store.put([Buffer.from(modernConfig(parts))]);
    images.push({ configDigest: digest, layers: parts.map(({ blob }) => ({ ...blob, mediaType: "" })), names, manifest: undefined, isOci: false });
  }
  return images;
}

/** Bottom first. */
async function chainOf(top: string, files: ArchiveFiles): Promise<{ readonly id: string; readonly json: Record<string, unknown> }[]> {
  const chain: { id: string; json: Record<string, unknown> }[] = [];
  for (let id = top; ;) {
    if (chain.length >= layersAtMost) return refuse(`the image "${top}" has more than ${layersAtMost} layers, or its parents form a circle`);
    const json = await files.json(`${id}/json`);
    if (!isObject(json)) return refuse(`its ${id}/json is not an object`);
    chain.unshift({ id, json });
    const parent = json["parent"];
    if (parent === undefined || parent === null || parent === "") return chain;
    if (!isId(parent)) return refuse(`its ${id}/json names the parent ${JSON.stringify(parent).slice(0, 80)}, which is no id`);
    id = parent;
  }
}

/** The digest of the layer as it is unpacked, which is the file's own unless that is compressed. */
async function contentDigest(store: BlobStore, digest: string): Promise<string> {
  if (compressionOf(await store.head(digest)) === "none") return digest;
  const hash = createHash("sha256");
  for await (const chunk of decompress(store.stream(digest))) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
