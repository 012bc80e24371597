import { chmod, lstat, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { SwarmError } from "../../lib/index.js";
import { KeyedLock } from "../keyed-lock.js";
import { runProgram } from "../runtime/program.js";
import { resolveInRoot } from "./root-path.js";

/** Named directories that outlive containers: volumes/<name>/_data. */
export class VolumeStore {
  #lock = new KeyedLock();
  private constructor(private readonly directory: string) {}

  static async open(directory: string): Promise<VolumeStore> {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(directory)) if (name.startsWith(".new-")) await rm(join(directory, name), { recursive: true, force: true });
    return new VolumeStore(directory);
  }

  /**
   * The volume's directory, made at first use with what the image holds at `target` (owner and mode too), as Docker does.
   * It appears under its name only when the copy is whole.
   */
  ensure(name: string, copyFrom: { rootfs: string; target: string } | undefined): Promise<string> {
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}$/.test(name)) throw new SwarmError("INVALID_ARGUMENT", `Volume name "${name.slice(0, 100)}" is not valid: use letters, digits, "_", "." and "-", beginning with a letter or digit`);
    return this.#lock.run(name, async () => {
      const final = join(this.directory, name);
      const data = join(final, "_data");
      if (await exists(data)) return data;
      const temporary = join(this.directory, `.new-${randomUUID()}`);
      const fresh = join(temporary, "_data");
      await mkdir(fresh, { recursive: true });
      await chmod(fresh, 0o755);
      try {
        if (copyFrom) await copyUp(await resolveInRoot(copyFrom.rootfs, copyFrom.target), fresh, name);
        await rename(temporary, final);
      } finally { await rm(temporary, { recursive: true, force: true }); }
      return data;
    });
  }

  async remove(name: string): Promise<void> {
    await this.#lock.run(name, async () => {
      const doomed = join(this.directory, `.new-${randomUUID()}`);
      await rename(join(this.directory, name), doomed).catch(() => {});
      await rm(doomed, { recursive: true, force: true });
    });
  }

  async list(): Promise<string[]> { return (await readdir(this.directory)).filter((name) => !name.startsWith(".")); }
}

async function copyUp(source: string, target: string, name: string): Promise<void> {
  const status = await lstat(source).catch(() => undefined);
  if (!status?.isDirectory()) return;
  // GNU cp: owners, modes, times, links, attributes; "/." copies the directory's own mode too.
  const copied = await runProgram("cp", ["--archive", "--", `${source}/.`, target]);
  if (copied.code !== 0) throw new SwarmError("INTERNAL", `cannot copy the image's files into volume "${name}": ${copied.stderr.trim().split("\n")[0]}`);
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
