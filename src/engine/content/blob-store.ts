import { createHash, randomUUID, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, assert } from "../../lib/index.js";

export interface BlobExpectation { readonly digest: string; readonly sizeBytes?: number }

/**
 * Content by its digest: content/sha256/<hex>. A blob appears whole, verified and synced, or not at all. Downloads collect in
 * content/ingest/<hex> under the digest they claim, so that a broken one goes on where it stopped.
 */
export class BlobStore {
  #growth = new Map<string, Set<() => void>>();   // path of a download -> who reads it meanwhile

  private constructor(private readonly blobs: string, private readonly ingest: string) {}

  static async open(directory: string): Promise<BlobStore> {
    const store = new BlobStore(join(directory, "sha256"), join(directory, "ingest"));
    await mkdir(store.blobs, { recursive: true, mode: 0o700 });
    await mkdir(store.ingest, { recursive: true, mode: 0o700 });
    return store;
  }

  path(digest: string): string { return join(this.blobs, hexOf(digest)); }
  has(digest: string): Promise<boolean> { return stat(this.path(digest)).then(() => true, () => false); }
  read(digest: string): Promise<Buffer> { return readFile(this.path(digest)); }
  stream(digest: string, start = 0): AsyncIterable<Buffer> { return createReadStream(this.path(digest), { highWaterMark: 256 * 1024, start }); }
  /** The first bytes, for telling what it is. */
  async head(digest: string): Promise<Buffer> {
    const handle = await open(this.path(digest), "r");
    try { const { buffer, bytesRead } = await handle.read(Buffer.alloc(16), 0, 16, 0); return buffer.subarray(0, bytesRead); } finally { await handle.close(); }
  }
  /**
   * A blob that is stored, or that arrives: reads behind the download and ends with it. Rejects as the download does, and when that had to begin anew.
   * What comes out of an unfinished download is not verified yet.
   */
  async *follow(digest: string, download: Promise<void>): AsyncGenerator<Buffer> {
    const arriving = join(this.ingest, hexOf(digest));
    let hasEnded = false;
    let hasGrown = false;
    let wake: (() => void) | undefined;
    const onChange = () => { hasGrown = true; wake?.(); };
    void download.then(() => { hasEnded = true; onChange(); }, () => { hasEnded = true; onChange(); });
    const readers = this.#growth.get(arriving) ?? new Set();
    this.#growth.set(arriving, readers.add(onChange));
    let handle: FileHandle | undefined;
    let at = 0;
    try {
      for (;;) {
        const isLast = hasEnded;
        hasGrown = false;
        if (isLast) await download;
        handle ??= await open(arriving, "r").catch(() => undefined) ?? await open(this.path(digest), "r").catch(() => undefined);
        const buffer = Buffer.allocUnsafe(256 * 1024);
        const { bytesRead } = handle ? await handle.read(buffer, 0, buffer.length, at) : { bytesRead: 0 };
        if (bytesRead > 0) { at += bytesRead; yield buffer.subarray(0, bytesRead); continue; }
        if (handle && (await handle.stat()).size < at) throw new SwarmError("UNAVAILABLE", "the download began anew");
        if (isLast) {
          if (!handle) throw new SwarmError("INTERNAL", `blob ${digest} is not stored`);
          return;
        }
        if (!hasGrown) await new Promise<void>((resolve) => { wake = resolve; });
        wake = undefined;
      }
    } finally {
      readers.delete(onChange);
      if (readers.size === 0 && this.#growth.get(arriving) === readers) this.#growth.delete(arriving);
      await handle?.close();
    }
  }
  async list(): Promise<string[]> { return (await readdir(this.blobs)).map((hex) => `sha256:${hex}`); }
  async sizeBytes(digest: string): Promise<number> { return (await stat(this.path(digest))).size; }
  async ageMs(digest: string, now: number): Promise<number> { return stat(this.path(digest)).then((s) => now - s.mtimeMs, () => 0); }
  delete(digest: string): Promise<void> { return rm(this.path(digest), { force: true }); }

  /** Stores what comes, under its own digest, or refuses it if another one was expected. */
  async put(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, expected?: BlobExpectation): Promise<{ digest: string; sizeBytes: number }> {
    const writer = await this.#writer(join(this.ingest, `new-${randomUUID()}`));
    try {
      for await (const chunk of source) await writer.write(chunk);
      return await writer.commit(expected);
    } finally { await writer.discard(); }
  }

  /** A writer that goes on where an earlier download of this digest stopped. The caller closes it; what was written stays for the next try. */
  async resume(expected: BlobExpectation): Promise<BlobWriter> {
    return this.#writer(join(this.ingest, hexOf(expected.digest)));
  }

  /** Drops unfinished work that nobody came back to. */
  async cleanIngest(now: number, maxAgeMs: number): Promise<void> {
    for (const name of await readdir(this.ingest)) {
      const path = join(this.ingest, name);
      const status = await stat(path).catch(() => undefined);
      if (status && (name.startsWith("new-") || now - status.mtimeMs > maxAgeMs)) await rm(path, { force: true });
    }
  }

  async #writer(path: string): Promise<BlobWriter> {
    const handle = await open(path, "a+", 0o600);
    const hash = createHash("sha256");
    let offset = 0;
    for await (const chunk of createReadStream(path)) { hash.update(chunk as Buffer); offset += (chunk as Buffer).length; }
    return new BlobWriter(path, this.blobs, handle, hash, offset, () => { for (const wake of this.#growth.get(path) ?? []) wake(); });
  }
}

export class BlobWriter {
  #hasEnded = false;
  constructor(private readonly temporary: string, private readonly blobs: string, private readonly handle: FileHandle, private hash: Hash, private size: number, private readonly onGrown: () => void) {}

  get offset(): number { return this.size; }

  async write(chunk: Uint8Array): Promise<void> {
    this.hash.update(chunk);
    for (let done = 0; done < chunk.length;) done += (await this.handle.write(chunk, done)).bytesWritten;
    this.size += chunk.length;
    this.onGrown();
  }

  /** The other side cannot go on from an offset: from the start again. */
  async restart(): Promise<void> {
    await this.handle.truncate(0);
    this.hash = createHash("sha256");
    this.size = 0;
  }

  async commit(expected?: BlobExpectation): Promise<{ digest: string; sizeBytes: number }> {
    assert(!this.#hasEnded, "a blob is committed once");
    const digest = `sha256:${this.hash.digest("hex")}`;
    if (expected && digest !== expected.digest) {
      await this.discard();
      throw new SwarmError("DATA_LOSS", `content does not match its digest: ${expected.digest} was asked for, ${digest} (${this.size} bytes) arrived`);
    }
    await this.handle.sync();
    await this.close();
    await rename(this.temporary, join(this.blobs, hexOf(digest)));
    const directory = await open(this.blobs, "r");
    try { await directory.sync(); } finally { await directory.close(); }
    return { digest, sizeBytes: this.size };
  }

  /** Keeps what was written for a later resume(). */
  async close(): Promise<void> {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    await this.handle.close();
  }

  /** Throws away what was written; after commit() it does nothing. */
  async discard(): Promise<void> {
    if (this.#hasEnded) return;
    await this.close();
    await rm(this.temporary, { force: true });
  }
}

/** Also the guard that no digest from outside becomes a path. */
export function hexOf(digest: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(digest)) throw new SwarmError("INVALID_ARGUMENT", `"${digest.slice(0, 100)}" is not a sha256 digest`);
  return digest.slice(7);
}
