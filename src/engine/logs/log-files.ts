import { open, readdir, stat, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { createGunzip } from "node:zlib";
import type { LogForm } from "./record-scanner.js";

/** One file of a log. Its key stays while it is rotated: json-file's inode, local's number. */
export interface LogFile { readonly path: string; readonly key: string; readonly isCompressed: boolean }
export interface LogPosition { readonly file: string; readonly offset: number }
/** A position whose file is held open: it can be read when rotation has removed it, and no newer file gets its inode. */
export interface HeldPosition extends LogPosition { readonly handle?: FileHandle }

/** Oldest first. json-file: log.2, log.1, log. local: log.1, log.2, log.3, of which all but the last may be compressed. */
export async function filesOf(path: string, form: LogForm): Promise<LogFile[]> {
  return form === "json" ? jsonFiles(path) : localFiles(path);
}

/**
 * A log as one stream of bytes across rotation. The file that is held open keeps its inode from being used again, so after a rotation
 * it is found again by its key, and the next newer one is where reading goes on.
 */
export class LogReader {
  #handle: FileHandle | undefined;
  #unpacked: { iterator: AsyncIterator<Buffer>; rest: Buffer } | undefined;
  #file: LogFile | undefined;
  #offset = 0;

  /** `since`: from there on; without, from the oldest file's beginning. `until`: up to there. Handles that they hold are closed with the reader. */
  constructor(private readonly path: string, private readonly form: LogForm, private readonly range: { readonly since?: HeldPosition | undefined; readonly until?: HeldPosition | undefined; readonly skip?: (file: LogFile) => Promise<boolean> } = {}) {}

  async close(): Promise<void> {
    await this.#closeFile();
    await this.range.since?.handle?.close();
    await this.range.until?.handle?.close();
  }

  async #closeFile(): Promise<void> {
    if (this.#handle !== this.range.until?.handle) await this.#handle?.close();
    await this.#unpacked?.iterator.return?.();
    this.#handle = this.#unpacked = undefined;
  }

  /** How many bytes came; 0 when nothing more has been written so far. Whoever holds part of a record from an earlier file holds what will never be whole. */
  async read(into: Buffer, at: number): Promise<number> {
    for (;;) {
      if (!this.#file && !(await this.#openFirst())) return 0;
      const count = await this.#readHere(into, at);
      if (count > 0) return count;
      if (this.#file!.key === this.range.until?.file) return 0;
      if (await this.#isNewest()) return 0;
      // Rotated away. What was written to the old file between our last read and the rotation comes first.
      const late = await this.#readHere(into, at);
      if (late > 0) return late;
      if (!(await this.#openNext())) return 0;
    }
  }

  async #readHere(into: Buffer, at: number): Promise<number> {
    const { until } = this.range;
    const room = into.length - at;
    const wanted = until && until.file === this.#file!.key ? Math.min(room, until.offset - this.#offset) : room;
    if (wanted <= 0) return 0;
    if (this.#unpacked) return this.#readUnpacked(into, at, wanted);
    const { bytesRead } = await this.#handle!.read(into, at, wanted, this.#offset);
    this.#offset += bytesRead;
    return bytesRead;
  }

  async #readUnpacked(into: Buffer, at: number, wanted: number): Promise<number> {
    const unpacked = this.#unpacked!;
    while (unpacked.rest.length === 0) {
      const next = await unpacked.iterator.next();
      if (next.done) return 0;
      unpacked.rest = next.value;
    }
    const taken = unpacked.rest.copy(into, at, 0, wanted);
    unpacked.rest = unpacked.rest.subarray(taken);
    this.#offset += taken;
    return taken;
  }

  async #isNewest(): Promise<boolean> {
    if (this.form === "json") { const inode = await inodeOf(this.path); return inode === undefined || inode === this.#file!.key; }
    return (await filesOf(this.path, this.form)).at(-1)?.key === this.#file!.key;
  }

  async #openFirst(): Promise<boolean> {
    const { since, until, skip } = this.range;
    if (since?.handle) return this.#openHeld(since, since.offset);
    for (let attempt = 0; attempt < 10; attempt++) {
      const files = await filesOf(this.path, this.form);
      if (until && !files.some((file) => file.key === until.file)) return this.#openHeld(until, since?.file === until.file ? since.offset : 0);
      let first = since ? files.findIndex((file) => file.key === since.file) : 0;
      const offset = since && first >= 0 ? since.offset : 0;
      first = Math.max(0, first);
      while (skip && first < files.length - 1 && (await skip(files[first]!))) first++;
      const file = files[first];
      if (!file) return false;
      if (await this.#open(file, offset)) return true;
    }
    return false;
  }

  async #openNext(): Promise<boolean> {
    for (let attempt = 0; attempt < 10; attempt++) {
      const files = await filesOf(this.path, this.form);
      const { until } = this.range;
      if (until && !files.some((file) => file.key === until.file)) return this.#openHeld(until, 0);
      const mine = files.findIndex((file) => file.key === this.#file!.key);
      // Not found: our file has been rotated out of existence; the oldest that is left comes next.
      const next = files[mine + 1];
      if (!next) return false;
      if (await this.#open(next, 0)) return true;
    }
    return false;
  }

  /** False: what was up to a file that is gone, and that nobody holds, is gone too. */
  async #openHeld({ file, handle }: HeldPosition, offset: number): Promise<boolean> {
    if (!handle) return false;
    await this.#closeFile();
    this.#file = { path: this.path, key: file, isCompressed: false };
    this.#handle = handle;
    this.#offset = offset;
    return true;
  }

  async #open(file: LogFile, offset: number): Promise<boolean> {
    const handle = await openFile(file, this.form);
    if (!handle) return false;
    await this.#closeFile();
    this.#file = file;
    this.#offset = 0;
    if (file.isCompressed) {
      this.#unpacked = unpack(handle);
      for (let left = offset; left > 0;) {
        const taken = await this.#readUnpacked(Buffer.allocUnsafe(Math.min(left, 65_536)), 0, Math.min(left, 65_536));
        if (taken === 0) break;
        left -= taken;
      }
    } else {
      this.#handle = handle;
      this.#offset = offset;
    }
    return true;
  }
}

/** Undefined: another rotation, or a compression, came between looking and opening. */
export async function openFile(file: LogFile, form: LogForm): Promise<FileHandle | undefined> {
  const handle = await open(file.path, "r").catch(() => undefined);
  if (!handle || form !== "json" || String((await handle.stat({ bigint: true })).ino) === file.key) return handle;
  await handle.close();
  return undefined;
}

/** The handle is closed with the iterator. */
export function unpack(handle: FileHandle): { iterator: AsyncIterator<Buffer>; rest: Buffer } {
  const packed = handle.createReadStream();
  const plain = createGunzip();
  packed.on("error", (error) => plain.destroy(error)).pipe(plain);
  plain.once("close", () => packed.destroy());
  return { iterator: plain[Symbol.asyncIterator]() as AsyncIterator<Buffer>, rest: Buffer.alloc(0) };
}

async function jsonFiles(path: string): Promise<LogFile[]> {
  // While files are being renamed one may be seen twice or not at all: looked at again until two looks agree.
  let before = "";
  for (let looks = 0; ; looks++) {
    const files = await lookForJsonFiles(path);
    const now = files.map((file) => `${file.path}=${file.key}`).join();
    if (now === before || looks === 20) return files;
    before = now;
  }
}

async function lookForJsonFiles(path: string): Promise<LogFile[]> {
  const name = basename(path);
  const numbers = (await readdir(dirname(path)).catch(() => [])).flatMap((each) => (each === name ? [0] : each.startsWith(`${name}.`) && /^[1-9]\d{0,2}$/.test(each.slice(name.length + 1)) ? [Number(each.slice(name.length + 1))] : []));
  const files: LogFile[] = [];
  for (const number of numbers.sort((a, b) => b - a)) {
    const each = number === 0 ? path : `${path}.${number}`;
    const key = await inodeOf(each);
    if (key !== undefined) files.push({ path: each, key, isCompressed: false });
  }
  return files;
}

async function localFiles(path: string): Promise<LogFile[]> {
  const name = basename(path);
  const found = new Map<number, LogFile>();
  for (const each of await readdir(dirname(path)).catch(() => [])) {
    const [, number, packed] = each.startsWith(`${name}.`) ? /^(\d+)(\.gz)?$/.exec(each.slice(name.length + 1)) ?? [] : [];
    if (number === undefined) continue;
    // While it is being compressed there are both: the plain one is whole for sure.
    if (!packed || !found.has(Number(number))) found.set(Number(number), { path: join(dirname(path), each), key: number, isCompressed: Boolean(packed) });
  }
  return [...found].sort(([a], [b]) => a - b).map(([, file]) => file);
}

const inodeOf = (path: string): Promise<string | undefined> => stat(path, { bigint: true }).then((s) => String(s.ino), () => undefined);
