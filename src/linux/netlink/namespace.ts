import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Libc } from "./libc.js";

const cloneNewNet = 0x40000000, msBind = 0x1000, mntDetach = 2;
const einval = 22, enoent = 2;

/**
 * Runs `work` with the calling thread in another network namespace, and brings it back. Strictly synchronous: nothing else runs on this thread
 * meanwhile, and other threads have namespaces of their own. A thread that cannot come back would start children and sockets in a
 * container's namespace: then the process ends.
 */
function elsewhere<T>(libc: Libc, enter: () => void, work: () => T): T {
  const home = openSync("/proc/thread-self/ns/net", "r");
  try {
    enter();
    try { return work(); } finally {
      if (libc.setns(home, cloneNewNet) < 0) {
        process.stderr.write(`cannot return to the host's network namespace: ${libc.errorOf(libc.errno())}\n`);
        process.abort();
      }
    }
  } finally { closeSync(home); }
}

/** In the namespace that `path` leads to. */
export function inNamespace<T>(libc: Libc, path: string, work: () => T): T {
  const target = openSync(path, "r");
  try {
    return elsewhere(libc, () => { if (libc.setns(target, cloneNewNet) < 0) throw new Error(`cannot enter the network namespace ${path}: ${libc.errorOf(libc.errno())}`); }, work);
  } finally { closeSync(target); }
}

/** A new namespace that lives by a mount at `path`; `work` runs inside it. What was at `path` is replaced. */
export function makeNamespace<T>(libc: Libc, path: string, work: () => T): T {
  removeNamespace(libc, path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  writeFileSync(path, "", { mode: 0o444 });
  try {
    return elsewhere(libc, () => { if (libc.unshare(cloneNewNet) < 0) throw new Error(`cannot make a network namespace: ${libc.errorOf(libc.errno())}`); }, () => {
      // First, so that a namespace at this path is one that is ready.
      const made = work();
      if (libc.mount("/proc/thread-self/ns/net", path, null, msBind, null) < 0) throw new Error(`cannot mount a network namespace at ${path}: ${libc.errorOf(libc.errno())}`);
      return made;
    });
  } catch (error) { removeNamespace(libc, path); throw error; }
}

/** Mounts a namespace that lives elsewhere at `path`. */
export function keepNamespace(libc: Libc, path: string, source: string): void {
  removeNamespace(libc, path);
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  writeFileSync(path, "", { mode: 0o444 });
  if (libc.mount(source, path, null, msBind, null) < 0) throw new Error(`cannot mount ${source} at ${path}: ${libc.errorOf(libc.errno())}`);
}

/** The mount and its file; the namespace itself goes with the last process in it, in a kernel thread. Not there: nothing. */
export function removeNamespace(libc: Libc, path: string): void {
  for (;;) {
    if (libc.umount2(path, mntDetach) === 0) continue;   // mounted twice by a daemon that was killed in between
    const errno = libc.errno();
    if (errno !== einval && errno !== enoent) throw new Error(`cannot unmount the network namespace ${path}: ${libc.errorOf(errno)}`);
    break;
  }
  rmSync(path, { force: true });
}
