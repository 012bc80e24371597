import { SwarmError } from "../../lib/index.js";

/**
 * Tar entries as they are, extended attributes with every byte: what a build reads (contexts, archives, other stages) and writes (layers).
 * Libraries decode PAX records as text, which breaks binary attributes such as file capabilities.
 */
export interface TarEntry {
  readonly name: string;
  readonly type: "file" | "hardlink" | "symlink" | "character-device" | "block-device" | "directory" | "fifo";
  readonly mode: number;                   // twelve bits
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;           // may have a fraction
  readonly sizeBytes: number;              // 0 unless it is a file
  readonly linkName: string;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** Attribute name → value. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
}
export interface ReadEntry { readonly entry: TarEntry; readonly content: AsyncIterable<Buffer> }

const block = 512;
const metadataMaxBytes = 1024 * 1024;
const nameMaxBytes = 4096;
const noAttributes: ReadonlyMap<string, Buffer> = new Map();
const types: Record<string, TarEntry["type"]> = { "\0": "file", 0: "file", 7: "file", 1: "hardlink", 2: "symlink", 3: "character-device", 4: "block-device", 5: "directory", 6: "fifo" };
const flags = { file: "0", hardlink: "1", symlink: "2", "character-device": "3", "block-device": "4", directory: "5", fifo: "6" } as const;

const broken = (why: string) => new SwarmError("INVALID_ARGUMENT", `the tar archive is not valid: ${why}`);

/** Entries in order. The content of one is there until the next is asked for. */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<ReadEntry> {
  const bytes = new ByteReader(source);
  try {
    let attributes = new Map<string, Buffer>();
    const globals = new Map<string, Buffer>();
    let longName: string | undefined;
    let longLink: string | undefined;
    for (;;) {
      const header = await bytes.upTo(block);
      if (header.length === 0) return;
      if (header.length < block) throw broken("it ends in the middle of a header");
      if (header.every((byte) => byte === 0)) return;
      if (!isTarHeader(header)) throw broken("a header has a wrong checksum");
      const size = numberOf(header, 124, 12);
      const flag = header.toString("latin1", 156, 157);
      if (flag === "x" || flag === "g" || flag === "L" || flag === "K") {
        if (size > metadataMaxBytes) throw broken(`a header of ${size} bytes is too long`);
        const data = await bytes.exactly(size);
        await bytes.skip(paddingOf(size));
        if (flag === "x") attributes = parsePax(data);
        else if (flag === "g") for (const [key, value] of parsePax(data)) globals.set(key, value);
        else if (flag === "L") longName = cString(data, 0, data.length); else longLink = cString(data, 0, data.length);
        continue;
      }
      const pax = (key: string): string | undefined => (attributes.get(key) ?? globals.get(key))?.toString();
      const numeric = (key: string): number | undefined => { const text = pax(key); const value = Number(text); if (text !== undefined && !(value >= 0)) throw broken(`"${key}" is no number`); return text === undefined ? undefined : value; };
      const isUstar = header.toString("latin1", 257, 262) === "ustar";
      const prefix = isUstar && header.toString("latin1", 257, 263) !== "ustar " ? cString(header, 345, 155) : "";
      const shortName = cString(header, 0, 100);
      const name = pax("path") ?? longName ?? (prefix === "" ? shortName : `${prefix}/${shortName}`);
      const type = types[flag] ?? (() => { throw broken(flag === "S" ? `"${name}" is a sparse file of an old form; archive it without --sparse` : `"${name}" is of a kind (${JSON.stringify(flag)}) that is not known`); })();
      if ([...attributes.keys()].some((key) => key.startsWith("GNU.sparse."))) throw broken(`"${name}" is a sparse file; archive it without --sparse`);
      const isFile = type === "file";
      const sizeBytes = numeric("size") ?? size;
      const entry: TarEntry = {
        name, type: isFile && name.endsWith("/") ? "directory" : type, mode: numberOf(header, 100, 8) & 0o7777, uid: numeric("uid") ?? numberOf(header, 108, 8), gid: numeric("gid") ?? numberOf(header, 116, 8),
        mtimeSeconds: Number(pax("mtime") ?? numberOf(header, 136, 12)) || 0, sizeBytes: isFile ? sizeBytes : 0, linkName: pax("linkpath") ?? longLink ?? cString(header, 157, 100),
        deviceMajor: numberOf(header, 329, 8), deviceMinor: numberOf(header, 337, 8), xattrs: xattrsOf(attributes),
      };
      if (Buffer.byteLength(name) > nameMaxBytes || name === "" || name.includes("\0")) throw broken(name === "" ? "an entry has no name" : `an entry's name has ${Buffer.byteLength(name)} bytes or holds a zero byte`);
      if (name.includes("\ufffd") || entry.linkName.includes("\ufffd")) throw broken(`the name "${name}" is not UTF-8`);
      const content = isFile ? bytes.stream(sizeBytes) : noContent();
      yield { entry, content };
      for await (const _ of content);
      if (!isFile && type !== "hardlink") await bytes.skip(sizeBytes);
      else if (type === "hardlink" && sizeBytes > 0 && pax("size") === undefined) { /* many writers give a link its file's size and no content */ }
      // Some writers end with their last file, without its padding (docker build -f -).
      await bytes.upTo(isFile ? paddingOf(sizeBytes) : 0);
      attributes = new Map();
      longName = longLink = undefined;
    }
  } finally { await bytes.close(); }
}

