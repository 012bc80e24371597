// A disk with a page cache above stable sectors. What was written and not synced is lost or kept sector by sector when the power fails; names are durable only after their
// directory was synced; a failed sync leaves anybody's guess behind and the cache as if nothing had happened. Killing the process alone loses nothing.
import type { Disk, DiskFile } from "../src/wal/disk.js";
import { Reader } from "../src/core/bytes.js";
import { crc32c } from "../src/wal/crc32c.js";
import { never, type Life } from "./life.js";
import type { Random } from "./random.js";
import type { World } from "./world.js";

const nothing: Buffer = Buffer.alloc(0);

class Inode {
  cache = nothing;
  size = 0;
  stable = nothing;
  stableSize = 0;
  /** Sectors that differ, or may, from what is stable. */
  dirty: number[] = [];
  isDirty = new Uint8Array(0);
  /** Sectors that a sync under way is writing. */
  syncing: number[] = [];
}

/** `from` is no more, then `to` stands for `inode`. */
interface NameChange { readonly from?: string; readonly to?: string; readonly inode?: Inode }

type DiskError = "EIO" | "ENOSPC";
export type CrashKind = "kill" | "power";

const done = Promise.resolve();

export interface DiskTraits { readonly sectorBytes: 512 | 4096; /** Names that were not synced come back in any order, not in the order of the changes. */ readonly isNameOrderLost: boolean }

export class SimulatedDisk {
  private names = new Map<string, Inode>();
  private stableNames = new Map<string, Inode>();
  private inodes: Inode[] = [];
  private nameChanges: NameChange[] = [];
  private hardenedNames = 0;
  operations = 0;
  /** The process ends at this operation, counted from now; 0: never. */
  crashCountdown = 0;
  /** The next operations of this kind fail. */
  nextError: { readonly on: "write" | "sync"; readonly code: DiskError } | undefined;
  slowUntil = 0;
  /** An error was injected and the process has seen it. */
  hasFailed = false;

  constructor(private readonly world: World, private readonly random: Random, private readonly traits: DiskTraits, private readonly crash: (life: Life) => void) {}

  /** The disk as one life of its member sees it. */
  view(life: Life): Disk {
    return {
      open: (path, mode) => this.open(life, path, mode),
      list: (directory) => this.perform(life, 1, () => this.namesIn(directory)),
      makeDirectory: () => this.perform(life, 2, () => {}),
      rename: (from, to) => this.perform(life, 3, () => {
        const inode = this.names.get(from);
        if (!inode) throw errorOf("ENOENT", `rename "${from}"`);
        this.change({ from, to, inode });
      }),
      remove: (path) => this.perform(life, 4, () => { if (this.names.has(path)) this.change({ from: path }); }),
      syncDirectory: () => this.syncDirectory(life),
    };
  }

  private namesIn(directory: string): string[] {
    const names: string[] = [];
    for (const path of this.names.keys()) if (path.startsWith(directory) && path.lastIndexOf("/") === directory.length) names.push(path.slice(directory.length + 1));
    return names.sort();
  }

  private change(change: NameChange): void {
    applyNames(this.names, change);
    this.nameChanges.push(change);
  }

  private open(life: Life, path: string, mode: "read" | "edit" | "create"): Promise<DiskFile> {
    return this.perform(life, 5, () => {
      let inode = this.names.get(path);
      if (!inode && mode === "read") throw errorOf("ENOENT", `open "${path}"`);
      if (!inode) {
        inode = this.makeInode();
        this.change({ to: path, inode });
      } else if (mode === "create") {
        // Truncation is metadata: until the next sync a crash may show the old content, or none. A new inode under the old name has both outcomes.
        inode = this.makeInode();
        this.change({ to: path, inode });
      }
      return this.file(life, path, inode);
    });
  }

  private makeInode(): Inode {
    const inode = new Inode();
    this.inodes.push(inode);
    return inode;
  }

  /** The world is over: what its disks were made of is room for the next one's. */
  release(): void {
    for (const inode of this.inodes) { giveBack(inode.cache); giveBack(inode.stable); inode.cache = inode.stable = nothing; }
    this.inodes = [];
    this.names.clear();
    this.stableNames.clear();
  }

