import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Level } from "level";
import { SwarmError, messageOf, type Logger } from "../lib/index.js";
import type { StepRecord } from "./build/build-cache.js";
import type { ContainerRecord } from "./containers/record.js";
import { DatabaseWriter, type Change, type Table } from "./database-writer.js";
import type { ImageRecord, LayerBlob } from "./images/record.js";
import type { MembershipRecord, NetworkRecord, SandboxRecord } from "./networks/core/records.js";

/** The engine's local database: which images there are, what they are called, and the containers. */
export interface Metadata {
  images(): Promise<ImageRecord[]>;
  references(): Promise<Map<string, string>>;              // normalized reference -> image id
  /** All of it or nothing, synced: an image that was reported as present is there after a power cut. */
  changeImages(change: ImageChange): Promise<void>;
  /** Diff id → the blob that it was compressed into for a push. */
  compressed(): Promise<Map<string, LayerBlob>>;
  putCompressed(diffId: string, blob: LayerBlob): Promise<void>;
  removeCompressed(diffIds: readonly string[]): Promise<void>;
  containers(): Promise<ContainerRecord[]>;
  putContainer(record: ContainerRecord): Promise<void>;
  removeContainer(id: string): Promise<void>;
  buildSteps(): Promise<StepRecord[]>;
  changeBuildSteps(put: readonly StepRecord[], removedKeys: readonly string[]): Promise<void>;
  readonly networks: RecordTable<NetworkRecord>;           // by id
  readonly sandboxes: RecordTable<SandboxRecord>;          // by container
  readonly memberships: RecordTable<MembershipRecord>;     // by container
  close(): Promise<void>;
}

export interface RecordTable<T> {
  all(): Promise<T[]>;
  put(key: string, value: T, options?: { readonly isSynced?: boolean }): Promise<void>;
  remove(key: string): Promise<void>;
}

export interface ImageChange {
  readonly put?: readonly ImageRecord[];
  readonly removed?: readonly string[];                    // ids
  readonly names?: ReadonlyMap<string, string>;            // normalized reference -> image id
  readonly removedNames?: readonly string[];
}

/** Damage (a truncated file, a flipped bit) is repaired as far as it can be: what is lost are images to load again and containers to replace. */
export async function openMetadata(path: string, log: Logger): Promise<Metadata> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const db = await openChecked(path).catch(async (error: unknown) => {
    const cause = (error as Error).cause ?? error;
    const refuse = (why: unknown, advice: string): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot open the engine's database "${path}": ${messageOf(why)}; ${advice}`, { cause: why }); };
    if ((cause as { code?: string }).code === "LEVEL_LOCKED") refuse(cause, "is another swarmd using this state directory?");
    // A repair rewrites the tables: never on a disk that merely cannot be written.
    if (!isDamage(cause)) refuse(cause, "see whether the disk is full or read-only");
    log.warn("the engine's database was damaged and is repaired; images that it lost must be loaded again", { path, error: cause });
    try {
      await repair(path);
      await removeUnreadable(path, log);
      return await openChecked(path);
    } catch (failure) {
      return refuse((failure as Error).cause ?? failure, "delete that directory and load the images again");
    }
  });
  const images = db.sublevel<string, ImageRecord>("images", { valueEncoding: "json" });
  const references = db.sublevel<string, string>("references", { valueEncoding: "json" });
  const compressed = db.sublevel<string, LayerBlob>("compressed", { valueEncoding: "json" });
  const containers = db.sublevel<string, ContainerRecord>("containers", { valueEncoding: "json" });
  const buildSteps = db.sublevel<string, StepRecord>("build-steps", { valueEncoding: "json" });
  const writer = await DatabaseWriter.open(db, path);
  const put = (sublevel: Table, key: string, value: unknown): Change => ({ type: "put", sublevel, key, value });
  const del = (sublevel: Table, key: string): Change => ({ type: "del", sublevel, key });
  const table = <T>(name: string): RecordTable<T> => {
    const level = db.sublevel<string, T>(name, { valueEncoding: "json" });
    return { all: () => level.values().all(), put: (key, value, options = {}) => writer.write([put(level, key, value)], options), remove: (key) => writer.write([del(level, key)]) };
  };
  return {
    networks: table("networks"), sandboxes: table("sandboxes"), memberships: table("memberships"),
    images: () => images.values().all(),
    references: async () => new Map(await references.iterator().all()),
    changeImages: (change) => writer.write([
      ...(change.removedNames ?? []).map((name) => del(references, name)), ...(change.removed ?? []).map((id) => del(images, id)),
      ...(change.put ?? []).map((image) => put(images, image.id, image)), ...[...change.names ?? []].map(([name, id]) => put(references, name, id)),
    ], { isSynced: true }),
    compressed: async () => new Map(await compressed.iterator().all()),
    putCompressed: (diffId, blob) => writer.write([put(compressed, diffId, blob)]),
    removeCompressed: (diffIds) => writer.write(diffIds.map((diffId) => del(compressed, diffId))),
    containers: () => containers.values().all(),
    // Not synced: a killed daemon loses nothing that was handed to the kernel, and after a power cut no container runs anyway.
    putContainer: (record) => writer.write([put(containers, record.config.id, record)]),
    removeContainer: (id) => writer.write([del(containers, id)]),
    buildSteps: () => buildSteps.values().all(),
    changeBuildSteps: (added, removedKeys) => writer.write([...added.map((step) => put(buildSteps, step.key, step)), ...removedKeys.map((key) => del(buildSteps, key))]),
    close: () => writer.close(),
  };
}

/** Opens it and reads all of it once: damage inside a table shows itself only then. */
async function openChecked(path: string): Promise<Level<string, unknown>> {
  const db = new Level<string, unknown>(path, { valueEncoding: "json" });
  await db.open();
  try { for await (const _ of db.iterator()); } catch (error) { await db.close(); throw error; }
  return db;
}

// Classic-level's own, which the types of "level" (for browsers too) do not name.
const repair = (path: string): Promise<void> => (Level as unknown as { repair(path: string): Promise<void> }).repair(path);

/** A repair keeps every record that it finds, also one whose bytes are no longer JSON. */
async function removeUnreadable(path: string, log: Logger): Promise<void> {
  const db = new Level<string, string>(path, { valueEncoding: "utf8" });
  await db.open();
  try {
    for await (const [key, value] of db.iterator()) {
      try { JSON.parse(value); } catch { log.warn("a record of the engine's database is lost", { key }); await db.del(key); }
    }
  } finally { await db.close(); }
}

/** Missing or short files are damage as well. */
function isDamage(error: unknown): boolean {
  const { code, message } = error as { code?: string; message?: string };
  return code === "LEVEL_CORRUPTION" || code === "LEVEL_DECODE_ERROR" || (code === "LEVEL_IO_ERROR" && /No such file|Invalid argument/.test(message ?? ""));
}
