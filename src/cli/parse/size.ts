import { SwarmError } from "../../lib/index.js";

const units: Readonly<Record<string, number>> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** "512m", "1.5g", "64KiB", "1048576" → bytes. Powers of 1024, as Docker has them. `flag` names the place in the sentence. */
export function parseSize(text: string, flag: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (!match) {
    throw new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag} as a size: write a number with a unit, such as 512m, 1.5g or 64k.`);
  }
  const bytes = Math.round(Number(match[1]) * units[match[2]!.toLowerCase()]!);
  if (!Number.isSafeInteger(bytes)) throw new SwarmError("INVALID_ARGUMENT", `The size "${text}" of ${flag} is larger than any machine: write one below 8192t.`);
  return bytes;
}
