import { extract } from "tar-stream";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { SwarmError } from "../../lib/index.js";
import type { BlobStore } from "../content/blob-store.js";
import { decompress } from "../content/decompress.js";

const filesAtMost = 20_000;
const jsonLimitBytes = 16 * 1024 * 1024;

/** The files of an image archive, every one of them in the content store; links are followed inside of the archive only. */
export class ArchiveFiles {
  private constructor(private readonly store: BlobStore, private readonly digests: ReadonlyMap<string, string>, private readonly links: ReadonlyMap<string, string>) {}

  static async read(tar: AsyncIterable<Uint8Array>, store: BlobStore): Promise<ArchiveFiles> {
    const digests = new Map<string, string>();
    const links = new Map<string, string>();
    const parser = extract();
    const source = Readable.from(decompress(tar), { objectMode: false });
    source.on("error", (error) => parser.destroy(error));
    source.pipe(parser);
    try {
      for await (const entry of parser) {
        const path = posix.normalize(entry.header.name).replace(/^(\.?\/)+/, "");
        if (entry.header.type === "symlink" || entry.header.type === "link") {
          links.set(path, posix.normalize(entry.header.type === "link" ? entry.header.linkname! : posix.join(posix.dirname(path), entry.header.linkname!)));
          entry.resume();
        } else if (entry.header.type === "file") {
          if (digests.size >= filesAtMost) throw new SwarmError("INVALID_ARGUMENT", `it holds more than ${filesAtMost} files: this is no image archive; for a tar of a root filesystem use image import`);
          const named = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path);
          const { digest } = await store.put(entry as AsyncIterable<Buffer>, named ? { digest: `sha256:${named[1]}` } : undefined);
          digests.set(path, digest);
        } else entry.resume();
      }
    } catch (error) {
      if (error instanceof SwarmError) throw new SwarmError(error.code, `Cannot load the image archive: ${error.message}`, { cause: error });
      if ((error as NodeJS.ErrnoException).code?.startsWith("E")) throw error;
      throw new SwarmError("INVALID_ARGUMENT", `Cannot load the image archive: it is not a whole tar file (${(error as Error).message})`, { cause: error });
    } finally { source.destroy(); }
    return new ArchiveFiles(store, digests, links);
  }

  /** The digest of a file's content. */
  find(path: string): string | undefined {
    for (let hops = 0; hops < 10; hops++) {
      const digest = this.digests.get(path);
      if (digest) return digest;
      const next = this.links.get(path);
      if (next === undefined) return undefined;
      path = next;
    }
    return undefined;
  }

  need(path: string): string { return this.find(posix.normalize(path)) ?? refuse(`it names "${path}", which is not in it; it is incomplete`); }

  async json(path: string): Promise<unknown> {
    const digest = this.need(path);
    if (await this.store.sizeBytes(digest) > jsonLimitBytes) return refuse(`its ${path} is larger than 16 MiB`);
    try { return JSON.parse((await this.store.read(digest)).toString("utf8")); } catch { return refuse(`its ${path} is not JSON`); }
  }
}

export function refuse(why: string): never { throw new SwarmError("INVALID_ARGUMENT", `Cannot load the image archive: ${why}`); }
