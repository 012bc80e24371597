import { createHash, randomBytes } from "node:crypto";
import { chmod, chown, mkdir, readFile, readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KeyedLock, type Clock } from "../../lib/index.js";
import { runProgram } from "../runtime/program.js";
import { removeTree } from "../runtime/remove-tree.js";
import type { MountFlag } from "./core/mount-flag.js";

interface Note { readonly id: string; readonly createdAtMs: number; readonly lastUsedAtMs: number; readonly uses: number }
export interface CacheMountEntry extends Note { readonly key: string; readonly sizeBytes: number; readonly isInUse: boolean }

/** Directories of `RUN --mount=type=cache`: DIRECTORY/<key>/{data,note.json}. They outlive builds until they are pruned. */
export class CacheMounts {
  #inUse = new Map<string, number>();
  #locks = new KeyedLock();
  private constructor(private readonly directory: string, private readonly clock: Clock) {}

  static async open(directory: string, clock: Clock): Promise<CacheMounts> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await removeTree(...(await readdir(directory)).filter((name) => name.startsWith("new-")).map((name) => join(directory, name)));
    return new CacheMounts(directory, clock);
  }

  /** sharing=locked: one user after another. All at once, in one order, so that no two steps wait for each other. */
  async locked<T>(mounts: readonly MountFlag[], work: () => Promise<T>): Promise<T> {
    const ids = [...new Set(mounts.filter((mount) => mount.type === "cache" && mount.sharing === "locked").map((mount) => mount.id))].sort();
    const next = (index: number): Promise<T> => (index === ids.length ? work() : this.#locks.run(`use ${ids[index]!}`, () => next(index + 1)));
    return next(0);
  }

  /** Lends the directory to `work`; `fill` gives a new one its first contents. private: one that nobody else has. */
  async use<T>(mount: MountFlag, source: { readonly key: string; fill(directory: string): Promise<void> } | undefined, work: (path: string) => Promise<T>): Promise<T> {
    const base = createHash("sha256").update(JSON.stringify([mount.id, source?.key ?? ""])).digest("hex").slice(0, 40);
    const lend = async (key: string): Promise<T> => {
      this.#inUse.set(key, (this.#inUse.get(key) ?? 0) + 1);
      try { return await work(await this.#ensure(key, mount, source?.fill)); } finally {
        const left = this.#inUse.get(key)! - 1;
        if (left > 0) this.#inUse.set(key, left); else this.#inUse.delete(key);
      }
    };
    if (mount.sharing !== "private") return lend(base);
    for (let i = 0; ; i++) {
      const key = i === 0 ? base : `${base}-${i}`;
      if (!this.#inUse.has(key)) return lend(key);
    }
  }

  async entries(): Promise<CacheMountEntry[]> {
    return Promise.all((await readdir(this.directory)).filter((name) => !name.startsWith("new-")).map(async (key) => {
      const note = await readFile(join(this.directory, key, "note.json"), "utf8").then((text) => JSON.parse(text) as Note, () => ({ id: key, createdAtMs: 0, lastUsedAtMs: 0, uses: 0 }));
      const measured = await runProgram("du", ["--summarize", "--block-size=1", "--one-file-system", join(this.directory, key)]);
      return { ...note, key, sizeBytes: Number.parseInt(measured.stdout, 10) || 0, isInUse: this.#inUse.has(key) };
    }));
  }

  async remove(key: string): Promise<boolean> {
    return this.#locks.run(`make ${key}`, async () => {
      if (this.#inUse.has(key)) return false;
      const doomed = join(this.directory, `new-${randomBytes(6).toString("hex")}`);
      await rename(join(this.directory, key), doomed);
      await removeTree(doomed);
      return true;
    });
  }

  async #ensure(key: string, mount: MountFlag, fill: ((directory: string) => Promise<void>) | undefined): Promise<string> {
    const own = join(this.directory, key);
    const data = join(own, "data");
    await this.#locks.run(`make ${key}`, async () => {
      if (!await stat(data).catch(() => undefined)) {
        const temporary = join(this.directory, `new-${randomBytes(6).toString("hex")}`);
        try {
          await mkdir(join(temporary, "data"), { recursive: true, mode: 0o755 });
          await fill?.(join(temporary, "data"));
          await chown(join(temporary, "data"), mount.uid, mount.gid);
          await chmod(join(temporary, "data"), mount.mode ?? 0o755);
          await rename(temporary, own);
        } finally { await removeTree(temporary); }
      }
      const now = this.clock.now();
      const before = await readFile(join(own, "note.json"), "utf8").then((text) => JSON.parse(text) as Note, () => undefined);
      await writeFile(join(own, "note.json"), JSON.stringify({ id: mount.id, createdAtMs: before?.createdAtMs ?? now, lastUsedAtMs: now, uses: (before?.uses ?? 0) + 1 } satisfies Note));
    });
    return data;
  }
}
