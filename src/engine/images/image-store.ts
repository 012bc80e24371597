import { createHash } from "node:crypto";
import { arch as nodeArch } from "node:os";
import { SwarmError, messageOf, type Clock, type Logger } from "../../lib/index.js";
import type { Events, Image, ImageStore, PullOptions, PullProgress } from "../api/index.js";
import type { BlobStore } from "../content/blob-store.js";
import { decompress } from "../content/decompress.js";
import { KeyedLock } from "../keyed-lock.js";
import type { Metadata } from "../metadata.js";
import type { RegistryClient } from "../registry/client.js";
import { choosePlatform, parseManifest, type Descriptor, type Platform } from "../registry/manifest.js";
import type { LayerStore } from "../snapshots/layers.js";
import { readArchive } from "./archive.js";
import { applyChanges } from "./changes.js";
import { parseImageConfig } from "./config.js";
import type { ImageRecord } from "./record.js";
import { familiar, parseReference, type Reference } from "./reference.js";

const layersAtOnce = 3;
const dayMs = 86_400_000;

export interface ImageStoreParts {
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly registry: RegistryClient;
  readonly log: Logger;
  readonly events: Events;
  readonly clock: Clock;
  /** Names of the containers that were made from an image. */
  readonly usersOf: (imageId: string) => string[];
}

/** GOARCH names, as images are labelled with. */
export const hostPlatform = (): Platform => ({ os: "linux", architecture: { x64: "amd64", ia32: "386" }[nodeArch() as string] ?? nodeArch() });

export class LocalImageStore implements ImageStore {
  #images = new Map<string, ImageRecord>();
  #references = new Map<string, string>();
  #pulls = new Map<string, SharedPull>();
  #writes = new KeyedLock();
  // Collecting garbage waits for pulls and loads to end, and new ones wait for it: nothing they rely on is taken away.
  #working = 0;
  #hasGarbage = false;
  #collecting: Promise<void> | undefined;

  private constructor(private readonly parts: ImageStoreParts) {}

  static async open(parts: ImageStoreParts): Promise<LocalImageStore> {
    const store = new LocalImageStore(parts);
    for (const image of await parts.metadata.images()) store.#images.set(image.id, image);
    store.#references = await parts.metadata.references();
    await parts.blobs.cleanIngest(parts.clock.now(), 7 * dayMs);
    await store.#collect(dayMs);   // what a broken pull left may be wanted again soon
    return store;
  }

