import { createHash } from "node:crypto";
import { SwarmError, codeOf, messageOf, type Clock, type Logger } from "../../lib/index.js";
import type { Credentials, Events, HistoryEntry, Image, ImageDetails, Images, LabelFilter, PullOptions, PullProgress, PulledImage } from "../api/index.js";
import type { BlobStore } from "../content/blob-store.js";
import { decompress } from "../content/decompress.js";
import { matchesLabels } from "../label-filter.js";
import type { Metadata } from "../metadata.js";
import type { RegistryClient } from "../registry/client.js";
import { hostPlatform, parseManifest, parsePlatform } from "../registry/manifest.js";
import { readArchive } from "./archive.js";
import { ImageCatalog } from "./catalog.js";
import { chainIdOf, chainsOf } from "./chain.js";
import { applyChanges, type ConfigJson } from "./changes.js";
import { parseImageConfig } from "./config.js";
import { historyOf } from "./core/history.js";
import { planRemoval, type Removal, type RemovalImage } from "./core/removal.js";
import { GarbageCollector, type Held } from "./garbage.js";
import type { LayerFiles } from "./layer-files.js";
import { pullContent } from "./pull.js";
import { pushImage } from "./push.js";
import { layersOf, type ImageRecord, type LayerBlob } from "./record.js";
import { familiar, parseReference, type Reference } from "./reference.js";
import { writeArchive } from "./save.js";
import { SharedPull } from "./shared-pull.js";

export interface ImageStoreParts {
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
  readonly layers: LayerFiles;
  readonly registry: RegistryClient;
  readonly log: Logger;
  readonly events: Events;
  readonly clock: Clock;
  /** Throws when so many more bytes have no room on the disk. */
  readonly checkRoom: (bytes: number, what: string) => Promise<void>;
  /** Containers that were made from an image. */
  readonly usersOf: (imageId: string) => readonly ImageUser[];
}
export interface ImageUser { readonly name: string; readonly isRunning: boolean }

/** What an image is made of when it comes from here (build, commit, import) or from elsewhere. */
export interface NewImage {
  readonly configDigest: string;
  /** In the order of the config's diff ids; all of them are in the content store. */
  readonly layers: readonly LayerBlob[];
  readonly names?: readonly string[];                    // normalized name:tag
  readonly digests?: readonly string[];                  // name@digest
  readonly manifests?: readonly { readonly digest: string; readonly mediaType: string }[];   // the image's own last
  readonly parent?: string;
}

export class LocalImageStore implements Images {
  #pulls = new Map<string, SharedPull<PulledImage>>();

  private constructor(private readonly parts: ImageStoreParts, private readonly catalog: ImageCatalog, private readonly garbage: GarbageCollector) {}

  static async open(parts: ImageStoreParts): Promise<LocalImageStore> {
    const catalog = await ImageCatalog.open(parts.metadata);
    return new LocalImageStore(parts, catalog, await GarbageCollector.open({ ...parts, catalog }));
  }

  /** What a killed daemon left. Once everybody who uses images is there to be asked. */
  async sweep(): Promise<void> {
    const doomed = this.catalog.all().filter((image) => image.fate && this.parts.usersOf(image.id).length === 0);
    for (const image of doomed) await this.imageReleased(image.id);
    await this.garbage.collect("old");
  }

