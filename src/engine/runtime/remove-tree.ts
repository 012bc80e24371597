import { setTimeout as delay } from "node:timers/promises";
import { SwarmError } from "../../lib/index.js";
import { runProgram } from "./program.js";

const attempts = 20;
const retryMs = 50;

/**
 * Deletes directories that containers, images or builds have filled, whatever they have put there: paths longer than any system call takes, millions of files. That is done by
 * a program, since Node's own way needs whole paths and its event loop. What is mounted inside is left, and told; what is not there is fine.
 */
export async function removeTree(...paths: readonly string[]): Promise<void> {
  for (let attempt = 1; paths.length > 0; attempt++) {
    const removed = await runProgram("rm", ["--recursive", "--force", "--one-file-system", "--", ...paths]);
    if (removed.code === 0) return;
    // Programs of a daemon that was killed may still be ending in there.
    if (attempt === attempts) throw new SwarmError("INTERNAL", `cannot delete "${paths.join('", "')}": ${removed.stderr.trim().split("\n")[0]}`);
    await delay(retryMs);
  }
}
