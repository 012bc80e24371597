// Segments: the log's files. Each is filled with zeros and synced before use, so that an append changes no file metadata and its fdatasync is one write
// (126 us against 232 us on a growing file). The next one is prepared in the background while the present one is being filled.
import { join } from "node:path";
import { crc32c } from "./crc32c.js";
import type { Disk, DiskFile } from "./disk.js";

/** magic | segment number u32 | CRC-32C of both u32 */
export const segmentHeaderBytes = 16;
const magic = Buffer.from("RAFTLOG1");
const fillChunk = Buffer.alloc(1024 * 1024);
const spareName = "next.tmp";

export const segmentName = (number: number): string => `log-${String(number).padStart(10, "0")}.seg`;

export function segmentNumber(name: string): number | undefined {
  const match = /^log-(\d{10})\.seg$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

export function segmentHeader(number: number): Buffer {
  const header = Buffer.alloc(segmentHeaderBytes);
  magic.copy(header);
  header.writeUInt32LE(number, 8);
  header.writeUInt32LE(crc32c(header, 0, 0, 12), 12);
  return header;
}

export const isSegmentHeader = (bytes: Buffer, number: number): boolean => bytes.subarray(0, segmentHeaderBytes).equals(segmentHeader(number));

/** Makes segments. One at a time: `take` waits for a preparation that is under way. */
export class SegmentMaker {
  private spare: Promise<{ file: DiskFile; size: number } | Error> | undefined;
  private isClosed = false;
  constructor(private readonly disk: Disk, private readonly directory: string, private readonly size: number) {}

  /** Begins to prepare the next segment, if none is. An error shows at `take`. */
  prepare(): void {
    if (!this.spare && !this.isClosed) this.spare = this.make(this.size).catch((error: Error) => error);
  }

  /** An open segment `number` of at least `minBytes`, with `first` written behind its header, all of it durable under its final name. */
  async take(number: number, minBytes: number, first: (size: number) => Uint8Array): Promise<{ file: DiskFile; size: number; used: number }> {
    let made = await this.spare;
    this.spare = undefined;
    if (made instanceof Error) throw made;
    if (made && made.size < minBytes) { await made.file.close(); made = undefined; }
    made ??= await this.make(Math.max(this.size, minBytes));
    const content = Buffer.concat([segmentHeader(number), first(made.size)]);
    await made.file.write(content, 0);
    await made.file.sync();
    await this.disk.rename(join(this.directory, spareName), join(this.directory, segmentName(number)));
    await this.disk.syncDirectory(this.directory);
    return { ...made, used: content.length };
  }

  private async make(size: number): Promise<{ file: DiskFile; size: number }> {
    const file = await this.disk.open(join(this.directory, spareName), "create");
    try {
      // Synced piece by piece: the log's own syncs, which go on meanwhile, then wait for one piece at most and not for a whole segment.
      for (let at = 0; at < size; at += fillChunk.length) {
        await file.write(fillChunk.subarray(0, Math.min(fillChunk.length, size - at)), at);
        await file.sync();
      }
      return { file, size };
    } catch (error) {
      await file.close().catch(() => {});
      throw error;
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const made = await this.spare;
    if (made && !(made instanceof Error)) await made.file.close();
  }
}
