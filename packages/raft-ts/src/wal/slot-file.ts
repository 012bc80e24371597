// A small value that is overwritten in place: two slots written in turn, each with a checksum, so that one torn write leaves the value before it.
//
//   slot (at 0 and at 4096): length u32 | CRC-32C of the rest u32 | sequence u32 | value
import { crc32c } from "./crc32c.js";
import type { Disk, DiskFile } from "./disk.js";

const slotBytes = 4096;
const headerBytes = 12;

export class SlotFile {
  private constructor(private readonly file: DiskFile, private sequence: number) {}

  static async open(disk: Disk, path: string): Promise<{ slots: SlotFile; value: Uint8Array | undefined }> {
    const file = await disk.open(path, "edit");
    let sequence = 0;
    let value: Uint8Array | undefined;
    for (const position of [0, slotBytes]) {
      const bytes = await file.read(slotBytes, position);
      if (bytes.length < headerBytes) continue;
      const length = bytes.readUInt32LE(0);
      if (length < headerBytes || length > bytes.length || crc32c(bytes, 0, 8, length) !== bytes.readUInt32LE(4)) continue;
      if (bytes.readUInt32LE(8) <= sequence) continue;
      sequence = bytes.readUInt32LE(8);
      value = bytes.subarray(headerBytes, length);
    }
    return { slots: new SlotFile(file, sequence), value };
  }

  /** One call at a time. */
  write(value: Uint8Array, options: { isSynced: boolean }): Promise<void> {
    const sequence = ++this.sequence;
    const bytes = Buffer.allocUnsafe(headerBytes + value.length);
    bytes.writeUInt32LE(headerBytes + value.length, 0);
    bytes.writeUInt32LE(sequence, 8);
    bytes.set(value, headerBytes);
    bytes.writeUInt32LE(crc32c(bytes, 0, 8, headerBytes + value.length), 4);
    const written = this.file.write(bytes, (sequence % 2) * slotBytes);
    return options.isSynced ? written.then(() => this.file.sync()) : written;
  }

  close(): Promise<void> { return this.file.close(); }
}
