import { SwarmError } from "../../lib/index.js";

const unitsMs: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** "10s", "1m30s", "500ms", "0" → milliseconds. */
export function parseDuration(text: string, flag: string): number {
  const word = text.trim();
  if (word === "0") return 0;
  let total = 0;
  let rest = word;
  while (rest) {
    const match = /^(\d+(?:\.\d+)?)(us|ms|s|m|h|d)/.exec(rest);
    if (!match) throw bad(text, flag);
    total += Number(match[1]) * unitsMs[match[2]!]!;
    rest = rest.slice(match[0].length);
  }
  if (word === "") throw bad(text, flag);
  return Math.round(total);
}

function bad(text: string, flag: string): SwarmError {
  const why = text.trim().startsWith("-") ? "it cannot be negative" : /^\d+(\.\d+)?$/.test(text.trim()) ? "its unit is missing" : "it is not a duration";
  return new SwarmError("INVALID_ARGUMENT", `Cannot read "${text}" of ${flag}: ${why}; write for example 10s, 1m30s or 500ms.`);
}
