// Everything durable of one member: the log's segments, snapshots, and two small slot files beside them:
//   vote:  term, vote, the recovering flag and whose log it is, each change synced. The log holds them as well; kept apart so that a damaged log never makes a member forget its vote.
//   mark:  how far the log was synced, and whether this member is the only voter, not synced itself (the page cache keeps it when the process dies). A log that ends before its mark has lost something that was
//          acknowledged; one that ends torn behind it lost only what nobody was told of.
import { join } from "node:path";
import { RaftError, type RaftId, type Sealer } from "../api.js";
import { Reader, Writer } from "../core/bytes.js";
import { decodeConfig } from "../core/config-codec.js";
import { emptyConfig, isOnlyVoter } from "../core/config.js";
import type { Config, Entry, HardState, RestoredState, SnapshotMeta, Write } from "../core/types.js";
import { nodeDisk, type Disk } from "./disk.js";
import { LogWriter } from "./log-writer.js";
import type { LogRecord, Marker } from "./record.js";
import { isBefore, replay, type Position, type Replayed } from "./replay.js";
import { SlotFile } from "./slot-file.js";
import { SnapshotFiles, type SnapshotId } from "./snapshot-file.js";

export interface StorageOptions {
  readonly id: RaftId;
  readonly directory: string;
  readonly segmentBytes: number;
  readonly sealer?: Sealer;
  readonly disk?: Disk;
  /** The only voter may go on with what is left of a damaged log: it is being recovered by hand. */
  readonly mayRepairAlone?: boolean;
  readonly log: (level: "info" | "warn" | "error", message: string) => void;
  /** A write failed: nothing after it is done. Called once. */
  readonly onFailure: (error: Error) => void;
}

/** `id`: whose it is; missing in files of before. */
interface Vote { readonly term: number; readonly vote: number; readonly recovering: boolean; readonly id: RaftId | undefined }
type Job = { readonly record: LogRecord | undefined; readonly mustSync: boolean; readonly vote: Vote | undefined; readonly done: () => void; /** Instead of `done`, when it will not be done any more. */ readonly dropped?: (error: Error) => void };

export class Storage {
  private queue: Job[] = [];
  private isRunning = false;
  private failure: Error | undefined;
  private isClosed = false;
  private idle: Promise<void> = Promise.resolve();
  private marked: Position = { segment: 0, offset: 0 };
  private markedAlone = false;
  private isMarking = false;
  private unlock: (() => Promise<void>) | undefined;

  private constructor(
    private readonly options: StorageOptions, private readonly writer: LogWriter, private readonly snapshots: SnapshotFiles,
    private readonly voteSlots: SlotFile, private readonly markSlots: SlotFile, private vote: Vote,
  ) {}

  /** `restored` undefined: the directory was empty. */
  static async open(options: StorageOptions): Promise<{ storage: Storage; restored: RestoredState | undefined }> {
    const disk = options.disk ?? nodeDisk;
    await disk.makeDirectory(options.directory);
    const unlock = await disk.lock?.(options.directory);
    try {
      const opened = await Storage.read(options, disk);
      opened.storage.unlock = unlock;
      return opened;
    } catch (error) {
      await unlock?.();
      throw error;
    }
  }

