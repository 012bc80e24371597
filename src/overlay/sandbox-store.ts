import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SwarmError, messageOf, type Logger } from "../lib/index.js";
import type { SandboxRecord } from "./core/sandbox.js";

/** Records of sandboxes on disk, one small file each, so that the next daemon knows what the kernel holds and why. */
export class SandboxStore {
  readonly #dir: string;
  readonly #log: Logger;
  constructor(dir: string, log: Logger) { this.#dir = dir; this.#log = log; }

  async load(): Promise<SandboxRecord[]> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const records: SandboxRecord[] = [];
    for (const name of await readdir(this.#dir)) {
      // A daemon was killed while it wrote; the record that it replaces, if any, is whole.
      if (name.endsWith(".json.tmp")) await rm(join(this.#dir, name), { force: true });
      if (!name.endsWith(".json")) continue;
      try {
        const record = JSON.parse(await readFile(join(this.#dir, name), "utf8")) as SandboxRecord;
        if (`${record.id}.json` !== name || !Array.isArray(record.interfaces)) throw new Error("it does not describe the sandbox that it is named for");
        records.push(record);
      } catch (error) {
        // The sandbox is then an orphan of the kernel: list() names it and its owner attaches or detaches it again.
        this.#log.warn("left out an unreadable sandbox record", { file: join(this.#dir, name), error: messageOf(error) });
      }
    }
    return records;
  }

  async save(record: SandboxRecord): Promise<void> {
    const path = join(this.#dir, `${record.id}.json`);
    try {
      await writeFile(`${path}.tmp`, JSON.stringify(record), { mode: 0o600 });
      await rename(`${path}.tmp`, path);
    } catch (error) {
      await rm(`${path}.tmp`, { force: true }).catch(() => {});
      const isFull = (error as NodeJS.ErrnoException).code === "ENOSPC";
      throw new SwarmError("FAILED_PRECONDITION", `Cannot attach "${record.id}" to its networks: its record in "${this.#dir}" cannot be written (${isFull ? "no space is left on the disk; free some" : messageOf(error)})`, { cause: error });
    }
  }

  async remove(id: string): Promise<void> { await rm(join(this.#dir, `${id}.json`), { force: true }); }
  async removeAll(): Promise<void> { await rm(this.#dir, { recursive: true, force: true }); }
}
