import { extract } from "tar-stream";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { SwarmError } from "../../lib/index.js";
import type { BlobStore } from "../content/blob-store.js";
import { decompress } from "../content/decompress.js";
import { choosePlatform, parseManifest, type Descriptor, type Platform } from "../registry/manifest.js";

/** One image of an archive; its blobs are in the content store. */
export interface ArchivedImage { readonly manifestDigest: string | undefined; readonly configDigest: string; readonly layers: readonly string[]; readonly names: readonly string[] }

/** Reads a docker-save or an OCI-layout tar into the content store. Every file is stored; what belongs to no image is garbage afterwards. */
export async function readArchive(tar: AsyncIterable<Uint8Array>, store: BlobStore, platform: Platform): Promise<ArchivedImage[]> {
  const files = new Map<string, string>();       // path in the archive -> digest
  const links = new Map<string, string>();
  const parser = extract();
  const source = Readable.from(decompress(tar), { objectMode: false });
  source.on("error", (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const entry of parser) {
      const path = posix.normalize(entry.header.name).replace(/^(\.?\/)+/, "");
      if (entry.header.type === "symlink" || entry.header.type === "link") {
        links.set(path, posix.normalize(entry.header.type === "link" ? entry.header.linkname! : posix.join(posix.dirname(path), entry.header.linkname!)));
        entry.resume();
      } else if (entry.header.type === "file") {
        const named = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path);
        const { digest } = await store.put(entry as AsyncIterable<Buffer>, named ? { digest: `sha256:${named[1]}` } : undefined);
        files.set(path, digest);
      } else entry.resume();
    }
  } catch (error) {
    if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot load the image archive: ${error.message}`, { cause: error });
    if ((error as NodeJS.ErrnoException).code?.startsWith("E")) throw error;
    throw new SwarmError("INVALID_ARGUMENT", `Cannot load the image archive: it is not a whole tar file (${(error as Error).message})`, { cause: error });
  } finally { source.destroy(); }

  const find = (path: string): string | undefined => {
    for (let hops = 0; hops < 10; hops++) {
      const digest = files.get(path);
      if (digest) return digest;
      const next = links.get(path);
      if (next === undefined) return undefined;
      path = next;
    }
    return undefined;
  };
  const need = (path: string): string => find(posix.normalize(path)) ?? refuse(`it names "${path}", which is not in it; it is incomplete`);

  const dockerManifest = find("manifest.json");
  if (dockerManifest) {
    const list = await readJson(store, dockerManifest, "manifest.json") as { Config: string; RepoTags: string[] | null; Layers: string[] }[];
    if (!Array.isArray(list)) return refuse("its manifest.json is not a list");
    return list.map((image) => ({ manifestDigest: undefined, configDigest: need(String(image.Config)), layers: (image.Layers ?? []).map((l) => need(String(l))), names: image.RepoTags ?? [] }));
  }
  const index = find("index.json");
  if (!index) return refuse("it holds neither manifest.json (docker save) nor index.json (OCI layout); for a tar of a root filesystem use image import");
  const top = parseManifest(await store.read(index), "index.json");
  if (top.kind !== "index") return refuse("its index.json is not an index");
  const images: ArchivedImage[] = [];
  const fitting = top.manifests.filter((m) => !m.platform || (m.platform.os === platform.os && m.platform.architecture === platform.architecture));
  for (const entry of fitting.length > 0 ? fitting : [choosePlatform(top.manifests, platform, "index.json")]) {
    const image = await resolve(entry, store, files, platform);
    const name = entry.annotations?.["io.containerd.image.name"] ?? entry.annotations?.["org.opencontainers.image.ref.name"];
    images.push({ manifestDigest: image.digest, configDigest: need(blobPath(image.config)), layers: image.layers.map((l) => need(blobPath(l))), names: name ? [name] : [] });
  }
  return images;
}

const blobPath = (digest: string) => `blobs/sha256/${digest.replace("sha256:", "")}`;

async function resolve(entry: Descriptor, store: BlobStore, files: Map<string, string>, platform: Platform): Promise<{ digest: string; config: string; layers: string[] }> {
  if (!files.has(blobPath(entry.digest))) return refuse(`it names "${blobPath(entry.digest)}", which is not in it; it is incomplete`);
  const parsed = parseManifest(await store.read(entry.digest), entry.digest);
  if (parsed.kind === "index") return resolve(choosePlatform(parsed.manifests, platform, entry.digest), store, files, platform);
  return { digest: entry.digest, config: parsed.manifest.config.digest, layers: parsed.manifest.layers.map((l) => l.digest) };
}

function refuse(why: string): never { throw new SwarmError("INVALID_ARGUMENT", `Cannot load the image archive: ${why}`); }

async function readJson(store: BlobStore, digest: string, what: string): Promise<unknown> {
  if (await store.sizeBytes(digest) > 16 * 1024 * 1024) return refuse(`its ${what} is larger than 16 MiB`);
  try { return JSON.parse((await store.read(digest)).toString("utf8")); } catch { return refuse(`its ${what} is not JSON`); }
}
