import type { Clock } from "../../lib/index.js";
import type { Held } from "../images/garbage.js";
import type { LayerBlob } from "../images/record.js";
import type { Metadata } from "../metadata.js";

/** What one step made, under a key of all that it was made from. */
export interface StepRecord {
  readonly key: string;                    // sha256, hex
  /** Other keys that led to the same: found by what the files are, and not by where they came from. */
  readonly aliases: readonly string[];
  /** Diff ids, the step's own last if it made a layer. */
  readonly chain: readonly string[];
  readonly layer: { readonly diffId: string; readonly blob: LayerBlob } | undefined;
  /** As the history tells it. */
  readonly createdBy: string;
  /** Goes into the history, so that a build from the cache gives the same image. */
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number;
  readonly uses: number;
}

export interface CacheEntry { readonly id: string; readonly description: string; readonly sizeBytes: number; readonly createdAtMs: number; readonly lastUsedAtMs: number; readonly uses: number; readonly isInUse: boolean; readonly isShared: boolean }

/** Steps that were carried out, for those to come. Their layers are kept while their record is. */
export class BuildCache {
  #records = new Map<string, StepRecord>();      // by key
  #keys = new Map<string, string>();             // key or alias → key
  #changed = new Set<string>();
  #saving: Promise<void> = Promise.resolve();

  private constructor(private readonly metadata: Metadata, private readonly clock: Clock) {}

  static async open(metadata: Metadata, clock: Clock): Promise<BuildCache> {
    const cache = new BuildCache(metadata, clock);
    for (const record of await metadata.buildSteps()) cache.#set(record);
    return cache;
  }

  find(key: string): StepRecord | undefined {
    const record = this.#records.get(this.#keys.get(key) ?? "");
    if (!record) return undefined;
    const used = { ...record, lastUsedAtMs: this.clock.now(), uses: record.uses + 1 };
    this.#set(used);
    return used;
  }

  /** Of two builds that made the same step side by side, the first's result is everybody's. */
  add(step: Pick<StepRecord, "key" | "aliases" | "chain" | "layer" | "createdBy">, options: { readonly isReplaced: boolean; readonly createdAtMs?: number }): StepRecord {
    const present = this.#records.get(this.#keys.get(step.key) ?? "");
    if (present && !options.isReplaced) return present;
    const now = this.clock.now();
    const record = { ...step, createdAtMs: options.createdAtMs ?? now, lastUsedAtMs: now, uses: 1 };
    this.#set(record);
    // At once: a daemon that is killed has not worked in vain. What cannot be written now is said by the build's last save, or by the disk.
    this.#saving = this.save().catch(() => { this.#changed.add(record.key); });
    return record;
  }

  /** Once what was added is in the database, or could not be written. */
  saved(): Promise<void> { return this.#saving; }

  /** A key that is now known to lead to the same. */
  addAlias(record: StepRecord, alias: string): void {
    if (this.#keys.get(alias) === record.key) return;
    this.#set({ ...(this.#records.get(record.key) ?? record), aliases: [...record.aliases, alias].slice(-8) });
  }

  /** What was used and made. A cache need not survive a power cut. */
  async save(): Promise<void> {
    const changed = [...this.#changed].flatMap((key) => this.#records.get(key) ?? []);
    this.#changed.clear();
    if (changed.length > 0) await this.metadata.changeBuildSteps(changed, []);
  }

  *held(): Generator<Held> {
    for (const { chain, layer } of this.#records.values()) if (chain.length > 0) yield { chains: [chain], blobs: layer ? [layer.blob.digest] : [] };
  }

  entries(isInUse: (record: StepRecord) => boolean, isShared: (diffId: string) => boolean): CacheEntry[] {
    return [...this.#records.values()].map((record) => ({
      id: record.key.slice(0, 25), description: record.createdBy.slice(0, 500), sizeBytes: record.layer?.blob.sizeBytes ?? 0, createdAtMs: record.createdAtMs, lastUsedAtMs: record.lastUsedAtMs, uses: record.uses,
      isInUse: isInUse(record), isShared: record.layer !== undefined && isShared(record.layer.diffId),
    }));
  }

  records(): StepRecord[] { return [...this.#records.values()]; }

  async remove(records: readonly StepRecord[]): Promise<void> {
    for (const record of records) {
      this.#records.delete(record.key);
      this.#changed.delete(record.key);
      for (const key of [record.key, ...record.aliases]) if (this.#keys.get(key) === record.key) this.#keys.delete(key);
    }
    await this.metadata.changeBuildSteps([], records.map((record) => record.key));
  }

  #set(record: StepRecord): void {
    this.#records.set(record.key, record);
    for (const key of [record.key, ...record.aliases]) this.#keys.set(key, record.key);
    this.#changed.add(record.key);
  }
}
