import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError } from "../../lib/index.js";
import { hexOf } from "../content/blob-store.js";
import { decompress } from "../content/decompress.js";
import { KeyedLock } from "../keyed-lock.js";
import { runProgram } from "../runtime/program.js";

/**
 * Image layers, each unpacked once: snapshots/<diff id>/fs. A layer's files do not depend on the layers below it, so images that
 * put one layer on different bases share it. snapshots/l/ holds short links, because mount options are limited to one page.
 */
export class LayerStore {
  #lock = new KeyedLock();
  private constructor(readonly directory: string, private readonly monitorPath: string) {}

  static async open(directory: string, monitorPath: string): Promise<LayerStore> {
    await mkdir(join(directory, "l"), { recursive: true, mode: 0o700 });
    await mkdir(join(directory, "empty"), { recursive: true });
    for (const name of await readdir(directory)) if (name.startsWith("new-")) await rm(join(directory, name), { recursive: true, force: true });
    return new LayerStore(directory, monitorPath);
  }

  /** Unpacked bytes of the layer, or undefined if it is not here. */
  async sizeBytes(diffId: string): Promise<number | undefined> {
    const text = await readFile(join(this.directory, hexOf(diffId), "size"), "utf8").catch(() => undefined);
    return text === undefined ? undefined : Number(text);
  }

  /** Unpacks a layer's tar (plain, gzip or zstd) unless it is here; returns its unpacked size. The diff id is verified first. */
  unpack(diffId: string, source: () => AsyncIterable<Uint8Array>, onProgress?: (bytes: number) => void): Promise<number> {
    return this.#lock.run(diffId, async () => {
      const present = await this.sizeBytes(diffId);
      if (present !== undefined) { await this.#link(diffId); return present; }
      const temporary = join(this.directory, `new-${randomUUID()}`);
      const files = join(temporary, "fs");
      await mkdir(files, { recursive: true });
      try {
        const { digest, size } = await this.#extract(source(), files, onProgress);
        if (digest !== diffId) throw new SwarmError("DATA_LOSS", `a layer does not match its digest: the image's config says ${diffId}, its unpacked contents are ${digest}`);
        const whiteouts = await runProgram(this.monitorPath, ["apply-whiteouts", files]);
        if (whiteouts.code !== 0) throw new SwarmError("INTERNAL", `cannot unpack layer ${diffId.slice(0, 19)}: ${whiteouts.stderr.trim()}`);
        await writeFile(join(temporary, "size"), String(size));
        await rename(temporary, join(this.directory, hexOf(diffId)));
        await this.#link(diffId);
        return size;
      } finally { await rm(temporary, { recursive: true, force: true }); }
    });
  }

  /** lowerdir for overlayfs, topmost first, relative to `directory`. */
  lowerDirs(diffIds: readonly string[]): string {
    if (diffIds.length === 0) return "empty";
    return [...new Set([...diffIds].reverse())].map((id) => `l/${shortOf(id)}`).join(":");
  }

  async list(): Promise<string[]> {
    return (await readdir(this.directory)).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((hex) => `sha256:${hex}`);
  }

  async delete(diffId: string): Promise<void> {
    await this.#lock.run(diffId, async () => {
      await rm(join(this.directory, "l", shortOf(diffId)), { force: true });
      const doomed = join(this.directory, `new-${randomUUID()}`);
      await rename(join(this.directory, hexOf(diffId)), doomed).catch(() => {});
      await rm(doomed, { recursive: true, force: true });
    });
  }

  async #link(diffId: string): Promise<void> {
    await symlink(join("..", hexOf(diffId), "fs"), join(this.directory, "l", shortOf(diffId))).catch((error: NodeJS.ErrnoException) => { if (error.code !== "EEXIST") throw error; });
  }

  // GNU tar because it keeps devices, FIFOs, sparse files, capabilities and hard links; it drops leading "/" and "..", and delays links that
  // point outside until everything else is written, so no entry can be written through one.
  async #extract(source: AsyncIterable<Uint8Array>, target: string, onProgress?: (bytes: number) => void): Promise<{ digest: string; size: number }> {
    const tar = spawn("tar", ["--extract", "--file=-", `--directory=${target}`, "--xattrs", "--xattrs-include=*", "--numeric-owner", "--same-permissions", "--same-owner",
      "--delay-directory-restore", "--warning=no-timestamp", "--warning=no-unknown-keyword"], { stdio: ["pipe", "ignore", "pipe"] });
    let complaint = "";
    tar.stderr.on("data", (text) => { complaint = (complaint + String(text)).slice(0, 2000); });
    const exited = new Promise<number>((resolve, reject) => {
      tar.on("error", (error) => reject(new SwarmError("FAILED_PRECONDITION", `cannot unpack a layer: ${error.message}; install GNU tar`, { cause: error })));
      tar.on("close", (code) => resolve(code ?? 1));
    });
    exited.catch(() => {});
    let wake: (() => void) | undefined;
    let isOpen = true;
    const onWake = () => wake?.();
    tar.stdin.on("error", () => { isOpen = false; onWake(); }).on("drain", onWake).on("close", () => { isOpen = false; onWake(); });
    const hash = createHash("sha256");
    let size = 0;
    try {
      for await (const chunk of decompress(source)) {
        hash.update(chunk);
        size += chunk.length;
        onProgress?.(size);
        // A tar that has failed says why below; the digest is still computed to its end.
        if (isOpen && !tar.stdin.write(chunk)) { await new Promise<void>((resolve) => { wake = resolve; if (!isOpen) resolve(); }); wake = undefined; }
      }
    } catch (error) { tar.kill("SIGKILL"); await exited.catch(() => {}); throw error; }
    tar.stdin.end();
    const code = await exited;
    if (code !== 0) throw new SwarmError("INVALID_ARGUMENT", `cannot unpack a layer: ${complaint.trim().split("\n").slice(0, 3).join("; ") || `tar failed with code ${code}`}`);
    return { digest: `sha256:${hash.digest("hex")}`, size };
  }
}

const shortOf = (diffId: string): string => hexOf(diffId).slice(0, 12);