  private static async read(options: StorageOptions, disk: Disk): Promise<{ storage: Storage; restored: RestoredState | undefined }> {
    const { directory, sealer, id } = options;
    const snapshots = new SnapshotFiles(disk, directory, sealer);
    const replayed = await replay(disk, directory, sealer);
    const { slots: voteSlots, value: voteBytes } = await SlotFile.open(disk, join(directory, "vote"));
    const { slots: markSlots, value: markBytes } = await SlotFile.open(disk, join(directory, "mark"));
    const writer = new LogWriter({ disk, directory, segmentBytes: options.segmentBytes, sealer });
    const savedVote = voteBytes && decodeVote(voteBytes);
    const mark = markBytes && decodeMark(markBytes);
    if (savedVote?.id !== undefined && savedVote.id !== id) {
      throw new RaftError("unfit", `Cannot open the Raft log in "${directory}" as member ${id}: it is that of member ${savedVote.id}, and what one member promised must not count for another; start this one with a directory of its own`);
    }
    const make = (vote: Vote): Storage => new Storage(options, writer, snapshots, voteSlots, markSlots, vote);

    if (replayed.segments.length === 0 && !savedVote) {
      if (markBytes || (await snapshots.list()).length > 0) throw new RaftError("corrupt", `Cannot open the Raft log in "${directory}": its segments and its vote are gone, but not all that was beside them; restore the directory from a backup, or remove this member and let it join again under a new id and with an empty directory`);
      await writer.rewrite(1, replayed.hardState, startMarker, [], []);
      return { storage: make({ term: 0, vote: 0, recovering: false, id }), restored: undefined };
    }
    const found = await examine(options, snapshots, replayed, savedVote, mark);
    const vote: Vote = { term: found.hardState.term, vote: found.hardState.vote, recovering: found.recovering, id };
    const storage = make(vote);
    storage.markedAlone = found.isAlone;
    // First the flag, then the repair: a crash in between finds the damage, or the flag, again.
    await voteSlots.write(encodeVote(vote), { isSynced: true });
    // In both slots: after the repair the flag is all that tells of the loss, and a slot that goes bad must not bring back one from before.
    if (vote.recovering) await voteSlots.write(encodeVote(vote), { isSynced: true });
    if (found.isRewriteDue) await writer.rewrite(replayed.end.segment + 1 + maxLater(replayed), found.hardState, found.marker, found.entries, replayed.segments);
    else await writer.resume(replayed.end, replayed.segments, found.hardState, found.marker);
    await snapshots.removeOthers(found.marker.meta.index > 0 ? found.marker.meta : undefined);
    const { marker } = found;
    return {
      storage,
      restored: {
        hardState: found.hardState, config: marker.meta.config, base: marker.base, entries: found.entries, applied: marker.meta.index,
        ...(marker.meta.index > 0 && { snapshot: marker.meta }), recovering: found.recovering,
      },
    };
  }

  /** Writes are done in order; those that come while a sync runs share the next one. `done` is not called after a failure. */
  write(write: Write, done: () => void): void {
    const { hardState, snapshot, entries } = write;
    let record: LogRecord | undefined;
    if (snapshot) record = { ...(hardState && { hardState }), marker: { meta: snapshot, base: { index: snapshot.index, term: snapshot.term } }, isReset: true, entries };
    else if (hardState) record = { hardState, entries };
    else if (entries.length > 0) record = { entries };
    let vote: Vote | undefined;
    const known = this.vote, recovering = write.recovering ?? known.recovering;
    if ((hardState && (hardState.term !== known.term || hardState.vote !== known.vote)) || recovering !== known.recovering) {
      vote = this.vote = { term: hardState?.term ?? known.term, vote: hardState?.vote ?? known.vote, recovering, id: this.options.id };
    }
    this.enqueue({ record, mustSync: write.mustSync, vote, done });
  }

  get syncs(): number { return this.writer.syncs; }
  get bytesWritten(): number { return this.writer.bytesWritten; }

  private enqueue(job: Job): void {
    if (this.failure || this.isClosed) { job.dropped?.(this.failure ?? closedError()); return; }
    this.queue.push(job);
    if (!this.isRunning) { this.isRunning = true; this.idle = this.run(); }
  }

  private async run(): Promise<void> {
    while (this.queue.length > 0 && !this.failure) {
      const jobs = this.queue;
      this.queue = [];
      let vote: Vote | undefined;
      let mustSync = false;
      const records: LogRecord[] = [];
      for (const job of jobs) {
        vote = job.vote ?? vote;
        mustSync ||= job.mustSync;
        if (job.record) records.push(job.record);
      }
      try {
        if (vote) await this.voteSlots.write(encodeVote(vote), { isSynced: true });
        if (records.length > 0 || mustSync) await this.writer.append(records, mustSync);
      } catch (error) {
        this.failure = error as Error;
        this.options.onFailure(this.failure);
        for (const job of [...jobs, ...this.queue.splice(0)]) job.dropped?.(this.failure);
        break;
      }
      for (const job of jobs) job.done();
    }
    this.isRunning = false;
  }

