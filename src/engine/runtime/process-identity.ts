import { readFile } from "node:fs/promises";
import { constants } from "node:os";
import { SwarmError } from "../../lib/index.js";

/** A pid is used again; together with its start time (field 22 of /proc/PID/stat) it names one process. */
export interface ProcessIdentity { readonly pid: number; readonly startTime: number }

/** A zombie counts as gone. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (identity.pid <= 0) return false;
  const text = await readFile(`/proc/${identity.pid}/stat`, "utf8").catch(() => "");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return fields[0] !== "Z" && fields[0] !== "X" && Number(fields[19]) === identity.startTime;
}

/** Sends a signal to that process only; false if it is gone. */
export async function signalProcess(identity: ProcessIdentity, signal: number): Promise<boolean> {
  if (!(await isAlive(identity))) return false;
  try { process.kill(identity.pid, signal); return true; } catch { return false; }
}

/** "TERM", "SIGTERM", "15", "SIGRTMIN+3". */
export function signalNumber(name: string): number {
  const refuse = (): never => { throw new SwarmError("INVALID_ARGUMENT", `Signal "${name}" is not known; use a name such as SIGTERM or a number from 1 to 64`); };
  if (/^\d+$/.test(name)) return Number(name) >= 1 && Number(name) <= 64 ? Number(name) : refuse();
  const full = name.toUpperCase().startsWith("SIG") ? name.toUpperCase() : `SIG${name.toUpperCase()}`;
  const realtime = /^SIGRTM(IN|AX)(?:([+-])(\d+))?$/.exec(full);
  if (realtime) {
    const number = (realtime[1] === "IN" ? 34 : 64) + (realtime[2] === "-" ? -1 : 1) * Number(realtime[3] ?? 0);
    return number >= 34 && number <= 64 ? number : refuse();
  }
  return (constants.signals as Record<string, number>)[full] ?? refuse();
}
