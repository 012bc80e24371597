import { SwarmError } from "../../lib/index.js";

/** "512k", "10m", "1.5gb"; "-1": no limit, as 0. */
export function parseSize(option: string, text: string): number {
  if (text === "-1") return 0;
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[unit.toLowerCase()]!);
  if (!(bytes >= 1)) throw new SwarmError("INVALID_ARGUMENT", `Log option ${option} "${text}" is not valid; write it like 512k, 10m or 1g`);
  return bytes;
}

export function parseCount(option: string, text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new SwarmError("INVALID_ARGUMENT", `Log option ${option} "${text}" is not valid; use a number from 1 to 999`);
  return Number(text);
}

export function parseSwitch(option: string, text: string): boolean {
  if (!["true", "false", "1", "0"].includes(text)) throw new SwarmError("INVALID_ARGUMENT", `Log option ${option} "${text}" is not valid; use true or false`);
  return text === "true" || text === "1";
}