  private file(life: Life, path: string, inode: Inode): DiskFile {
    return {
      path,
      write: (bytes, position) => this.write(life, inode, bytes, position),
      writeSynced: (bytes, position) => this.writeSynced(life, inode, bytes, position),
      sync: () => this.sync(life, inode),
      read: (length, position) => this.perform(life, 6, () => copyOf(inode.cache, position, Math.min(inode.size, position + length))),
      size: () => this.perform(life, 7, () => inode.size),
      close: () => this.perform(life, 8, () => {}),
    };
  }

  /** An operation without a delay of its own. */
  private perform<T>(life: Life, code: number, effect: () => T): Promise<T> {
    if (life.isOver) return never();
    const { world } = this;
    world.touch();
    world.mix(code);
    this.operations++;
    if (this.crashCountdown > 0 && --this.crashCountdown === 0) {
      if (this.random.chance(0.5)) try { effect(); } catch { /* it ends anyway */ }
      this.crash(life);
      return never();
    }
    if (world.now < this.slowUntil) {
      return new Promise((resolve, reject) => {
        world.at(this.random.between(1, 20), () => { world.touch(); try { resolve(effect()); } catch (error) { reject(error as Error); } }, life);
      });
    }
    try { return Promise.resolve(effect()); } catch (error) { return Promise.reject(error as Error); }
  }

  private write(life: Life, inode: Inode, bytes: Uint8Array, position: number): Promise<void> {
    if (life.isOver) return never();
    const { world } = this;
    world.touch();
    world.mix(9 + bytes.length);
    this.operations++;
    if (this.crashCountdown > 0 && --this.crashCountdown === 0) {
      this.put(inode, bytes.subarray(0, this.random.below(bytes.length + 1)), position);
      this.crash(life);
      return never();
    }
    if (this.nextError?.on === "write") {
      this.put(inode, bytes.subarray(0, this.random.below(bytes.length + 1)), position);
      return this.failWith(life, this.nextError.code, "write");
    }
    this.put(inode, bytes, position);
    if (world.now >= this.slowUntil) return done;
    return new Promise((resolve) => { world.at(this.random.between(1, 20), () => { world.touch(); resolve(); }, life); });
  }

  /** One operation for the process; for the disk still one after the other. */
  private writeSynced(life: Life, inode: Inode, bytes: Uint8Array, position: number): Promise<void> {
    if (life.isOver) return never();
    // A crash that is due comes while it writes, or while it syncs.
    if (this.crashCountdown === 1 && this.random.chance(0.5)) return this.write(life, inode, bytes, position);
    if (this.nextError?.on === "write" || this.world.now < this.slowUntil) return this.write(life, inode, bytes, position).then(() => this.sync(life, inode, position, position + bytes.length));
    this.put(inode, bytes, position);
    return this.sync(life, inode, position, position + bytes.length);
  }

  private failWith(life: Life, code: DiskError, operation: string): Promise<never> {
    this.nextError = undefined;
    this.hasFailed = true;
    this.world.tell(`member ${life.host}: its disk fails a ${operation} with ${code}`);
    return Promise.reject(errorOf(code, operation));
  }