  /** Makes a snapshot file durable. It counts once `commitSnapshot` (own) or a write with `snapshot` (from the leader) refers to it. */
  saveSnapshot(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> { return this.snapshots.write(meta, chunks); }

  readSnapshot(id: SnapshotId): AsyncIterable<Uint8Array> { return this.snapshots.chunks(id); }

  /** From now on the snapshot stands for the log up to `base`; then older snapshots and segments go. Rejects when the storage ends before. */
  commitSnapshot(meta: SnapshotMeta, base: { index: number; term: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue({ record: { marker: { meta, base }, entries: [] }, mustSync: true, vote: undefined, done: () => { this.removeCovered(meta.index, base.index).then(resolve, reject); }, dropped: reject });
    });
  }

  async removeCovered(snapshotIndex: number, baseIndex: number): Promise<void> {
    await this.snapshots.removeBefore(snapshotIndex);
    await this.writer.removeThrough(baseIndex);
  }

  /** Notes how far the log is synced. Cheap; called now and then. */
  mark(isAlone: boolean): void {
    const { synced } = this.writer;
    if (this.isMarking || this.failure || this.isClosed || (!isBefore(this.marked, synced) && this.markedAlone === isAlone)) return;
    this.isMarking = true;
    this.markSlots.write(encodeMark({ synced, isAlone }), { isSynced: false }).then(
      () => { this.marked = synced; this.markedAlone = isAlone; this.isMarking = false; this.marking?.(); },
      (error: Error) => { this.isMarking = false; this.marking?.(); if (!this.failure) { this.failure = error; this.options.onFailure(error); } },
    );
  }
  private marking: (() => void) | undefined;

