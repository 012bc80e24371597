// Snapshots on disk: written under a temporary name, synced, renamed, directory synced; every frame has a checksum and the last one counts them.
//
//   file:  "RAFTSNP1" | frame…      frame: length u32 | CRC-32C u32 | payload, as the sealer returned it
//   payload: kind byte (0 meta, 1 chunk, 2 end) | content
import { join } from "node:path";
import type { Sealer } from "../api.js";
import { readSnapshotMeta, writeSnapshotMeta } from "../codec.js";
import { Reader, Writer } from "../core/bytes.js";
import type { SnapshotMeta } from "../core/types.js";
import { crc32c } from "./crc32c.js";
import type { Disk, DiskFile } from "./disk.js";
import { unseal } from "./record.js";

const magic = Buffer.from("RAFTSNP1");
const enum Kind { meta = 0, chunk = 1, end = 2 }
const maxFrameBytes = 256 * 1024 * 1024;

export interface SnapshotId { readonly index: number; readonly term: number }

const snapshotName = (id: SnapshotId): string => `snapshot-${String(id.index).padStart(16, "0")}-${id.term}.snap`;

function snapshotId(name: string): SnapshotId | undefined {
  const match = /^snapshot-(\d{16})-(\d+)\.snap$/.exec(name);
  return match ? { index: Number(match[1]), term: Number(match[2]) } : undefined;
}

export class SnapshotFiles {
  private temporary = 0;
  constructor(private readonly disk: Disk, private readonly directory: string, private readonly sealer: Sealer | undefined) {}

  /** Newest first. */
  async list(): Promise<SnapshotId[]> {
    return (await this.disk.list(this.directory)).map(snapshotId).filter((id) => id !== undefined).sort((a, b) => b.index - a.index || b.term - a.term);
  }

  /** Durable under its name when it resolves; nothing is left behind when it rejects. */
  async write(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const path = join(this.directory, `snapshot-${process.pid}-${++this.temporary}.tmp`);
    const file = await this.disk.open(path, "create");
    try {
      let at = magic.length;
      let count = 0;
      await file.write(magic, 0);
      const put = async (kind: Kind, content: Uint8Array): Promise<void> => {
        const frame = this.frame(kind, content);
        await file.write(frame, at);
        at += frame.length;
      };
      const header = new Writer();
      writeSnapshotMeta(header, meta);
      await put(Kind.meta, header.finish());
      for await (const chunk of chunks) { await put(Kind.chunk, chunk); count++; }
      await put(Kind.end, new Writer().int(count).finish());
      await file.sync();
      await file.close();
    } catch (error) {
      await file.close().catch(() => {});
      await this.disk.remove(path).catch(() => {});
      throw error;
    }
    await this.disk.rename(path, join(this.directory, snapshotName(meta)));
    await this.disk.syncDirectory(this.directory);
  }

  private frame(kind: Kind, content: Uint8Array): Buffer {
    const plain = Buffer.allocUnsafe(content.length + 1);
    plain[0] = kind;
    plain.set(content, 1);
    const payload = this.sealer ? this.sealer.seal(plain) : plain;
    const frame = Buffer.allocUnsafe(payload.length + 8);
    frame.writeUInt32LE(payload.length, 0);
    frame.set(payload, 8);
    frame.writeUInt32LE(crc32c(frame, crc32c(frame, 0, 0, 4), 8), 4);
    return frame;
  }

  /** Reads all of it. undefined: it is not there or not whole. */
  async verify(id: SnapshotId): Promise<SnapshotMeta | undefined> {
    try {
      let meta: SnapshotMeta | undefined;
      for await (const frame of this.frames(id)) if (frame.kind === Kind.meta) meta = readSnapshotMeta(new Reader(frame.content));
      return meta?.index === id.index && meta.term === id.term ? meta : undefined;
    } catch (error) {
      if (error instanceof SnapshotDamagedError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** The chunks as they were given to `write`. Throws SnapshotDamagedError when it meets a bad one, or when the end is missing. */
  async *chunks(id: SnapshotId): AsyncGenerator<Uint8Array> {
    for await (const frame of this.frames(id)) if (frame.kind === Kind.chunk) yield frame.content;
  }

  private async *frames(id: SnapshotId): AsyncGenerator<{ kind: Kind; content: Uint8Array }> {
    const path = join(this.directory, snapshotName(id));
    const file = await this.disk.open(path, "read");
    try {
      if (!(await file.read(magic.length, 0)).equals(magic)) throw new SnapshotDamagedError(path, 0);
      let at = magic.length;
      let chunks = 0;
      for (;;) {
        const payload = await readPayload(file, path, at);
        const plain = unseal(payload, this.sealer);
        const kind = plain[0] as Kind;
        const content = plain.subarray(1);
        if (kind === Kind.end) {
          if (new Reader(content).int() !== chunks) throw new SnapshotDamagedError(path, at);
          return;
        }
        if (kind === Kind.chunk) chunks++;
        yield { kind, content };
        at += payload.length + 8;
      }
    } finally { await file.close(); }
  }

  /** All but the one in use; also what a crash left half written. */
  async removeOthers(keep: SnapshotId | undefined): Promise<void> {
    for (const name of await this.disk.list(this.directory)) {
      const isOther = snapshotId(name) !== undefined && (!keep || name !== snapshotName(keep));
      if (isOther || (name.startsWith("snapshot-") && name.endsWith(".tmp"))) await this.disk.remove(join(this.directory, name));
    }
  }

  async removeBefore(index: number): Promise<void> {
    for (const id of await this.list()) if (id.index < index) await this.disk.remove(join(this.directory, snapshotName(id)));
  }
}

async function readPayload(file: DiskFile, path: string, at: number): Promise<Buffer> {
  const header = await file.read(8, at);
  const length = header.length === 8 ? header.readUInt32LE(0) : maxFrameBytes + 1;
  if (length > maxFrameBytes || length > await file.size() - at) throw new SnapshotDamagedError(path, at);
  const payload = await file.read(length, at + 8);
  if (payload.length !== length || crc32c(payload, crc32c(header, 0, 0, 4)) !== header.readUInt32LE(4)) throw new SnapshotDamagedError(path, at);
  return payload;
}

export class SnapshotDamagedError extends Error {
  constructor(path: string, at: number) { super(`Snapshot "${path}" is damaged at byte ${at}`); this.name = "SnapshotDamagedError"; }
}