  async list(options: { isAll?: boolean } = {}): Promise<Image[]> {
    const parents = new Set(this.catalog.visible().map((image) => image.parent));
    return this.catalog.visible().filter((image) => options.isAll || this.catalog.hasName(image) || !parents.has(image.id)).map((record) => this.#show(record));
  }

  async get(reference: string): Promise<Image | undefined> {
    const record = this.catalog.find(reference);
    return record && this.#show(record);
  }

  /** The record behind a reference or an id, for containers: also of what only they have left. */
  record(reference: string): ImageRecord | undefined { return this.catalog.get(reference) ?? this.catalog.find(reference); }

  /** All of them, also those that only containers still need. */
  records(): ImageRecord[] { return this.catalog.all(); }

  async inspect(reference: string): Promise<ImageDetails> {
    const record = this.catalog.need(reference, "inspect");
    return { ...this.#show(record), diffIds: record.diffIds, raw: await this.#config(record), parent: record.parent ?? "", lastTaggedAtMs: record.lastTaggedAtMs ?? 0, graphDriver: { name: this.parts.layers.name, data: this.parts.layers.describeImage(record.diffIds) } };
  }

  async history(reference: string): Promise<HistoryEntry[]> {
    const record = this.catalog.need(reference, "show the history of");
    const sizes = await Promise.all(chainsOf(record.diffIds).map(async (chain) => (await this.parts.layers.layerSize(chain)) ?? 0));
    const view = (id: string) => { const at = this.catalog.get(id); return at && { id, tags: this.catalog.tagsOf(id), parent: at.parent }; };
    return historyOf((await this.#config(record))["history"], sizes, view(record.id)!, view);
  }

  async tag(source: string, target: string): Promise<void> {
    const reference = parseReference(target);
    const refuse = (why: string): never => { throw new SwarmError("INVALID_ARGUMENT", `Cannot tag image "${source}" as "${target}": ${why}`); };
    if (reference.digest) refuse("a digest cannot be chosen; give a name and a tag");
    const record = this.catalog.need(source, "tag");
    await this.#name(record.id, [reference.normalized]);
  }

  async pull(text: string, options: PullOptions = {}): Promise<PulledImage> {
    const reference = parseReference(text);
    options.signal?.throwIfAborted();
    // Other credentials are other rights, so only like asks share.
    const key = JSON.stringify([reference.normalized, options.credentials, options.plainHttp, options.platform]);
    let shared = this.#pulls.get(key);
    if (!shared) {
      shared = new SharedPull((signal, onProgress) => this.#pull(reference, { ...options, signal, onProgress }));
      this.#pulls.set(key, shared);
      const mine = shared;
      void mine.result.catch(() => {}).finally(() => { if (this.#pulls.get(key) === mine) this.#pulls.delete(key); });
    }
    return shared.join(options, reference.normalized, () => this.#pulls.delete(key));
  }

  async push(text: string, options: PullOptions = {}): Promise<{ digest: string; sizeBytes: number; tag: string }> {
    const reference = parseReference(text);
    if (reference.digest) throw new SwarmError("INVALID_ARGUMENT", `Cannot push image "${text}": a digest cannot be pushed to; give a name and a tag`);
    const id = this.catalog.idOf(reference.normalized);
    const record = id === undefined ? undefined : this.catalog.get(id);
    if (!record) throw new SwarmError("NOT_FOUND", `Cannot push image "${text}": an image does not exist locally with the tag "${familiar(reference.normalized)}"; image tag gives one its name`);
    return this.garbage.during(async () => {
      const pushed = await pushImage(reference, record, options, {
        ...this.parts, compressed: this.garbage.compressed,
        // Where on the same registry these bytes may be already: other repositories of images that have them.
        repositoriesOf: (digest) => this.catalog.all().filter((image) => image.blobs.includes(digest)).flatMap((image) => image.digests).filter((each) => each.startsWith(`${reference.host}/`)).map((each) => parseReference(each).repository),
      });
      const digest = `${reference.name}@${pushed.manifest.digest}`;
      await this.catalog.change(() => {
        const now = this.catalog.get(record.id);
        if (!now) return { change: {}, result: undefined };
        // What was compressed for this push replaces what it was made from: one blob a layer.
        const replaced = new Set(layersOf(now).map((layer) => layer.digest));
        const sent = pushed.layers.map((layer) => layer.digest);
        return { change: { put: [{ ...now, digests: union(now.digests, [digest]), layers: pushed.layers, manifest: pushed.manifest, blobs: union([pushed.manifest.digest, ...now.blobs.filter((each) => !replaced.has(each))], sent) }] }, result: undefined };
      });
      void this.garbage.collect();
      this.#publish("push", familiar(reference.normalized), familiar(reference.name), record);
      return { digest: pushed.manifest.digest, sizeBytes: pushed.manifestBytes, tag: reference.tag! };
    });
  }

  async resolve(text: string, options: PullOptions = {}): ReturnType<Images["resolve"]> {
    const reference = parseReference(text);
    const { bytes, digest, mediaType } = await this.parts.registry.manifest(reference, options);
    const parsed = parseManifest(bytes, familiar(reference.normalized));
    if (parsed.kind === "index") return { digest, mediaType, sizeBytes: bytes.length, platforms: parsed.manifests.flatMap((entry) => (entry.platform && entry.platform.os !== "unknown" ? [entry.platform] : [])) };
    const config = await this.parts.registry.smallBlob(reference, parsed.manifest.config, options);
    const { os, arch, variant } = parseImageConfig(config, familiar(reference.normalized));
    return { digest, mediaType, sizeBytes: bytes.length, platforms: [{ os, architecture: arch, ...(variant ? { variant } : {}) }] };
  }

  async tagged(repository: string, options: PullOptions = {}): Promise<string[]> {
    const reference = parseReference(repository);
    const tags = await this.parts.registry.tags(reference, options);
    if (tags.length === 0) throw new SwarmError("NOT_FOUND", `Cannot pull all of "${familiar(reference.name)}": the registry has no tag of it`);
    return tags.map((tag) => `${reference.name}:${tag}`);
  }

  login(host: string, credentials: Credentials): Promise<void> { return this.parts.registry.login(host, credentials); }

  async load(tar: AsyncIterable<Uint8Array>): Promise<Image[]> {
    return this.garbage.during(async () => {
      void this.garbage.collect();   // afterwards: what the archive holds beside its images, or all of it if it is refused
      const images: Image[] = [];
      for (const archived of await readArchive(tar, this.parts.blobs, hostPlatform())) {
        const references = archived.names.map((name) => parseReference(name));
        const image = await this.#install(references[0] ? familiar(references[0].normalized) : archived.configDigest, {
          configDigest: archived.configDigest, layers: archived.layers, names: references.filter((r) => !r.digest).map((r) => r.normalized),
          ...(archived.manifest ? { manifests: [archived.manifest], digests: archived.isOci ? references.map((r) => `${r.name}@${archived.manifest!.digest}`) : [] } : {}),
        });
        images.push(image);
        this.#publish("load", image.id, familiar(references[0]?.normalized ?? image.id), image);
      }
      if (images.length === 0) throw new SwarmError("INVALID_ARGUMENT", "Cannot load the image archive: it holds no image");
      return images;
    });
  }

  async *save(texts: readonly string[]): AsyncGenerator<Uint8Array> {
    if (texts.length === 0) throw new SwarmError("INVALID_ARGUMENT", "Cannot save images: none was named");
    const chosen = new Map<string, Set<string>>();   // id -> names that go with it
    for (const text of texts) {
      const record = this.catalog.need(text, "save");
      const names = chosen.get(record.id) ?? new Set<string>();
      chosen.set(record.id, names);
      if (!this.catalog.isId(text, record.id)) {
        const reference = parseReference(text);
        if (!reference.digest) names.add(reference.normalized);
      }
    }
    const images = [...chosen].map(([id, names]) => ({ record: this.catalog.get(id)!, names: [...names] }));
    const release = this.hold({ chains: images.map(({ record }) => record.diffIds), blobs: images.flatMap(({ record }) => record.blobs) });
    try {
      yield* writeArchive(images, this.parts.blobs);
      for (const { record } of images) this.#publish("save", record.id, record.id, record);
    } finally { release(); }
  }

  async import(tar: AsyncIterable<Uint8Array>, options: { reference: string; changes?: readonly string[]; message?: string; platform?: string }): Promise<Image> {
    const reference = options.reference === "" ? undefined : parseReference(options.reference);
    if (reference?.digest) throw new SwarmError("INVALID_ARGUMENT", `Cannot import an image as "${options.reference}": a digest cannot be chosen; give a name and a tag`);
    const config = applyChanges(options.changes ?? []);
    return this.garbage.during(async () => {
      void this.garbage.collect();
      const layer = await this.parts.blobs.put(decompress(tar));
      const platform = options.platform ? parsePlatform(options.platform) : hostPlatform();
      const created = new Date(this.parts.clock.now()).toISOString();
      try {
        const image = await this.create({
          config: {
            created, architecture: platform.architecture, os: platform.os, ...(platform.variant ? { variant: platform.variant } : {}), config, rootfs: { type: "layers", diff_ids: [layer.digest] },
            history: [{ created, comment: options.message ?? "Imported from -" }],
          },
          layers: [{ ...layer, mediaType: "" }], names: reference ? [reference.normalized] : [],
        });
        this.#publish("import", image.id, image.id, image);
        return image;
      } catch (error) {
        if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot import image "${reference ? familiar(reference.normalized) : ""}": ${messageOf(error)}`, { cause: error });
        throw error;
      }
    });
  }

  /** Writes the config and records the image; for commit and build, inside `during`. */
  async create(image: Omit<NewImage, "configDigest"> & { readonly config: Readonly<Record<string, unknown>> & { readonly config?: ConfigJson } }): Promise<Image> {
    const bytes = Buffer.from(JSON.stringify(image.config));
    const configDigest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await this.parts.blobs.put([bytes], { digest: configDigest });
    const made = await this.#install(image.names?.[0] ? familiar(image.names[0]) : configDigest.slice(7, 19), { ...image, configDigest });
    for (const name of image.names ?? []) this.#publish("tag", made.id, familiar(name), made);
    return made;
  }

  /** The config blob, parsed; of an image that only a container has left, too. */
  async rawConfig(id: string): Promise<Readonly<Record<string, unknown>>> {
    const record = this.catalog.get(id);
    if (!record) throw new SwarmError("NOT_FOUND", `image ${id} is gone`);
    return this.#config(record);
  }

  async remove(text: string, options: { force?: boolean; noPrune?: boolean } = {}): Promise<{ untagged: string[]; deleted: string[] }> {
    const { removal, deletedLayers, asked } = await this.catalog.change(() => {
      const record = this.catalog.need(text, "remove");
      const reference = this.catalog.isId(text, record.id) ? undefined : parseReference(text).normalized;
      const removal = planRemoval({ subject: text, id: record.id, reference, force: options.force ?? false, noPrune: options.noPrune ?? false }, (id) => this.#removalView(id), familiar);
      return this.#carryOut(removal, record);
    });
    this.#announce(removal, asked);
    if (removal.deleted.length > 0) await this.garbage.collect();
    return { untagged: [...removal.untagged], deleted: [...removal.deleted, ...deletedLayers] };
  }

  async prune(options: { isAll?: boolean; untilMs?: number; labels?: readonly LabelFilter[] }): Promise<{ untagged: string[]; deleted: string[]; freedBytes: number }> {
    const bytesBefore = await this.#layerBytes(this.catalog.all());
    const untagged: string[] = [];
    const deleted: string[] = [];
    // An image may only be free once those that were built on it are gone.
    for (let before = -1; deleted.length > before;) {
      before = deleted.length;
      for (const record of this.catalog.visible()) {
        if (!this.catalog.get(record.id) || this.catalog.childrenOf(record.id).length > 0) continue;
        if (!options.isAll && this.catalog.tagsOf(record.id).length > 0) continue;
        if (options.untilMs !== undefined && record.createdAtMs > options.untilMs) continue;
        if (!matchesLabels(record.config.labels, options.labels ?? [])) continue;
        if (this.parts.usersOf(record.id).length > 0) continue;
        const { removal, deletedLayers } = await this.catalog.change(() => {
          const view = this.#removalView(record.id);
          const isFree = view && view.users.length === 0 && view.children.length === 0;
          const parents = isFree ? planRemoval({ subject: record.id, id: record.id, reference: undefined, force: true, noPrune: false }, (id) => this.#removalView(id), familiar) : nothing;
          return this.#carryOut(parents, record);
        });
        this.#announce(removal, record.id);
        untagged.push(...removal.untagged);
        deleted.push(...removal.deleted, ...deletedLayers);
      }
    }
    if (deleted.length > 0) await this.garbage.collect();
    const freedBytes = bytesBefore - await this.#layerBytes(this.catalog.all());
    this.parts.events.publish({ type: "image", action: "prune", actorId: "", attributes: { reclaimed: String(freedBytes) } });
    return { untagged, deleted, freedBytes };
  }

  async usage(): ReturnType<Images["usage"]> {
    const images = this.catalog.visible();
    const users = new Map<string, number>();   // chain id -> images
    for (const image of this.catalog.all()) for (const chain of chainsOf(image.diffIds)) { const id = chainIdOf(chain); users.set(id, (users.get(id) ?? 0) + 1); }
    const shown = await Promise.all(images.map(async (image) => {
      let sharedBytes = 0;
      for (const chain of chainsOf(image.diffIds)) if (users.get(chainIdOf(chain))! > 1) sharedBytes += (await this.parts.layers.layerSize(chain)) ?? 0;
      return { id: image.id, sharedBytes, uniqueBytes: image.sizeBytes - sharedBytes, containers: this.parts.usersOf(image.id).length };
    }));
    return { layersBytes: await this.#layerBytes(this.catalog.all()), images: shown };
  }

  /** A container is gone: an image that was only kept for it may go too. */
  async imageReleased(imageId: string): Promise<void> {
    const isGone = await this.catalog.change(() => {
      const record = this.catalog.get(imageId);
      const isDoomed = record?.fate !== undefined && !this.catalog.hasName(record) && this.parts.usersOf(imageId).length === 0 && this.catalog.childrenOf(imageId).length === 0;
      return { change: isDoomed ? { removed: [imageId] } : {}, result: isDoomed };
    });
    if (!isGone) return;
    await this.garbage.collect();
  }

  /** Keeps layers and blobs that no image names (yet) until the release is called. */
  hold(held: Held): () => void { return this.garbage.hold(held); }
  /** Somebody with records of its own that need layers and blobs; asked at every collection. Before sweep(). */
  addUser(user: () => Iterable<Held>): void { this.garbage.addUser(user); }
  /** Nothing is collected while `action` runs: for bringing new layers and blobs until an image or a hold has them. */
  during<T>(action: () => Promise<T>): Promise<T> { return this.garbage.during(action); }
  /** Looks for what nothing needs any more. */
  collect(): Promise<void> { return this.garbage.collect(); }

  async close(): Promise<void> {
    for (const pull of this.#pulls.values()) pull.cancel();
    await Promise.allSettled([...this.#pulls.values()].map((pull) => pull.result));
    await this.catalog.idle();
    await this.garbage.close();
    this.parts.registry.close();
  }

  async #pull(reference: Reference, options: PullOptions & { signal: AbortSignal; onProgress: (progress: PullProgress) => void }): Promise<PulledImage> {
    const subject = familiar(reference.normalized);
    return this.garbage.during(async () => {
      try {
        const pulled = await pullContent(reference, options.platform ? parsePlatform(options.platform) : hostPlatform(), options, { ...this.parts, checkRoom: (bytes) => this.parts.checkRoom(bytes, `pull image "${subject}"`) });
        const digests = [...new Set(pulled.manifests.map(({ digest }) => `${reference.name}@${digest}`))];
        const before = reference.digest ? this.catalog.find(reference.normalized)?.id : this.catalog.idOf(reference.normalized);
        const image = await this.#install(subject, { ...pulled, digests, names: reference.digest ? [] : [reference.normalized] }, { isForeignAllowed: options.platform !== undefined });
        this.#publish("pull", subject, familiar(reference.name), image);
        return { ...image, pulledDigest: pulled.manifests[0]!.digest, isNewer: before !== image.id };
      } catch (error) {
        // What a broken connection leaves is worth keeping for the next try; anything else will not get better.
        if (["UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED"].includes(codeOf(error))) this.garbage.collectLater(); else void this.garbage.collect();
        if (error instanceof SwarmError && /^[a-z]|^The config/.test(error.message)) throw new SwarmError(error.code, `Cannot pull image "${subject}": ${error.message.replace(/^The config/, "the config")}`, { cause: error });
        throw error;
      }
    });
  }

  /** Unpacks what is missing and records the image: from here on it is there. */
  async #install(subject: string, image: NewImage, options: { isForeignAllowed: boolean } = { isForeignAllowed: true }): Promise<Image> {
    const { blobs, layers, clock } = this.parts;
    const parsed = parseImageConfig(await blobs.read(image.configDigest), subject);
    if (parsed.diffIds.length !== image.layers.length) throw new SwarmError("INVALID_ARGUMENT", `Image "${subject}" is broken: its config names ${parsed.diffIds.length} layers, ${image.layers.length} are there`);
    const host = hostPlatform();
    const isForeign = parsed.os !== host.os || (parsed.arch !== "" && parsed.arch !== host.architecture);
    if (parsed.os !== host.os || (isForeign && !options.isForeignAllowed)) throw new SwarmError("FAILED_PRECONDITION", `Image "${subject}" does not run on this host: it is made for ${parsed.os}/${parsed.arch}, and this host is ${host.os}/${host.architecture}`);
    let sizeBytes = 0;
    for (const [i, chain] of chainsOf(parsed.diffIds).entries()) sizeBytes += await layers.unpack(chain, () => blobs.stream(image.layers[i]!.digest));
    const names = image.names ?? [];
    const manifest = image.manifests?.at(-1);
    const record = await this.catalog.change(() => {
      const before = this.catalog.get(image.configDigest);
      const parent = image.parent ?? before?.parent;
      const wasHidden = before?.fate === "hidden";
      const record: ImageRecord = {
        id: image.configDigest, digests: union(wasHidden ? [] : before?.digests ?? [], image.digests ?? []),
        blobs: union(union(before?.blobs ?? [], (image.manifests ?? []).map(({ digest }) => digest)), [image.configDigest, ...image.layers.map(({ digest }) => digest)]),
        diffIds: parsed.diffIds, layers: manifest || !before ? image.layers : layersOf(before), ...(manifest ? { manifest } : before?.manifest ? { manifest: before.manifest } : {}),
        ...(parent ? { parent } : {}), sizeBytes, createdAtMs: parsed.createdAtMs, ...(names.length > 0 ? { lastTaggedAtMs: clock.now() } : before?.lastTaggedAtMs ? { lastTaggedAtMs: before.lastTaggedAtMs } : {}),
        os: parsed.os, arch: parsed.arch || host.architecture, ...(parsed.variant ? { variant: parsed.variant } : {}), config: parsed.config,
      };
      return { change: { put: [record], names: new Map(names.map((name) => [name, record.id])) }, result: record };
    });
    return this.#show(record);
  }

  async #name(id: string, names: readonly string[]): Promise<void> {
    const record = await this.catalog.change(() => {
      const now = this.catalog.get(id);
      if (!now || now.fate === "hidden") throw new SwarmError("NOT_FOUND", `Cannot tag image "${id}": it is being removed`);
      const { fate, ...kept } = now;
      const record: ImageRecord = { ...kept, lastTaggedAtMs: this.parts.clock.now() };
      return { change: { put: [record], names: new Map(names.map((name) => [name, id])) }, result: record };
    });
    for (const name of names) this.#publish("tag", id, familiar(name), record);
  }

  #removalView(id: string): RemovalImage | undefined {
    const record = this.catalog.get(id);
    if (!record || record.fate === "hidden") return undefined;
    return { id, tags: this.catalog.tagsOf(id), digests: record.digests, parent: record.parent, children: this.catalog.childrenOf(id), users: this.parts.usersOf(id) };
  }

  #carryOut(removal: Removal, asked: ImageRecord): { change: Parameters<Metadata["changeImages"]>[0]; result: { removal: Removal; deletedLayers: string[]; asked: string } } {
    const gone = removal.deleted.filter((id) => !removal.kept.includes(id));
    const put: ImageRecord[] = removal.kept.map((id) => ({ ...this.catalog.get(id)!, digests: [], fate: "hidden" }));
    if (!removal.deleted.includes(asked.id)) {
      const digests = asked.digests.filter((digest) => !removal.untagged.includes(digest));
      if (digests.length !== asked.digests.length || removal.unwanted.includes(asked.id)) put.push({ ...asked, digests, ...(removal.unwanted.includes(asked.id) ? { fate: "unwanted" as const } : {}) });
    }
    const left = new Set(this.catalog.all().filter((image) => !gone.includes(image.id)).flatMap((image) => chainsOf(image.diffIds).map(chainIdOf)));
    const lost = gone.flatMap((id) => chainsOf(this.catalog.get(id)!.diffIds).map(chainIdOf).reverse()).filter((chainId) => !left.has(chainId));
    return { change: { put, removed: gone, removedNames: removal.untagged.filter((name) => !name.includes("@")) }, result: { removal, deletedLayers: [...new Set(lost)], asked: asked.id } };
  }

  #announce(removal: Removal, id: string): void {
    for (const name of removal.untagged) this.parts.events.publish({ type: "image", action: "untag", actorId: id, attributes: { name: familiar(name) } });
    for (const each of removal.deleted) this.parts.events.publish({ type: "image", action: "delete", actorId: each, attributes: { name: each } });
  }

  async #config(record: ImageRecord): Promise<Record<string, unknown>> { return JSON.parse((await this.parts.blobs.read(record.id)).toString("utf8")) as Record<string, unknown>; }

  async #layerBytes(images: readonly ImageRecord[]): Promise<number> {
    const chains = new Map(images.flatMap((image) => chainsOf(image.diffIds).map((chain) => [chainIdOf(chain), chain] as const)));
    let bytes = 0;
    for (const chain of chains.values()) bytes += (await this.parts.layers.layerSize(chain)) ?? 0;
    return bytes;
  }

  #publish(action: string, actorId: string, name: string, image: Pick<Image, "config">): void {
    this.parts.events.publish({ type: "image", action, actorId, attributes: { ...image.config.labels, name } });
  }

  #show(record: ImageRecord): Image {
    const { id, digests, sizeBytes, createdAtMs, os, arch, config } = record;
    return { id, references: this.catalog.tagsOf(id), digests, sizeBytes, createdAtMs, os, arch, config };
  }
}

const nothing: Removal = { untagged: [], deleted: [], kept: [], unwanted: [] };
const union = (a: readonly string[], b: readonly string[]): string[] => [...new Set([...a, ...b])];