  private put(inode: Inode, bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > inode.cache.length) grow(inode, end, this.traits.sectorBytes);
    inode.cache.set(bytes, position);
    if (end > inode.size) inode.size = end;
    const { sectorBytes } = this.traits;
    for (let sector = Math.floor(position / sectorBytes); sector * sectorBytes < end; sector++) {
      if (inode.isDirty[sector] === 1) continue;
      inode.isDirty[sector] = 1;
      inode.dirty.push(sector);
    }
  }

  /** Of a range: what else is dirty stays so. */
  private sync(life: Life, inode: Inode, from = 0, to = Infinity): Promise<void> {
    if (life.isOver) return never();
    const { world } = this;
    world.touch();
    world.mix(10);
    this.operations++;
    if (this.crashCountdown > 0 && --this.crashCountdown === 0) {
      if (this.random.chance(0.5)) this.harden(inode, this.takeDirty(inode, from, to));
      this.crash(life);
      return never();
    }
    const size = inode.size;
    const sectors = this.takeDirty(inode, from, to);
    inode.syncing = inode.syncing.length === 0 ? sectors : [...inode.syncing, ...sectors];
    return new Promise((resolve, reject) => {
      world.at(this.syncMs(), () => {
        world.touch();
        inode.syncing = inode.syncing === sectors ? [] : inode.syncing.filter((sector) => !sectors.includes(sector));
        if (this.nextError?.on === "sync") {
          // The pages are marked clean all the same: a second sync would succeed and mean nothing.
          this.harden(inode, sectors.filter(() => this.random.chance(0.5)));
          this.failWith(life, this.nextError.code, "sync").catch(reject);
          return;
        }
        this.harden(inode, sectors);
        if (to === Infinity && size > inode.stableSize) inode.stableSize = size;
        resolve();
      }, life);
    });
  }

  private takeDirty(inode: Inode, from = 0, to = Infinity): number[] {
    const { dirty, isDirty } = inode;
    const { sectorBytes } = this.traits;
    const taken: number[] = [];
    let kept = 0;
    for (let i = 0; i < dirty.length; i++) {
      const sector = dirty[i]!;
      if ((sector + 1) * sectorBytes <= from || sector * sectorBytes >= to) dirty[kept++] = sector;
      else { taken.push(sector); isDirty[sector] = 0; }
    }
    if (kept === 0) inode.dirty = []; else if (kept < dirty.length) dirty.length = kept;
    return taken;
  }

  private harden(inode: Inode, sectors: readonly number[]): void {
    const { sectorBytes } = this.traits;
    for (let i = 0; i < sectors.length;) {
      // Neighbours in one piece.
      const first = sectors[i]!;
      let count = 1;
      while (i + count < sectors.length && sectors[i + count] === first + count) count++;
      i += count;
      const start = first * sectorBytes, end = Math.min((first + count) * sectorBytes, inode.size);
      if (start < end) inode.cache.copy(inode.stable, start, start, end);
      if (end > inode.stableSize) inode.stableSize = end;
    }
  }

  private syncMs(): number {
    if (this.world.now < this.slowUntil) return this.random.between(20, 400);
    const draw = this.random.below(40);
    return draw === 0 ? this.random.between(2, 30) : draw < 10 ? 2 : 1;
  }

  private syncDirectory(life: Life): Promise<void> {
    if (life.isOver) return never();
    const { world } = this;
    world.touch();
    world.mix(11);
    this.operations++;
    const through = this.hardenedNames + this.nameChanges.length;
    if (this.crashCountdown > 0 && --this.crashCountdown === 0) {
      if (this.random.chance(0.5)) this.hardenNames(through);
      this.crash(life);
      return never();
    }
    return new Promise((resolve) => {
      world.at(this.syncMs(), () => {
        world.touch();
        this.hardenNames(through);
        resolve();
      }, life);
    });
  }

  /** `through`: a number of changes, counted since the disk was new; a sync that began later may have taken some already. */
  private hardenNames(through: number): void {
    for (const change of this.nameChanges.splice(0, Math.max(0, through - this.hardenedNames))) { applyNames(this.stableNames, change); this.hardenedNames++; }
  }

  /** The process is gone, and with "power" the page cache too. */
  afterCrash(kind: CrashKind): void {
    this.crashCountdown = 0;
    this.nextError = undefined;
    this.slowUntil = 0;
    if (kind === "kill") {
      // What a sync had under way stays dirty.
      for (const inode of this.names.values()) this.unsettle(inode);
      return;
    }
    const keep = this.random.pick([0, 0, 0.5, 0.9, 1]);
    const count = this.random.below(this.nameChanges.length + 1);
    const survivors = this.traits.isNameOrderLost ? this.nameChanges.filter(() => this.random.chance(keep)) : this.nameChanges.slice(0, count);
    for (const change of survivors) applyNames(this.stableNames, change);
    this.hardenedNames += this.nameChanges.length;
    this.nameChanges = [];
    this.names = new Map(this.stableNames);
    for (const inode of new Set(this.names.values())) {
      this.unsettle(inode);
      this.harden(inode, this.takeDirty(inode).filter(() => this.random.chance(keep)));
      inode.size = inode.stableSize;
      inode.cache.fill(0);
      inode.stable.copy(inode.cache, 0, 0, inode.stableSize);
    }
  }

  private unsettle(inode: Inode): void {
    for (const sector of inode.syncing) if (inode.isDirty[sector] === 0) { inode.isDirty[sector] = 1; inode.dirty.push(sector); }
    inode.syncing = [];
  }

  /**
   * Flips a bit, or loses a sector, of a file that was synced. Not behind the mark: what a flipped record at the very end means cannot be told from a write that a crash cut off,
   * except by the mark (storage.ts). Returns what was hit, for the story.
   */
  rot(directory: string): string | undefined {
    const segments = [...this.names.keys()].filter((path) => path.endsWith(".seg")).sort();
    const mark = this.markOf(`${directory}/mark`);
    const candidates: { path: string; inode: Inode; end: number }[] = [];
    for (const [path, inode] of this.names) {
      if (path.endsWith(".tmp") || inode.size === 0) continue;
      const number = segments.includes(path) ? Number(/(\d+)\.seg$/.exec(path)![1]) : undefined;
      if (number === undefined || (mark && number < mark.segment)) candidates.push({ path, inode, end: inode.size });
      else if (mark && number === mark.segment && path === segments.at(-1) && mark.offset > 16) candidates.push({ path, inode, end: mark.offset });
    }
    if (candidates.length === 0) return undefined;
    const { path, inode, end } = this.random.pick(candidates);
    const at = this.random.below(end);
    if (this.random.chance(0.7)) {
      const flipped = inode.cache[at]! ^ (1 << this.random.below(8));
      inode.cache[at] = flipped;
      inode.stable[at] = flipped;
      return `bit flipped at byte ${at} of ${path}`;
    }
    this.loseSector(path, at);
    return `sector lost around byte ${at} of ${path}`;
  }

  /** The sector around byte `at` reads as zeros from now on. */
  loseSector(path: string, at: number): void {
    const inode = this.names.get(path)!;
    const { sectorBytes } = this.traits;
    const start = at - at % sectorBytes, end = Math.min(start + sectorBytes, inode.size);
    inode.cache.fill(0, start, end);
    inode.stable.fill(0, start, end);
  }

  /** How far the log is known to have been synced (the slot file "mark", see storage.ts and slot-file.ts). */
  private markOf(path: string): { segment: number; offset: number } | undefined {
    const inode = this.names.get(path);
    let newest: { segment: number; offset: number } | undefined;
    let sequence = 0;
    for (const at of [0, 4096]) {
      const bytes = inode?.cache.subarray(at, Math.min(inode.size, at + 4096));
      if (!bytes || bytes.length < 12) continue;
      const length = bytes.readUInt32LE(0);
      if (length < 12 || length > bytes.length || crc32c(bytes, 0, 8, length) !== bytes.readUInt32LE(4) || bytes.readUInt32LE(8) <= sequence) continue;
      sequence = bytes.readUInt32LE(8);
      const reader = new Reader(bytes.subarray(12, length));
      newest = { segment: reader.int(), offset: reader.int() };
    }
    return newest;
  }

  get fileCount(): number { return this.names.size; }
}

