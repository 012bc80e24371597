import type { Clock, Logger, Timer } from "../../lib/index.js";
import type { BlobStore } from "../content/blob-store.js";
import type { Metadata } from "../metadata.js";
import type { SnapshotDriver } from "../snapshots/driver.js";
import type { ImageCatalog } from "./catalog.js";
import type { LayerBlob } from "./record.js";

/** Layers (by chain) and blobs that somebody beside the images needs: a build, its cache. */
export interface Held { readonly chains: readonly (readonly string[])[]; readonly blobs: readonly string[] }

export interface GarbageParts {
  readonly catalog: ImageCatalog;
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
  readonly layers: Pick<SnapshotDriver, "keepOnly">;
  readonly log: Logger;
  readonly clock: Clock;
}

const dayMs = 86_400_000;

/**
 * Deletes blobs and layers that nothing needs. It waits for work that brings new ones (pulls, loads, commits) and such work waits for
 * it: nothing that somebody is about to rely on is taken away. What a pull left that broke may be wanted again: it stays for a day.
 */
export class GarbageCollector {
  #working = 0;
  #wanted: "no" | "old" | "all" = "no";
  #collecting: Promise<void> | undefined;
  #later: Timer | undefined;
  #holds = new Set<Held>();
  #users = new Set<() => Iterable<Held>>();
  /** By diff id; written here because they go together with the layer. */
  readonly compressed: Map<string, LayerBlob>;

  private constructor(private readonly parts: GarbageParts, compressed: Map<string, LayerBlob>) { this.compressed = compressed; }

  static async open(parts: GarbageParts): Promise<GarbageCollector> { return new GarbageCollector(parts, await parts.metadata.compressed()); }

  /** Nothing is collected while `action` runs. */
  async during<T>(action: () => Promise<T>): Promise<T> {
    while (this.#collecting) await this.#collecting;
    this.#working++;
    try { return await action(); } finally { this.#working--; await this.#collectIfIdle(); }
  }

  /** Keeps these until the release is called; ends with the daemon. */
  hold(held: Held): () => void {
    this.#holds.add(held);
    return () => { if (this.#holds.delete(held)) void this.collect(); };
  }

  /** Somebody with records of its own, asked at every collection. */
  addUser(user: () => Iterable<Held>): void { this.#users.add(user); }

  /** "old" spares blobs of the last day. Resolves at once while work is going on: it is done afterwards. */
  async collect(which: "old" | "all" = "all"): Promise<void> {
    if (this.#wanted !== "all") this.#wanted = which;
    await this.#collectIfIdle();
  }

  /** Once what is left behind now has got too old. */
  collectLater(): void {
    this.#later?.cancel();
    this.#later = this.parts.clock.after(dayMs + 60_000, () => void this.collect("old"));
  }

  async close(): Promise<void> {
    this.#later?.cancel();
    await this.#collecting;
  }

  async #collectIfIdle(): Promise<void> {
    while (this.#collecting) await this.#collecting;
    if (this.#working > 0 || this.#wanted === "no") return;
    const which = this.#wanted;
    this.#wanted = "no";
    this.#collecting = this.#collect(which === "old" ? dayMs : 0).catch((error: unknown) => { this.parts.log.warn("deleting unused image data failed", { error }); }).finally(() => { this.#collecting = undefined; });
    await this.#collecting;
  }

  async #collect(minAgeMs: number): Promise<void> {
    const { blobs, layers, clock, catalog, metadata } = this.parts;
    const held = [...this.#holds, ...[...this.#users].flatMap((user) => [...user()])];
    const images = catalog.all();
    const chains = [...images.map((image) => image.diffIds), ...held.flatMap((each) => each.chains)];
    const usedDiffIds = new Set(chains.flat());
    const orphans = [...this.compressed.keys()].filter((diffId) => !usedDiffIds.has(diffId));
    if (orphans.length > 0) await metadata.removeCompressed(orphans);
    for (const diffId of orphans) this.compressed.delete(diffId);
    const usedBlobs = new Set([...images.flatMap((image) => image.blobs), ...held.flatMap((each) => each.blobs), ...[...this.compressed.values()].map((blob) => blob.digest)]);
    for (const digest of await blobs.list()) if (!usedBlobs.has(digest) && (minAgeMs === 0 || await blobs.ageMs(digest, clock.now()) > minAgeMs)) await blobs.delete(digest);
    await blobs.cleanIngest(clock.now(), minAgeMs === 0 ? 0 : dayMs);
    await layers.keepOnly(chains);
  }
}
