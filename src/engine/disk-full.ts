import { SwarmError } from "../lib/index.js";

/** Says in a sentence what the kernel says in a word, for work that fills disks. Not retryable: another node may have room. */
export async function diskFull<T>(what: string, directory: string, work: Promise<T>): Promise<T> {
  try { return await work; } catch (error) {
    const code = reasonOf(error);
    if (!code) throw error;
    const reason = code === "EDQUOT" ? "its quota is used up" : "no space is left";
    throw new SwarmError("FAILED_PRECONDITION", `Cannot ${what}: ${reason} on the disk of "${directory}"; free some, for example with "swarmctl image rm", and try again`, { cause: error });
  }
}

/** Also below an error that passes another on. */
function reasonOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code } = at as { code?: string };
    if (code === "ENOSPC" || code === "EDQUOT") return code;
    if (/No space left on device/.test(at.message)) return "ENOSPC";
  }
  return undefined;
}
