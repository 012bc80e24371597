import { statfs } from "node:fs/promises";
import { SwarmError } from "../../lib/index.js";

const mostReserved = 256 * 1024 * 1024;

/**
 * Refuses what would fill the disk to its last byte, of which everybody else on the host would die too: 2 % stay free, at most 256 MiB.
 * With 0 bytes it tells whether that line is crossed now.
 */
export async function checkRoom(directory: string, bytes: number, action: string): Promise<void> {
  const disk = await statfs(directory);
  const reserved = Math.min(mostReserved, Math.floor(disk.blocks * disk.bsize / 50));
  const free = Math.max(0, disk.bavail * disk.bsize - reserved);
  if (free > 0 && bytes <= free) return;
  throw new SwarmError("FAILED_PRECONDITION", `Cannot ${action}: no space is left on the disk of "${directory}"${bytes > 0 ? `: it needs ${inWords(bytes)}, and ${inWords(free)} can be used` : ""}; free some, for example with "swarmctl image rm", and try again`);
}

const inWords = (bytes: number): string => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`);
