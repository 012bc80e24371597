// One process at a time: two that wrote one log would each overwrite what the other acknowledged. A file names who has the directory; of one that died it stays behind, and is taken over.
import { link, readFile, realpath, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RaftError } from "../api.js";

const waitMs = 100;

/** Directories that this process has. */
const held = new Set<string>();

/** Resolves with what gives the directory back. RaftError "storage": another process has it, and did not end within `patienceMs`, as the one before this may be about to. */
export async function lockDirectory(directory: string, patienceMs = 10_000): Promise<() => Promise<void>> {
  const key = await realpath(directory);
  if (held.has(key)) throw inUse(directory, process.pid);
  held.add(key);
  const path = join(directory, "lock");
  try { await take(directory, path, patienceMs); } catch (error) { held.delete(key); throw error; }
  return async () => {
    await rm(path, { force: true });
    held.delete(key);
  };
}

async function take(directory: string, path: string, patienceMs: number): Promise<void> {
  const own = `${path}.${process.pid}`;
  await writeFile(own, `${process.pid} ${await startOf(process.pid) ?? ""}\n`, { mode: 0o600 });
  try {
    for (let waitedMs = 0; ; waitedMs += waitMs) {
      // A link appears with its content, and fails where there is one.
      const isTaken = await link(own, path).then(() => true, (error: NodeJS.ErrnoException) => { if (error.code === "EEXIST") return false; throw error; });
      if (isTaken) return;
      const found = await readFile(path, "utf8").catch(() => "");
      const holder = await holderIn(found);
      if (waitedMs >= patienceMs) throw holder === undefined ? new RaftError("storage", `Cannot open the Raft log in "${directory}": its file "lock" cannot be taken over; remove it if nothing runs there`) : inUse(directory, holder);
      if (holder === undefined) await moveAway(path, found);
      else await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  } finally { await rm(own, { force: true }); }
}

/** Only what was looked at: meanwhile another may have put its own there. */
async function moveAway(path: string, expected: string): Promise<void> {
  const aside = `${path}.${process.pid}.old`;
  const isMoved = await rename(path, aside).then(() => true, () => false);
  if (!isMoved) return;
  if (await readFile(aside, "utf8") !== expected) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

/** The process that a lock file names, if that still runs. This one has it no more, or `held` would say so. */
async function holderIn(content: string): Promise<number | undefined> {
  const [pid, start] = content.trim().split(" ");
  const holder = Number(pid);
  if (!Number.isSafeInteger(holder) || holder <= 0 || holder === process.pid) return undefined;
  if (start !== undefined && start !== "") return await startOf(holder) === start ? holder : undefined;
  try { process.kill(holder, 0); } catch (error) { return (error as NodeJS.ErrnoException).code === "EPERM" ? holder : undefined; }
  return holder;
}

/** When a process began, so that another that got its number later is told apart, also after a reboot. undefined: it does not run, or this system does not say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([readFile(`/proc/${pid}/stat`, "utf8"), readFile("/proc/sys/kernel/random/boot_id", "utf8")]);
    // The name before it may hold anything, also blanks and brackets: starttime is the 20th field behind the last bracket (proc_pid_stat(5)).
    return `${boot.trim()}/${stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]}`;
  } catch { return undefined; }
}

const inUse = (directory: string, pid: number): RaftError =>
  new RaftError("storage", `Cannot open the Raft log in "${directory}": ${pid === process.pid ? "this process" : `process ${pid}`} has it open already; end that first, or give this member a directory of its own`);