  /** What is queued is dropped: nobody was told of it. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const job of this.queue.splice(0)) job.dropped?.(closedError());
    await this.idle;
    if (this.isMarking) await new Promise<void>((resolve) => { this.marking = resolve; });
    if (!this.failure) await this.markSlots.write(encodeMark({ synced: this.writer.synced, isAlone: this.markedAlone }), { isSynced: false }).catch(() => {});
    await Promise.allSettled([this.writer.close(), this.voteSlots.close(), this.markSlots.close()]);
    await this.unlock?.();
  }
}

const closedError = (): RaftError => new RaftError("closed", "The Raft log is closed");
const startMarker: Marker = { meta: { index: 0, term: 0, config: emptyConfig }, base: { index: 0, term: 0 } };
const maxLater = (replayed: Replayed): number => Math.max(0, ...replayed.segments.map((s) => s.number - replayed.end.segment));

interface Mark { readonly synced: Position; readonly isAlone: boolean }
const encodeVote = (v: Vote): Uint8Array => new Writer().int(v.term).int(v.vote).bool(v.recovering).int(v.id ?? 0).finish();
const decodeVote = (bytes: Uint8Array): Vote => { const r = new Reader(bytes); return { term: r.int(), vote: r.int(), recovering: r.bool(), id: r.isAtEnd ? undefined : r.int() }; };
const encodeMark = (m: Mark): Uint8Array => new Writer().int(m.synced.segment).int(m.synced.offset).bool(m.isAlone).finish();
const decodeMark = (bytes: Uint8Array): Mark => { const r = new Reader(bytes); return { synced: { segment: r.int(), offset: r.int() }, isAlone: r.bool() }; };

interface Examined { readonly hardState: HardState; readonly marker: Marker; readonly entries: Entry[]; readonly recovering: boolean; readonly isRewriteDue: boolean; readonly isAlone: boolean }

/** What the replay means: whole, torn by a crash (nothing lost), or damaged (a part that may have been acknowledged is lost). */
async function examine(options: StorageOptions, snapshots: SnapshotFiles, replayed: Replayed, saved: Vote | undefined, mark: Mark | undefined): Promise<Examined> {
  const endsEarly = mark !== undefined && isBefore(replayed.end, mark.synced);
  let marker = replayed.marker ?? startMarker;
  let { entries } = replayed;
  let damage = replayed.segments.length === 0 ? "its segments are gone" : replayed.ending === "broken" ? `a record of segment ${replayed.end.segment} at byte ${replayed.end.offset} does not check`
    : endsEarly ? `it ends at byte ${replayed.end.offset} of segment ${replayed.end.segment}, but was synced further` : undefined;

  if (marker.meta.index > 0 && !await snapshots.verify(marker.meta)) damage ??= `its snapshot at index ${marker.meta.index} does not check`;
  if (entries.length > 0 && entries[0]!.index !== marker.base.index + 1) damage ??= `entries from ${marker.base.index + 1} to ${entries[0]!.index - 1} are missing`;
  const isAlone = mark?.isAlone ?? isOnlyVoter(lastConfig(marker.meta.config, entries), options.id);
  if (damage) ({ marker, entries } = await salvage(snapshots, marker, entries));

  const hardState = newerVote(replayed.hardState, saved);
  if (damage) {
    const where = `Cannot trust the Raft log in "${options.directory}": ${damage}`;
    if (isAlone && !options.mayRepairAlone) throw new RaftError("corrupt", `${where}, and this member is alone, so no other can repair it; restore the directory from a backup, or recover the group with what is left`);
    if (!saved) throw new RaftError("corrupt", `${where}, and the record of its vote is damaged too; remove this member and let it join again under a new id`);
    options.log("warn", `${where}; it is cut there and repaired from the leader. Until then this member does not vote`);
  } else if (replayed.ending === "torn") {
    if (mark) options.log("info", `The Raft log in "${options.directory}" ends in a write that a crash cut off; it was never acknowledged and is dropped`);
    else options.log("warn", `The Raft log in "${options.directory}" ends in something that is no record, and its file "mark", which would say whether that was acknowledged, is missing or damaged; it is taken for a write that a crash cut off, and dropped`);
  }
  return { hardState, marker, entries, isAlone, recovering: damage !== undefined || saved?.recovering === true, isRewriteDue: damage !== undefined || replayed.ending !== "clean" || replayed.segments.length === 0 };
}

/** The best that is left: the newest whole snapshot, and the entries that follow from it. */
async function salvage(snapshots: SnapshotFiles, marker: Marker, entries: Entry[]): Promise<{ marker: Marker; entries: Entry[] }> {
  for (const id of await snapshots.list()) {
    const meta = await snapshots.verify(id);
    if (!meta) continue;
    const at = entries.findIndex((entry) => entry.index === meta.index);
    if (at >= 0 && entries[at]!.term === meta.term) {
      return { marker: { meta, base: { index: meta.index, term: meta.term } }, entries: entries.slice(at + 1) };
    }
    const follows = entries[0]?.index === meta.index + 1 && marker.base.index === meta.index && marker.base.term === meta.term;
    return { marker: { meta, base: { index: meta.index, term: meta.term } }, entries: follows ? entries : [] };
  }
  return { marker: startMarker, entries: entries[0]?.index === 1 ? entries : [] };
}

/** The log and the vote file tell the same, unless one of them lost its end. */
function newerVote(log: HardState, saved: Vote | undefined): HardState {
  if (!saved || saved.term < log.term || (saved.term === log.term && saved.vote === 0)) return log;
  return { term: saved.term, vote: saved.vote, commit: log.commit };
}

function lastConfig(config: Config, entries: readonly Entry[]): Config {
  const last = entries.findLast((entry) => entry.kind === "config");
  return last ? decodeConfig(last.data) : config;
}