/** An entry's header, with the PAX records that it needs. */
export function tarHeader(entry: TarEntry): Buffer {
  const records: Buffer[] = [];
  const record = (key: string, value: Buffer | string): void => { records.push(paxRecord(key, Buffer.from(value))); };
  const name = entry.type === "directory" && !entry.name.endsWith("/") ? `${entry.name}/` : entry.name;
  if (Buffer.byteLength(name) > 100) record("path", name);
  if (Buffer.byteLength(entry.linkName) > 100) record("linkpath", entry.linkName);
  if (entry.sizeBytes > 0o77777777777) record("size", String(entry.sizeBytes));
  if (entry.uid > 0o7777777) record("uid", String(entry.uid));
  if (entry.gid > 0o7777777) record("gid", String(entry.gid));
  for (const [key, value] of [...entry.xattrs].sort(([a], [b]) => (a < b ? -1 : 1))) record(`SCHILY.xattr.${key}`, value);
  const own = rawHeader(name, flags[entry.type], entry);
  if (records.length === 0) return own;
  const data = Buffer.concat(records);
  return Buffer.concat([rawHeader("PaxHeader", "x", { ...entry, mode: 0o644, uid: 0, gid: 0, sizeBytes: data.length, linkName: "", deviceMajor: 0, deviceMinor: 0 }), data, Buffer.alloc(paddingOf(data.length)), own]);
}

export const tarPadding = (sizeBytes: number): Buffer => Buffer.alloc(paddingOf(sizeBytes));
export const tarEnd = (): Buffer => Buffer.alloc(2 * block);
export const plainEntry = (entry: Pick<TarEntry, "name" | "type"> & Partial<TarEntry>): TarEntry => ({ mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0, sizeBytes: 0, linkName: "", deviceMajor: 0, deviceMinor: 0, xattrs: noAttributes, ...entry });