  async list(): Promise<Image[]> { return [...this.#images.values()].map((record) => this.#show(record)); }

  async get(reference: string): Promise<Image | undefined> {
    const record = this.#find(reference);
    return record && this.#show(record);
  }

  /** The record behind a reference or an id, for making containers. */
  record(reference: string): ImageRecord | undefined { return this.#find(reference); }

  async pull(text: string, options: PullOptions = {}): Promise<Image> {
    const reference = parseReference(text);
    options.signal?.throwIfAborted();
    // Other credentials are other rights, so only like asks share.
    const key = JSON.stringify([reference.normalized, options.credentials, options.plainHttp]);
    let shared = this.#pulls.get(key);
    if (!shared) {
      shared = new SharedPull((signal, onProgress) => this.#pull(reference, { ...options, signal, onProgress }));
      this.#pulls.set(key, shared);
      const mine = shared;
      void mine.result.catch(() => {}).finally(() => { if (this.#pulls.get(key) === mine) this.#pulls.delete(key); });
    }
    return shared.join(options, reference.normalized, () => this.#pulls.delete(key));
  }

  async load(tar: AsyncIterable<Uint8Array>): Promise<Image[]> {
    return this.#work(async () => {
      this.#hasGarbage = true;   // what the archive holds beside its images, or all of it if it is refused
      const images: Image[] = [];
      for (const archived of await readArchive(tar, this.parts.blobs, hostPlatform())) {
        const references = archived.names.map((name) => parseReference(name));
        const subject = references[0] ? familiar(references[0].normalized) : archived.configDigest;
        const blobs = [...(archived.manifestDigest ? [archived.manifestDigest] : []), archived.configDigest, ...archived.layers];
        images.push(await this.#install(subject, archived.configDigest, archived.layers, blobs, references.map((r) => r.normalized),
          archived.manifestDigest ? references.map((r) => `${r.name}@${archived.manifestDigest}`) : []));
      }
      if (images.length === 0) throw new SwarmError("INVALID_ARGUMENT", "Cannot load the image archive: it holds no image");
      return images;
    });
  }

  async import(tar: AsyncIterable<Uint8Array>, options: { reference: string; changes?: readonly string[] }): Promise<Image> {
    const reference = parseReference(options.reference);
    if (reference.digest) throw new SwarmError("INVALID_ARGUMENT", `Cannot import an image as "${options.reference}": a digest cannot be chosen; give a name and a tag`);
    const config = applyChanges(options.changes ?? []);
    return this.#work(async () => {
      const layer = await this.parts.blobs.put(decompress(tar));
      const platform = hostPlatform();
      const bytes = Buffer.from(JSON.stringify({
        created: new Date(this.parts.clock.now()).toISOString(), architecture: platform.architecture, os: platform.os, config,
        rootfs: { type: "layers", diff_ids: [layer.digest] }, history: [{ created: new Date(this.parts.clock.now()).toISOString(), comment: "imported" }],
      }));
      const configDigest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
      await this.parts.blobs.put([bytes], { digest: configDigest });
      try {
        return await this.#install(reference.normalized, configDigest, [layer.digest], [configDigest, layer.digest], [reference.normalized], []);
      } catch (error) {
        this.#hasGarbage = true;
        if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot import image "${familiar(reference.normalized)}": ${messageOf(error)}`, { cause: error });
        throw error;
      }
    });
  }

  async remove(text: string, options: { force?: boolean } = {}): Promise<{ untagged: string[]; deleted: string[] }> {
    return this.#writes.run("", async () => {
      const record = this.#find(text);
      if (!record) throw new SwarmError("NOT_FOUND", `Cannot remove image "${text}": no such image is on this host; image ls shows what is`);
      const all = this.#referencesOf(record.id);
      const byName = isId(text, record.id) ? undefined : parseReference(text).normalized;
      const untagged = byName && all.includes(byName) ? [byName] : all;
      if (!byName && all.length > 1 && !options.force) throw new SwarmError("FAILED_PRECONDITION", `Cannot remove image "${text}": it has ${all.length} names (${all.map(familiar).join(", ")}); remove them by name, or use --force`);
      const isLast = untagged.length === all.length;
      const users = isLast ? this.parts.usersOf(record.id) : [];
      if (users.length > 0 && !options.force) throw new SwarmError("FAILED_PRECONDITION", `Cannot remove image "${text}": ${users.length === 1 ? "container" : `${users.length} containers, such as`} "${users[0]}" ${users.length === 1 ? "uses" : "use"} it; remove ${users.length === 1 ? "the container" : "them"} first, or use --force to remove only the name`);
      const isDeleted = isLast && users.length === 0;
      await this.parts.metadata.removeImage(untagged, isDeleted ? record.id : undefined);
      for (const name of untagged) this.#references.delete(name);
      if (isDeleted) { this.#images.delete(record.id); this.#hasGarbage = true; await this.#collectIfIdle(); }
      return { untagged, deleted: isDeleted ? [record.id, ...record.diffIds] : [] };
    });
  }

  /** A container is gone: an image that lost its names meanwhile may go too. */
  async releaseUnnamed(imageId: string): Promise<void> {
    await this.#writes.run("", async () => {
      if (!this.#images.has(imageId) || this.#referencesOf(imageId).length > 0 || this.parts.usersOf(imageId).length > 0) return;
      await this.parts.metadata.removeImage([], imageId);
      this.#images.delete(imageId);
      this.#hasGarbage = true;
      await this.#collectIfIdle();
    });
  }

  async close(): Promise<void> {
    for (const pull of this.#pulls.values()) pull.cancel();
    await Promise.allSettled([...this.#pulls.values()].map((pull) => pull.result));
    await this.#writes.idle();
  }

  async #pull(reference: Reference, options: PullOptions & { signal: AbortSignal; onProgress: (progress: PullProgress) => void }): Promise<Image> {
    const { blobs, registry } = this.parts;
    const subject = familiar(reference.normalized);
    return this.#work(async () => {
      const manifests: string[] = [];
      let answer = await registry.manifest(reference, options);
      let parsed = parseManifest(answer.bytes, subject);
      const topDigest = answer.digest;
      for (let depth = 0; ; depth++) {
        await blobs.put([answer.bytes], { digest: answer.digest });
        manifests.push(answer.digest);
        if (parsed.kind === "image") break;
        if (depth > 2) throw new SwarmError("INVALID_ARGUMENT", `Cannot pull image "${subject}": its index leads to an index again and again`);
        const chosen = choosePlatform(parsed.manifests, hostPlatform(), subject);
        answer = await registry.manifest({ ...reference, tag: undefined, digest: chosen.digest, normalized: `${reference.name}@${chosen.digest}` }, options);
        parsed = parseManifest(answer.bytes, subject);
      }
      const { config, layers } = parsed.manifest;
      await registry.blob(reference, config, blobs, options, () => {});
      const { diffIds } = parseImageConfig(await blobs.read(config.digest), subject);
      if (diffIds.length !== layers.length) throw new SwarmError("INVALID_ARGUMENT", `Image "${subject}" is broken: its config names ${diffIds.length} layers, its manifest ${layers.length}`);

      // A failed layer ends the others.
      const group = new AbortController();
      const signal = AbortSignal.any([options.signal, group.signal]);
      const waiting = layers.map((layer, i) => ({ layer, diffId: diffIds[i]! }));
      const failures: unknown[] = [];
      await Promise.all(Array.from({ length: Math.min(layersAtOnce, waiting.length) }, async () => {
        for (let next = waiting.shift(); next && failures.length === 0; next = waiting.shift()) {
          try { await this.#bringLayer(reference, next.layer, next.diffId, { ...options, signal }); } catch (error) { failures.push(error); group.abort(error); }
        }
      }));
      if (failures.length > 0) throw failures[0];
      options.signal.throwIfAborted();
      const image = await this.#install(subject, config.digest, layers.map((l) => l.digest), [...manifests, config.digest, ...layers.map((l) => l.digest)],
        [reference.normalized], [...new Set([topDigest, answer.digest])].map((digest) => `${reference.name}@${digest}`));
      options.onProgress({ id: "", status: "Done", currentBytes: 0, totalBytes: 0 });
      return image;
    });
  }

  async #bringLayer(reference: Reference, layer: Descriptor, diffId: string, options: PullOptions & { signal: AbortSignal; onProgress: (progress: PullProgress) => void }): Promise<void> {
    const id = layer.digest.slice(7, 19);
    const { blobs, layers, registry } = this.parts;
    const report = (status: string, currentBytes: number) => options.onProgress({ id, status, currentBytes, totalBytes: layer.size });
    if (await layers.sizeBytes(diffId) !== undefined && await blobs.has(layer.digest)) return report("Already exists", layer.size);
    let shown = 0;
    await registry.blob(reference, layer, blobs, options, (bytes) => { if (bytes - shown > 256 * 1024 || bytes === layer.size) { shown = bytes; report("Downloading", bytes); } });
    report("Extracting", layer.size);
    await layers.unpack(diffId, () => blobs.stream(layer.digest));
    report("Done", layer.size);
  }

  /** Unpacks what is missing and records the image: from here on it is there. */
  async #install(subject: string, configDigest: string, layerBlobs: readonly string[], blobs: readonly string[], references: readonly string[], digests: readonly string[]): Promise<Image> {
    const parsed = parseImageConfig(await this.parts.blobs.read(configDigest), subject);
    if (parsed.diffIds.length !== layerBlobs.length) throw new SwarmError("INVALID_ARGUMENT", `Image "${subject}" is broken: its config names ${parsed.diffIds.length} layers, ${layerBlobs.length} are there`);
    const host = hostPlatform();
    if (parsed.os !== host.os || (parsed.arch !== "" && parsed.arch !== host.architecture)) throw new SwarmError("FAILED_PRECONDITION", `Image "${subject}" does not run on this host: it is made for ${parsed.os}/${parsed.arch}, and this host is ${host.os}/${host.architecture}`);
    let sizeBytes = 0;
    for (const [i, diffId] of parsed.diffIds.entries()) { sizeBytes += await this.parts.layers.unpack(diffId, () => this.parts.blobs.stream(layerBlobs[i]!)); }
    return this.#writes.run("", async () => {
      const before = this.#images.get(configDigest);
      const record: ImageRecord = {
        id: configDigest, digests: [...new Set([...(before?.digests ?? []), ...digests])], blobs: [...new Set([...(before?.blobs ?? []), ...blobs])],
        diffIds: parsed.diffIds, sizeBytes, createdAtMs: parsed.createdAtMs, os: parsed.os, arch: parsed.arch || host.architecture, config: parsed.config,
      };
      await this.parts.metadata.putImage(record, references);
      this.#images.set(record.id, record);
      for (const name of references) this.#references.set(name, record.id);
      return this.#show(record);
    });
  }

  #find(text: string): ImageRecord | undefined {
    const exact = this.#images.get(text);
    if (exact) return exact;
    const hex = text.replace(/^sha256:/, "");
    const byId = (): ImageRecord | undefined => {
      const matches = /^[0-9a-f]{7,64}$/.test(hex) ? [...this.#images.keys()].filter((id) => id.startsWith(`sha256:${hex}`)) : [];
      return matches.length === 1 ? this.#images.get(matches[0]!) : undefined;
    };
    if (text.startsWith("sha256:") || /^[0-9a-f]{64}$/.test(text)) return byId();
    const reference = parseReference(text);
    const id = this.#references.get(reference.normalized);
    if (id) return this.#images.get(id);
    if (reference.digest) for (const image of this.#images.values()) if (image.digests.includes(reference.normalized)) return image;
    return byId();
  }

  #referencesOf(imageId: string): string[] { return [...this.#references].filter(([, id]) => id === imageId).map(([name]) => name).sort(); }

  #show(record: ImageRecord): Image {
    const { id, digests, sizeBytes, createdAtMs, os, arch, config } = record;
    return { id, references: this.#referencesOf(id), digests, sizeBytes, createdAtMs, os, arch, config };
  }

  async #work<T>(action: () => Promise<T>): Promise<T> {
    while (this.#collecting) await this.#collecting;
    this.#working++;
    try { return await action(); } finally { this.#working--; await this.#collectIfIdle(); }
  }

  async #collectIfIdle(): Promise<void> {
    if (this.#working > 0 || !this.#hasGarbage || this.#collecting) return;
    this.#hasGarbage = false;
    this.#collecting = this.#collect(0).catch((error: unknown) => { this.parts.log.warn("deleting unused image data failed", { error }); }).finally(() => { this.#collecting = undefined; });
    await this.#collecting;
  }

  /** Deletes blobs and layers that no image has, once they are that old. */
  async #collect(minAgeMs: number): Promise<void> {
    const { blobs, layers, clock } = this.parts;
    const usedBlobs = new Set([...this.#images.values()].flatMap((image) => image.blobs));
    const usedLayers = new Set([...this.#images.values()].flatMap((image) => image.diffIds));
    for (const digest of await blobs.list()) if (!usedBlobs.has(digest) && (minAgeMs === 0 || await blobs.ageMs(digest, clock.now()) > minAgeMs)) await blobs.delete(digest);
    for (const diffId of await layers.list()) if (!usedLayers.has(diffId)) await layers.delete(diffId);
  }
}

const isId = (text: string, id: string): boolean => text === id || (/^(sha256:)?[0-9a-f]{7,64}$/.test(text) && id.startsWith(`sha256:${text.replace(/^sha256:/, "")}`));

/** One pull with several that wait for it: it ends early only when all of them have given up. */
class SharedPull {
  readonly result: Promise<Image>;
  #controller = new AbortController();
  #listeners = new Set<(progress: PullProgress) => void>();
  #waiting = 0;

  constructor(run: (signal: AbortSignal, onProgress: (progress: PullProgress) => void) => Promise<Image>) {
    this.result = run(this.#controller.signal, (progress) => { for (const listener of this.#listeners) listener(progress); });
    this.result.catch(() => {});
  }

  cancel(): void { this.#controller.abort(new SwarmError("CANCELLED", "the engine is closing")); }

  async join(options: PullOptions, subject: string, onAbandoned: () => void): Promise<Image> {
    this.#waiting++;
    if (options.onProgress) this.#listeners.add(options.onProgress);
    let onAbort: (() => void) | undefined;
    try {
      if (!options.signal) return await this.result;
      const aborted = new Promise<never>((_, reject) => {
        onAbort = () => reject(new SwarmError("CANCELLED", `Pulling image "${subject}" was cancelled`));
        options.signal!.addEventListener("abort", onAbort, { once: true });
      });
      return await Promise.race([this.result, aborted]);
    } finally {
      if (onAbort) options.signal!.removeEventListener("abort", onAbort);
      if (options.onProgress) this.#listeners.delete(options.onProgress);
      if (--this.#waiting === 0 && options.signal?.aborted) { onAbandoned(); this.cancel(); }
    }
  }
}
