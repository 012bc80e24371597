import { groupPrefix, type TaskVolume, type Volume } from "../../../model/index.js";
import { copyEntry, copyMap } from "./map-copy.js";

/** Copied in a step, with who has them. */
const volumesPerStep = 200;

/** A mount of type CLUSTER, as its service asks for it. */
export interface VolumeMount {
  /** A volume's id, or "group:NAME". */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** A volume of the cluster, and the tasks that have it by the node (row) where they are. One that is not (or no more) in the store is there while tasks have it. */
export interface VolumeEntry {
  readonly id: string;
  volume: Volume | undefined;
  /** Row of PredicateTable.classes: nodes in its topology. */
  topology: number;
  readonly readers: Map<number, number>;
  readonly writers: Map<number, number>;
}

/** Volumes, who has them, and what each task has. Few tasks have any: maps by id cost less than columns that are empty. */
export class VolumeTable {
  /** Changes with every volume and every task that gets or gives back one: what is remembered of them is good until then. */
  version = 0;
  readonly #entries = new Map<string, VolumeEntry>();
  /** Ids by group, in the order of the volumes' names: the same cluster chooses the same. */
  readonly #groups = new Map<string, readonly string[]>();
  /** By task row. */
  readonly #held = new Map<number, readonly TaskVolume[]>();

  get(id: string): VolumeEntry | undefined { return this.#entries.get(id); }
  inGroup(name: string): readonly string[] { return this.#groups.get(name) ?? none; }
  /** Volumes that a mount's source may mean. */
  candidates(source: string): readonly string[] { return source.startsWith(groupPrefix) ? this.inGroup(source.slice(groupPrefix.length)) : [source]; }
  heldBy(t: number): readonly TaskVolume[] { return this.#held.get(t) ?? none; }
  entries(): Iterable<VolumeEntry> { return this.#entries.values(); }

  set(volume: Volume, topology: number): void {
    this.version++;
    const entry = this.#entry(volume.id);
    const before = entry.volume?.spec?.group ?? "";
    entry.volume = volume;
    entry.topology = topology;
    if (before !== "") this.#leaveGroup(before, volume.id);
    const group = volume.spec?.group ?? "";
    if (group !== "") this.#groups.set(group, [...this.inGroup(group), volume.id].sort((a, b) => this.#compareNames(a, b)));
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry?.volume) return;
    this.version++;
    const group = entry.volume.spec?.group ?? "";
    entry.volume = undefined;
    if (group !== "") this.#leaveGroup(group, id);
    this.#forgetIfUnused(entry);
  }

  /** Task `t`, which is on node `n`, has these. */
  hold(t: number, n: number, volumes: readonly TaskVolume[]): void {
    if (volumes.length === 0) return;
    this.#held.set(t, volumes);
    this.#count(n, volumes, 1);
  }

  /** Task `t` leaves node `n`; returns what it had. */
  release(t: number, n: number): readonly TaskVolume[] {
    const volumes = this.#held.get(t);
    if (!volumes) return none;
    this.#held.delete(t);
    this.#count(n, volumes, -1);
    return volumes;
  }

  *copyTo(copy: VolumeTable): Generator<void> {
    yield* this.#copyEntries(copy, this.#entries.keys());
    yield* copyMap(this.#held, copy.#held);
  }

  /** These volumes, and what these tasks have, again; then the rest, which is small. */
  *copyAgain(copy: VolumeTable, ids: readonly string[], tasks: readonly number[]): Generator<void> {
    yield* this.#copyEntries(copy, ids);
    if (this.#held.size + copy.#held.size > 0) for (const t of tasks) copyEntry(this.#held, copy.#held, t);
    copy.version = this.version;
    copy.#groups.clear();
    for (const [name, volumes] of this.#groups) copy.#groups.set(name, volumes);
  }

  *#copyEntries(copy: VolumeTable, ids: Iterable<string>): Generator<void> {
    let count = 0;
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry) copy.#entries.set(id, { ...entry, readers: new Map(entry.readers), writers: new Map(entry.writers) });
      else copy.#entries.delete(id);
      if (++count % volumesPerStep === 0) yield;
    }
  }

  /** A task that has a volume twice is one user of it, a writer if it writes by either. */
  #count(n: number, volumes: readonly TaskVolume[], by: 1 | -1): void {
    this.version++;
    for (const [i, { volumeId }] of volumes.entries()) {
      if (volumes.findIndex((other) => other.volumeId === volumeId) !== i) continue;
      const entry = this.#entry(volumeId);
      const users = volumes.some((other) => other.volumeId === volumeId && !other.readOnly) ? entry.writers : entry.readers;
      const count = (users.get(n) ?? 0) + by;
      if (count > 0) users.set(n, count);
      else users.delete(n);
      this.#forgetIfUnused(entry);
    }
  }

  #entry(id: string): VolumeEntry {
    let entry = this.#entries.get(id);
    if (!entry) this.#entries.set(id, entry = { id, volume: undefined, topology: 0, readers: new Map(), writers: new Map() });
    return entry;
  }

  #forgetIfUnused(entry: VolumeEntry): void {
    if (!entry.volume && entry.readers.size === 0 && entry.writers.size === 0) this.#entries.delete(entry.id);
  }

  #leaveGroup(name: string, id: string): void {
    const left = this.inGroup(name).filter((other) => other !== id);
    if (left.length > 0) this.#groups.set(name, left);
    else this.#groups.delete(name);
  }

  #compareNames(a: string, b: string): number {
    const left = this.#entries.get(a)?.volume?.spec?.name ?? a, right = this.#entries.get(b)?.volume?.spec?.name ?? b;
    return left < right ? -1 : left > right ? 1 : 0;
  }
}

const none: readonly never[] = [];