/** The checksum tells a header from anything else. */
export function isTarHeader(header: Uint8Array): boolean {
  if (header.length < block) return false;
  let sum = 0;
  for (let i = 0; i < block; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum === Number.parseInt(Buffer.from(header.subarray(148, 156)).toString("latin1").replace(/\0/g, " ").trim() || "x", 8);
}

/** Small pieces joined: a write for each header would be most of the time. */
export async function* inChunks(source: AsyncIterable<Uint8Array>, chunkBytes = 256 * 1024): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const piece of source) {
    waiting.push(piece);
    size += piece.length;
    if (size < chunkBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

function rawHeader(name: string, flag: string, entry: Omit<TarEntry, "name" | "type">): Buffer {
  const header = Buffer.alloc(block);
  const octal = (value: number, at: number, digits: number) => header.write(value.toString(8).padStart(digits, "0").slice(-digits), at, "latin1");
  header.write(cut(name), 0);
  octal(entry.mode, 100, 7);
  octal(entry.uid > 0o7777777 ? 0 : entry.uid, 108, 7);
  octal(entry.gid > 0o7777777 ? 0 : entry.gid, 116, 7);
  octal(entry.sizeBytes > 0o77777777777 ? 0 : entry.sizeBytes, 124, 11);
  octal(Math.max(0, Math.floor(entry.mtimeSeconds)), 136, 11);
  header.write(flag, 156, "latin1");
  header.write(cut(entry.linkName), 157);
  header.write("ustar\x0000", 257, "latin1");
  octal(entry.deviceMajor, 329, 7);
  octal(entry.deviceMinor, 337, 7);
  header.fill(" ", 148, 156);
  let sum = 0;
  for (const byte of header) sum += byte;
  octal(sum, 148, 6);
  header[154] = 0;
  return header;
}

/** What fits; the whole is in a PAX record then. */
const cut = (text: string): string => (Buffer.byteLength(text) <= 100 ? text : Buffer.from(text).subarray(0, 100).toString("utf8").replace(/\ufffd+$/, ""));
const paddingOf = (size: number): number => (block - (size % block)) % block;

function paxRecord(key: string, value: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return Buffer.concat([Buffer.from(String(length)), body]);
}

function parsePax(data: Buffer): Map<string, Buffer> {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length && data[at] !== 0;) {
    const space = data.indexOf(32, at);
    const length = Number(data.toString("latin1", at, Math.max(at, space)));
    const equals = data.indexOf(61, space);
    if (space < 0 || !Number.isInteger(length) || length < 5 || at + length > data.length || equals < 0 || equals >= at + length) throw broken("a PAX record is damaged");
    records.set(data.toString("utf8", space + 1, equals), data.subarray(equals + 1, at + length - 1));
    at += length;
  }
  return records;
}

function xattrsOf(records: ReadonlyMap<string, Buffer>): ReadonlyMap<string, Buffer> {
  if (records.size === 0) return noAttributes;
  return new Map([...records].filter(([key]) => key.startsWith("SCHILY.xattr.")).map(([key, value]) => [key.slice("SCHILY.xattr.".length), value]));
}

function cString(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("utf8", at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits, or base 256 for what they cannot hold. */
function numberOf(header: Buffer, at: number, length: number): number {
  if (header[at]! & 0x80) {
    let value = header[at]! & 0x7f;
    for (let i = at + 1; i < at + length; i++) value = value * 256 + header[i]!;
    if (!Number.isSafeInteger(value)) throw broken("a number in a header is too large");
    return value;
  }
  const text = header.toString("latin1", at, at + length).replace(/\0.*$/s, "").trim();
  if (text !== "" && !/^[0-7]+$/.test(text)) throw broken("a number in a header is damaged");
  return text === "" ? 0 : Number.parseInt(text, 8);
}

async function* noContent(): AsyncGenerator<Buffer> { /* only files have any */ }

class ByteReader {
  #iterator: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.alloc(0);
  constructor(source: AsyncIterable<Uint8Array>) { this.#iterator = source[Symbol.asyncIterator](); }

  async upTo(size: number): Promise<Buffer> {
    if (this.#rest.length < size) {
      const parts: Uint8Array[] = [this.#rest];
      for (let have = this.#rest.length; have < size;) {
        const next = await this.#iterator.next();
        if (next.done) break;
        parts.push(next.value);
        have += next.value.length;
      }
      this.#rest = parts.length === 1 ? this.#rest : Buffer.concat(parts);
    }
    const taken = this.#rest.subarray(0, size);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async exactly(size: number): Promise<Buffer> {
    const bytes = await this.upTo(size);
    if (bytes.length < size) throw broken("it ends too early");
    return bytes;
  }

  async *stream(size: number): AsyncGenerator<Buffer> {
    let left = size;
    try {
      while (left > 0) {
        const piece = await this.upTo(Math.min(left, Math.max(1, this.#rest.length || 64 * 1024)));
        if (piece.length === 0) throw broken("it ends in the middle of a file");
        left -= piece.length;
        yield piece;
      }
    } finally { if (left > 0) { const rest = left; left = 0; await this.skip(rest).catch(() => {}); } }
  }

  async skip(size: number): Promise<void> {
    for (let left = size; left > 0;) {
      const piece = await this.upTo(Math.min(left, 64 * 1024));
      if (piece.length === 0) throw broken("it ends too early");
      left -= piece.length;
    }
  }

  async close(): Promise<void> { await this.#iterator.return?.(); }
}
