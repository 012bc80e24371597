import { rm, writeFile } from "node:fs/promises";
import type { AbstractSublevel } from "abstract-level";
import { type Level } from "level";
import { SwarmError, messageOf } from "../lib/index.js";

type Db = Level<string, unknown>;
export type Table = AbstractSublevel<Db, string | Buffer | Uint8Array, string, any>;
export type Change = { readonly type: "put"; readonly sublevel: Table; readonly key: string; readonly value: unknown } | { readonly type: "del"; readonly sublevel: Table; readonly key: string };

interface Waiting { readonly changes: readonly Change[]; readonly isSynced: boolean; resolve(): void; reject(error: unknown): void }

/** Opening again writes the log of at most 4 MiB into a table before the log goes. */
const reserveBytes = 4 * 1024 * 1024;

/**
 * The one hand that writes the database. After an append that failed (a full disk), LevelDB goes on behind the bytes that are missing: it acknowledges what
 * its next recovery throws away, and once a table could not be written it refuses everything. So a database that has failed is opened again before
 * anything else is written, and at any time there is one write: what waits goes together, which is also one sync for all.
 */
export class DatabaseWriter {
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;
  #isBroken = false;
  #hasReserve = false;

  private constructor(private readonly db: Db, private readonly path: string) {}

  static async open(db: Db, path: string): Promise<DatabaseWriter> {
    const writer = new DatabaseWriter(db, path);
    await writer.#keepReserve();
    return writer;
  }

  /** All of it or nothing, and in the order of the calls. */
  write(changes: readonly Change[], { isSynced = false } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ changes, isSynced, resolve, reject });
      this.#writing ??= this.#writeAll();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.db.close();
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const together = this.#waiting.splice(0);
      try {
        await this.#attempt(together);
        for (const { resolve } of together) resolve();
      } catch (error) {
        const why = messageOf((error as Error).cause ?? error);
        const failure = new SwarmError("FAILED_PRECONDITION", /No space left|quota exceeded/i.test(why)
          ? `Cannot write the engine's database: no space is left on the disk of "${this.path}"; free some, for example by removing containers or images, and try again` : `Cannot write the engine's database "${this.path}": ${why}`, { cause: error });
        for (const { reject } of together) reject(failure);
      }
    }
    this.#writing = undefined;   // in the turn that saw nobody wait: who comes later begins anew
  }

  async #attempt(together: readonly Waiting[]): Promise<void> {
    if (!this.#isBroken) {
      try { return await this.#batch(together); } catch { this.#isBroken = true; }
    }
    try { await this.#reopen(); } catch (error) {
      // Who removes something on a full disk must be able to.
      if (!this.#hasReserve || !together.some(({ changes }) => changes.some(({ type }) => type === "del"))) throw error;
      await this.#spendReserve();
      await this.#reopen();
    }
    try { await this.#batch(together); } catch (error) { this.#isBroken = true; throw error; }
    await this.#keepReserve();
  }

  #batch(together: readonly Waiting[]): Promise<void> {
    // Encoded by each table; the types of a batch over tables of several kinds are wider than what a table takes.
    const batch = this.db.batch();
    for (const { changes } of together) for (const change of changes) if (change.type === "put") batch.put(change.key, change.value as never, { sublevel: change.sublevel }); else batch.del(change.key, { sublevel: change.sublevel });
    return batch.write({ sync: together.some(({ isSynced }) => isSynced) });
  }

  async #reopen(): Promise<void> {
    await this.db.close();
    await this.db.open();
    this.#isBroken = false;
  }

  get #reserve(): string { return `${this.path}.reserve`; }

  async #spendReserve(): Promise<void> {
    this.#hasReserve = false;
    await rm(this.#reserve, { force: true });
  }

  async #keepReserve(): Promise<void> {
    if (this.#hasReserve) return;
    try { await writeFile(this.#reserve, Buffer.alloc(reserveBytes), { mode: 0o600 }); this.#hasReserve = true; } catch { await rm(this.#reserve, { force: true }); }
  }
}
