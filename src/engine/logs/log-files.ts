import { open, stat, type FileHandle } from "node:fs/promises";

/**
 * A log as one stream of bytes across rotation (log -> log.1 -> log.2 …). The file that is held open keeps its inode from being
 * used again, so after a rotation it can be found among the numbered files, and the next newer one is where reading goes on.
 */
export class LogFiles {
  #handle: FileHandle | undefined;
  #inode = 0;
  #offset = 0;
  private constructor(private readonly path: string) {}

  /** Begins at the oldest file that is there. */
  static oldest(path: string): LogFiles { return new LogFiles(path); }

  async close(): Promise<void> { await this.#handle?.close(); this.#handle = undefined; }

  /** The next bytes, or undefined when nothing more has been written so far. */
  async read(): Promise<Buffer | undefined> {
    const buffer = Buffer.allocUnsafe(256 * 1024);
    for (;;) {
      if (!this.#handle && !(await this.#openOldest())) return undefined;
      const bytesRead = await this.#readInto(buffer);
      if (bytesRead > 0) return buffer.subarray(0, bytesRead);
      if ((await inodeOf(this.path)) === this.#inode) return undefined;
      // Rotated away. What was written to the old file between our last read and the rotation comes first.
      const late = await this.#readInto(buffer);
      if (late > 0) return buffer.subarray(0, late);
      if (!(await this.#openNext())) return undefined;
    }
  }

  async #readInto(buffer: Buffer): Promise<number> {
    const { bytesRead } = await this.#handle!.read(buffer, 0, buffer.length, this.#offset);
    this.#offset += bytesRead;
    return bytesRead;
  }

  async #files(): Promise<{ path: string; inode: number }[]> {
    const files: { path: string; inode: number }[] = [];
    for (let i = 0; i < 1000; i++) {
      const path = i === 0 ? this.path : `${this.path}.${i}`;
      const inode = await inodeOf(path);
      if (inode === undefined && i > 0) break;
      if (inode !== undefined) files.push({ path, inode });
    }
    return files;
  }

  async #openOldest(): Promise<boolean> {
    const oldest = (await this.#files()).at(-1);
    return oldest ? this.#open(oldest) : false;
  }

  async #openNext(): Promise<boolean> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const files = await this.#files();
      const mine = files.findIndex((f) => f.inode === this.#inode);
      if (mine === 0) return false;
      // Not found: our file has been rotated out of existence; the oldest that is left comes next.
      const next = mine > 0 ? files[mine - 1] : files.at(-1);
      if (!next) return false;
      const held = this.#handle!;
      if (await this.#open(next)) { await held.close(); return true; }
    }
    return false;
  }

  async #open(file: { path: string; inode: number }): Promise<boolean> {
    const handle = await open(file.path, "r").catch(() => undefined);
    if (!handle) return false;
    // Another rotation may have come between looking and opening.
    if ((await handle.stat()).ino !== file.inode) { await handle.close(); return false; }
    this.#handle = handle;
    this.#inode = file.inode;
    this.#offset = 0;
    return true;
  }
}

const inodeOf = (path: string): Promise<number | undefined> => stat(path).then((s) => s.ino, () => undefined);
