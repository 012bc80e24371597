import { readFileSync } from "node:fs";
import { SwarmError, messageOf } from "../../lib/index.js";

/** A secret from a file, "-" being standard input: what stands on a command line can be read by every user of the host, in /proc. */
export function readSecret(path: string, flag: string): string {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot read the file of ${flag}: ${messageOf(error)}.`, { cause: error });
  }
}