/** Room of disks that are no more, by its size: to clear it takes a tenth of the time that new room takes. */
const room = new Map<number, Buffer[]>();
const largestKept = 256 * 1024;

function takeRoom(bytes: number): Buffer {
  const free = room.get(bytes)?.pop();
  return free ? free.fill(0) : Buffer.alloc(bytes);
}

function giveBack(bytes: Buffer): void {
  if (bytes.length === 0) return;
  const free = room.get(bytes.length);
  if (!free) room.set(bytes.length, [bytes]); else if (free.length < 64 && bytes.length <= largestKept) free.push(bytes);
}

function copyOf(bytes: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.allocUnsafe(Math.max(0, to - from));
  if (copy.length > 0) bytes.copy(copy, 0, from, to);
  return copy;
}

function grow(inode: Inode, capacity: number, sectorBytes: number): void {
  let size = sectorBytes;
  while (size < capacity) size *= 2;
  const cache = takeRoom(size), stable = takeRoom(size), isDirty = new Uint8Array(size / sectorBytes);
  inode.cache.copy(cache);
  inode.stable.copy(stable);
  giveBack(inode.cache);
  giveBack(inode.stable);
  isDirty.set(inode.isDirty);
  inode.cache = cache;
  inode.stable = stable;
  inode.isDirty = isDirty;
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  if (change.from !== undefined) names.delete(change.from);
  if (change.to !== undefined) names.set(change.to, change.inode!);
}

function errorOf(code: DiskError | "ENOENT", operation: string): Error {
  const why = { EIO: "i/o error", ENOSPC: "no space left on device", ENOENT: "no such file or directory" }[code];
  return Object.assign(new Error(`${code}: ${why}, ${operation}`), { code });
}
