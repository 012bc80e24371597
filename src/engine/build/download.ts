import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { SwarmError, messageOf } from "../../lib/index.js";
import type { FileContent } from "./file-tree.js";

const downloadMaxBytes = 16 * 1024 ** 3;
const silenceMs = 60_000;

export const isUrl = (text: string): boolean => /^https?:\/\//i.test(text);

export interface Download { readonly content: FileContent; readonly name: string; readonly mtimeSeconds: number; readonly contentType: string }

/** A file from the web into `path`, which is the caller's to delete. */
export async function download(url: string, path: string, signal: AbortSignal): Promise<Download> {
  const fail = (why: string, cause?: unknown): never => { throw new SwarmError("FAILED_PRECONDITION", `Cannot download "${url.replace(/\/\/[^/@]*@/, "//")}": ${why}`, { cause }); };
  const silent = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const heard = () => { clearTimeout(timer); timer = setTimeout(() => silent.abort(new Error("nothing came for a minute")), silenceMs); };
  heard();
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, silent.signal]), redirect: "follow" }).catch((error: unknown) => { signal.throwIfAborted(); return fail(messageOf((error as Error).cause ?? error), error); });
    if (!response.ok || !response.body) { await response.body?.cancel(); return fail(`the server answered ${response.status} ${response.statusText}`.trim()); }
    const hash = createHash("sha256");
    let sizeBytes = 0;
    const handle = await open(path, "wx", 0o600);
    try {
      for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
        heard();
        sizeBytes += part.length;
        if (sizeBytes > downloadMaxBytes) fail(`it is larger than ${downloadMaxBytes} bytes`);
        hash.update(part);
        for (let done = 0; done < part.length;) done += (await handle.write(part, done)).bytesWritten;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SwarmError || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
      fail(messageOf((error as Error).cause ?? error), error);
    } finally { await handle.close(); }
    const modified = Date.parse(response.headers.get("last-modified") ?? "");
    return {
      content: { sizeBytes, sha256: hash.digest("hex"), at: path }, mtimeSeconds: Number.isFinite(modified) ? Math.floor(modified / 1000) : 0, contentType: response.headers.get("content-type") ?? "",
      name: decodeURIComponent(new URL(url).pathname.split("/").filter((each) => each !== "").at(-1) ?? ""),
    };
  } finally { clearTimeout(timer); }
}
