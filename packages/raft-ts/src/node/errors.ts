// The errors that a node gives to its callers.
import { RaftError, type RaftId } from "../api.js";
import { LostLogError } from "../core/raft.js";

export const droppedError = (): RaftError => new RaftError("dropped", "Leadership was lost before the entry was committed: it may or may not take effect; look before trying again");
export const removedError = (): RaftError => new RaftError("removed", "This member was removed from the group");
export const closedError = (): RaftError => new RaftError("closed", "The Raft node is closed");

/** An error of the operating system; others have codes too, of other kinds. */
export function isDiskError(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code);
}

export function asStorageError(error: unknown, directory: string): Error {
  if (error instanceof RaftError) return error;
  if (error instanceof LostLogError) return new RaftError("corrupt", `Cannot go on with the Raft log in "${directory}": ${error.message}; remove this member and let it join again under a new id`);
  if (!isDiskError(error)) return error as Error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new RaftError("storage", `Cannot read or write the Raft log in "${directory}": ${message}${code === "ENOSPC" ? "; free space on that disk and start again" : ""}`, { cause: error });
}

/** Of what callers hand in: `what` is the subject of a sentence. */
export function checkBytes(bytes: unknown, what: string): void {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`${what} is a Uint8Array, not ${bytes === null ? "null" : Array.isArray(bytes) ? "an array" : typeof bytes === "object" ? `a ${bytes.constructor?.name ?? "bare object"}` : `a value of type ${typeof bytes}`}: encode it first`);
}

export function checkId(id: RaftId): void {
  if (!Number.isSafeInteger(id) || id <= 0 || id >= 2 ** 48) throw new RangeError(`Raft id ${id} is not a positive integer below 2^48`);
}
