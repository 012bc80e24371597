import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { SwarmError } from "../lib/index.js";

/**
 * Makes this process the only daemon of the state directory, until it ends in whatever way: the kernel holds the lock (flock) with the open
 * file, so none is ever stale. Node has no call for it; flock(1) sets it on the file description that it inherits and shares.
 */
export function lockStateDir(stateDir: string): () => void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const path = join(stateDir, "swarmd.lock");
  const file = openSync(path, "a+", 0o600);
  const { status, error } = spawnSync("flock", ["--nonblock", "3"], { stdio: ["ignore", "ignore", "ignore", file] });
  if (status !== 0) {
    const owner = readFileSync(path, "utf8").trim();
    closeSync(file);
    if (error) throw new SwarmError("FAILED_PRECONDITION", `Cannot lock "${path}": ${error.message}; install Debian's package "util-linux"`, { cause: error });
    throw new SwarmError("FAILED_PRECONDITION", `Cannot use the state directory "${stateDir}": another swarmd${owner ? ` (pid ${owner})` : ""} uses it; stop that one, or choose another --state-dir`);
  }
  ftruncateSync(file);
  writeSync(file, `${process.pid}\n`);
  return () => closeSync(file);
}
